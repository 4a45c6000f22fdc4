"""Projected gradient descent (PGD): `pgd_linf` of a bare gradient, `pgd` in any norm with restarts.

Source: Madry et al., ICLR 2018 (arXiv 1706.06083), section 2.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from advntk.implementations.attacks.arguments import (
    BadAttack,
    Samples,
    checked_ascent,
    checked_key,
    checked_samples,
    checked_threat,
    is_key,
    length,
    settled,
    whole,
)
from advntk.implementations.attacks.losses import Best, LossesAndGradient, better
from advntk.implementations.attacks.threat import (
    Keys,
    Scalar,
    ThreatModel,
    fold_in,
    per_sample,
    project,
    random_start,
)


def pgd_linf(
    loss_gradient: Callable[[Float[Array, "*shape"]], Float[Array, "*shape"]],
    x: Samples,
    radius: Scalar,
    step: Scalar,
    steps: int,
    low: Scalar,
    high: Scalar,
    start: Key[Array, ""] | None = None,
) -> Float[Array, "*shape"]:
    """Inputs moved `steps` times by `step` along the sign of the loss gradient at the current iterate.

    Every iterate stays within `radius` of the clean `x` (up to rounding of x +- radius) and in the box
    [low, high], in which `x` must lie.  With a key as `start` the search begins at a point drawn
    uniformly from the ball and clipped to the box, otherwise at `x`.

    `loss_gradient` maps inputs to the gradient of their loss, sample by sample; the samples may share
    one call, because a sign does not see what the others' losses add up to.

    Args:
      loss_gradient: see above.
      x: clean inputs, (k, *shape), in the box.
      radius: in l_inf.
      step: length of a step.
      steps: number of steps.
      low: lower end of the box.
      high: upper end.
      start: random key, or None to begin at `x`.

    Returns:
      The last iterate.

    Raises:
      BadAttack: samples outside the box or of another dtype than float32 and float64, a radius, a step or
        a number of steps that are none.
    """
    x = checked_samples(x, low, high)
    radius, step = length("radius", radius, x), length("step", step, x)
    low, high = settled(low, x), settled(high, x)
    whole("steps", steps, 0)
    if start is not None and not is_key(start):
        raise BadAttack(f"start = {str(start)[:40]} is no random key; give jax.random.key(seed)")
    lower, upper = jnp.maximum(x - radius, low), jnp.minimum(x + radius, high)

    def moved(_: Int[Array, ""], at: Array) -> Array:
        return jnp.clip(at + step * jnp.sign(loss_gradient(at)), lower, upper)

    begin = x
    if start is not None:
        begin = x + radius * jax.random.uniform(start, x.shape, x.dtype, -1, 1)
    return jax.lax.fori_loop(0, steps, moved, jnp.clip(begin, lower, upper))


def pgd(
    losses_and_gradient: LossesAndGradient,
    x: Samples,
    threat: ThreatModel,
    step: Scalar,
    steps: int,
    key: Keys | None = None,
    restarts: int = 1,
    top: int | None = None,
) -> Float[Array, "k *shape"]:
    """Inputs of the highest loss among `x` and all iterates of `restarts` searches of `steps` steps each.

    A step is the steepest ascent of length `step` in the norm of the threat model, then the projection
    onto ball and box.  In l1 it goes in equal parts along the `top` coordinates of largest slope, what
    the box holds back along the next ones; their number falls linearly to 1 (by default from a twentieth
    of the coordinates), because the optimum sits at a vertex and equal parts do not lead there.
    With a key (one, or one per sample) each search begins at its own `random_start`, otherwise at `x`,
    which must lie in the box.  The sample `x` itself competes: no loss comes out below the clean one.

    Args:
      losses_and_gradient: maps inputs to their losses (k,) and the gradient of each.
      x: clean inputs, (k, *shape), in the box.
      threat: norm, radius and box, in the units of the data.
      step: length of a step, in the norm.
      steps: steps of each search.
      key: one key, or one per sample; without one the search begins at the clean input.
      restarts: number of searches, of which the best result counts.
      top: how many coordinates a step in l1 begins with.

    Returns:
      Inputs of the shape of `x`, in ball and box.

    Raises:
      BadAttack: arguments that do not fit, `steps` negative, `restarts` below 1, or several searches
        without a key.

    Source: Madry et al., ICLR 2018, section 2.1; for l1 Tramer & Boneh, NeurIPS 2019 (arXiv
    1904.13000), section 4.1, and Croce & Hein, ICML 2021 (arXiv 2103.01208), section 3.
    """
    check_budget(steps, restarts, key)
    x = checked_samples(x, threat.low, threat.high)
    threat, step = checked_threat(threat, x), length("step", step, x)
    checked_key(key, len(x))
    if top is not None:
        whole("top", top, 1)
    uphill, dtype = checked_ascent(losses_and_gradient, x)
    keys = None if key is None else per_sample(key, len(x))
    most = top if top is not None else -(-math.prod(x.shape[1:]) // 20)
    period = steps + 1

    def visit(i: Int[Array, ""], state: tuple[Array, Best]) -> tuple[Array, Best]:
        at, best = state
        losses, gradient = uphill(at)
        best = better(best, at, losses)
        if threat.norm == "l1":
            left = period - (i % period if keys is None else (i - 1) % period) - 1
            along = sparse_ascent(
                threat, at, gradient, step, jnp.maximum(-(-most * left // max(steps, 1)), 1)
            )
        else:
            along = step * steepest(threat.norm, gradient)
        moved = project(threat, x, at + along)
        if keys is None:
            return moved, best
        # The clean input comes first, then each search from its start.
        begin = partial(_fresh, threat, keys, x, i // period)
        return jax.lax.cond(i % period == 0, begin, lambda: moved), best

    nothing = Best(x, jnp.full(len(x), -jnp.inf, dtype))
    visits = period if keys is None else restarts * period + 1
    return jax.lax.fori_loop(0, visits, visit, (x, nothing))[1].at


def steepest(norm: str, gradient: Float[Array, "k *shape"]) -> Float[Array, "k *shape"]:
    """The direction of unit `norm`, "linf" or "l2", of steepest ascent; 0 for a gradient of 0."""
    if norm == "linf":
        return jnp.sign(gradient)
    flat = gradient.reshape(len(gradient), -1)
    # Squares of small gradients would underflow.
    largest = jnp.max(jnp.abs(flat), axis=1, keepdims=True)
    scaled = flat / jnp.where(largest > 0, largest, 1)
    length = jnp.linalg.norm(scaled, axis=1, keepdims=True)
    return (scaled / jnp.where(length > 0, length, 1)).reshape(gradient.shape)


def sparse_ascent(
    threat: ThreatModel,
    at: Float[Array, "k *shape"],
    gradient: Float[Array, "k *shape"],
    step: Scalar,
    top: int | Int[Array, ""],
) -> Float[Array, "k *shape"]:
    """The steepest move of l1 length `step` that stays in the box and gives no coordinate over `step`/`top`.

    Coordinates in the order of their slopes, each as far as it may go: at least `top` of them.

    Args:
      threat: norm, radius and box, in the units of the data.
      at: iterates, (k, *shape).
      gradient: of their losses.
      step: length of the move in l1.
      top: least number of coordinates that move.

    Returns:
      The moves, of the shape of `at`.
    """
    slope, flat = gradient.reshape(len(at), -1), at.reshape(len(at), -1)
    room = jnp.maximum(jnp.where(slope > 0, threat.high - flat, flat - threat.low), 0)
    order = jnp.argsort(-jnp.abs(slope), axis=1)
    limit = jnp.take_along_axis(jnp.minimum(room, step / top), order, 1)
    given = jnp.clip(step - (jnp.cumsum(limit, axis=1) - limit), 0, limit)
    back = jnp.argsort(order, axis=1)
    return (jnp.sign(slope) * jnp.take_along_axis(given, back, 1)).reshape(at.shape)


def check_budget(steps: int, restarts: int, key: Keys | None) -> None:
    """Refuse a search of impossible length.

    Raises:
      BadAttack: `steps` negative, `restarts` below 1, or several searches without a key.
    """
    whole("steps", steps, 0)
    whole("restarts", restarts, 1, ", the only search")
    if restarts > 1 and key is None:
        raise BadAttack(f"restarts = {restarts} without a key would repeat one search; give a key")


def _fresh(
    threat: ThreatModel,
    keys: Key[Array, " k"],
    x: Float[Array, "k *shape"],
    number: Int[Array, ""],
) -> Float[Array, "k *shape"]:
    return random_start(threat, fold_in(keys, number), x)
