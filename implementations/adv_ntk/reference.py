r"""The Adv-NTK weights and their gradient by dense eigendecompositions: transparent, float64, slow.

    p(w) = Theta^{-1} (I - exp(-Theta D)) Y = D^{1/2} phi_1(-S) D^{1/2} Y,    S = D^{1/2} Theta D^{1/2},

D = Diag(|w|), phi_1(z) = (e^z - 1)/z: no inverse.  For l a function of p with cotangent G = dl/dp,
d exp(-Theta D) = -int_0^1 exp(-(1-s) Theta D) Theta dD exp(-s Theta D) ds gives

    dl/dD_ii = int_0^1 sum_c r_ic(s) q_ic(1-s) ds,    r(s) = exp(-s Theta D) Y,    q(s) = exp(-s Theta D) G,

without the sum where every class has its own D.  No division by D_ii either:
exp(-s Theta D) Y = Y - Theta D^{1/2} s phi_1(-s S) D^{1/2} Y.  The integral is a composite Gauss rule
graded towards both ends; `krylov` has it in closed form instead.

An eigenvalue of S is known to eps lambda_max(S), which limits both results to a relative error of that
order, whatever Theta's condition.
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 5.
"""

from __future__ import annotations

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.implementations.adv_ntk.strengths import Strengths, check, slope

# On a panel [h, 2h] a rate a contributes e^{-a h} (16-point error of e^{-a h u} over [0, 1]) < 1e-18.
_NODES = 16


def weights(ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]) -> Float[Array, "m c"]:
    """Weights p with f(x) = Theta(x, X) p, for strengths (m,) shared by the classes or (m, c).

    Raises:
      ValueError: a shape does not fit, or `ntk` is not float64.
    """
    _checked(ntk, strengths, y)
    columns = []
    for magnitudes, here in _groups(strengths):
        root, values, vectors = _symmetrized(np.asarray(ntk), magnitudes)
        columns.append(root * (vectors @ (_phi1(values) * (vectors.T @ (root * np.asarray(y)[:, here])))))
    return jnp.asarray(np.concatenate(columns, axis=1))


def weights_gradient(
    ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"], cotangent: Float[Array, "m c"]
) -> Strengths:
    """Gradient with respect to the strengths of a loss whose gradient in the weights is `cotangent`.

    It has the shape of `strengths`; d|w|/dw is 1 at w = 0.

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      strengths: varpi, (m,) shared by the classes or (m, c), of any sign.
      y: targets, (m, c).
      cotangent: gradient of the loss in the weights, (m, c).

    Returns:
      The gradient, of the shape of the strengths, float64.

    Raises:
      ValueError: a shape does not fit, or `ntk` is not float64.
    """
    _checked(ntk, strengths, y, cotangent)
    found = []
    for magnitudes, here in _groups(strengths):
        root, values, vectors = _symmetrized(np.asarray(ntk), magnitudes)
        products = np.asarray(ntk) @ (root * vectors)
        first, second = np.asarray(y)[:, here], np.asarray(cotangent)[:, here]
        first_in, second_in = vectors.T @ (root * first), vectors.T @ (root * second)
        total = np.zeros(len(root))
        for s, weight in zip(*_graded(float(values.max())), strict=True):
            r = first - products @ (s * _phi1(s * values) * first_in)
            q = second - products @ ((1 - s) * _phi1((1 - s) * values) * second_in)
            total += weight * (r * q).sum(axis=1)
        found.append(total)
    return slope(strengths) * jnp.asarray(np.stack(found, axis=1).reshape(strengths.shape))


def _groups(strengths: Array) -> Iterator[tuple[np.ndarray, slice]]:
    """Magnitudes with the classes that they belong to: all, or one after the other."""
    magnitudes = np.abs(np.asarray(strengths))
    if magnitudes.ndim == 1:
        yield magnitudes, slice(None)
    else:
        for c in range(magnitudes.shape[1]):
            yield magnitudes[:, c], slice(c, c + 1)


def _symmetrized(ntk: np.ndarray, magnitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """D^{1/2} as (m, 1), the eigenvalues of S as (m, 1), its eigenvectors."""
    root = np.sqrt(magnitudes)[:, None]
    matrix = root * ntk * root.T
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return root, np.maximum(values, 0)[:, None], vectors


def _phi1(a: np.ndarray) -> np.ndarray:
    # Its own on purpose: an oracle shares nothing with what it is held against.
    safe = np.where(a > 0, a, 1.0)
    return np.where(a > 0, -np.expm1(-safe) / safe, 1.0)


def _graded(fastest: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1], panels halved towards both ends until they resolve e^{-fastest s}."""
    halvings = max(1, int(np.ceil(np.log2(max(fastest, 2.0)))))
    left = np.concatenate([[0.0], 0.5 ** np.arange(halvings, 0, -1)])
    edges = np.concatenate([left, 1 - left[-2::-1]])
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    lengths = np.diff(edges)
    return (
        (edges[:-1, None] + lengths[:, None] * (nodes[None] + 1) / 2).ravel(),
        (lengths[:, None] * weights[None] / 2).ravel(),
    )


def _checked(ntk: Array, strengths: Array, y: Array, cotangent: Array | None = None) -> None:
    check(ntk, strengths, y, cotangent)
    if ntk.dtype != jnp.float64:
        raise ValueError(f"ntk has dtype {ntk.dtype}; the reference needs float64 (jax_enable_x64)")
