r"""Limit ARKs that are singular, proved in exact arithmetic: a vector z with Theta_x z = 0.

Inputs are floats, so which of them are equal, opposite or parallel, and their cosines, are exact.  Kernels
are kept as symbols in which only what is known of the activation is used:

    erf, tanh            phi odd, phi' even:        E[phi phi'](-q) = -E[phi phi'](q), slopes even in q;
    sigmoid              phi' even;
    gelu, softplus       phi'(u) + phi'(-u) = 1:    E[phi' phi''](-q) = 1/2 - E[phi' phi''](q);
    (leaky) relu         without biases a function of the cosine c alone, with asin c odd:
                         E[phi' phi''] = a + g (1/2 + asin(c)/pi),  g = (1 - a)^2/2.

Source: Cho & Saul, NeurIPS 2009 (relu); parities: `advntk.theorems.ark_positive_definiteness`.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from advntk.implementations.networks.activations import KINKED, LEAKY_SLOPE

if TYPE_CHECKING:
    from advntk.implementations.networks.architecture import Architecture

_ODD_VALUES, _EVEN_SLOPES, _HALVED_SLOPES = ("erf", "tanh"), ("erf", "tanh", "sigmoid"), ("gelu", "softplus")


def null_vector(arch: Architecture, x: Float[np.ndarray, "m d"]) -> tuple[int, ...] | None:
    """Integers z, not all 0, for which the limit ARK of an MLP has Theta_x z = 0; None where none is proved.

    Args:
      arch: an MLP; its scales are taken as the floats that they are.
      x: inputs, (m, d), float64.

    Example:
      inputs x and -x, erf without biases: (1, -1).
    """
    rows = [[Fraction(float(value)) for value in row] for row in x]
    free = float(arch.sigma_b) == 0.0
    if arch.family != "mlp" or (free and any(not any(row) for row in rows)):
        return None
    candidates = list(_candidates(rows, free))
    if not candidates:
        return None
    import sympy as sp

    kernel = _kernel(arch, rows)
    for z in candidates:
        if all(sp.expand(entry) == 0 for entry in kernel * sp.Matrix(z)):
            return z
    return None


def _candidates(rows: list[list[Fraction]], free: bool) -> Any:
    """Vectors that equal, opposite or parallel inputs suggest, the last two without biases only."""
    size = range(len(rows))

    def vector(plus: tuple[int, ...], minus: tuple[int, ...]) -> tuple[int, ...]:
        return tuple((k in plus) - (k in minus) for k in size)

    pairs = list(itertools.combinations(size, 2))
    for i, j in pairs:
        if rows[i] == rows[j] or (free and _collinear(rows[i], rows[j])):
            yield vector((i,), (j,))
    opposite = [(i, j) for i, j in pairs if rows[i] == [-value for value in rows[j]]] if free else []
    for one, other in itertools.combinations(opposite, 2):
        yield vector(one, other)


def _collinear(a: list[Fraction], b: list[Fraction]) -> bool:
    k = next(i for i, value in enumerate(a) if value)
    return all(a[k] * v == b[k] * u for u, v in zip(a, b, strict=True))


def _kernel(arch: Architecture, rows: list[list[Fraction]]) -> Any:
    """The ARK up to a positive factor, as a matrix of symbols."""
    import sympy as sp

    def exact(value: Fraction) -> Any:
        return sp.Rational(value.numerator, value.denominator)

    gram = sp.Matrix(
        len(rows),
        len(rows),
        lambda i, j: exact(sum((u * v for u, v in zip(rows[i], rows[j], strict=True)), Fraction())),
    )
    variance, bias = (exact(Fraction(float(scale)) ** 2) for scale in (arch.sigma_w, arch.sigma_b))
    if arch.activation in KINKED and bias == 0:
        return _by_cosines(gram, arch)
    covariance = gram * variance / len(rows[0]) + bias * sp.ones(*gram.shape)
    kernel = sp.ones(*gram.shape)
    for _ in range(arch.depth):
        value = gram.copy()
        for i, j in itertools.product(range(gram.rows), repeat=2):
            found = _duals(arch.activation, covariance[i, j], covariance[i, i], covariance[j, j])
            value[i, j], kernel[i, j] = found[0], kernel[i, j] * found[1]
        covariance = variance * value + bias * sp.ones(*gram.shape)
    return kernel


def _by_cosines(gram: Any, arch: Architecture) -> Any:
    """(Leaky) relu without biases: scales drop out, the next cosine is h(c)/h(1)."""
    import sympy as sp

    a = sp.Rational(*Fraction(LEAKY_SLOPE if arch.activation == "leaky_relu" else 0.0).as_integer_ratio())
    gain, half = (1 - a) ** 2 / 2, sp.Rational(1, 2)
    cosine = gram.copy()
    for i, j in itertools.product(range(gram.rows), repeat=2):
        square = gram[i, j] ** 2 / (gram[i, i] * gram[j, j])
        cosine[i, j] = sp.sign(gram[i, j]) * _root(square)

    def value(c: Any) -> Any:
        sine = 0 if c in (-1, 1) else sp.sqrt(1 - c**2)
        return a * c + gain * (sine + (sp.pi / 2 + sp.asin(c)) * c) / sp.pi

    kernel = sp.ones(*gram.shape)
    for _ in range(arch.depth):
        slope = cosine.applyfunc(lambda c: a + gain * (half + sp.asin(c) / sp.pi))
        kernel = kernel.multiply_elementwise(slope)
        cosine = cosine.applyfunc(lambda c: value(c) / value(sp.Integer(1)))
    return kernel


def _root(square: Any) -> Any:
    """The root of a rational: exact where it is rational, else a symbol that nothing is factored for."""
    import sympy as sp

    top, bottom = math.isqrt(square.p), math.isqrt(square.q)
    if top**2 == square.p and bottom**2 == square.q:
        return sp.Rational(top, bottom)
    return sp.Function("root", positive=True)(square)


def _duals(activation: str, q: Any, p: Any, other: Any) -> tuple[Any, Any]:
    """E[phi phi'] and E[phi' phi''] as symbols of (q, p, p'), as far as they depend on the sign of q."""
    import sympy as sp

    value, slope = sp.Function("value"), sp.Function("slope")
    variances = sorted((p, other), key=sp.default_sort_key)
    flips = q.could_extract_minus_sign()
    one = -value(-q, *variances) if flips and activation in _ODD_VALUES else value(q, *variances)
    if flips and activation in _EVEN_SLOPES:
        return one, slope(-q, *variances)
    if flips and activation in _HALVED_SLOPES:
        return one, sp.Rational(1, 2) - slope(-q, *variances)
    return one, slope(q, *variances)
