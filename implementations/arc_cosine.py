r"""Dual activations of ReLU and leaky ReLU, with derivatives that are finite where two inputs coincide.

With u the angle between two pre-activations of variances p and p', and phi(x) = x for x > 0, a x else,

    E[phi phi']   = a q + (1 - a)^2/2 sqrt(p p') (sin u + (pi - u) cos u)/pi,   q = sqrt(p p') cos u,
    E[phi' phi''] = a   + (1 - a)^2/2 (1 - u/pi)                                 (slopes at both inputs).

The second has a cusp at u = 0; its derivative along the angle is set to 0 there, the mean of the
one-sided ones.  "There" is where the cosine is 1 up to its own rounding: a program may compute the same
cosine twice with different rounding, and a derivative that trusts its last digit is anything up to 1e15.
Source: Cho & Saul, NeurIPS 2009.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# asin(sqrt z)/sqrt z on [0, 1/2]: its nearest singularity z = 1 makes the interpolation error fall like
# (3 + sqrt 8)^-degree, below eps at these degrees.  All coefficients are positive: nothing cancels.
_ASIN = {
    np.dtype(dtype): np.polynomial.Chebyshev.interpolate(
        lambda z: np.arcsin(np.sqrt(z)) / np.sqrt(z), degree, domain=[0, 0.5]
    )
    .convert(kind=np.polynomial.Polynomial)
    .coef
    for dtype, degree in ((np.float32, 10), (np.float64, 21))
}
# A covariance over the root of two variances: two roundings of the roots, one each of product and
# quotient, and those of the covariance itself.
_ROUNDINGS = 8


@jax.custom_jvp
def angular(cosine: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """1 - u/pi and (sin u + (pi - u) cos u)/pi of the angle u = arccos(cosine), clipped to [-1, 1].

    Float32 or float64 as given; a cosine within 8 eps of 1 is taken for 1.  A polynomial in place of the
    library's arccos, of which XLA makes a scalar routine, ten times slower.
    """
    cosine = _settled(cosine)
    # Half the angle between the lines, in [0, pi/4], from its sine: accurate at small angles too.
    square = (1 - jnp.abs(cosine)) / 2
    coefficients = _ASIN.get(square.dtype, _ASIN[np.dtype(np.float64)])
    series = jnp.full_like(square, coefficients[-1])
    for coefficient in map(float, coefficients[-2::-1]):
        series = series * square + coefficient
    between = 2 * jnp.sqrt(square) * series / jnp.pi
    slope = jnp.where(cosine < 0, between, 1 - between)
    return slope, _sine(cosine) / jnp.pi + slope * cosine


@angular.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    (cosine,), (tangent,) = primals, tangents
    slope, value = angular(cosine)
    return (slope, value), (steepness(cosine) * tangent, slope * tangent)


def steepness(cosine: Float[Array, "..."]) -> Float[Array, "..."]:
    """Derivative 1/(pi sin u) of 1 - u/pi along the cosine; 0 at the cusp, where the sine is 0."""
    sine = _sine(_settled(cosine))
    away = sine > 0
    return jnp.where(away, 1 / (jnp.pi * jnp.where(away, sine, 1.0)), 0.0)


def kinked_duals(negative_slope: float) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """(q, p, p') |-> E[phi phi'] and E[phi' phi''] for scalars q = Cov(u, v), p = Var(u), p' = Var(v).

    A variance of 0, that of a zero input without biases, has no angle.  Its pre-activations are 0, where
    phi' is `negative_slope`, as in finite networks: nothing is divided by it, and values are 0.
    """
    gain = (1 - negative_slope) ** 2 / 2

    def dual(q: Array, p: Array, p_other: Array) -> Array:
        cosine, scale = _cosine(q, p, p_other)
        return negative_slope * q + gain * scale * angular(cosine)[1]

    def dual_derivative(q: Array, p: Array, p_other: Array) -> Array:
        between = negative_slope + gain * angular(_cosine(q, p, p_other)[0])[0]
        mean, other = (
            jnp.where(variance > 0, (1 + negative_slope) / 2, negative_slope) for variance in (p, p_other)
        )
        return jnp.where((p > 0) & (p_other > 0), between, mean * other)

    return dual, dual_derivative


def _cosine(q: Array, p: Array, p_other: Array) -> tuple[Array, Array]:
    some = (p > 0) & (p_other > 0)
    root, other = (jnp.sqrt(jnp.where(some, variance, 1.0)) for variance in (p, p_other))
    return jnp.where(some, q / root / other, 0.0), jnp.where(some, root * other, 0.0)


def root_and_inverse(variance: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """sqrt(variance) and its inverse; both 0, with derivatives 0, where it is 0: no direction is left."""
    some = variance > 0
    root = jnp.sqrt(jnp.where(some, variance, 1.0))
    return jnp.where(some, root, 0.0), jnp.where(some, 1 / root, 0.0)


def _settled(cosine: Array) -> Array:
    near = cosine > 1 - _ROUNDINGS * jnp.finfo(cosine.dtype).eps
    return jnp.where(near, 1.0, jnp.clip(cosine, -1, 1))


def _sine(cosine: Array) -> Array:
    return jnp.sqrt((1 - cosine) * (1 + cosine))
