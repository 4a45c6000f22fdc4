r"""Adversarial training of finite networks as two gradient flows, integrated.

    search     d_u x_{i,u} = eta_i(t) S  d_x f(theta_t, x_{i,u})' (f(theta_t, x_{i,u}) - y_i),  u in [0, 1],
    training   d_t theta_t = - sum_i d_theta f(theta_t, x_{i,1})' (f(theta_t, x_{i,1}) - y_i),

x_{i,0} = x_i, u = s/S being the searched share (theory: section 0).  Both flows are integrated with Tsit5,
steps controlled in the Euclidean norm of what moves.  A gradient flow on a loss that starts at l moves by
at most sqrt(2 T l), Cauchy-Schwarz says; held against that, one training tolerance means the same at all
widths and in both parameterisations.  Inputs move by O(1) in either, and have a tolerance of their own.
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), equations (3) and (4).
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int
from optimistix import two_norm

from advntk.implementations.dynamics.schedules import Schedule
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.finite import Forward, Parameters, parameter_count, weight_shapes

Batching = Literal["loop", "vmap"]

# Smooth flows need a handful of steps; who needs more than these has lost its way, and gives up.
_MOST_STEPS = 64
_SMALLEST_STEP = 1e-6
# Copies of the parameters alive at once: state, update, seven stages of Tsit5, gradient, error, scratch.
_COPIES = 14


class Points(NamedTuple):
    """Inputs, targets and eta_i(t) S of points that are trained on (the first ones) and unseen ones.

    Unseen points are searched too, each along its own loss, and never trained on.
    """

    x: Float[Array, "p ..."]
    y: Float[Array, "p c"]
    schedule: Schedule


class TrainingFlow(NamedTuple):
    """Outputs f(theta_t, x_{t,u}) along training times t and searched shares u, for every point.

    `gave_up`: an integrator took all the steps allowed or met a number that is not finite, and stopped
    there; outputs are not to be used.
    """

    outputs: Float[Array, "*seeds times shares p c"]
    steps: Int[Array, "*seeds"]
    gave_up: Bool[Array, "*seeds"]


def search(
    forward: Forward,
    parameters: Parameters,
    x: Float[Array, "p ..."],
    y: Float[Array, "p c"],
    strengths: Float[Array, " p"],
    tolerance: Float[Array, ""] | float,
    least_step: Float[Array, ""] | float = _SMALLEST_STEP,
) -> tuple[Float[Array, "p ..."], Bool[Array, ""]]:
    """Inputs at the end of a search with eta_i S = strengths, and whether the integrator gave up."""

    def slope(_: Any, moved: Array, __: Any) -> Array:
        outputs, pull = jax.vjp(partial(forward, parameters), moved)
        return pull(strengths[:, None] * (outputs - y))[0]

    solution = _solve(slope, x, 0.0, 1.0, 1.0, tolerance, least_step)
    assert solution.ys is not None
    return solution.ys[0], jnp.asarray(solution.result != diffrax.RESULTS.successful)


def train(
    forward: Forward,
    parameters: Parameters,
    points: Points,
    training: int,
    times: Float[Array, " times"],
    shares: int,
    tolerance: Float[Array, ""] | float = 1e-3,
    largest_step: Float[Array, ""] | float = 1.0,
    least_step: Float[Array, ""] | float = _SMALLEST_STEP,
) -> TrainingFlow:
    """Train one network adversarially on the first `training` points.

    Args:
      forward: the network's forward pass.
      parameters: where the flow starts.
      points: what is trained on, then unseen points.
      training: how many points are trained on.
      times: training times, increasing from 0, at which outputs are taken.
      shares: at how many equally spaced searched shares outputs are taken, from clean (0) to the end of
        the search (1); at least 2.
      tolerance: of one training step, relative to sqrt(T) |f_0(X) - y|; the search is held to a third.
      largest_step: as a share of the interval between two times.
      least_step: likewise, and as a share of the whole search; a step of this size is taken whatever
        its error.  Where an activation has a kink slopes jump, and smaller steps would not help: then
        the distance between two runs says what the integration is worth.
    """
    start_residual = forward(parameters, points.x[:training]) - points.y[:training]
    # A network that fits from the start has nowhere to go: any reach will do.
    reach = jnp.sqrt(times[-1] * jnp.maximum((start_residual**2).sum(), jnp.finfo(points.y.dtype).eps))
    seen = jax.tree.map(lambda leaf: leaf[:training] if leaf.ndim else leaf, points)

    # As one vector: an integrator's program grows with the number of arrays that it moves.
    flat, shaped = ravel_pytree(parameters)

    def slope(t: Array, vector: Array, _: Any) -> Array:
        theta, strengths = shaped(vector), seen.schedule.strengths(t)
        moved, gave_up = search(forward, theta, seen.x, seen.y, strengths, tolerance / 3, least_step)
        # A search without an end leaves training without a slope.
        moved = jnp.where(gave_up, jnp.nan, moved)
        outputs, pull = jax.vjp(lambda p: forward(p, moved), theta)
        return -ravel_pytree(pull(outputs - seen.y)[0])[0]

    def observe(t: Array, theta: Parameters) -> tuple[Array, Array]:
        part = points.schedule.strengths(t) / (shares - 1)

        def leg(x: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
            moved, gave_up = search(forward, theta, x, points.y, part, tolerance / 3, least_step)
            return moved, (forward(theta, moved), gave_up)

        _, (outputs, gave_up) = jax.lax.scan(leg, points.x, None, length=shares - 1)
        return jnp.concatenate([forward(theta, points.x)[None], outputs]), gave_up.any()

    def interval(state: tuple[Array, Array], ends: tuple[Array, Array]) -> tuple[tuple, tuple]:
        vector, stopped = state
        start, end = ends
        # Nothing is left to integrate after an integrator has given up.
        end_here = jnp.where(stopped, start, end)
        solution = _solve(slope, vector, start, end_here, largest_step, tolerance * reach, least_step)
        assert solution.ys is not None
        vector = solution.ys[0]
        outputs, search_gave_up = observe(end, shaped(vector))
        lost = (solution.result != diffrax.RESULTS.successful) | search_gave_up
        stopped = stopped | lost | ~jnp.isfinite(outputs).all()
        return (vector, stopped), (outputs, solution.stats["num_steps"])

    # The first interval is empty: outputs at the first time.
    before = jnp.concatenate([times[:1], times[:-1]])
    state = (flat, jnp.asarray(False))
    (_, stopped), (outputs, steps) = jax.lax.scan(interval, state, (before, times))
    return TrainingFlow(outputs, steps.sum(), stopped)


@partial(jax.jit, static_argnames=("training", "shares", "batching"))
def train_seeds(
    forward: Forward,
    parameters: Parameters,
    points: Points,
    training: int,
    times: Float[Array, " times"],
    shares: int,
    tolerance: Float[Array, ""] | float = 1e-3,
    largest_step: Float[Array, ""] | float = 1.0,
    least_step: Float[Array, ""] | float = _SMALLEST_STEP,
    batching: Batching = "loop",
) -> TrainingFlow:
    """`train` for many networks, whose parameters have a leading seed axis, in one compiled program.

    A compiled loop over the seeds is the default: one network's parameters stay in cache, and no seed
    waits for the steps of another (measured in benchmarks/batching.md).
    """

    def one(theta: Parameters) -> TrainingFlow:
        return train(forward, theta, points, training, times, shares, tolerance, largest_step, least_step)

    return jax.vmap(one)(parameters) if batching == "vmap" else jax.lax.map(one, parameters)


def training_memory(
    arch: Architecture, input_shape: tuple[int, ...], width: int, points: int, outputs: int
) -> int:
    """Upper estimate, in bytes and float64, of what one seed of `train` takes."""
    count = parameter_count(weight_shapes(arch, input_shape, width, outputs))
    pixels, channels = math.prod(input_shape[:-1]), input_shape[-1]
    activations = points * (arch.depth + 2) * pixels * max(width, channels) * _COPIES
    return 8 * (_COPIES * count + activations)


def _solve(
    slope: Any, start: Any, t0: Any, t1: Any, largest: Any, tolerance: Any, least: Any
) -> diffrax.Solution:
    controller = diffrax.PIDController(
        rtol=0.0,
        atol=tolerance,
        norm=two_norm,
        dtmin=least * (t1 - t0),
        dtmax=largest * (t1 - t0),
        force_dtmin=True,
    )
    return diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        diffrax.Tsit5(),
        t0=t0,
        t1=t1,
        dt0=largest * (t1 - t0),
        y0=start,
        stepsize_controller=controller,
        adjoint=diffrax.ForwardMode(),  # nothing is differentiated through the solution
        max_steps=_MOST_STEPS,
        throw=False,
    )
