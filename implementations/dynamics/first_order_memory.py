r"""What kernel AT remembers: how its end differs from NTK regression, to first order in the strength.

Training ends with r = 0, but it was at inputs that were elsewhere.  With constant strengths and f_0 = 0, to
first order in eta_i S, f_t and r_t being those of training without a search,

    f_oo(u) - f_NTK(u) = - sum_i eta_i S int_0^oo D_i(u) . ( d_x f_t(x_i)' r_i(t) ) r_i(t) dt,
    D_i(u) = d_{x'} Theta(u, x_i) - Theta(u, X) Theta(X, X)^{-1} d_{x'} Theta(X, x_i).

The end interpolates, so that of what the moved inputs added only the part orthogonal to the features at X
is left: D_i vanishes on X.  In the eigenbasis of Theta(X, X) = V diag(lambda) V', with z = V' y,

    f_t = Theta(., X) V (1 - e^{-t lambda})/lambda z,    r_t = -V e^{-t lambda} z,
    int_0^oo (1 - e^{-t l})/l e^{-t (k + k')} dt = 1/((k + k')(k + k' + l)),

so that the integral over time is a sum over triples of eigenvalues.  Source: theory, section 8.2.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.implementations.kernels.ntk import Kernel


@jax.jit
def first_order_memory(
    kernel: Kernel,
    x: Float[Array, "m *shape"],
    y: Float[Array, "m c"],
    strengths: Float[Array, " m"],
    unseen: Float[Array, "k *shape"],
) -> Float[Array, "k c"]:
    """f_oo - f_NTK at `unseen`, to first order in the strengths; costs one eigendecomposition and m^4.

    >>> end = kernel.cross(unseen, x) @ ntk_regression(kernel.gram(x), y)
    >>> end = end + first_order_memory(kernel, x, y, strengths, unseen)

    Args:
      kernel: the limit NTK of a network with a smooth activation.
      x: training inputs, (m, *shape).
      y: targets, (m, c).
      strengths: eta_i S, constant in time, (m,).
      unseen: where the end is asked for, (k, *shape).

    Returns:
      The difference, (k, c); NaN where Theta(X, X) is singular.
    """
    values, vectors = jnp.linalg.eigh(kernel.gram(x))
    targets = vectors.T @ y
    alike = targets @ targets.T
    pairs = values[:, None] + values[None, :]

    def of_value(position: Array) -> Array:
        integral = 1 / (pairs * (pairs + values[position]))
        rows = vectors @ (alike[:, position, None] * integral)
        return (rows * vectors) @ targets

    # Weights of the function whose gradient at x_i is the integral of (J' r_i) r_ib: one for each i and b.
    weights = jnp.einsum("jl,lib->ibj", vectors, jax.lax.map(of_value, jnp.arange(len(x))))

    everywhere = jnp.concatenate([unseen, x])

    def moved(here: Array, weights_here: Array) -> Array:
        def of_output(w: Array) -> Array:
            def machine(at: Array) -> Array:
                return kernel.cross(at[None], x)[0] @ w

            def row(at: Array) -> Array:
                return kernel.cross(at[None], everywhere)[0]

            return jax.jvp(row, (here,), (jax.grad(machine)(here),))[1]

        return jax.lax.map(of_output, weights_here).T

    slopes = jax.lax.map(lambda pair: moved(*pair), (x, weights))
    change = -jnp.einsum("i,ikb->kb", strengths, slopes)
    left = change[len(unseen) :]
    interpolated = vectors @ ((vectors.T @ left) / values[:, None])
    found: Array = change[: len(unseen)] - kernel.cross(unseen, x) @ interpolated
    return jnp.where(values[0] > 0, found, jnp.nan)
