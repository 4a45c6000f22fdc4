r"""The infinite-width predictor of adversarial training at many times.

    f_t(x) = Theta(x, X) p_t,    p_t = Xi^{1/2} phi_1(-S) Xi^{1/2} y,    S = Xi^{1/2} Theta Xi^{1/2},

the mean of the limit process (theory: section 3), phi_1(z) = (e^z - 1)/z.  Strengths that are constant
in time give Xi(t) = t E, and one eigendecomposition of E^{1/2} Theta E^{1/2} serves every t.  As
t -> infinity p_t tends to Theta^{-1} y, the NTK regression of training without AT.
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), theorem 3.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.implementations.definiteness import bound
from advntk.implementations.exponentials import phi1


def weights_along_time(
    ntk: Float[Array, "m m"], growth: Float[Array, " m"], y: Float[Array, "m c"], times: Float[Array, " t"]
) -> Float[Array, "t m c"]:
    """Weights p_t at all `times` for Xi(t) = t diag(growth), growth_i = exp(eta_i S Theta_x(x_i, x_i)).

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      growth: (m,), positive.
      y: targets, (m, c).
      times: (t,), at least 0, in the units of 1/Theta.

    Returns:
      Weights, (t, m, c).
    """
    root = jnp.sqrt(growth)[:, None]
    values, vectors = jnp.linalg.eigh(root * ntk * root.T)
    in_basis = vectors.T @ (root * y)
    exponents = times[:, None] * jnp.maximum(values, 0)[None, :]
    # t phi_1(-t s) for each eigenvalue s: the time integral of its decaying residual.
    passed = times[:, None] * phi1(exponents)
    return jax.vmap(lambda integral: root * (vectors @ (integral[:, None] * in_basis)))(passed)


def ntk_regression(ntk: Float[Array, "m m"], y: Float[Array, "m c"]) -> Float[Array, "m c"]:
    """Weights Theta^{-1} y of the predictor without AT, by Cholesky.

    NaN where Theta is singular to working precision (`definiteness`), which is that of its dtype.
    """
    found = jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(ntk), y)
    values = jnp.linalg.eigvalsh(ntk)
    return jnp.where(values[0] > bound(len(ntk), values[-1], ntk.dtype), found, jnp.nan)
