"""What a trial measures: networks of many seeds, trained, against their linearization."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from . import dynamics, first_order

UNSEEN = 4
LOOKS = 8  # how often a flow is looked at, at equal distances up to its end
# Tolerance of the run that is used, and of a rougher one.  At a hundred times the tolerance its own error is
# far larger than that of the first, so that their distance overestimates the error of the first.
FINE, ROUGH = 1e-10, 1e-8


class Situation(NamedTuple):
    """Training points, then unseen ones, and one target per trained output."""

    x: Float[Array, "points inputs"]
    targets: Float[Array, " m"]


class Start(NamedTuple):
    """Networks before they are trained: parameters, tangent, D^2 f along the tangent, and when to look."""

    w: Float[Array, "*seeds parameters"]
    tangent: dynamics.Tangent
    third: Float[Array, "*seeds m n n"]
    times: Float[Array, "*seeds times"]


class Trained(NamedTuple):
    """A scenario's networks and their flows, integrated well and once more roughly."""

    net: dynamics.CentredMLP
    situation: Situation
    alpha: Float[Array, ""]
    start: Start
    fine: dynamics.Flow
    rough: dynamics.Flow


def situation(scenario: Any) -> Situation:
    """Inputs on the sphere of radius sqrt(d), and targets of mean square one."""
    sizes = (scenario.samples, scenario.outputs, scenario.input_width)
    rng = np.random.default_rng([scenario.data_seed, *sizes])
    x = rng.standard_normal((scenario.samples + UNSEEN, scenario.input_width))
    x *= np.sqrt(scenario.input_width) / np.linalg.norm(x, axis=1, keepdims=True)
    y = rng.standard_normal(scenario.samples * scenario.outputs)
    return Situation(jnp.asarray(x), jnp.asarray(y / np.sqrt((y**2).mean())))


def network(scenario: Any) -> dynamics.CentredMLP:
    """The network of a scenario."""
    return dynamics.CentredMLP(
        scenario.activation,
        scenario.depth,
        scenario.width,
        scenario.input_width,
        scenario.outputs,
        scenario.centring,
    )


def memory(scenario: Any) -> int:
    """Bytes of one seed: fifteen vectors of the integrator, six Jacobians of all outputs, and kernels."""
    rows = (scenario.samples + UNSEEN) * scenario.outputs
    return 8 * (network(scenario).parameters * (15 + LOOKS + 6 * rows) + 12 * rows**2)


def seconds(scenario: Any) -> float:
    """About how long its programs compile, measured on one core: layers are unrolled."""
    return 0.1 * float(scenario.depth) ** 2


def run(scenario: Any, keys: Array) -> Trained:
    """Train the networks of all keys."""
    net, (x, targets), alpha = network(scenario), situation(scenario), jnp.asarray(scenario.alpha)
    start = begun(net, keys, x, targets, jnp.asarray(scenario.time))
    fine, rough = (trained(net, start, x, targets, alpha, jnp.asarray(by)) for by in (FINE, ROUGH))
    return Trained(net, Situation(x, targets), alpha, start, fine, rough)


@partial(jax.jit, static_argnames=("net",))
def begun(net: dynamics.CentredMLP, keys: Array, x: Array, targets: Array, time: Array) -> Start:
    """Networks of all seeds at their start; `time` is in units of 1 / (mean eigenvalue of their kernel)."""
    m = len(targets)

    def one(key: Array) -> Start:
        w = net.start(key)
        model = net.model(w)
        at = dynamics.tangent(model, w, x)
        end = time * m / jnp.trace(at.kernel[:m, :m])
        times = end * jnp.linspace(0.0, 1.0, LOOKS + 1)[1:]
        return Start(w, at, first_order.curvature(model, w, x, at, m), times)

    return jax.vmap(one)(keys)


@partial(jax.jit, static_argnames=("net",))
def trained(
    net: dynamics.CentredMLP, start: Start, x: Array, targets: Array, alpha: Array, tolerance: Array
) -> dynamics.Flow:
    """The flows of all seeds."""

    def one(w: Array, times: Array) -> dynamics.Flow:
        return dynamics.flow(net.model(w), w, x, targets, alpha, times, tolerance)

    return jax.vmap(one)(start.w, start.times)


def measured(run: Trained) -> dict[str, Array]:
    """What `compared` says of the flows, where that is more than the error of the integration."""
    net, (x, targets), alpha, start, fine, rough = run
    found, rougher = (compared(net, start, flow, x, targets, alpha) for flow in (fine, rough))
    reach, reach_off = found.pop("reach"), rougher.pop("reach")
    return {
        **{name: resolved(value, rougher[name]) for name, value in found.items()},
        "reach": reach,
        # A displacement is exact up to the integration, and norms up to a rounding per parameter.
        "reach_allowed": 1 + jnp.abs(reach - reach_off) + net.parameters * jnp.finfo(reach.dtype).eps,
        "integration_error": jnp.abs(found["gap_unseen"] - rougher["gap_unseen"]),
        "steps": fine.steps,
    }


@partial(jax.jit, static_argnames=("net",))
def compared(
    net: dynamics.CentredMLP, start: Start, flow: dynamics.Flow, x: Array, targets: Array, alpha: Array
) -> dict[str, Array]:
    """Distances of each seed's flow from its linearization, and from the first correction to that."""
    m = len(targets)

    def one(start: Start, flow: dynamics.Flow) -> dict[str, Array]:
        linear = first_order.linearized(start.tangent, targets, alpha, start.times)
        gap = flow.outputs - linear.outputs
        first = first_order.first_gap(start.tangent.kernel, start.third, targets, start.times) / alpha
        v, before = flow.displacement, start.tangent.kernel[:m, :m]
        at_end = dynamics.jacobian_of(net.model(start.w), start.w + v[-1] / alpha, x)[:m]
        change = at_end @ at_end.T - before
        slope = first_order.kernel_slope(start.third, linear.coefficients[-1]) / alpha
        moved_linearly = linear.coefficients[-1] @ start.tangent.jacobian[:m]
        # What there is to be fitted: the targets, if the start is centred.
        residual = targets - alpha * start.tangent.outputs[:m]
        unit, length = rms(residual), norm(start.w)
        return {
            "gap_training": rms(gap[:, :m]).max() / unit,
            "gap_unseen": rms(gap[:, m:]).max() / unit,
            "gap_beyond_first": rms(gap - first).max() / unit,
            "last_gap_training": rms(gap[-1, :m]) / unit,
            "last_gap_unseen": rms(gap[-1, m:]) / unit,
            "kernel_change": norm(change.ravel()) / norm(before.ravel()),
            "kernel_beyond_first": norm((change - slope).ravel()) / norm(before.ravel()),
            "parameters_moved": norm(v[-1]) / alpha / length,
            "parameters_beyond_linear": norm(v[-1] - moved_linearly) / alpha / length,
            "reach": (norm(v) / jnp.sqrt(start.times / 2) / norm(residual)).max(),
        }

    return jax.vmap(one)(start, flow)


def from_fitting_zero(run: Trained) -> Float[Array, " seeds"]:
    """Largest distance along time of f from its flow at alpha = 1 with targets of zero, relative to f_0."""
    net, (x, targets), alpha, start, fine, rough = run
    nothing, one = jnp.zeros_like(targets), jnp.ones_like(alpha)
    distances = []
    for flow, tolerance in ((fine, FINE), (rough, ROUGH)):
        limit = trained(net, start, x, nothing, one, jnp.asarray(tolerance))
        off = rms(flow.outputs / alpha - limit.outputs).max(1)
        distances.append(off / rms(start.tangent.outputs))
    return resolved(*distances)


def long_after(run: Trained) -> dict[str, Array]:
    """Where the gap has gone after long training; the error of the integration counts against each claim.

    `off_lasting_gap`: distance of alpha times the gap at unseen points from its limit g, over the latter;
    `training_over_unseen`: gap at the training points over that at unseen ones;
    `unrelaxed`: what is left of the slowest mode of the linear model.
    """
    start, targets, alpha = run.start, run.situation.targets, run.alpha
    fine, rough = (_at_the_end(start, flow, targets, alpha) for flow in (run.fine, run.rough))
    found = {name: value + jnp.abs(value - rough[name]) for name, value in fine.items()}
    m = len(targets)
    slowest = jnp.linalg.eigvalsh(start.tangent.kernel[:, :m, :m])[:, 0]
    return {**found, "unrelaxed": jnp.exp(-slowest * start.times[:, -1])}


@jax.jit
def _at_the_end(start: Start, flow: dynamics.Flow, targets: Array, alpha: Array) -> dict[str, Array]:
    m = len(targets)

    def one(start: Start, outputs: Array) -> dict[str, Array]:
        linear = first_order.linearized(start.tangent, targets, alpha, start.times[-1:])
        gap = outputs - linear.outputs[0]
        ever = jnp.full(1, jnp.inf)
        limit = first_order.first_gap(start.tangent.kernel, start.third, targets, ever)[0, m:]
        return {
            "off_lasting_gap": norm(alpha * gap[m:] - limit) / norm(limit),
            "training_over_unseen": rms(gap[:m]) / rms(gap[m:]),
        }

    return jax.vmap(one)(start, flow.outputs[:, -1])


def resolved(value: Float[Array, " seeds"], rougher: Float[Array, " seeds"]) -> Float[Array, " seeds"]:
    """The values that the rougher integration agrees with to a tenth; NaN for the others.

    A tenth moves a slope over a factor 16 of alpha by ln(1.1) / ln(16) = 0.03 at most.
    """
    return jnp.where(jnp.abs(value - rougher) <= 0.1 * value, value, jnp.nan)


def rms(values: Array) -> Array:
    """Root mean square along the last axis."""
    return jnp.sqrt((values**2).mean(-1))


def norm(values: Array) -> Array:
    """Euclidean norm along the last axis."""
    return jnp.sqrt((values**2).sum(-1))
