r"""The closed form of the linearized dynamics, computed without inverting Theta.

    f_t(x) = f_0(x) - Theta(x, X) Theta^{-1} (I - exp(-Theta Xi)) r_0

equals f_0(x) - Theta(x, X) Xi^{1/2} phi_1(-S) Xi^{1/2} r_0 with the symmetric S = Xi^{1/2} Theta Xi^{1/2}
and phi_1(z) = (e^z - 1)/z, which is regular at 0 and bounded for large Xi.  It is the solution of the
linearized flow when the matrices Theta E(t) commute in time, and only then (theory: section 3).
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), theorem 3.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from advntk.implementations.exponentials import phi1


class ClosedForm(NamedTuple):
    """Residual r(t), and the weights p with f_t(x) = f_0(x) - Theta(x, X) p."""

    residual: Float[Array, "m c"]
    weights: Float[Array, "m c"]


def closed_form(
    ntk: Float[Array, "m c m c"], xi: Float[Array, "m c c"], residual: Float[Array, "m c"]
) -> ClosedForm:
    """Residual and weights at the time that the blocks `xi` of Xi(t) belong to."""
    values, vectors, root = _symmetrized(ntk, xi)
    in_basis = vectors.T @ _apply(root, residual).reshape(-1)
    weights = _apply(root, (vectors @ (phi1(values) * in_basis)).reshape(residual.shape))
    # Theta Xi is similar to S: exp(-Theta Xi) = Xi^{-1/2} exp(-S) Xi^{1/2}.
    kept = (vectors @ (jnp.exp(-values) * in_basis)).reshape(residual.shape)
    return ClosedForm(jnp.linalg.solve(root, kept[..., None])[..., 0], weights)


def limit_process(
    ntk: Float[Array, "m m"],
    nngp: Float[Array, "m m"],
    xi: Float[Array, " m"],
    cross_ntk: Float[Array, "k m"],
    cross_nngp: Float[Array, "k m"],
    nngp_there: Float[Array, "k k"],
    targets: Float[Array, "m c"],
) -> tuple[Float[Array, "k c"], Float[Array, "k k"]]:
    """Mean and covariance of the infinite-width network at time t, per output (theory: section 3).

    `xi` is the diagonal of Xi(t) in the limit.  With A = Theta(x, X) Theta^{-1} (I - e^{-Theta Xi}), the
    mean is A y and the covariance K(x, x') - A K(X, x') - K(x, X) A' + A K(X, X) A'.

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      nngp: K(X, X), (m, m).
      xi: (m,), positive.
      cross_ntk: Theta(x, X), (k, m).
      cross_nngp: K(x, X), (k, m).
      nngp_there: K(x, x), (k, k).
      targets: y, (m, c).

    Returns:
      Mean (k, c), and the covariance (k, k) that every output has.
    """
    a = limit_operator(ntk, xi, cross_ntk)
    mixed = a @ cross_nngp.T
    return a @ targets, nngp_there - mixed - mixed.T + a @ nngp @ a.T


def limit_operator(
    ntk: Float[Array, "m m"], xi: Float[Array, " m"], cross_ntk: Float[Array, "k m"]
) -> Float[Array, "k m"]:
    """A = Theta(x, X) Theta^{-1} (I - e^{-Theta Xi}): outputs at time t are f_0(x) - A (f_0(X) - y).

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      xi: diagonal of Xi(t), (m,), positive.
      cross_ntk: Theta(x, X), (k, m).

    Returns:
      (k, m), the same for every output.
    """
    root = jnp.sqrt(xi)
    values, vectors = jnp.linalg.eigh(root[:, None] * ntk * root[None, :])
    operator = (root[:, None] * vectors * phi1(values)[None, :]) @ (vectors.T * root[None, :])
    return cross_ntk @ operator


def dense_propagator(
    ntk: Float[np.ndarray, "n n"], xi: Float[np.ndarray, "m c c"]
) -> Float[np.ndarray, "n n"]:
    """exp(-Theta Xi) as a dense matrix, n = m c: the slow way, which owes nothing to the symmetric one."""
    return scipy.linalg.expm(-ntk @ scipy.linalg.block_diag(*xi))


def _symmetrized(ntk: Array, xi: Array) -> tuple[Array, Array, Array]:
    """Eigenvalues and eigenvectors of Xi^{1/2} Theta Xi^{1/2}, and the blocks of Xi^{1/2}."""
    block_values, block_vectors = jnp.linalg.eigh(xi)
    root = jnp.einsum("iak,ik,ibk->iab", block_vectors, jnp.sqrt(block_values), block_vectors)
    size = xi.shape[0] * xi.shape[1]
    matrix = jnp.einsum("iap,ipjq,jqb->iajb", root, ntk, root).reshape(size, size)
    values, vectors = jnp.linalg.eigh((matrix + matrix.T) / 2)
    return jnp.maximum(values, 0), vectors, root


def _apply(blocks: Array, vectors: Array) -> Array:
    return jnp.einsum("iab,ib->ia", blocks, vectors)
