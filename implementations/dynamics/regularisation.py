r"""The regularisation matrix Xi(t) = int_0^t exp(eta(tau) S Theta_x) dtau, block diagonal over samples.

Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), theorem 3; theory: sections 0 and 1.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Gauss-Legendre on [0, t]: the integrand is entire in tau for the schedules used here.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def xi_blocks(
    ark_blocks: Float[Array, "*batch c c"], strength: Float[Array, ""] | float, time: float = 1.0
) -> Float[Array, "*batch c c"]:
    r"""Blocks of Xi(t) for eta(tau) S = strength * (1 + tau/t)/1.5, a strength that doubles over time.

    The mean of eta S over [0, t] is `strength`.  The blocks must be symmetric; the exponential is
    taken in their eigenbasis, which serves all quadrature nodes at once.
    """
    values, vectors = jnp.linalg.eigh(ark_blocks)
    integrated = xi_diagonal(values, strength, time)
    return jnp.einsum("...ak,...k,...bk->...ab", vectors, integrated, vectors)


def xi_diagonal(
    ark_diagonal: Float[Array, "*batch c"], strength: Float[Array, ""] | float, time: float = 1.0
) -> Float[Array, "*batch c"]:
    """Xi(t) of a diagonal ARK (its infinite-width limit), entry by entry; schedule as `xi_blocks`."""
    tau = jnp.asarray((_NODES + 1) / 2, ark_diagonal.dtype)
    weight = jnp.asarray(_WEIGHTS / 2, ark_diagonal.dtype)
    eta_s = strength * (1 + tau) / 1.5
    exponent = ark_diagonal[..., None] * eta_s.reshape((1,) * ark_diagonal.ndim + (-1,))
    return time * (jnp.exp(exponent) * weight.reshape((1,) * ark_diagonal.ndim + (-1,))).sum(-1)
