r"""Dual activations E[f(u) g(v)] for jointly Gaussian (u, v), differentiable where u = v.

Needed for activations without a closed form.  The derivatives do not go through the square roots
of the change of variables, which are singular at coinciding inputs, but through Price's theorem
(R. Price, IRE Trans. Inf. Theory 4, 1958): with q = Cov(u, v), p = Var(u), p' = Var(v),

    d/dq E[f g] = E[f' g'],   d/dp E[f g] = E[f'' g] / 2,   d/dp' E[f g] = E[f g''] / 2.

The expectation is a trapezoidal sum over both standardized variables.  For a function analytic in
a strip of half-width a (tanh and the sigmoid family: a = pi/2 or more) its error falls like
exp(-2 pi a / (h sqrt(p))), which beats Gauss-Hermite quadrature of equal size.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]
ScalarFunction = Callable[[Scalar], Scalar]

_REACH = 8.5  # standard deviations; the Gaussian weight beyond is below 1e-15
NODES = 205
_STEP = 2 * _REACH / (NODES - 1)


def quadrature_error(variance: float, strip: float = math.pi / 2) -> float:
    """Size of the trapezoidal error for activations analytic in |Im u| < `strip`.

    `variance` is the largest variance of a pre-activation.  The aliasing error of the trapezoidal rule
    is twice exp(-2 pi a / h) (Trefethen & Weideman, SIAM Review 56, 2014, theorem 5.1), times the
    Gaussian weight at the poles, exp(a^2 / 2p), times (2 pi / h)^3 for poles up to order four: those of
    f'(u) g'(u) at full correlation; h in units of u.
    """
    step = _STEP * math.sqrt(variance)
    # The contour is moved as far as helps: for small variances less far than the strip reaches.
    shift = min(strip, 2 * math.pi * variance / step)
    exponent = shift**2 / (2 * variance) - 2 * math.pi * shift / step
    return 2 * math.exp(exponent) * (1 + (2 * math.pi / step) ** 3) + 1e-15


def _expectation(f: ScalarFunction, g: ScalarFunction, q: Scalar, p: Scalar, p_other: Scalar) -> Scalar:
    z = jnp.linspace(-_REACH, _REACH, NODES, dtype=q.dtype)
    weight = jnp.exp(-(z**2) / 2) * (_STEP / math.sqrt(2 * math.pi))
    root = jnp.sqrt(jnp.maximum(p, jnp.finfo(q.dtype).tiny))
    rest = jnp.sqrt(jnp.maximum(p_other - (q / root) ** 2, 0))
    u = root * z
    v = (q / root) * z[:, None] + rest * z[None, :]
    return weight * jax.vmap(f)(u) @ (jax.vmap(jax.vmap(g))(v) @ weight)


@functools.cache
def dual(f: ScalarFunction, g: ScalarFunction) -> Callable[[Scalar, Scalar, Scalar], Scalar]:
    """(q, p, p') |-> E[f(u) g(v)] with Cov(u, v) = q, Var(u) = p, Var(v) = p'; all scalars.

    Differentiable to any order that f and g are, also at q = p = p'.  Float64 or float32 as given.
    """

    @jax.custom_jvp
    def expectation(q: Scalar, p: Scalar, p_other: Scalar) -> Scalar:
        return _expectation(f, g, q, p, p_other)

    @expectation.defjvp
    def _price(primals: tuple, tangents: tuple) -> tuple:
        dq, dp, dp_other = tangents
        f1, g1 = derivative(f), derivative(g)
        slope = (
            dual(f1, g1)(*primals) * dq
            + dual(derivative(f1), g)(*primals) * dp / 2
            + dual(f, derivative(g1))(*primals) * dp_other / 2
        )
        return expectation(*primals), slope

    return expectation


@functools.cache
def derivative(f: ScalarFunction) -> ScalarFunction:
    """f', cached so that equal functions stay the same object."""
    return jax.grad(f)
