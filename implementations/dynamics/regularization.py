r"""The regularization matrix Xi(t) = int_0^t exp(eta(tau) S Theta_x) dtau, block diagonal over samples.

Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), theorem 3; theory: sections 0 and 1.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.implementations.dynamics.schedules import Schedule

# Gauss-Legendre on each of equally many panels of [0, t].  Schedules are smooth but for the kink of
# early stopping, where a panel of length h leaves an error of order h^2 times the jump in slope.
_PANELS, _ORDER = 16, 16
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_ORDER)
_TAU = (np.arange(_PANELS)[:, None] + (_NODES + 1)[None, :] / 2).ravel() / _PANELS
_WEIGHT = np.tile(_WEIGHTS / 2, _PANELS) / _PANELS


def xi_blocks(
    ark_blocks: Float[Array, "*batch m c c"], schedule: Schedule, time: Float[Array, ""] | float = 1.0
) -> Float[Array, "*batch m c c"]:
    """Blocks of Xi(time) from the ARK's diagonal blocks, which must be symmetric.

    The exponential is taken in the blocks' eigenbasis, which serves all times at once.
    """
    values, vectors = jnp.linalg.eigh(ark_blocks)
    return _from_eigen(vectors, xi_diagonal(values, schedule, time))


def xi_diagonal(
    ark_diagonal: Float[Array, "*batch m c"], schedule: Schedule, time: Float[Array, ""] | float = 1.0
) -> Float[Array, "*batch m c"]:
    """Xi(time) of a diagonal ARK (its infinite-width limit), entry by entry."""
    tau = time * jnp.asarray(_TAU, ark_diagonal.dtype)
    weight = time * jnp.asarray(_WEIGHT, ark_diagonal.dtype)
    strengths = jax.vmap(schedule.strengths)(tau)  # (nodes, m)
    batch = ark_diagonal.ndim - 2
    shaped = strengths.T.reshape((1,) * batch + (strengths.shape[1], 1, len(tau)))
    return jnp.exp(ark_diagonal[..., None] * shaped) @ weight


def search_growth(ark_blocks: Float[Array, "m c c"], strengths: Float[Array, " m"]) -> Float[Array, "m c c"]:
    """E = exp(eta_i S Theta_x(x_i, x_i)): what the search does to a residual (theory: section 0)."""
    values, vectors = jnp.linalg.eigh(ark_blocks)
    return _from_eigen(vectors, jnp.exp(values * strengths[:, None]))


def least_growth(
    ark_blocks: Float[Array, "m c c"], schedule: Schedule, time: Float[Array, ""] | float
) -> Float[Array, ""]:
    """int_0^time lambda_min(E(tau)) dtau: the least that every residual grows by in the searches."""
    values = jnp.linalg.eigvalsh(ark_blocks)
    tau = time * jnp.asarray(_TAU, ark_blocks.dtype)

    def least(t: Array) -> Array:
        return jnp.exp(values * schedule.strengths(t)[:, None]).min()

    return time * jnp.asarray(_WEIGHT, ark_blocks.dtype) @ jax.vmap(least)(tau)


def _from_eigen(vectors: Array, values: Array) -> Array:
    return jnp.einsum("...ak,...k,...bk->...ab", vectors, values, vectors)
