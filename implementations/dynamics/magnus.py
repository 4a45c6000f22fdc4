r"""What the closed form leaves out, to leading order: the second term of the Magnus expansion.

The solution of r' = A(t) r with A = -Theta E(t) is exp(O_1 + O_2 + ...) r_0, where
    O_1 = int_0^t A = -Theta Xi(t),
    O_2 = 1/2 int_0^t [A(a), int_0^a A(b) db] da = 1/2 int_0^t (Theta E Theta Xi - Theta Xi Theta E)(a) da.
The closed form keeps O_1 alone.  Its defect is the derivative of the exponential at O_1 along O_2, up to
O_3, which is two orders smaller in t (time symmetry leaves odd orders only).
Source: Magnus, Comm. Pure Appl. Math. 7 (1954); Blanes et al., Physics Reports 470 (2009), section 2.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.implementations.dynamics.regularization import search_growth, xi_blocks
from advntk.implementations.dynamics.schedules import Schedule

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def commutator_term(
    ntk: Float[Array, "m c m c"],
    ark_blocks: Float[Array, "m c c"],
    schedule: Schedule,
    time: Float[Array, ""],
) -> Float[Array, "n n"]:
    """O_2 as a matrix over samples and outputs, n = m c; 16 Gauss-Legendre nodes in time.

    Args:
      ntk: Theta(X, X), (m, c, m, c).
      ark_blocks: diagonal blocks of the ARK, (m, c, c), symmetric.
      schedule: eta_i(t) S of each sample.
      time: training time.

    Returns:
      O_2, (n, n).
    """
    size = ark_blocks.shape[0] * ark_blocks.shape[1]
    theta = ntk.reshape(size, size)

    def integrand(node: Array) -> Array:
        growth = theta @ _dense(search_growth(ark_blocks, schedule.strengths(node)))
        xi = theta @ _dense(xi_blocks(ark_blocks, schedule, node))
        return growth @ xi - xi @ growth

    values = jax.vmap(integrand)(time * (jnp.asarray(_NODES) + 1) / 2)
    return jnp.einsum("q,qab->ab", time * jnp.asarray(_WEIGHTS) / 2, values) / 2


def predicted_defect(
    ntk: Float[Array, "m c m c"],
    ark_blocks: Float[Array, "m c c"],
    residual: Float[Array, "m c"],
    schedule: Schedule,
    time: Float[Array, ""],
) -> Float[Array, "m c"]:
    """Residual of the flow less that of the closed form at `time`, as the commutator predicts it.

    Args:
      ntk: Theta(X, X), (m, c, m, c).
      ark_blocks: diagonal blocks of the ARK, (m, c, c), symmetric.
      residual: f_0(X) - y, (m, c).
      schedule: eta_i(t) S of each sample.
      time: training time.

    Returns:
      (m, c), in the units of the residual.
    """
    size = residual.size
    first = -ntk.reshape(size, size) @ _dense(xi_blocks(ark_blocks, schedule, time))
    second = commutator_term(ntk, ark_blocks, schedule, time)
    change = jax.scipy.linalg.expm_frechet(first, second, compute_expm=False)
    return (change @ residual.reshape(-1)).reshape(residual.shape)


def _dense(blocks: Float[Array, "m c c"]) -> Float[Array, "n n"]:
    """The block diagonal matrix."""
    m, c, _ = blocks.shape
    return jnp.einsum("iab,ij->iajb", blocks, jnp.eye(m, dtype=blocks.dtype)).reshape(m * c, m * c)
