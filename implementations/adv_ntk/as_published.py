r"""AS PUBLISHED, an object under test and never an oracle: the Adv-NTK weights the direct way.

    p(w) = Theta^{-1} (I - exp(-Theta D)) Y,    D = Diag(|w|),

in float32, with Theta^{-1} through an undamped eigendecomposition, a dense exponential of the
non-symmetric -Theta D, and its gradient by automatic differentiation (theory: section 7).  Small
eigenvalues of Theta, whose float32 values are noise of either sign, amplify the rounding of the
exponential; strengths of which ||Theta D|| is too large for the exponential give NaN.
Our rendering of the procedure of Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 5.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.implementations.adv_ntk.strengths import Strengths, check, magnitude


def weights(ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]) -> Float[Array, "m c"]:
    """Weights p in float32 whatever the inputs are; strengths (m,) shared by the classes or (m, c).

    Raises:
      ValueError: a shape does not fit.
    """
    check(ntk, strengths, y)
    ntk, strengths, y = (array.astype(jnp.float32) for array in (ntk, strengths, y))
    return _weights(ntk, _inverse(ntk), strengths, y)


def weights_gradient(
    ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"], cotangent: Float[Array, "m c"]
) -> Strengths:
    """Gradient in float32 with respect to the strengths, by automatic differentiation.

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      strengths: varpi, (m,) shared by the classes or (m, c), of any sign.
      y: targets, (m, c).
      cotangent: gradient of the loss in the weights, (m, c).

    Returns:
      The gradient, of the shape of the strengths, float32.

    Raises:
      ValueError: a shape does not fit.
    """
    check(ntk, strengths, y, cotangent)
    ntk, strengths, y, cotangent = (a.astype(jnp.float32) for a in (ntk, strengths, y, cotangent))
    inverse = _inverse(ntk)
    _, pull_back = jax.vjp(lambda at: _weights(ntk, inverse, at, y), strengths)
    return pull_back(cotangent)[0]


def _inverse(ntk: Array) -> Array:
    values, vectors = jnp.linalg.eigh(ntk)
    return (vectors / values[None, :]) @ vectors.T


def _weights(ntk: Array, inverse: Array, strengths: Array, y: Array) -> Array:
    def of(one: Array, columns: Array) -> Array:
        # One exponential for all columns that share their strengths.
        exponential = jax.scipy.linalg.expm(-ntk * magnitude(one)[None, :])
        return inverse @ (columns - exponential @ columns)

    if strengths.ndim == 1:
        return of(strengths, y)
    return jax.vmap(of, in_axes=(1, 2), out_axes=1)(strengths, y[:, None, :])[:, :, 0]
