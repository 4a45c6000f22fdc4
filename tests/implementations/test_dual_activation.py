"""Dual activations against an independent quadrature, in value, derivatives and stated error.

The reference is composite Gauss-Legendre with 16 points on panels half a unit wide, over ten standard
deviations: beyond is less than 1e-22 of the mass.  A pole at distance delta adds an error of about
(4 delta + sqrt(16 delta^2 + 1))^-32: below 1e-14 for the smallest delta used, 0.31.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Polynomial
from scipy import integrate, special

from advntk.implementations.dual_activation import _STEP, derivative, dual, quadrature_error
from advntk.implementations.networks.activations import ACTIVATIONS
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.infinite import triple
from advntk.implementations.neural_tangents_adapter import elementwise, stax

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=25)

FUNCTIONS = {"tanh": jnp.tanh, "softplus": jax.nn.softplus, "sigmoid": jax.nn.sigmoid}
STRIP = {"tanh": np.pi / 2, "softplus": np.pi, "sigmoid": np.pi}
# Largest variance at which aliasing stays below rounding in the functions and their first derivatives.
SAFE_VARIANCE = {"tanh": 1.5, "softplus": 6.0, "sigmoid": 6.0}


def closed_derivative(name: str, order: int):
    """The derivative of this order as a polynomial in tanh u, or in the sigmoid s(u)."""
    if name == "softplus" and order == 0:
        return lambda u: np.logaddexp(0, u)
    inner, rate = (np.tanh, [1, 0, -1]) if name == "tanh" else (special.expit, [0, 1, -1])
    polynomial = Polynomial([0, 1])
    for _ in range(order - (name == "softplus")):
        polynomial = polynomial.deriv() * Polynomial(rate)
    return lambda u: polynomial(inner(u))


def _panels() -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(16)
    starts = np.arange(-10, 10, 0.5)
    z = (starts[:, None] + (nodes + 1) / 4).ravel()
    return z, np.tile(weights / 4, len(starts)) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


Z, WEIGHT = _panels()


def expectation(f, g, q: float, p: float, p_other: float) -> float:
    """E[f(u) g(v)], conditioning on v first."""
    v = np.sqrt(p_other) * Z
    rest = np.sqrt(max(p - q**2 / p_other, 0.0))
    inner = f(q / np.sqrt(p_other) * Z[:, None] + rest * Z) @ WEIGHT if rest else f(q / p_other * v)
    return float((WEIGHT * g(v)) @ inner)


def rounding(p: float) -> float:
    """Sums of 103 terms times their size, E|f g| <= 1 + p, and the tail beyond 8.5 deviations (7 eps p)."""
    return 32 * EPS * (1 + p)


def aliasing(strip: float, variance: float, pole_order: int) -> float:
    """First aliasing term of the trapezoidal rule for poles of this order on both sides, times 2.

    2 * 2 pi |residue of phi(z) (sqrt(p) z - ia)^-m exp(2 pi i z / h)|; the derivatives of the Gaussian
    in the residue are smaller by the ratio of the pole's distance to 2 pi / h, which the 2 covers.
    """
    distance = strip / np.sqrt(variance)
    residue = (2 * np.pi / _STEP) ** (pole_order - 1) / special.factorial(pole_order - 1)
    residue *= variance ** (-pole_order / 2) * np.exp(distance**2 / 2) / np.sqrt(2 * np.pi)
    return float(2 * 4 * np.pi * residue * np.exp(-2 * np.pi * distance / _STEP))


def of_order(name: str, order: int):
    f = FUNCTIONS[name]
    for _ in range(order):
        f = derivative(f)
    return f


COMPILED: dict = {}


def found(name: str, order: int, q: float, p: float, p_other: float) -> float:
    if (name, order) not in COMPILED:
        f = of_order(name, order)
        COMPILED[name, order] = jax.jit(dual(f, f))
    return float(COMPILED[name, order](*map(jnp.float64, (q, p, p_other))))


def test_the_reference_agrees_with_adaptive_quadrature():
    q, p, p_other = 0.7, 1.0, 2.0

    def integrand(v, u):
        exponent = (p_other * u**2 - 2 * q * u * v + p * v**2) / (p * p_other - q**2)
        return np.tanh(u) * np.logaddexp(0, v) * np.exp(-exponent / 2)

    # Ten deviations leave out less than 1e-22; twice the stated tolerance of the inner integral.
    norm = 2 * np.pi * np.sqrt(p * p_other - q**2)
    value, error = integrate.dblquad(integrand, -10, 10, -15, 15, epsabs=1e-10, epsrel=1e-10)
    reference = expectation(closed_derivative("tanh", 0), closed_derivative("softplus", 0), q, p, p_other)
    assert abs(value / norm - reference) <= 2 * (error / norm + 1e-10)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", FUNCTIONS)
@EXACT
@given(
    share=st.floats(0.01, 1),
    ratio=st.floats(0.01, 1),
    correlation=st.sampled_from([-1.0, 0.0, 1.0]) | st.floats(-1, 1),
    swap=st.booleans(),
)
def test_dual_activation_is_exact_to_rounding_at_moderate_variance(
    name, order, share, ratio, correlation, swap
):
    p = share * SAFE_VARIANCE[name]
    p_other = p * ratio
    q = correlation * np.sqrt(p * p_other)
    if swap:
        p, p_other = p_other, p
    f = closed_derivative(name, order)
    assert abs(found(name, order, q, p, p_other) - expectation(f, f, q, p, p_other)) <= rounding(
        max(p, p_other)
    )


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
@EXACT
@given(
    variance=st.floats(0.1, 25), correlation=st.sampled_from([-1.0, 0.0, 0.9, 1.0]), ratio=st.floats(0.2, 1)
)
def test_dual_activation_errs_by_the_aliasing_of_its_poles(name, order, variance, correlation, ratio):
    # The order-th derivative has a pole of order + 1; a product at equal inputs one of twice that.
    p_other = variance * ratio
    q = correlation * np.sqrt(variance * p_other)
    f = closed_derivative(name, order)
    error = abs(found(name, order, q, variance, p_other) - expectation(f, f, q, variance, p_other))
    poles = max(aliasing(STRIP[name], v, 2 * order + 2) for v in (variance, p_other))
    assert error <= poles + rounding(variance)


@pytest.mark.parametrize(
    ("name", "order", "variance"),
    [
        *(("softplus", 0, v) for v in (0.1, 1.0, 4.0, 16.0, 50.0)),
        *(("sigmoid", order, v) for order in (0, 1) for v in (0.1, 1.0, 4.0, 8.0, 16.0, 50.0)),
        *(("tanh", order, v) for order in (0, 1) for v in (0.1, 1.0, 2.25, 4.0, 9.0, 16.0, 25.0)),
    ],
)
def test_stated_quadrature_error_bounds_the_observed_error(name, order, variance):
    f = closed_derivative(name, order)
    for correlation in (-1.0, -0.5, 0.0, 0.5, 0.99, 1.0):
        q = correlation * variance
        error = abs(found(name, order, q, variance, variance) - expectation(f, f, q, variance, variance))
        stated = quadrature_error(variance, STRIP[name])
        assert error <= stated + rounding(variance), f"error {error:.1e}, stated {stated:.1e}"


@pytest.mark.parametrize("variance", [1e-3, 1e-6])
def test_stated_quadrature_error_is_rounding_at_small_variance(variance):
    assert quadrature_error(variance) <= 2e-15


def test_stated_error_grows_with_the_variance_and_shrinks_with_the_strip():
    assert quadrature_error(1.0) < quadrature_error(4.0) < quadrature_error(9.0)
    assert quadrature_error(9.0, np.pi) < quadrature_error(9.0, np.pi / 2)
    for name, activation in ACTIVATIONS.items():
        expected = quadrature_error(4.0, STRIP[name]) if name in STRIP else 0.0
        assert activation.kernel_error(4.0) == expected


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_and_second_derivatives_at_equal_inputs_are_prices_expectations(name):
    p = 1.0
    f = dual(of_order(name, 0), of_order(name, 0))

    @jax.jit
    def derivatives(point):
        at = lambda v: f(v[0], v[1], v[2])  # noqa: E731
        return jax.grad(at)(point), jax.hessian(at)(point)

    gradient, hessian = derivatives(jnp.full(3, p))
    order = [closed_derivative(name, k) for k in range(5)]

    def price(i, j):
        return expectation(order[i], order[j], p, p, p)

    expected = [price(1, 1), price(2, 0) / 2, price(0, 2) / 2]
    cross = price(3, 1) / 2
    expected_hessian = [
        [price(2, 2), cross, price(1, 3) / 2],
        [cross, price(4, 0) / 4, price(2, 2) / 4],
        [price(1, 3) / 2, price(2, 2) / 4, price(0, 4) / 4],
    ]
    # Fourth derivatives of these functions stay below 5; poles of order up to 6, at 4! times their size.
    allowed = 5 * rounding(p) + 24 * aliasing(STRIP[name], p, 6)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=allowed)
    np.testing.assert_allclose(hessian, expected_hessian, rtol=0, atol=allowed)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_derivatives_are_slopes_of_the_reference(name):
    point, step = np.array([0.4, 0.9, 1.3]), 1e-3
    f = closed_derivative(name, 0)
    gradient = jax.jit(jax.grad(dual(of_order(name, 0), of_order(name, 0)), argnums=(0, 1, 2)))
    for axis, slope in enumerate(gradient(*map(jnp.float64, point))):
        at = [expectation(f, f, *(point + k * step * np.eye(3)[axis])) for k in (-2, -1, 1, 2)]
        near, far = (at[2] - at[1]) / (2 * step), (at[3] - at[0]) / (4 * step)
        # Errors c h^2 and 4 c h^2: their gap is three times the smaller one.
        assert abs(float(slope) - near) <= abs(far - near) + rounding(2) / step


def test_a_pre_activation_without_variance_is_constant():
    f = closed_derivative("softplus", 0)
    got = found("softplus", 0, 0.0, 0.0, 1.0)
    assert abs(got - np.log(2) * float(WEIGHT @ f(Z))) <= rounding(1)


def test_float64_arguments_give_float64():
    one = jnp.ones((), jnp.float64)
    assert jax.eval_shape(dual(jnp.tanh, jnp.tanh), one, one, one).dtype == jnp.float64


def test_float32_arguments_give_float32():
    one = jnp.ones((), jnp.float32)
    assert jax.eval_shape(dual(jnp.tanh, jnp.tanh), one, one, one).dtype == jnp.float32


def test_equal_functions_share_one_derivative_and_one_dual():
    assert derivative(jnp.tanh) is derivative(jnp.tanh)
    assert dual(jnp.tanh, jnp.tanh) is dual(jnp.tanh, jnp.tanh)


def test_erf_by_quadrature_gives_neural_tangents_closed_form_kernels():
    erf = jax.scipy.special.erf
    slope = derivative(erf)
    arch = architecture("mlp", 2, "erf", 1.4, 0.3)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((4, 5)))
    nt = stax()
    dense = nt.Dense(1, arch.sigma_w, arch.sigma_b)
    layers = [dense, elementwise(erf, dual(erf, erf), dual(slope, slope))] * 2
    by_quadrature, closed = (
        jax.jit(lambda v, kernel_fn=kernel_fn: kernel_fn(v, None, ("nngp", "ntk")))(x)
        for kernel_fn in (nt.serial(*layers, dense)[2], triple(arch, 1, 1)[2])
    )
    # erf is entire: aliasing is at most min over s of exp((1/2 + 2 p) s^2 - 2 pi s / h), here below
    # exp(-38^2 / (4 * 10)) < 1e-15 for p < 5; what is left is the rounding of two layers of sums.
    assert float(jnp.max(jnp.sum(x**2, 1)) / 5) * 1.4**2 + 0.09 < 5
    for got, expected in zip(by_quadrature, closed, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=200 * EPS * float(jnp.abs(expected).max()))
