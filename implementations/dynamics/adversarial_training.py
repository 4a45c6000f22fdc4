r"""Adversarial training of finite networks as two gradient flows, integrated.

    search     d_u x_{i,u} = eta_i(t) S  d_x f(theta_t, x_{i,u})' (f(theta_t, x_{i,u}) - y_i),  u in [0, 1],
    training   d_t theta_t = - sum_i d_theta f(theta_t, x_{i,1})' (f(theta_t, x_{i,1}) - y_i),

x_{i,0} = x_i, u = s/S being the searched share (theory: section 0).  Both flows are integrated with Tsit5,
steps controlled in the Euclidean norm of what moves.  A gradient flow on a loss that starts at l moves by
at most sqrt(2 T l), Cauchy-Schwarz says; held against that, one tolerance means the same at all widths
and in both parameterisations.
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), equations (3) and (4).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
from optimistix import two_norm

from implementations.dynamics.schedules import Schedule
from implementations.networks.architecture import Architecture
from implementations.networks.finite import Forward, Parameters, parameter_count, weight_shapes

Batching = Literal["loop", "vmap"]

# The smallest step, as a share of the whole search and of one interval between training times.  Where
# an activation has a kink the slopes jump and no smaller step would help; the error is reported.
_LEAST_SEARCH_STEP, _LEAST_TRAINING_STEP = 1 / 16, 1 / 8
_MOST_SEARCH_STEPS, _MOST_TRAINING_STEPS = 64, 64
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

    `gave_up`: an integrator took all the steps allowed or met a number that is not finite; the
    outputs from there on are not to be used.
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
) -> tuple[Float[Array, "p ..."], Bool[Array, ""]]:
    """Inputs at the end of a search with eta_i S = strengths, and whether the integrator gave up."""

    def slope(_: Any, moved: Array, __: Any) -> Array:
        outputs, pull = jax.vjp(partial(forward, parameters), moved)
        return pull(strengths[:, None] * (outputs - y))[0]

    solution = _solve(slope, x, 0.0, 1.0, 0.5, tolerance, _LEAST_SEARCH_STEP, _MOST_SEARCH_STEPS)
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
      tolerance: of one training step, relative to sqrt(T) |y|; the search is held to a tenth of it.
      largest_step: as a share of the interval between two times.
    """
    reach = jnp.sqrt(times[-1] * (points.y[:training] ** 2).sum())
    seen = jax.tree.map(lambda leaf: leaf[:training] if leaf.ndim else leaf, points)

    def slope(t: Array, theta: Parameters, _: Any) -> Parameters:
        moved, _ = search(forward, theta, seen.x, seen.y, seen.schedule.strengths(t), tolerance / 10)
        outputs, pull = jax.vjp(lambda p: forward(p, moved), theta)
        return jax.tree.map(jnp.negative, pull(outputs - seen.y)[0])

    def observe(t: Array, theta: Parameters) -> tuple[Array, Array]:
        part = points.schedule.strengths(t) / (shares - 1)

        def leg(x: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
            moved, gave_up = search(forward, theta, x, points.y, part, tolerance / 10)
            return moved, (forward(theta, x), gave_up)

        _, (outputs, gave_up) = jax.lax.scan(leg, points.x, None, length=shares)
        return outputs, gave_up.any()

    def interval(theta: Parameters, ends: tuple[Array, Array]) -> tuple[Parameters, tuple]:
        start, end = ends
        solution = _solve(
            slope,
            theta,
            start,
            end,
            largest_step,
            tolerance * reach,
            _LEAST_TRAINING_STEP,
            _MOST_TRAINING_STEPS,
        )
        theta = jax.tree.map(lambda leaf: leaf[0], solution.ys)
        outputs, search_gave_up = observe(end, theta)
        stopped = (solution.result != diffrax.RESULTS.successful) | search_gave_up
        return theta, (outputs, solution.stats["num_steps"], stopped)

    # The first interval is empty: outputs at the first time.
    before = jnp.concatenate([times[:1], times[:-1]])
    _, (outputs, steps, stopped) = jax.lax.scan(interval, parameters, (before, times))
    return TrainingFlow(outputs, steps.sum(), stopped.any() | ~jnp.isfinite(outputs).all())


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
    batching: Batching = "loop",
) -> TrainingFlow:
    """`train` for many networks, whose parameters have a leading seed axis, in one compiled program.

    A compiled loop over the seeds is the default: one network's parameters stay in cache, and no seed
    waits for the steps of another (measured in benchmarks/batching.md).
    """

    def one(theta: Parameters) -> TrainingFlow:
        return train(forward, theta, points, training, times, shares, tolerance, largest_step)

    return jax.vmap(one)(parameters) if batching == "vmap" else jax.lax.map(one, parameters)


def training_memory(
    arch: Architecture, input_shape: tuple[int, ...], width: int, points: int, outputs: int
) -> int:
    """Upper estimate, in bytes and float64, of what one seed of `train` takes."""
    count = parameter_count(weight_shapes(arch, input_shape, width, outputs))
    activations = points * (arch.depth + 2) * max(width, *input_shape) * _COPIES
    return 8 * (_COPIES * count + activations)


def _solve(
    slope: Any, start: Any, t0: Any, t1: Any, largest: Any, tolerance: Any, least: float, most: int
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
        max_steps=most,
        throw=False,
    )
