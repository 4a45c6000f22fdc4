r"""The flow near alpha = infinity in closed form: its linear part, and the first correction in 1/alpha.

With J = Df(w_0) and K = J J^T, the linear model's displacement is u = J_m^T c, where m stands for trained
outputs, and in the eigenbasis of K_mm, with the eigenvalue p and a residual r_0 = alpha f(w_0) - y,

    r_p(t) = e^{-p t} r_p(0),   c_p(t) = -r_p(0) (1 - e^{-p t}) / p.

With T(i; j, k) = D^2 f_i(w_0) [J_j, J_k], the gap alpha f(w) - alpha f_lin(w_lin) is g / alpha + O(alpha^-2),

    g_i' = -sum_m K_im g_m + F_i,   F_i = -sum_jk r_j c_k (T(j; k, i) + T(i; j, k)),   g(0) = 0,

a linear system whose forcing is a sum of exponentials; the kernel moves by
sum_k c_k (T(i; k, j) + T(j; k, i)) / alpha + O(alpha^-2).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .dynamics import Model, Tangent, jacobian_of


class Linearized(NamedTuple):
    """The linear model's flow: outputs at all points, and its displacement as J_m^T times coefficients."""

    outputs: Float[Array, "times n"]
    coefficients: Float[Array, "times m"]


def linearized(
    at_start: Tangent,
    targets: Float[Array, " m"],
    alpha: Float[Array, ""],
    times: Float[Array, " times"],
) -> Linearized:
    """The flow of alpha f_lin in closed form."""
    m = len(targets)
    values, vectors = jnp.linalg.eigh(at_start.kernel[:m, :m])
    left = vectors.T @ (targets - alpha * at_start.outputs[:m])
    c = grown(values[None], times[:, None]) * left[None] @ vectors.T
    return Linearized(alpha * at_start.outputs[None] + c @ at_start.kernel[:m], c)


def curvature(model: Model, w: Array, x: Array, at_start: Tangent, m: int) -> Float[Array, "m n n"]:
    """S with S[k, i, j] = T(i; k, j) = D^2 f_i(w) [J_k, J_j], k among the first m outputs."""

    def along(direction: Array) -> Array:
        _, moved = jax.jvp(lambda at: jacobian_of(model, at, x), (w,), (direction,))
        return moved @ at_start.jacobian.T

    # One direction at a time: the derivative of a Jacobian is the largest array here.
    return jax.lax.map(along, at_start.jacobian[:m])


def first_gap(
    kernel: Float[Array, "n n"],
    third: Float[Array, "m n n"],
    targets: Float[Array, " m"],
    times: Float[Array, " times"],
) -> Float[Array, "times n"]:
    """g at the times, for a centred start; see the module's text.  Infinite times give the limit."""
    m = len(targets)
    values, vectors = jnp.linalg.eigh(kernel[:m, :m])
    parts = _forcing(values, vectors, third, targets)
    of_modes = jnp.einsum("ip,iab->pab", vectors, parts[:m])

    def at(t: Array) -> Array:
        a, both = values[:, None], values[:, None] + values[None]
        p = values[:, None, None]
        # Modes of trained outputs: int_0^t e^{-p (t - s)} F_p(s) ds, and that integrated once more.
        once = jnp.einsum("pab,pab->p", of_modes, faded(p, a[None], t) - faded(p, both[None], t))
        forced = grown(a, t) - grown(both, t)
        twice = (jnp.einsum("pab,ab->p", of_modes, forced) - once) / values
        unseen = jnp.einsum("iab,ab->i", parts[m:], forced) - kernel[m:, :m] @ vectors @ twice
        return jnp.concatenate([vectors @ once, unseen])

    return jax.vmap(at)(times)


def kernel_slope(third: Float[Array, "m n n"], coefficients: Float[Array, " m"]) -> Float[Array, "m m"]:
    """What the kernel of the trained outputs moves by, times alpha, to first order."""
    m = len(coefficients)
    half = jnp.einsum("k,kij->ij", coefficients, third[:, :m, :m])
    return half + half.T


def grown(rate: Array, t: Array) -> Array:
    """int_0^t e^{-rate s} ds, also for a rate of zero."""
    return jnp.where(rate == 0, t, -jnp.expm1(-rate * t) / jnp.where(rate == 0, 1.0, rate))


def faded(rate: Array, other: Array, t: Array) -> Array:
    """int_0^t e^{-rate (t - s)} e^{-other s} ds, also for equal rates; symmetric in the two."""
    found = jnp.exp(-jnp.minimum(rate, other) * t) * grown(jnp.abs(rate - other), t)
    return jnp.where(jnp.isinf(t), 0.0, found)


def _forcing(values: Array, vectors: Array, third: Array, targets: Array) -> Float[Array, "n m m"]:
    """N with F_i(t) = sum_ab N[i, a, b] e^{-a t} (1 - e^{-b t}), for a start at zero."""
    left = vectors.T @ targets
    # -r_a c_b = y_a e^{-a t} y_b (1 - e^{-b t}) / b.
    turned = jnp.einsum("ijk,ja,kb->iab", _curved(third), vectors, vectors)
    return turned * left[None, :, None] * (left / values)[None, None, :]


def _curved(third: Float[Array, "m n n"]) -> Float[Array, "n m m"]:
    """T(j; k, i) + T(i; j, k), as [i, j, k]: how J_j moves along J_i, and how f_i curves."""
    m = len(third)
    return jnp.einsum("kji->ijk", third[:, :m, :]) + jnp.einsum("jik->ijk", third[:, :, :m])
