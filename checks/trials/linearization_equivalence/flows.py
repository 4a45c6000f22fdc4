r"""Trials of the linearization: networks trained adversarially against their linearized systems."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from jaxtyping import Array

from advntk.checks.axes import WIDTH
from advntk.checks.deciders.rate import RateDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between, Choice
from advntk.checks.trial import Observation
from advntk.checks.trials.shared.building import dense_seconds, network_trial
from advntk.checks.trials.shared.gaps import (
    FINE,
    FRACTIONS,
    KINKED_FINE,
    KINKED_ROUGH,
    ROUGH,
    TIMES,
    Steps,
    largest_gaps,
    linear_outputs,
)
from advntk.checks.trials.shared.linear_systems import flow_memory, linear_systems, networks, setting
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.checks.trials.shared.stated_search import search_error
from advntk.implementations.dynamics.adversarial_training import train_seeds
from advntk.implementations.results import first_failure
from advntk.theorems.assumptions import NON_SMOOTH, SMOOTH

UNSEEN = 6

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
        "linearization_equivalence.adversarial": _BOTH,
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


def _gaps(scenario: Scenario, keys: Array, fine: Steps, rough: Steps) -> Observation:
    arch, points, limits, end = setting(scenario, UNSEEN)
    forward, parameters = networks(scenario, arch, keys)
    times = end * jnp.linspace(0.0, 1.0, TIMES)
    linear, of_linear = linear_outputs(
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
    gaps = largest_gaps(found.outputs - linear, scenario.samples, size)
    errors = largest_gaps(found.outputs - rougher.outputs, scenario.samples, size)
    # Without a search in either they would agree as well: at the start it must be the one that is stated.
    searched = found.outputs[:, 0, -1, : scenario.samples]
    unit = float(jnp.diagonal(limits.ark)[: scenario.samples].mean())
    off = search_error(scenario, unit, forward, parameters, points, searched) / size
    gaps = {name: jnp.maximum(gap, off) if name.startswith("searched") else gap for name, gap in gaps.items()}
    # A gap within the integration's own uncertainty says nothing of the width.
    resolved = {
        name: jnp.where((result == 0) & (errors[name] <= gap), gap, jnp.nan) for name, gap in gaps.items()
    }
    values = {**resolved, "integration_error": errors["searched_training"], "steps": found.steps}
    phase = {name: resolved[name] for name in ("searched_training", "searched_unseen")}
    phase["strength"] = jnp.full(len(result), scenario.strength)
    return Observation(values, {"phase": phase}, result)
