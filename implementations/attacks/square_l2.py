r"""Moves of the Square attack in l2: perturbations made of bumps, whose mass is moved between windows.

A bump falls off from the centre of each half of its window: at distance r, in the maximum norm, it is
sum_{j = r + 1}^{n + 1} 1/j^2, n half the longer side of the half; the halves have opposite signs.
A move takes what the perturbation holds in two windows, and what the ball has left, and spends it in the
first: on the bump and the direction that it had there.  The norm stays that of the ball.
Source: Andriushchenko et al., ECCV 2020 (arXiv 1912.00049), section 3.4 and algorithm 3.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from advntk.implementations.attacks.threat import Scalar

TILES = 5  # the search starts from so many bumps along each side of an image
LEAST_SIDE = 3  # smaller bumps are single pixels
CANCELLED = 1e-3  # the sum of two unit vectors that counts as nothing


def tiles(
    keys: Key[Array, " k"], radius: Scalar, shape: tuple[int, int, int], dtype: jnp.dtype
) -> Float[Array, "k h w c"]:
    """Perturbations of norm `radius` to start from: bumps side by side, their signs random.

    Args:
      keys: one per sample.
      radius: in l2.
      shape: (height, columns, channels) of an image.
      dtype: floating type of the result.

    Returns:
      (k, height, columns, channels), each of norm `radius`.
    """
    height, width, channels = shape
    tall, wide = (min(side, max(side // TILES, LEAST_SIDE)) for side in (height, width))
    down, across = -(-height // tall), -(-width // wide)

    def one(key: Array) -> Array:
        turned, sign = jax.random.split(key)
        size = jnp.array([tall, wide])
        window = _bump(jnp.arange(tall), jnp.arange(wide), size, _turned(turned, size), max(tall, wide))
        signs = jax.random.rademacher(sign, (down, 1, across, 1, channels), dtype)
        whole = signs * window.astype(dtype)[None, :, None, :, None]
        cut = whole.reshape(down * tall, across * wide, channels)[:height, :width]
        return radius * cut / jnp.linalg.norm(cut)

    return jax.vmap(one)(keys)


def moved(
    key: Key[Array, ""], held: Float[Array, "h w c"], size: Int[Array, " 2"], radius: Scalar
) -> Float[Array, "h w c"]:
    """The perturbation `held` after one move with windows of `size`, of norm `radius`.

    Args:
      key: random key.
      held: (height, columns, channels), of norm `radius`.
      size: height and width of the windows, in pixels.
      radius: in l2.

    Returns:
      The next perturbation, of the shape of `held`.
    """
    first, second, turned, sign = jax.random.split(key, 4)
    height, width, channels = held.shape
    top, left = _corner(first, height, width, size)
    receives = _window(height, width, (top, left), size)
    gives = receives | _window(height, width, _corner(second, height, width, size), size)
    bump = _bump(
        jnp.arange(height) - top, jnp.arange(width) - left, size, _turned(turned, size), max(height, width)
    )
    bump = jnp.where(receives, bump.astype(held.dtype), 0)
    signs = jax.random.rademacher(sign, (channels,), held.dtype)
    drawn = signs[None, None, :] * _unit(bump[:, :, None])
    direction = drawn + _unit(jnp.where(receives[:, :, None], held, 0))
    # The same bump of the other sign may stand there: what is left of the two is rounding.
    cancelled = jnp.linalg.norm(direction, axis=(0, 1), keepdims=True) < CANCELLED
    direction = jnp.where(cancelled, drawn, direction)
    unused = jnp.maximum(radius**2 - jnp.sum(held**2), 0)
    mass = jnp.sqrt(jnp.sum(jnp.where(gives[:, :, None], held**2, 0), axis=(0, 1)) + unused / channels)
    return jnp.where(gives[:, :, None], mass[None, None, :] * _unit(direction), held)


def _corner(key: Array, height: int, width: int, size: Array) -> tuple[Array, Array]:
    row, column = jax.random.split(key)
    return (
        jax.random.randint(row, (), 0, height - size[0] + 1),
        jax.random.randint(column, (), 0, width - size[1] + 1),
    )


def _window(height: int, width: int, corner: tuple[Array, Array], size: Array) -> Bool[Array, "h w"]:
    rows, columns = jnp.arange(height) - corner[0], jnp.arange(width) - corner[1]
    return ((rows >= 0) & (rows < size[0]))[:, None] & ((columns >= 0) & (columns < size[1]))[None, :]


def _turned(key: Array, size: Array) -> Bool[Array, ""]:
    """Whether the halves lie above one another: by chance, but side by side in a single row."""
    return jax.random.bernoulli(key) & (size[0] > 1)


def _bump(
    rows: Int[Array, " h"], columns: Int[Array, " w"], size: Int[Array, " 2"], turned: Array, largest: int
) -> Float[Array, "h w"]:
    """The two halves at these distances from the corner of a window; without meaning outside of it."""
    split = jnp.where(turned, jnp.array([2, 1]), jnp.array([1, 2]))
    half = size // split
    second = (jnp.where(turned, rows, 0) >= half[0])[:, None] | (jnp.where(turned, 0, columns) >= half[1])[
        None, :
    ]
    # The second half is the larger one of an odd side, and starts where the first ends.
    tall, wide = (jnp.where(second & (split[i] > 1), size[i] - half[i], half[i]) for i in (0, 1))
    row = rows[:, None] - jnp.where(second & turned, half[0], 0)
    column = columns[None, :] - jnp.where(second & ~turned, half[1], 0)
    n = jnp.maximum(tall, wide) // 2
    away = jnp.maximum(jnp.abs(row - tall // 2), jnp.abs(column - wide // 2))
    sums = jnp.asarray(np.concatenate([[0.0], np.cumsum(1 / np.arange(1.0, largest + 2) ** 2)]))
    height = sums[n + 1] - sums[jnp.clip(away, 0, n)]
    return jnp.where(second, -height, height)


def _unit(values: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """Each channel divided by its norm, 0 where it is 0."""
    length = jnp.linalg.norm(values, axis=(0, 1), keepdims=True)
    return values / jnp.where(length > 0, length, 1)
