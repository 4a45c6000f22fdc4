r"""Lanczos with full reorthogonalization on S = D^{1/2} Theta D^{1/2}, many columns at a time.

Every column has a Krylov space of its own, S Q = Q T + beta q e', yet one step of all columns of all
spaces costs one product with Theta.  The vectors Theta D^{1/2} q_j are kept: they are what exp(-Theta D)
needs without any division by D.  Libraries (matfree) run one vector at a time and do not hand out such
products; mapped over columns they would neither stop and go on nor share the steps of two spaces.

Columns are stored as rows (Theta is symmetric), and D^{1/2} scales vectors: Theta is never copied.
Source of the iteration: Golub & Van Loan, Matrix Computations, section 10.1-10.3.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# Tensor-core formats with ten-bit fractions are what some devices take for float32 unless told.
matmul = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
_einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)


class KrylovSpaces(NamedTuple):
    """Krylov spaces of n start vectors in m dimensions, `steps` deep, with room for k steps.

    `basis` (n, k+1, m) holds q_1 ... and the next vector, `products` (n, k, m) Theta D^{1/2} q_j, `alpha`
    and `beta` (n, k) the diagonal of T and what is beside it, `length` (n,) the norms of the start vectors.
    All that lies beyond `steps`, or beyond an invariant subspace, is zero.
    """

    basis: Float[Array, "n k1 m"]
    products: Float[Array, "n k m"]
    alpha: Float[Array, "n k"]
    beta: Float[Array, "n k"]
    length: Float[Array, " n"]
    steps: Int[Array, ""]


class Ritz(NamedTuple):
    """T = U diag(values) U' as (n, k) and (n, k, k), and U' e_1 times the norm of the start vector (n, k).

    `leak` (n, k) is beta_k times the last row of U: what S Q f(T) has outside the space.
    """

    values: Float[np.ndarray, "n k"]
    vectors: Float[np.ndarray, "n k k"]
    start: Float[np.ndarray, "n k"]
    leak: Float[np.ndarray, "n k"]

    def coefficients(self, function: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """f(T) e_1 times the norm of the start vector, for the values of f at the Ritz values."""
        return (self.vectors @ (function * self.start)[:, :, None])[:, :, 0]


@functools.partial(jax.jit, static_argnames=("room",))
def init(start: Float[Array, "n m"], room: int) -> KrylovSpaces:
    """Spaces of depth 0; a zero start vector has the zero space."""
    n, m = start.shape
    length = jnp.linalg.norm(start, axis=1)
    basis = jnp.zeros((n, room + 1, m), start.dtype).at[:, 0].set(_normalized(start, length))
    empty = jnp.zeros((n, room), start.dtype)
    products = jnp.zeros((n, room, m), start.dtype)
    return KrylovSpaces(basis, products, empty, empty, length, jnp.zeros((), jnp.int32))


def step(
    ntk: Float[Array, "m m"], root: Float[Array, "r m"], spaces: tuple[KrylovSpaces, ...], steps: int
) -> tuple[KrylovSpaces, ...]:
    """All `spaces` deeper by `steps`, with one product per step for all; r is 1 or n.

    Args:
      ntk: Theta, (m, m).
      root: D^{1/2}, (1, m) or one row per column.
      spaces: of any number and depth, with one m.
      steps: how many steps all of them take.

    Returns:
      The deeper spaces, in their order.
    """
    return _step(ntk, root, tuple(_with_room(space, int(space.steps) + steps) for space in spaces), steps)


@functools.partial(jax.jit, static_argnames=("steps",))
def _step(ntk: Array, root: Array, spaces: tuple[KrylovSpaces, ...], steps: int) -> tuple[KrylovSpaces, ...]:
    def step(_: Array, spaces: tuple[KrylovSpaces, ...]) -> tuple[KrylovSpaces, ...]:
        scaled = [root * _at(space.basis, space.steps) for space in spaces]
        products = matmul(jnp.concatenate(scaled), ntk)
        parts = jnp.split(products, len(spaces))
        return tuple(_extended(space, root, part) for space, part in zip(spaces, parts, strict=True))

    return jax.lax.fori_loop(0, steps, step, spaces)


def ritz(space: KrylovSpaces) -> Ritz:
    """Eigendecomposition of T, on the host in float64 whatever the precision of the space is.

    T is small, and an error eps ||T|| of its eigenvectors is multiplied by Theta D^{1/2} Q on the way to
    exp(-Theta D) Y.
    """
    steps = int(space.steps)
    alpha, beta, length = (np.asarray(a, np.float64) for a in (space.alpha, space.beta, space.length))
    alpha, last, beta = alpha[:, :steps], beta[:, steps - 1 : steps], beta[:, : steps - 1]
    matrix = np.zeros((len(alpha), steps, steps))
    here = np.arange(steps)
    matrix[:, here, here] = alpha
    matrix[:, here[1:], here[:-1]] = matrix[:, here[:-1], here[1:]] = beta
    if not np.isfinite(matrix).all():
        # A kernel with NaN: LAPACK would raise, the caller is to see an estimate that is NaN.
        matrix[:] = np.nan
        return Ritz(matrix[:, 0], matrix, matrix[:, 0], matrix[:, 0])
    values, vectors = np.linalg.eigh(matrix)
    # Theta is positive semidefinite: negative Ritz values are rounding.
    return Ritz(np.maximum(values, 0), vectors, vectors[:, 0] * length[:, None], last * vectors[:, -1])


def combined(vectors: Float[Array, "n k m"], coefficients: Float[Array, "n k"]) -> Float[Array, "n m"]:
    """sum_j coefficients_j vectors_j for each column."""
    return _einsum("nkm,nk->nm", vectors, coefficients)


def _extended(space: KrylovSpaces, root: Array, product: Array) -> KrylovSpaces:
    here = space.steps
    image = root * product
    alpha = jnp.sum(_at(space.basis, here) * image, axis=1)
    once = _without(space.basis, image)
    twice = _without(space.basis, once)
    beta = jnp.linalg.norm(twice, axis=1)
    # Twice is enough (Kahan & Parlett): what the second pass still halves lies in the space, up to
    # rounding, as does what is as small as the rounding of the image: an invariant subspace.
    new = (beta > jnp.linalg.norm(once, axis=1) / 2) & (
        beta > jnp.finfo(image.dtype).eps * jnp.linalg.norm(image, axis=1)
    )
    beta = jnp.where(new, beta, 0)
    return KrylovSpaces(
        space.basis.at[:, here + 1].set(_normalized(twice, beta)),
        space.products.at[:, here].set(product),
        space.alpha.at[:, here].set(alpha),
        space.beta.at[:, here].set(beta),
        space.length,
        here + 1,
    )


def _without(basis: Array, vector: Array) -> Array:
    return vector - combined(basis, _einsum("nkm,nm->nk", basis, vector))


def _normalized(vector: Array, length: Array) -> Array:
    safe = jnp.where(length > 0, length, 1)
    return jnp.where((length > 0)[:, None], vector / safe[:, None], 0)


def _at(array: Array, place: Array) -> Array:
    return jax.lax.dynamic_index_in_dim(array, place, axis=1, keepdims=False)


def _with_room(space: KrylovSpaces, depth: int) -> KrylovSpaces:
    """Room doubles when it is used up, so that few shapes are ever compiled."""
    room = space.alpha.shape[1]
    if depth <= room:
        return space
    more = max(depth, 2 * room) - room

    def padded(array: Array) -> Array:
        return jnp.pad(array, [(0, 0), (0, more)] + [(0, 0)] * (array.ndim - 2))

    return space._replace(
        basis=padded(space.basis),
        products=padded(space.products),
        alpha=padded(space.alpha),
        beta=padded(space.beta),
    )
