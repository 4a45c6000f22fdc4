"""Projected gradient descent (PGD) in the maximum norm.

Source: Madry et al., ICLR 2018 (arXiv 1706.06083), section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

Scalar = float | Float[Array, ""]


def pgd_linf(
    loss_gradient: Callable[[Float[Array, "*shape"]], Float[Array, "*shape"]],
    x: Float[Array, "*shape"],
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
    """
    lower, upper = jnp.maximum(x - radius, low), jnp.minimum(x + radius, high)

    def moved(_: Int[Array, ""], at: Array) -> Array:
        return jnp.clip(at + step * jnp.sign(loss_gradient(at)), lower, upper)

    begin = x
    if start is not None:
        begin = x + radius * jax.random.uniform(start, x.shape, x.dtype, -1, 1)
    return jax.lax.fori_loop(0, steps, moved, jnp.clip(begin, lower, upper))
