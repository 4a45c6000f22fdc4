"""Matrices written block by block into their place, so that no more than one block is held beside them.

Blocks have equal sides, for one compiled program serves them all.  Where they do not divide a matrix the
last one is moved back and overlaps its neighbour: nothing is padded, no second matrix cut out of the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# (first row, first column) |-> the block that begins there.
Tile = Callable[[Any, Any], Float[Array, "height width"]]


def even_side(size: int, largest: int) -> int:
    """The side of the fewest blocks of at most `largest` that cover `size`, as even as can be."""
    return math.ceil(size / math.ceil(size / max(1, min(size, largest))))


def block_sides(rows: int, columns: int, entries: int) -> tuple[int, int]:
    """Sides of blocks of at most `entries` entries (at least one), as square as the matrix allows.

    Square, for what is computed per row and per column of a block is then least.
    """
    height = min(rows, max(1, math.isqrt(entries)))
    width = min(columns, max(1, entries // height))
    height = min(rows, max(1, entries // width))
    return even_side(rows, height), even_side(columns, width)


def starts(size: int, side: int) -> Int[np.ndarray, " blocks"]:
    """Where blocks begin."""
    return np.minimum(np.arange(0, size, side), size - side)


def rectangle(tile: Tile, shape: tuple[int, int], sides: tuple[int, int], dtype: Any) -> Float[Array, "k m"]:
    """The matrix of this shape, row of blocks by row of blocks.

    Args:
      tile: gives the block that begins at a row and a column.
      shape: (k, m).
      sides: height and width of a block.
      dtype: floating type of the result.

    Returns:
      (k, m).
    """
    grid = np.meshgrid(starts(shape[0], sides[0]), starts(shape[1], sides[1]), indexing="ij")
    corners = np.stack([line.ravel() for line in grid], axis=1)

    def write(result: Array, i: Array, j: Array) -> Array:
        return jax.lax.dynamic_update_slice(result, tile(i, j).astype(dtype), (i, j))

    return _over(corners, write, jnp.zeros(shape, dtype))


def symmetric(
    tile: Tile, on_diagonal: Callable[[Any], Float[Array, "side side"]], size: int, side: int, dtype: Any
) -> Float[Array, "m m"]:
    """The symmetric matrix of this size, exactly so: a block above the diagonal is also the one below.

    `on_diagonal` gives the symmetric blocks on the diagonal.  They are written last: there, and only
    there, a block above the diagonal that was moved back overlaps its own mirror image.

    Args:
      tile: gives the block that begins at a row and a column.
      on_diagonal: see above.
      size: m.
      side: of a block.
      dtype: floating type of the result.

    Returns:
      (m, m).
    """
    first = starts(size, side)
    above = np.triu_indices(len(first), k=1)
    corners = np.stack([first[above[0]], first[above[1]]], axis=1)

    def mirrored(result: Array, i: Array, j: Array) -> Array:
        found = tile(i, j).astype(dtype)
        result = jax.lax.dynamic_update_slice(result, found, (i, j))
        return jax.lax.dynamic_update_slice(result, found.T, (j, i))

    def diagonal(result: Array, i: Array, _: Array) -> Array:
        return jax.lax.dynamic_update_slice(result, on_diagonal(i).astype(dtype), (i, i))

    result = _over(corners, mirrored, jnp.zeros((size, size), dtype))
    return _over(np.stack([first, first], axis=1), diagonal, result)


def summed(
    term: Callable[[Any, Float[Array, " width"]], Float[Array, "*shape"]], size: int, side: int, zero: Array
) -> Float[Array, "*shape"]:
    """The sum of term(start, counts) over the blocks of an axis; counts is 0 where another block counts.

    Under reverse-mode differentiation the terms are computed again, one at a time, instead of kept.

    Args:
      term: see above.
      size: length of the axis.
      side: of a block.
      zero: where the sum starts.

    Returns:
      The sum, of the shape of `zero`.
    """
    first = starts(size, side)
    if len(first) == 1:
        return term(0, jnp.ones(side, zero.dtype))
    counted = np.concatenate([[0], first[:-1] + side])

    @jax.checkpoint
    def add(total: Array, block: tuple[Array, Array]) -> tuple[Array, None]:
        start, until = block
        counts = (start + jnp.arange(side) >= until).astype(zero.dtype)
        return total + term(start, counts), None

    return jax.lax.scan(add, zero, (jnp.asarray(first), jnp.asarray(counted)))[0]


def _over(corners: Int[np.ndarray, "blocks 2"], write: Callable, result: Array) -> Array:
    if len(corners) == 0:
        return result
    where = jnp.asarray(corners)
    return jax.lax.fori_loop(0, len(corners), lambda n, so_far: write(so_far, *where[n]), result)
