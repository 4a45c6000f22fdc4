r"""Trials of the fading: the integrated linear flow against its bounds, and controls that break them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
from advntk.checks.trials.shared.certificates import norm_over_bound
from advntk.checks.trials.shared.linear_systems import (
    LinearSystem,
    flow_memory,
    linear_systems,
    networks,
    setting,
)
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.checks.trials.shared.stated_search import stated_growth, stated_strengths
from advntk.implementations.dynamics.adversarial_training import Points
from advntk.implementations.dynamics.closed_form import dense_propagator
from advntk.implementations.dynamics.linearized import LinearFlow, integrate_seeds, lyapunov, outputs
from advntk.implementations.dynamics.regularization import least_growth, search_growth, xi_blocks
from advntk.implementations.dynamics.schedules import SHAPES, Schedule
from advntk.theorems.assumptions import ACTIVATIONS, SMOOTH

_EPS = float(np.finfo(np.float64).eps)
INTEGRATION = 1e-11  # tolerance of one step, relative to the initial residual
# Over long times on a singular kernel large growths cancel: rounding is all that is left to gain.
LONG_INTEGRATION = 1e-9
# Fractions of the time that is integrated to: geometric while everything moves, then evenly to the end.
FRACTIONS = np.concatenate([[0.0], np.geomspace(1e-4, 1 / 32, 8), np.linspace(1 / 16, 1, 16)])
UNSEEN = 2
# A dense exponential of a larger argument squares its rounding so often that its norm says nothing.
DENSE = 1e4
# Without any search Xi is a multiple of I and the norm equals its bound: no enclosure of positive width can
# be at most 1 there.  Its high end is then the float next to 1, or the one after that.
EQUALITY = 1 + 2 * _EPS
# Beyond, Theta^{-1} says nothing in double precision at the integration's accuracy.
WELL_CONDITIONED = Premise("condition_number", 1e9, "the condition number of the NTK")

_NETWORKS: dict[str, Choice] = {
    "depth": (1, 2, 3),
    "sigma_w": Between(1.1, 1.8),
    "sigma_b": Between(0.05, 0.5),
    "input_growth": ("fixed",),
    "input_width": (32,),
    "width": (32,),
    "samples": (4,),
    "outputs": (2,),
    "schedule": SHAPES,
    "data_seed": tuple(range(8)),
}
# The bounds hold without a search as well; this one tells that it is there.
_SEARCHED = BoundDecider("searched_off", "searched_allowed", "at most")


@network_trial(
    decides={
        "xi_fading.lyapunov": [BoundDecider("excess", "integration_error", "at most"), _SEARCHED],
        "xi_fading.closed_form": [
            BoundDecider("propagator_norm", "norm_bound", "at most"),
            EnclosureDecider("norm_over_bound", EQUALITY, "at most"),
        ],
        "xi_fading.prediction": [BoundDecider("farthest", "allowed", "at most"), _SEARCHED],
    },
    space=ADVERSARIAL_TRAINING.over(
        activation=ACTIVATIONS,
        parameterization=("ntk", "standard"),
        strength=Between(0.0, 3.0),
        spread=(0.0, 0.5, 0.9),
        training_time=(2.0, 8.0, 20.0),
        **_NETWORKS,
    ),
    effort=EXACT,
    memory=flow_memory,
    premises=(WELL_CONDITIONED,),
)
def fading(scenario: Scenario, keys: Array) -> Observation:
    """V(t), the closed form's propagator and the distance to the predictor without a search."""
    system, points, end, unit = _system(scenario, keys)
    flow = _flow(system, points, end, scenario.samples)
    found = _against_bounds(system, points, flow, end, scenario.samples)
    found |= _searched_at_first(system, flow, scenario, unit)
    norm, bound = _propagator(system, points, end / 8, scenario.samples)
    in_balls = _norm_in_balls(system, points, end / 8, scenario.samples)
    by_floats = _unless_stopped({**found, "propagator_norm": norm, "norm_bound": bound}, flow)
    return replace(by_floats, values={**by_floats.values, **in_balls})


@network_trial(
    decides={
        "xi_fading.singular": [BoundDecider("trace_of_search", "integration_error", "at most")],
        "xi_fading.singular_limit": [
            BoundDecider("limit_error", "limit_allowed", "at most"),
            BoundDecider("conserved_error", "conserved_allowed", "at most"),
        ],
    },
    space=ADVERSARIAL_TRAINING.over(
        activation=SMOOTH,
        arrangement=("duplicate",),
        strength=Between(0.3, 1.0),
        spread=(0.5, 0.9),
        **{**_NETWORKS, "schedule": ("constant",)},
    ),
    effort=EXACT,
    memory=flow_memory,
    seconds=dense_seconds,
)
def twice_the_same_input(scenario: Scenario, keys: Array) -> Observation:
    """Where the flow ends when the first and the last sample are equal and their targets are not."""
    system, points, _, _ = _system(scenario, keys)
    m = scenario.samples
    points = points._replace(y=points.y.at[m - 1].set(jnp.roll(points.y[0], 1)))
    # Long enough for all that moves; the input that occurs twice leaves c directions that do not.
    end = 30 / _spectrum(system, m)[:, scenario.outputs].min()
    flow = _flow(system, points, end, m, LONG_INTEGRATION)
    return _unless_stopped(_singular(system, points, flow, end, m), flow)


@network_trial(
    decides={
        "xi_fading.negative_eta": [BoundDecider("excess", "integration_error", "at most")],
        "xi_fading.negative_eta_rate": [BoundDecider("excess_over_least", "integration_error", "at most")],
    },
    space=ADVERSARIAL_TRAINING.over(
        activation=SMOOTH,
        strength=Between(-2.0, -0.5),
        spread=(0.0, 0.5),
        **_NETWORKS,
    ),
    effort=EXACT,
    memory=flow_memory,
    premises=(WELL_CONDITIONED,),
)
def slowed_down(scenario: Scenario, keys: Array) -> Observation:
    """V(t) under a search that lowers the loss, against both rates."""
    system, points, usual, _ = _system(scenario, keys)
    # The slowest direction must come to the fore, and neither rate have run into the integration error.
    end = 3 / _spectrum(system, scenario.samples)[:, 0].min()
    # Strengths take their course in this time: else a long one holds thousands of oscillations.
    points = points._replace(schedule=replace(points.schedule, rate=points.schedule.rate * (usual / end)))
    flow = _flow(system, points, end, scenario.samples)
    return _unless_stopped(_against_bounds(system, points, flow, end, scenario.samples), flow)


def _system(scenario: Scenario, keys: Array) -> tuple[LinearSystem, Points, Array, float]:
    """Linear systems, points, the time T, and the mean of the limit ARK, in whose inverse strengths are."""
    arch, points, limits, end = setting(scenario, UNSEEN)
    forward, parameters = networks(scenario, arch, keys)
    unit = float(jnp.diagonal(limits.ark)[: scenario.samples].mean())
    return linear_systems(forward, parameters, points.x), points, end, unit


def _flow(
    system: LinearSystem, points: Points, end: Array, m: int, tolerance: float = INTEGRATION
) -> LinearFlow:
    schedule = points.schedule.take(m)
    residual = system.initial[:, :m] - points.y[None, :m]
    times = end * FRACTIONS
    return integrate_seeds(system.ntk[:, :m, :, :m], system.ark[:, :m], residual, schedule, times, tolerance)


def _searched_at_first(
    system: LinearSystem, flow: LinearFlow, scenario: Scenario, unit: float
) -> dict[str, np.ndarray]:
    r"""Mean of E r up to the first time t, less E(0) r(0) at the strengths that the scenario states.

    |(1/t) \int_0^t E r - E(0) r(0)| <= |E(t) - E(0)| |r(0)| + (t/2) |Theta| |E|^2 sup |r|, as strengths are
    monotonic this early, with sup |r| <= |r(0)| exp(|Theta| |E| t); both relative to |r(0)|.
    """
    m, time, share = scenario.samples, np.asarray(flow.times)[:, 1], float(FRACTIONS[1])
    ark, start = np.asarray(system.ark)[:, :m], np.asarray(flow.residuals)[:, 0]
    first, later = (stated_growth(ark, stated_strengths(scenario, at) / unit) for at in (0.0, share))
    off = np.asarray(flow.integrals)[:, 1] / time[:, None, None] - np.einsum("smab,smb->sma", first, start)
    size = np.linalg.norm(start.reshape(len(start), -1), axis=1)
    change = np.linalg.norm(later - first, 2, axis=(2, 3)).max(1)
    growth = np.maximum(*(np.linalg.norm(of, 2, axis=(2, 3)).max(1) for of in (first, later)))
    largest = np.asarray(_spectrum(system, m))[:, -1]
    moved = time / 2 * largest * growth**2 * np.exp(largest * growth * time)
    # Integrals are held to the size of the residual, step by step.
    integration = 4 * np.asarray(flow.steps) * INTEGRATION / time
    return {
        "searched_off": np.linalg.norm(off.reshape(len(off), -1), axis=1) / size,
        "searched_allowed": change + moved + integration,
    }


def _spectrum(system: LinearSystem, m: int) -> Float[Array, "s n"]:
    """Eigenvalues of Theta over the samples, rising."""
    theta = system.ntk[:, :m, :, :m]
    return jnp.linalg.eigvalsh(theta.reshape(len(theta), m * theta.shape[2], -1))


def _unless_stopped(found: dict[str, Any], flow: LinearFlow) -> Observation:
    """What was found, without the seeds whose integrator failed; conditions are of the kernels alone."""
    drawn = found.pop("fading", None)

    def usable(value: Array) -> Array:
        result = flow.result.reshape((-1,) + (1,) * (value.ndim - 1))
        return jnp.where(result == 0, value, jnp.nan)

    kept = {name: value if name.startswith("condition") else usable(value) for name, value in found.items()}
    figures = {} if drawn is None else {"fading": jax.tree.map(usable, drawn)}
    return Observation(kept, figures, flow.result)


@jax.jit(static_argnames=("m",))
def _against_bounds(
    system: LinearSystem, points: Points, flow: LinearFlow, end: Array, m: int
) -> dict[str, Any]:
    """Excess of V over its bound, and of the distance to the limit over its own, per seed.

    Each accepted step errs by at most the tolerance times the initial residual; V = |Theta^{-1/2} r|^2
    magnifies an error of r by the square root of the condition number, once more relative to V(0).
    """
    schedule = points.schedule.take(m)
    times = flow.times[0]

    def one(
        ntk: Array, ark: Array, initial: Array, residuals: Array, integrals: Array, steps: Array
    ) -> dict[str, Any]:
        theta = ntk[:m, :, :m]
        values, vectors = jnp.linalg.eigh(theta.reshape(residuals[0].size, -1))
        condition = values[-1] / jnp.maximum(values[0], 0.0)
        decay = jnp.exp(-2 * values[0] * times)
        v = jax.vmap(lambda r: lyapunov(theta, r))(residuals)
        error = 4 * steps * INTEGRATION * condition
        slower = jnp.exp(-2 * values[0] * jax.vmap(lambda t: least_growth(ark[:m], schedule, t))(times))
        # The limit of training without a search, from Theta alone.
        cross = ntk[m:, :, :m].reshape(-1, len(values))
        half = cross @ (vectors / jnp.sqrt(values)[None, :])
        weights = vectors @ ((vectors.T @ residuals[0].reshape(-1)) / values)
        limit = initial[m:].reshape(-1) - cross @ weights
        here = jax.vmap(lambda p: outputs(initial[m:], ntk[m:, :, :m], p).reshape(-1))(integrals)
        distance = jnp.linalg.norm(here - limit[None, :], axis=1)
        reach = jnp.linalg.norm(half, 2) * jnp.sqrt(v[0])
        ratio = distance / (reach * (jnp.exp(-values[0] * times) + jnp.sqrt(error)))
        return {
            "excess": ((v - v[0] * decay) / v[0]).max(),
            "excess_over_least": ((v - v[0] * slower) / v[0]).max(),
            "integration_error": error,
            "condition_number": condition,
            "farthest": ratio.max(),
            "allowed": jnp.ones(()),
            "fading": {
                "time": times * values[0],
                "v": v / v[0],
                "bound": decay,
                "distance": distance / distance[0],
                "distance_bound": reach * jnp.exp(-values[0] * times) / distance[0],
                "integration_error": error,
            },
        }

    return jax.vmap(one)(*system, flow.residuals, flow.integrals, flow.steps)


def _propagator(system: LinearSystem, points: Points, time: Array, m: int) -> tuple[Array, Array]:
    """||exp(-Theta Xi)|| by a dense exponential at `time` or before, and its bound with rounding added."""
    schedule = points.schedule.take(m)
    spectrum = np.asarray(_spectrum(system, m))
    time = jnp.minimum(time, DENSE / (spectrum.max() * _largest_growth(system.ark[:, :m], schedule, time)))
    xi = np.asarray(xi_blocks(system.ark[:, :m], schedule, time))
    theta = np.asarray(system.ntk[:, :m, :, :m]).reshape(len(xi), xi.shape[1] * xi.shape[2], -1)
    blocks = np.linalg.eigvalsh(xi).reshape(len(xi), -1)
    norm = np.array([np.linalg.norm(dense_propagator(t, x), 2) for t, x in zip(theta, xi, strict=True)])
    condition = blocks.max(1) / blocks.min(1)
    # The dense exponential errs by eps times the norm of its argument, in a basis of that condition.
    rounding = 64 * _EPS * spectrum[:, -1] * blocks.max(1) * np.sqrt(condition)
    bound = np.sqrt(condition) * np.exp(-spectrum[:, 0] * blocks.min(1)) + rounding
    return jnp.asarray(norm), jnp.asarray(bound)


def _norm_in_balls(system: LinearSystem, points: Points, time: Array, m: int) -> dict[str, np.ndarray]:
    samples = LinearSystem(system.ntk[:, :m, :, :m], system.ark[:, :m], system.initial[:, :m])
    schedule = points.schedule.take(m)
    return norm_over_bound(samples, xi_blocks(samples.ark, schedule, time), schedule, time)


@jax.jit
def _largest_growth(ark: Float[Array, "s m c c"], schedule: Schedule, time: Array) -> Float[Array, ""]:
    """Of all eigenvalues of E up to `time`."""
    strengths = jax.vmap(schedule.strengths)(time * jnp.linspace(0.0, 1.0, 17))
    return jnp.exp(jnp.linalg.eigvalsh(ark)[None] * strengths[:, None, :, None]).max()


@jax.jit(static_argnames=("m",))
def _singular(
    system: LinearSystem, points: Points, flow: LinearFlow, end: Array, m: int
) -> dict[str, Float[Array, " s"]]:
    """End of the flow against training without a search, and against what the growths predict."""
    schedule = points.schedule.take(m)

    def one(
        ntk: Array, ark: Array, initial: Array, residuals: Array, integrals: Array, steps: Array
    ) -> dict[str, Array]:
        theta = ntk[:m, :, :m].reshape(residuals[0].size, -1)
        values, vectors = jnp.linalg.eigh(theta)
        c = initial.shape[1]
        # The input that occurs twice leaves c directions that no training moves.
        inverse = jnp.where(jnp.arange(len(values)) < c, 0.0, 1 / values)
        slowest = values[c]
        without = vectors @ (inverse * (vectors.T @ residuals[0].reshape(-1)))
        size = jnp.linalg.norm(residuals[0])
        # A trace is looked for on the scale of the tolerance.
        error = 4 * steps * LONG_INTEGRATION * values[-1] / slowest
        limit = initial[:m].reshape(-1) - theta @ without
        end_here = outputs(initial[:m], ntk[:m, :, :m], integrals[-1])
        growth = search_growth(ark[:m], schedule.strengths(0.0))
        both = growth[0] + growth[m - 1]
        mean = jnp.linalg.solve(both, growth[0] @ points.y[0] + growth[m - 1] @ points.y[m - 1])
        # Runge-Kutta methods keep linear invariants and fixed points exactly (Hairer, Lubich & Wanner,
        # Geometric Numerical Integration, section IV.1): what is left are roundings, and what has not decayed
        # yet.  The integral of E r goes on growing where Theta E r = 0, and outputs are Theta times it.
        rounded = 4 * steps * _EPS
        growing = jnp.linalg.norm(jnp.einsum("iab,ib->ia", growth, residuals[-1])) * end
        cancelled = len(values) * _EPS * values[-1] * growing / size
        left = jnp.exp(-slowest * end) * jnp.sqrt(values[-1] / slowest)
        conserved = (residuals[-1][0] - residuals[-1][m - 1]) - (residuals[0][0] - residuals[0][m - 1])
        return {
            "trace_of_search": jnp.linalg.norm(end_here.reshape(-1) - limit) / size,
            "integration_error": error,
            "limit_error": jnp.linalg.norm(end_here[0] - mean) / size,
            "limit_allowed": 4 * (rounded + left) * jnp.linalg.cond(both) + cancelled,
            "conserved_allowed": rounded,
            "conserved_error": jnp.linalg.norm(conserved) / size,
            "condition_on_the_range": values[-1] / slowest,
        }

    return jax.vmap(one)(*system, flow.residuals, flow.integrals, flow.steps)
