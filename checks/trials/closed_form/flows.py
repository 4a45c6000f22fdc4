r"""Trials of the closed form: against the integrated flow, and its commutator."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.enclosure import EnclosureDecider
from advntk.checks.efforts import EXACT
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between, Choice
from advntk.checks.trial import Observation, Premise
from advntk.checks.trials.shared.building import dense_seconds, network_trial
from advntk.checks.trials.shared.certificates import evaluation_errors
from advntk.checks.trials.shared.linear_systems import (
    LinearSystem,
    flow_memory,
    linear_systems,
    networks,
    setting,
)
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.checks.trials.shared.stated_search import stated_strengths, stated_xi
from advntk.implementations.dynamics.adversarial_training import Points
from advntk.implementations.dynamics.closed_form import closed_form
from advntk.implementations.dynamics.linearized import (
    LinearFlow,
    integrate_seeds,
    integrated_search,
    searched_residual,
)
from advntk.implementations.dynamics.magnus import predicted_defect
from advntk.implementations.dynamics.regularization import xi_blocks
from advntk.implementations.dynamics.schedules import Schedule
from advntk.implementations.kernels.empirical import input_jacobians
from advntk.implementations.results import first_failure
from advntk.theorems.assumptions import ACTIVATIONS

# Beyond this the reference integration is too stiff for its tolerance, and stops early.
INTEGRABLE = Premise("exponent", 1e10, "the largest eigenvalue of Theta times that of Xi")
EQUAL = 1e-9  # what the claims call equal, relative to the initial residual
INTEGRATION = 1e-12  # tolerance of the reference integration, a thousandth of that
# Where the flow is looked at, as fractions of the time that it is integrated to.
FRACTIONS = np.array([0.125, 0.25, 0.5, 0.75, 1.0])

_NETWORKS: dict[str, Choice] = {
    "depth": (1, 2, 3),
    "activation": ACTIVATIONS,
    "sigma_w": Between(1.1, 1.8),
    "sigma_b": Between(0.0, 0.5),
    "parameterization": ("ntk", "standard"),
    "input_growth": ("fixed",),
    "input_width": (32,),
    "width": (32,),
    "data_seed": tuple(range(8)),
}


@network_trial(
    decides={"closed_form.search": [BoundDecider("relative_error", "allowed", "at most")]},
    space=ADVERSARIAL_TRAINING.over(
        samples=(4,), outputs=(2, 3), strength=Between(0.1, 3.0), spread=(0.0, 0.5), **_NETWORKS
    ),
    effort=EXACT,
    memory=flow_memory,
    seconds=dense_seconds,
)
def linear_search(scenario: Scenario, keys: Array) -> dict[str, Array]:
    """The search of a network linear in x, integrated in input space, against the exponential.

    The one takes its strengths from the schedule, the other from what the scenario states.
    """
    arch, points, limits, _ = setting(scenario)
    forward, parameters = networks(scenario, arch, keys)
    system = linear_systems(forward, parameters, points.x)
    jacobians = input_jacobians(forward, parameters, points.x)
    stated = jnp.asarray(stated_strengths(scenario, 0.0)) / jnp.diagonal(limits.ark).mean()
    return _search_error(system, jacobians, points, stated)


@network_trial(
    decides={
        "closed_form.commuting": [
            BoundDecider("residual_error", "allowed", "at most"),
            BoundDecider("output_error", "allowed", "at most"),
            EnclosureDecider("residual_off_over_rounding", 1, "at most"),
            EnclosureDecider("output_off_over_rounding", 1, "at most"),
            BoundDecider("xi_error", "xi_allowed", "at most"),
        ]
    },
    space=ADVERSARIAL_TRAINING.over(
        samples=(4,),
        outputs=(2,),
        schedule=("constant", "growing", "decaying"),
        strength=Between(0.1, 2.0),
        spread=(0.0, 0.5, 0.9),
        training_time=(0.5, 2.0, 20.0, 2000.0, 50000.0),
        **_NETWORKS,
    ),
    effort=EXACT,
    memory=flow_memory,
    premises=(INTEGRABLE,),
)
def commuting_flow(scenario: Scenario, keys: Array) -> Observation:
    """Closed form less integrated flow, and less its exact value at the same floats, in balls.

    Strengths that vary in time get one scalar ARK for all samples.
    """
    system, points, end, unit = _system(scenario, keys)
    stated = scenario
    if scenario.schedule != "constant":
        system, points = _scalar_growth(system, points)
        stated = scenario.replace(spread=0.0)
    found = _equality(system, points, end, _flow(system, points, end))
    start, xi = _start(system, points), xi_blocks(system.ark, points.schedule, end)
    closed = jax.vmap(closed_form)(system.ntk, xi, start)
    in_balls = evaluation_errors(system, xi, points.schedule, end, start, closed)
    off = _xi_error(system, xi, stated, unit, end)
    return Observation({**found.values, **in_balls, **off}, result=found.result)


@network_trial(
    decides={
        "closed_form.non_commuting": [BoundDecider("residual_error", "allowed", "at most")],
        "closed_form.magnus": [
            BoundDecider("prediction_off", "half_exponent", "at most"),
            BoundDecider("xi_error", "xi_allowed", "at most"),
        ],
    },
    space=ADVERSARIAL_TRAINING.over(
        samples=(2, 4),
        outputs=(1, 2),
        schedule=("growing", "decaying"),
        strength=Between(0.5, 1.5),
        spread=(0.5, 0.0),
        training_time=(0.4, 0.8),
        **_NETWORKS,
    ),
    effort=EXACT,
    memory=flow_memory,
    seconds=dense_seconds,
)
def varying_flow(scenario: Scenario, keys: Array) -> Observation:
    """Defect of the closed form at several times, and what the commutator predicts of it."""
    system, points, end, unit = _system(scenario, keys)
    flow = _flow(system, points, end)
    equality, defect = _equality(system, points, end, flow), _defect(system, points, end, flow)
    off = _xi_error(system, xi_blocks(system.ark, points.schedule, end), scenario, unit, end)
    return Observation({**equality.values, **defect.values, **off}, defect.figures, defect.result)


def _system(scenario: Scenario, keys: Array) -> tuple[LinearSystem, Points, Array, float]:
    """Linear systems, points, the time T, and the mean of the limit ARK, in whose inverse strengths are."""
    arch, points, limits, end = setting(scenario)
    forward, parameters = networks(scenario, arch, keys)
    unit = float(jnp.diagonal(limits.ark).mean())
    return linear_systems(forward, parameters, points.x), points, end, unit


def _xi_error(
    system: LinearSystem, xi: Float[Array, "s m c c"], stated: Scenario, unit: float, end: Array
) -> dict[str, np.ndarray]:
    """The Xi that flow and closed form are made of, less that of the strengths that the scenario states.

    Without a search flow and closed form agree as well: this tells that it is there.
    """
    wanted = stated_xi(np.asarray(system.ark), stated, unit, float(end))
    found = np.asarray(xi) - wanted
    off, size = (np.abs(blocks).max((1, 2, 3)) for blocks in (found, wanted))
    return {"xi_error": off / size, "xi_allowed": np.full(len(off), EQUAL)}


def _scalar_growth(system: LinearSystem, points: Points) -> tuple[LinearSystem, Points]:
    """The same system with E(t) scalar: every block the mean of the diagonals, strengths shared."""
    mean = jnp.diagonal(system.ark, axis1=-2, axis2=-1).mean((1, 2))
    eye = jnp.eye(system.ark.shape[-1])
    blocks = jnp.broadcast_to(mean[:, None, None, None] * eye[None, None], system.ark.shape)
    schedule = points.schedule
    shared = Schedule(
        schedule.choice,
        jnp.full_like(schedule.scale, schedule.scale.mean()),
        jnp.full_like(schedule.rate, schedule.rate.mean()),
    )
    return system._replace(ark=blocks), points._replace(schedule=shared)


@jax.jit
def _search_error(
    system: LinearSystem, jacobians: Float[Array, "s p c d"], points: Points, stated: Float[Array, " p"]
) -> dict[str, Array]:
    strengths = points.schedule.strengths(0.0)

    def one(ark: Array, initial: Array, jacobian: Array) -> Array:
        residual = initial - points.y
        slow = integrated_search(jacobian, residual, strengths, INTEGRATION)
        exact = searched_residual(ark, stated, residual)
        return jnp.linalg.norm(slow - exact) / jnp.linalg.norm(exact)

    error = jax.vmap(one)(system.ark, system.initial, jacobians)
    return {"relative_error": error, "allowed": jnp.full_like(error, EQUAL)}


def _flow(system: LinearSystem, points: Points, end: Float[Array, "*s"]) -> LinearFlow:
    """The system integrated up to `end`, which may differ by seed, with stops at `FRACTIONS` of it."""
    times = jnp.tensordot(end, FRACTIONS, 0)
    return integrate_seeds(
        system.ntk, system.ark, _start(system, points), points.schedule, times, INTEGRATION
    )


def _start(system: LinearSystem, points: Points) -> Float[Array, "s m c"]:
    return system.initial - points.y[None]


def _equality(system: LinearSystem, points: Points, end: Array, flow: LinearFlow) -> Observation:
    """Closed form less integrated flow at T, relative to the initial residual."""
    residual = _start(system, points)
    found = _closed_error(system, points, end, residual, flow.residuals[:, -1], flow.integrals[:, -1])
    spoilt = {name: jnp.where(flow.result == 0, value, jnp.nan) for name, value in found.items()}
    # How far the exponential reaches is known without any integration.
    return Observation({**spoilt, "exponent": found["exponent"]}, result=flow.result)


@jax.jit
def _closed_error(
    system: LinearSystem, points: Points, end: Array, residual: Array, left: Array, integral: Array
) -> dict[str, Array]:
    xi = xi_blocks(system.ark, points.schedule, end)
    closed = jax.vmap(closed_form)(system.ntk, xi, residual)
    size = jnp.linalg.norm(residual.reshape(len(residual), -1), axis=1)
    flat = system.ntk.reshape(len(residual), residual[0].size, -1)
    largest = jnp.linalg.eigvalsh(flat)[:, -1]
    # Outputs at any input are Theta(x, X) times the integral; at the samples, Theta times it.
    moved = jnp.einsum("siajb,sjb->sia", system.ntk, closed.weights - integral)
    exponent = largest * jnp.linalg.eigvalsh(xi).max((1, 2))
    return {
        "residual_error": jnp.linalg.norm((closed.residual - left).reshape(len(left), -1), axis=1) / size,
        "output_error": jnp.linalg.norm(moved.reshape(len(left), -1), axis=1) / size,
        "allowed": EQUAL * jnp.maximum(1.0, exponent / 1e6),
        "exponent": exponent,
    }


def _defect(system: LinearSystem, points: Points, end: Array, flow: LinearFlow) -> Observation:
    """Measured and predicted defect along times, and how far the prediction is off at moderate times."""
    # A time of its own for every seed, in which lambda_max(Theta) ||Xi|| reaches one.
    moderate = _flow(system, points, _moderate(system, points, end))
    found, early = (_defects(system, points, each.times, each.residuals) for each in (flow, moderate))
    # By the largest defect so far: what commutators have added up may cancel for a moment, the terms of
    # higher order that the prediction leaves out need not do so at the same time.
    largest = jax.lax.cummax(early.measured, axis=1)
    off = early.remainder / largest
    # A thousand steps' rounding and integration at most are taken for a defect.
    noise = 1e3 * INTEGRATION / largest
    allowed = FRACTIONS[None] / 2 + noise
    worst = jnp.argmax(off / allowed, axis=1)[:, None]
    chosen = [jnp.take_along_axis(v, worst, 1)[:, 0] for v in (off, allowed)]
    result = first_failure(flow.result, moderate.result)
    values = {"prediction_off": jnp.where(result == 0, chosen[0], jnp.nan), "half_exponent": chosen[1]}
    drawn = {
        "time": jnp.broadcast_to(FRACTIONS, found.measured.shape),
        "defect": found.measured,
        "predicted": found.predicted,
    }
    return Observation(values, {"defect": drawn}, result)


@jax.jit
def _moderate(system: LinearSystem, points: Points, end: Array) -> Float[Array, " s"]:
    """Per seed the time, at most `end`, before which lambda_max(Theta) ||Xi|| stays below one."""
    largest = jnp.linalg.eigvalsh(system.ntk.reshape(len(system.ntk), points.y.size, -1))[:, -1]
    values = jnp.linalg.eigvalsh(system.ark)
    strongest = jax.vmap(points.schedule.strengths)(end * jnp.linspace(0.0, 1.0, 17)).max(0)
    growth = jnp.exp(values * strongest[None, :, None]).max((1, 2))
    return jnp.minimum(end, 1 / (largest * growth))


class _Defects(NamedTuple):
    measured: Float[Array, "s t"]
    predicted: Float[Array, "s t"]
    remainder: Float[Array, "s t"]


@jax.jit
def _defects(
    system: LinearSystem, points: Points, times: Float[Array, "s t"], residuals: Float[Array, "s t m c"]
) -> _Defects:
    """Norms relative to the initial residual, at the times of an integrated flow."""

    def one(ntk: Array, ark: Array, start: Array, times: Array, residuals: Array) -> _Defects:
        def at(t: Array, here: Array) -> tuple[Array, Array, Array]:
            defect = here - closed_form(ntk, xi_blocks(ark, points.schedule, t), start).residual
            expected = predicted_defect(ntk, ark, start, points.schedule, t)
            size = jnp.linalg.norm(start)
            return tuple(jnp.linalg.norm(v) / size for v in (defect, expected, defect - expected))

        return _Defects(*jax.vmap(at)(times, residuals))

    return jax.vmap(one)(system.ntk, system.ark, _start(system, points), times, residuals)
