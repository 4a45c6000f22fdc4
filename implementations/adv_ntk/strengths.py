"""The strengths varpi of Adv-NTK and their magnitudes D = Diag(|varpi|), shared by the solvers.

Strengths have one entry per training sample, (m,), used by all classes, or one per sample and class,
(m, c), so that every column of Y has its own D.
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 5.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Strengths = Float[Array, " m"] | Float[Array, "m c"]


def magnitude(strengths: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """|varpi|, with the derivative 1 at 0 under automatic differentiation (that of jnp.abs is 0)."""
    return jnp.where(strengths < 0, -strengths, strengths)


def slope(strengths: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """d|varpi|/dvarpi, 1 at 0 by convention: the published one, without which no training leaves 0."""
    return jnp.where(strengths < 0, -jnp.ones_like(strengths), jnp.ones_like(strengths))


def check(
    ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"], cotangent: Array | None = None
) -> None:
    """Shapes that fit together.

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      strengths: varpi, (m,) shared by the classes or (m, c), of any sign.
      y: targets, (m, c).
      cotangent: (m, c), if there is one.

    Raises:
      ValueError: one of the shapes does not fit.
    """
    if y.ndim != 2 or ntk.shape != (len(y), len(y)):
        raise ValueError(f"ntk {ntk.shape} and y {y.shape} do not fit; they must be (m, m) and (m, c)")
    if strengths.shape not in (y.shape[:1], y.shape):
        raise ValueError(f"strengths {strengths.shape} must be {y.shape[:1]} or {y.shape}, as y is {y.shape}")
    if cotangent is not None and cotangent.shape != y.shape:
        raise ValueError(f"cotangent {cotangent.shape} must have the shape {y.shape} of y")
