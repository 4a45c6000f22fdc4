r"""Divided differences of exp on the negative axis, without cancellation.

With f[x_0, ..., x_n] the divided difference of f = exp and a, b >= 0,

    phi1(a)       = exp[0, -a]         = (1 - e^{-a})/a              = int_0^1 e^{-s a} ds,
    phi2(a)       = exp[0, 0, -a]      = (a - 1 + e^{-a})/a^2        = int_0^1 s phi1(s a) ds,
    convolved(a, b) = exp[0, 0, -a, -b] = int_0^1 s phi1(s a) (1 - s) phi1((1 - s) b) ds.

The last holds because s phi1(s a) has the Laplace transform 1/(z (z + a)): the convolution at 1 has
1/(z^2 (z + a)(z + b)), whose inverse at 1 is the divided difference over its poles.  All are positive,
decrease in a and b, and are bounded by their values 1, 1/2, 1/6 at 0.
"""

from __future__ import annotations

import math
from typing import Any, overload

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Below 1 the series lose nothing: the last term left out is smaller than 18/20! = 8e-18.
_TERMS = 17


@overload
def phi1(a: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]: ...
@overload
def phi1(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]: ...
def phi1(a: Any) -> Any:
    """(1 - e^{-a})/a for a >= 0, 1 at a = 0: NumPy's for its arrays, JAX's for its own, traced or not."""
    xp = np if isinstance(a, np.ndarray) else jnp
    safe = xp.where(a > 0, a, 1.0)
    return xp.where(a > 0, -xp.expm1(-safe) / safe, 1.0)


def phi2(a: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """(a - 1 + e^{-a})/a^2 for a >= 0, 1/2 at a = 0."""
    small, large = np.minimum(a, 1.0), np.maximum(a, 1.0)
    series = np.zeros_like(a)
    for n in reversed(range(_TERMS)):
        series = 1 / math.factorial(n + 2) - small * series
    return np.where(a < 1, series, (1 + np.expm1(-large) / large) / large)


def convolved(a: Float[np.ndarray, "*shape"], b: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """exp[0, 0, -a, -b] for a, b >= 0 of one shape, 1/6 at a = b = 0; symmetric."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    # exp[0,0,-a,-b] = (exp[0,0,-a] - exp[0,-a,-b])/b, and the same once more: with b >= 1 the larger one,
    # neither difference is less than a quarter of its first term.
    large = np.maximum(high, 1.0)
    least = np.minimum(low, large)
    both = np.exp(-least) * phi1(large - least)
    recursion = (phi2(least) - (phi1(least) - both) / large) / large
    # sum_n (-1)^n h_n(a, b)/(n + 3)!, h_n the complete homogeneous polynomial of degree n.
    p, q = np.minimum(low, 1.0), np.minimum(high, 1.0)
    power = homogeneous = np.ones_like(p)
    series = homogeneous / 6
    for n in range(1, _TERMS):
        power = power * p
        homogeneous = power + q * homogeneous
        series = series + (-1) ** n / math.factorial(n + 3) * homogeneous
    return np.where(high < 1, series, recursion)
