r"""Adversarial training as it is run: gradient descent with a learning rate, at searched inputs.

    search     x_i <- x_i + (eta_i(t) S / K) d_x f(theta, x_i)' (f(theta, x_i) - y_i),  K times,
    training   theta <- theta - lambda sum_i d_theta f(theta, x_i)' (f(theta, x_i) - y_i),  t = step * lambda.

Each search starts at the clean x_i.  These are explicit Euler steps of the two flows (theory: section 0),
which they tend to at first order in the learning rate lambda and in 1/K.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from advntk.implementations.dynamics.adversarial_training import Points
from advntk.implementations.networks.finite import Forward
from advntk.implementations.networks.protocol import Parameters


class GradientDescent(NamedTuple):
    """How fast it is trained and how finely it is searched; data, so that programs are shared."""

    learning_rate: Float[Array, ""]
    search_steps: Int[Array, ""]


def gradient_descent(learning_rate: float, search_steps: int) -> GradientDescent:
    """A `GradientDescent` from checked values.

    Raises:
      ValueError: a learning rate that is not positive and finite, or no search step, naming the fix.
    """
    if not 0 < learning_rate < float("inf"):
        raise ValueError(
            f"learning_rate = {learning_rate} must be positive and finite, since time is step * learning_rate"
        )
    if search_steps < 1:
        raise ValueError(
            f"search_steps = {search_steps} must be at least 1; to train without a search set strengths to 0"
        )
    return GradientDescent(jnp.asarray(learning_rate, float), jnp.asarray(search_steps))


def ascend(
    forward: Forward,
    parameters: Parameters,
    x: Float[Array, "p ..."],
    y: Float[Array, "p c"],
    strengths: Float[Array, " p"],
    steps: Int[Array, ""],
) -> Float[Array, "p ..."]:
    """Inputs after `steps` gradient-ascent steps with eta_i S = strengths.

    Args:
      forward: the forward pass.
      parameters: of the network.
      x: clean inputs, (p, *shape).
      y: targets, (p, c).
      strengths: eta_i S, (p,).
      steps: number of steps.

    Returns:
      Inputs of the shape of `x`.
    """
    part = (strengths / steps)[:, None]

    def step(_: Array, moved: Array) -> Array:
        outputs, pull = jax.vjp(partial(forward, parameters), moved)
        return moved + pull(part * (outputs - y))[0]

    return jax.lax.fori_loop(0, steps, step, x)


def descend(
    forward: Forward,
    parameters: Parameters,
    points: Points,
    n_train: int,
    counts: Int[Array, " counts"],
    how: GradientDescent,
) -> Float[Array, "counts 2 p c"]:
    """Train one network adversarially on the first `n_train` points by gradient descent.

    Args:
      forward: the network's forward pass.
      parameters: where training starts.
      points: what is trained on, then unseen points.
      n_train: how many points are trained on.
      counts: after how many training steps outputs are taken; not decreasing, from 0 on.
      how: learning rate and search steps (see `gradient_descent`).

    Returns:
      Outputs at clean and at searched inputs, of every point: what `train` gives at the times
      counts * learning_rate and the fractions 0 and 1 of the search.
      Training that diverges ends in numbers that are not finite.
    """
    x, y = points.x[:n_train], points.y[:n_train]

    def step(number: Array, theta: Parameters) -> Parameters:
        strengths = points.schedule.strengths(number * how.learning_rate)[:n_train]
        moved = ascend(forward, theta, x, y, strengths, how.search_steps)
        outputs, pull = jax.vjp(lambda p: forward(p, moved), theta)
        gradient = pull(outputs - y)[0]
        return jax.tree.map(lambda leaf, slope: leaf - how.learning_rate * slope, theta, gradient)

    def observe(number: Array, theta: Parameters) -> Array:
        strengths = points.schedule.strengths(number * how.learning_rate)
        moved = ascend(forward, theta, points.x, points.y, strengths, how.search_steps)
        return jnp.stack([forward(theta, points.x), forward(theta, moved)])

    def interval(state: tuple[Array, Parameters], end: Array) -> tuple[tuple[Array, Parameters], Array]:
        start, theta = state
        theta = jax.lax.fori_loop(start, end, step, theta)
        return (end, theta), observe(end, theta)

    _, outputs = jax.lax.scan(interval, (jnp.zeros_like(counts[0]), parameters), counts)
    return outputs


@partial(jax.jit, static_argnames=("n_train",))
def descend_seeds(
    forward: Forward,
    parameters: Parameters,
    points: Points,
    n_train: int,
    counts: Int[Array, " counts"],
    how: GradientDescent,
) -> Float[Array, "seeds counts 2 p c"]:
    """`descend` for many networks, whose parameters have a leading seed axis, in one compiled program.

    Args:
      forward: the forward pass.
      parameters: with a leading seed axis.
      points: inputs, targets and schedule: those trained on first, then unseen ones.
      n_train: how many points are trained on.
      counts: numbers of training steps, not decreasing.
      how: learning rate and search steps.

    Returns:
      As `descend`, with a leading seed axis.
    """
    return jax.lax.map(lambda theta: descend(forward, theta, points, n_train, counts, how), parameters)
