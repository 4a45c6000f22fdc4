r"""Adversarial training of finite networks as two gradient flows, integrated.

    search     d_u x_{i,u} = eta_i(t) S  d_x f(theta_t, x_{i,u})' (f(theta_t, x_{i,u}) - y_i),  u in [0, 1],
    training   d_t theta_t = - sum_i d_theta f(theta_t, x_{i,1})' (f(theta_t, x_{i,1}) - y_i),

x_{i,0} = x_i, u = s/S the fraction of the search (theory: section 0).  Both are integrated with Tsit5, steps
controlled in the Euclidean norm of what moves.  A gradient flow on a loss that starts at l moves by
at most sqrt(2 T l), Cauchy-Schwarz says; held against that, one training tolerance means the same at all
widths and in both parameterizations.  Inputs move by O(1) in either, and have a tolerance of their own.
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), equations (3) and (4).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from advntk.implementations.dynamics.explicit_flow import explicit_flow
from advntk.implementations.dynamics.schedules import Schedule
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.finite import Forward, parameter_count, weight_shapes
from advntk.implementations.networks.protocol import Parameters
from advntk.implementations.results import Result, first_failure, of_finite, of_integrator

Batching = Literal["loop", "vmap"]
# Outputs at several inputs, from parameters and inputs; registered with JAX.
OutputsOf = Callable[[Parameters, Any], Any]

_DTMIN = 1e-6
# Copies of the parameters alive at once: state, update, seven stages of Tsit5, gradient, error, scratch.
_COPIES = 14


class Points(NamedTuple):
    """Inputs, targets and eta_i(t) S of points that are trained on (the first ones) and unseen ones.

    Unseen points are searched too, each along its own loss, and never trained on.
    """

    x: Float[Array, "p ..."]
    y: Float[Array, "p c"]
    schedule: Schedule

    def take(self, m: int) -> Points:
        """The first `m` points."""
        return Points(self.x[:m], self.y[:m], self.schedule.take(m))


class TrainingFlow(NamedTuple):
    """Outputs f(theta_t, x_{t,u}) along training times t and fractions u of the search, for every point.

    `result` is the first reason, as `Result`, for which an integrator stopped early; unless it is 0
    (`Result.successful`), outputs are not to be used.
    """

    outputs: Float[Array, "*seeds times fractions p c"]
    steps: Int[Array, "*seeds"]
    result: Int[Array, "*seeds"]


def search(
    forward: OutputsOf,
    parameters: Parameters,
    x: Float[Array, "p ..."],
    y: Float[Array, "p c"],
    strengths: Float[Array, " p"],
    tolerance: Float[Array, ""] | float,
    dtmin: Float[Array, ""] | float = _DTMIN,
) -> tuple[Float[Array, "p ..."], Int[Array, ""]]:
    """Inputs at the end of a search with eta_i S = strengths.

    Args:
      forward: the network's forward pass.
      parameters: of the network, which stay as they are.
      x: clean inputs, where the search starts.
      y: targets (p, c).
      strengths: eta_i S of each point.
      tolerance: of one step, absolute, in the Euclidean norm over all inputs.
      dtmin: the smallest step, as a fraction of the whole search; it is taken whatever its error.

    Returns:
      The inputs, and the integrator's `Result`.
    """

    def slope(_: Any, moved: Array, __: Any) -> Array:
        outputs, pull = jax.vjp(partial(forward, parameters), moved)
        return pull(strengths[:, None] * (outputs - y))[0]

    solution = explicit_flow(slope, x, 0.0, 1.0, 1.0, tolerance, dtmin)
    assert solution.ys is not None
    return solution.ys[0], of_integrator(solution.result)


def train(
    forward: OutputsOf,
    parameters: Parameters,
    points: Points,
    n_train: int,
    times: Float[Array, " times"],
    search_fractions: int,
    tolerance: Float[Array, ""] | float = 1e-3,
    dtmax: Float[Array, ""] | float = 1.0,
    dtmin: Float[Array, ""] | float = _DTMIN,
) -> TrainingFlow:
    """Train one network adversarially on the first `n_train` points.

    Args:
      forward: the network's forward pass.
      parameters: where the flow starts.
      points: what is trained on, then unseen points.
      n_train: how many points are trained on.
      times: training times, increasing from 0, at which outputs are taken.
      search_fractions: at how many equally spaced fractions of the search outputs are taken, from clean
        (0) to the end of the search (1); at least 2.
      tolerance: of one training step, relative to sqrt(T) |f_0(X) - y|; the search is held to a third.
      dtmax: the largest step, as a fraction of the interval between two times.
      dtmin: the smallest step, likewise, and as a fraction of the whole search; a step of this size is
        taken whatever its error.  Where an activation has a kink slopes jump, and smaller steps would not
        help: then the distance between two runs says what the integration is worth.

    Returns:
      Outputs of shape (times, search_fractions, p, c), steps of the training flow, and the `Result`.
    """
    start_residual = forward(parameters, points.x[:n_train]) - points.y[:n_train]
    # A network that fits from the start has nowhere to go: any reach will do.
    reach = jnp.sqrt(times[-1] * jnp.maximum((start_residual**2).sum(), jnp.finfo(points.y.dtype).eps))
    seen = points.take(n_train)

    # As one vector: an integrator's program grows with the number of arrays that it moves.
    flat, shaped = ravel_pytree(parameters)

    def slope(t: Array, vector: Array, _: Any) -> Array:
        theta, strengths = shaped(vector), seen.schedule.strengths(t)
        moved, result = search(forward, theta, seen.x, seen.y, strengths, tolerance / 3, dtmin)
        # A search without an end leaves training without a slope.
        moved = jnp.where(result == 0, moved, jnp.nan)
        outputs, pull = jax.vjp(lambda p: forward(p, moved), theta)
        return -ravel_pytree(pull(outputs - seen.y)[0])[0]

    def observe(t: Array, theta: Parameters) -> tuple[Array, Array]:
        part = points.schedule.strengths(t) / (search_fractions - 1)

        def leg(x: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
            moved, result = search(forward, theta, x, points.y, part, tolerance / 3, dtmin)
            return moved, (forward(theta, moved), result)

        _, (outputs, results) = jax.lax.scan(leg, points.x, None, length=search_fractions - 1)
        return jnp.concatenate([forward(theta, points.x)[None], outputs]), first_failure(*results)

    def interval(state: tuple[Array, Array], ends: tuple[Array, Array]) -> tuple[tuple, tuple]:
        vector, before = state
        start, end = ends
        # Nothing is left to integrate after an integrator has stopped early.
        end_here = jnp.where(before == 0, end, start)
        solution = explicit_flow(slope, vector, start, end_here, dtmax, tolerance * reach, dtmin)
        assert solution.ys is not None
        vector = solution.ys[0]
        outputs, searched = observe(end, shaped(vector))
        # The cause comes before what it leads to: numbers that are not finite make any integrator take its
        # steps in vain, and so does a search that fails to the training flow, which then has no slope.
        finite = of_finite(jnp.isfinite(outputs).all())
        result = first_failure(before, finite, searched, of_integrator(solution.result))
        return (vector, result), (outputs, solution.stats["num_steps"])

    # The first interval is empty: outputs at the first time.
    before = jnp.concatenate([times[:1], times[:-1]])
    state = (flat, jnp.asarray(int(Result.successful)))
    (_, result), (outputs, steps) = jax.lax.scan(interval, state, (before, times))
    return TrainingFlow(outputs, steps.sum(), result)


@partial(jax.jit, static_argnames=("n_train", "search_fractions", "batching"))
def train_seeds(
    forward: Forward,
    parameters: Parameters,
    points: Points,
    n_train: int,
    times: Float[Array, " times"],
    search_fractions: int,
    tolerance: Float[Array, ""] | float = 1e-3,
    dtmax: Float[Array, ""] | float = 1.0,
    dtmin: Float[Array, ""] | float = _DTMIN,
    batching: Batching = "loop",
) -> TrainingFlow:
    """`train` for many networks, whose parameters have a leading seed axis, in one compiled program.

    A compiled loop over the seeds is the default: one network's parameters stay in cache, and no seed
    waits for the steps of another (measured in benchmarks/batching.md).

    Args:
      forward: the forward pass.
      parameters: with a leading seed axis.
      points: inputs, targets and schedule: those trained on first, then unseen ones.
      n_train: how many points are trained on.
      times: training times, increasing from 0.
      search_fractions: number of equally spaced fractions of the search.
      tolerance: see `train`.
      dtmax: see `train`.
      dtmin: see `train`.
      batching: "loop" over the seeds, or "vmap".

    Returns:
      As `train`, with a leading seed axis.
    """

    def one(theta: Parameters) -> TrainingFlow:
        return train(forward, theta, points, n_train, times, search_fractions, tolerance, dtmax, dtmin)

    return jax.vmap(one)(parameters) if batching == "vmap" else jax.lax.map(one, parameters)


def training_memory(
    arch: Architecture, input_shape: tuple[int, ...], width: int, points: int, outputs: int
) -> int:
    """Upper estimate, in bytes and float64, of what one seed of `train` takes.

    Args:
      arch: the architecture.
      input_shape: of one input, (d,) or (height, columns, channels).
      width: units, or channels, of every hidden layer.
      points: number of points, unseen ones included.
      outputs: number of outputs.

    Returns:
      Bytes.
    """
    count = parameter_count(weight_shapes(arch, input_shape, width, outputs))
    pixels, channels = math.prod(input_shape[:-1]), input_shape[-1]
    activations = points * (arch.depth + 2) * pixels * max(width, channels) * _COPIES
    return 8 * (_COPIES * count + activations)
