r"""Trials of the linearization: networks trained adversarially against their linearized systems."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.checks.axes import WIDTH
from advntk.checks.deciders.rate import RateDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between, Choice
from advntk.checks.trial import Observation
from advntk.checks.trials.shared.building import dense_seconds, network_trial
from advntk.checks.trials.shared.linear_systems import (
    LinearSystem,
    flow_memory,
    linear_systems,
    networks,
    setting,
)
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.checks.trials.shared.stated_search import stated_strengths
from advntk.implementations.dynamics.adversarial_training import Points, train_seeds
from advntk.implementations.dynamics.linearized import integrate, outputs
from advntk.implementations.dynamics.regularization import search_growth
from advntk.implementations.results import first_failure
from advntk.theorems.assumptions import NON_SMOOTH, SMOOTH

UNSEEN = 6
TIMES, FRACTIONS = 5, 3
# Tolerance, largest and least step of the run that is used, and of a rougher one at ten times its tolerance.
# That one is off by about ten times as much, so that their distance overestimates the error of the first.
FINE, ROUGH = (1e-4, 0.5, 1e-6), (1e-3, 1.0, 1e-6)
# Kinks stop any integrator from being as exact; the distance between the two runs says how exact it is.
KINKED_FINE, KINKED_ROUGH = (3e-3, 0.5, 1 / 8), (1e-2, 1.0, 1 / 4)

# Networks that are trained: a rate over widths, shallow where each depth would cost programs.
FLOW = Effort(
    quick=Measure(2, 32, (32, 64, 128, 256), looks=4, held=(("depth", 1),)),
    standard=Measure(2, 24, (32, 64, 128, 256, 512, 1024), looks=4),
    thorough=Measure(12, 32, (32, 64, 128, 256, 512, 1024, 2048), looks=5),
)
# The same with the seeds that a refutation takes.
CONTRAST = Effort(
    quick=Measure(1, 80, (64, 128, 256, 512), looks=3),
    standard=Measure(2, 80, (64, 128, 256, 512), looks=3),
    thorough=Measure(4, 64, (64, 128, 256, 512, 1024, 2048), looks=4),
)

_COMMON: dict[str, Choice] = {
    "sigma_b": Between(0.0, 0.5),
    "samples": (4,),
    "outputs": (2,),
    "schedule": ("constant", "growing", "decaying", "oscillating", "early_stopped"),
    "spread": (0.0, 0.5),
    "training_time": Between(0.5, 2.0),
    "data_seed": tuple(range(8)),
}
_BOTH = [RateDecider("searched_training", 0.5), RateDecider("searched_unseen", 0.5)]


@network_trial(
    decides={
        "linearization_equivalence.clean": [
            RateDecider("clean_training", 0.5),
            RateDecider("clean_unseen", 0.5),
        ],
        "linearization_equivalence.adversarial": [*_BOTH, RateDecider("searched_at_start", 0.5)],
    },
    space=ADVERSARIAL_TRAINING.over(
        depth=(1, 2, 3),
        activation=SMOOTH,
        sigma_w=Between(1.1, 1.7),
        parameterization=("ntk", "standard"),
        # Stronger searches need wider networks than those of a quick sweep before any rate shows.
        strength=Between(0.1, 0.4),
        **_COMMON,
    ),
    sweep=WIDTH,
    effort=FLOW,
    memory=partial(flow_memory, unseen=UNSEEN),
    seconds=dense_seconds,
)
def joint_flow(scenario: Scenario, keys: Array) -> Observation:
    """Sup over times (and fractions of the search) of the gap to the linearized network, all widths grow."""
    return _gaps(scenario, keys, FINE, ROUGH)


@network_trial(
    decides={"linearization_equivalence.fixed_input": _BOTH},
    space=ADVERSARIAL_TRAINING.over(
        depth=(1,),
        activation=SMOOTH,
        sigma_w=Between(1.3, 1.7),
        input_growth=("fixed",),
        input_width=(8, 16),
        strength=Between(0.3, 0.5),
        **_COMMON,
    ),
    sweep=WIDTH,
    effort=CONTRAST,
    memory=partial(flow_memory, unseen=UNSEEN),
    seconds=dense_seconds,
)
def fixed_input_flow(scenario: Scenario, keys: Array) -> Observation:
    """The same gap with the input width fixed."""
    return _gaps(scenario, keys, FINE, ROUGH)


@network_trial(
    decides={"linearization_equivalence.nonsmooth": _BOTH},
    space=ADVERSARIAL_TRAINING.over(
        depth=(1,),
        activation=NON_SMOOTH,
        sigma_w=Between(1.1, 1.7),
        strength=Between(0.1, 0.3),
        **_COMMON,
    ),
    sweep=WIDTH,
    effort=FLOW,
    memory=partial(flow_memory, unseen=UNSEEN),
    seconds=dense_seconds,
)
def kinked_flow(scenario: Scenario, keys: Array) -> Observation:
    """The same gap for activations with a kink."""
    return _gaps(scenario, keys, KINKED_FINE, KINKED_ROUGH)


Steps = tuple[float, ...]


def _gaps(scenario: Scenario, keys: Array, fine: Steps, rough: Steps) -> Observation:
    arch, points, limits, end = setting(scenario, UNSEEN)
    forward, parameters = networks(scenario, arch, keys)
    times = end * jnp.linspace(0.0, 1.0, TIMES)
    linear, of_linear = _linear_outputs(
        linear_systems(forward, parameters, points.x), points, times, scenario.samples
    )
    found, rougher = (
        train_seeds(forward, parameters, points, scenario.samples, times, FRACTIONS, *steps)
        for steps in (fine, rough)
    )
    result = first_failure(found.result, of_linear)
    # Relative to the initial residual, of order one at every width: networks then differ less.
    start = found.outputs[:, 0, 0, : scenario.samples] - points.y[None, : scenario.samples]
    size = jnp.sqrt((start**2).mean((1, 2)))
    gaps = _sup(found.outputs - linear, scenario.samples, size)
    errors = _sup(found.outputs - rougher.outputs, scenario.samples, size)
    # A gap within the integration's own uncertainty says nothing of the width.
    resolved = {
        name: jnp.where((result == 0) & (errors[name] <= gap), gap, jnp.nan) for name, gap in gaps.items()
    }
    # Without a search in either they agree as well: at the start it is that of the strengths stated.
    ark = jnp.diagonal(limits.ark)[: scenario.samples]
    growth = jnp.exp(jnp.asarray(stated_strengths(scenario, 0.0)) * ark / ark.mean())
    left = found.outputs[:, 0, -1, : scenario.samples] - points.y[None, : scenario.samples]
    off = jnp.sqrt(((left - growth[None, :, None] * start) ** 2).mean((1, 2))) / size
    resolved["searched_at_start"] = jnp.where(result == 0, off, jnp.nan)
    values = {**resolved, "integration_error": errors["searched_training"], "steps": found.steps}
    phase = {name: resolved[name] for name in ("searched_training", "searched_unseen")}
    phase["strength"] = jnp.full(len(result), scenario.strength)
    return Observation(values, {"phase": phase}, result)


@jax.jit(static_argnames=("samples",))
def _linear_outputs(
    system: LinearSystem, points: Points, times: Array, samples: int
) -> tuple[Float[Array, "s times fractions p c"], Array]:
    """Outputs of the linearized network at the same times and fractions, and the result of its integrator."""
    seen = points.schedule.take(samples)

    def one(one_seed: LinearSystem) -> tuple[Array, Array]:
        ntk, ark, initial = one_seed
        residual = initial[:samples] - points.y[:samples]
        flow = integrate(ntk[:samples, :, :samples], ark[:samples], residual, seen, times, 1e-8)

        def at(t: Array, integral: Array) -> Array:
            left = outputs(initial, ntk[:, :, :samples], integral) - points.y

            def after(fraction: Array) -> Array:
                growth = search_growth(ark, fraction * points.schedule.strengths(t))
                return points.y + jnp.einsum("iab,ib->ia", growth, left)

            return jax.vmap(after)(jnp.linspace(0.0, 1.0, FRACTIONS))

        return jax.vmap(at)(times, flow.integrals), flow.result

    # A loop, as in integrate_seeds.
    return jax.lax.map(one, system)


@partial(jax.jit, static_argnames=("samples",))
def _sup(
    difference: Float[Array, "s times fractions p c"], samples: int, unit: Float[Array, " s"]
) -> dict[str, Float[Array, " s"]]:
    """Largest root mean square over points and outputs, along times and fractions, per seed."""
    found = {}
    for place, part in (("training", difference[..., :samples, :]), ("unseen", difference[..., samples:, :])):
        size = jnp.sqrt((part**2).mean((-2, -1))) / unit[:, None, None]
        found[f"clean_{place}"] = size[:, :, 0].max(1)
        found[f"searched_{place}"] = size.max((1, 2))
    return found
