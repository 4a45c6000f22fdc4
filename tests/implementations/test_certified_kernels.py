"""Closed-form kernels in balls: against quadrature and the program, and what is singular for a reason."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.implementations.certificates.balls import FIRST_BITS, enclosure, floats, precision
from advntk.implementations.certificates.degenerate import null_vector
from advntk.implementations.certificates.eigenvalues import definite, smallest_eigenvalue
from advntk.implementations.certificates.kernels import (
    ball_kernels,
    errors_over_rounding,
    has_closed_form,
)
from advntk.implementations.kernels.infinite import mlp_limits
from advntk.implementations.networks.activations import ACTIVATIONS, LEAKY_SLOPE
from advntk.implementations.networks.architecture import Architecture

FAIR = settings(derandomize=True, deadline=None, database=None, max_examples=30)
SEEDS = st.integers(0, 2**32 - 1)
CLOSED = [name for name in ACTIVATIONS if has_closed_form(name)]
STEP = 16 * np.finfo(float).eps
PHI = {
    "erf": (scipy.special.erf, lambda u: 2 / np.sqrt(np.pi) * np.exp(-(u**2))),
    "relu": (lambda u: np.maximum(u, 0), lambda u: (u > 0) * 1.0),
    "leaky_relu": (
        lambda u: np.where(u > 0, u, LEAKY_SLOPE * u),
        lambda u: np.where(u > 0, 1.0, LEAKY_SLOPE),
    ),
}


def drawn(seed, arrangement="generic", m=3, d=5):
    x = np.random.default_rng(seed).standard_normal((m, d))
    if arrangement == "parallel":
        x[-1] = 0.5 * x[0]
    elif arrangement == "antipodal":
        x[-1] = -x[0]
    elif arrangement == "two_antipodal":
        x = np.concatenate([x[:2], -x[:2]])
    elif arrangement == "duplicate":
        x[-1] = x[0]
    return x


def gram(x):
    return jnp.asarray(x @ x.T / x.shape[1])


def polar_expectation(f, g, q, p, other):
    """E[f(u) g(v)] by Gauss-Legendre in polar coordinates, cut where u or v changes its sign."""
    rest = 0.0 if q == p == other else np.sqrt(other - q**2 / p)
    jump = np.arctan2(q / np.sqrt(p), -rest) % np.pi if rest else np.pi / 2
    cuts = sorted({0.0, np.pi / 2, 3 * np.pi / 2, 2 * np.pi, jump, jump + np.pi})
    nodes, weights = np.polynomial.legendre.leggauss(80)
    total = 0.0
    for low, high in itertools.pairwise(cuts):
        angle, of_angle = low + (high - low) * (nodes[:, None] + 1) / 2, weights * (high - low) / 2
        a, b = np.sqrt(p) * np.cos(angle), q / np.sqrt(p) * np.cos(angle) + rest * np.sin(angle)
        for start in (0.0, 4.0, 8.0):
            r = start + 4 * (nodes[None, :] + 1) / 2
            total += of_angle @ (f(a * r) * g(b * r) * r * np.exp(-(r**2) / 2)) @ (2 * weights)
    return total / (2 * np.pi)


@pytest.mark.parametrize("name", CLOSED)
def test_one_hidden_layer_is_the_expectation_that_it_stands_for(name):
    x = drawn(4, m=2)
    with precision(FIRST_BITS):
        found = ball_kernels(Architecture("mlp", 1, name, 1.5, 0.25), x)
    phi, slope = PHI[name]
    k = 1.5**2 * (x @ x.T) / x.shape[1] + 0.25**2
    for i, j in ((0, 0), (1, 0), (1, 1)):
        value = polar_expectation(phi, phi, k[i, j], k[i, i], k[j, j])
        both = polar_expectation(slope, slope, k[i, j], k[i, i], k[j, j])
        nngp, ark = 2.25 * value + 0.0625, 2.25**2 * both
        ntk = nngp + 2.25 * both * k[i, j]
        for ball, expected in ((found.nngp, nngp), (found.ntk, ntk), (found.ark, ark)):
            # Quadrature of analytic pieces, in double precision.
            assert float(ball[i, j].mid()) == pytest.approx(expected, rel=1e-13, abs=1e-13)


@FAIR
@given(
    SEEDS,
    st.sampled_from(CLOSED),
    st.integers(1, 3),
    st.sampled_from(["ntk", "standard"]),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from(["generic", "parallel", "antipodal", "duplicate"]),
)
def test_the_programs_kernels_lie_where_rounded_steps_may_take_them(
    seed, name, depth, parameterization, bias, arrangement
):
    x = drawn(seed, arrangement)
    arch = Architecture("mlp", depth, name, 1.4, bias, parameterization)
    computed = mlp_limits(arch, gram(x), float(x.shape[1]), 7.0)
    with precision(FIRST_BITS):
        exact, rounded = ball_kernels(arch, x, 7.0), ball_kernels(arch, x, 7.0, STEP)
        for kernel, balls, wide in zip(computed, exact, rounded, strict=True):
            assert enclosure_high(errors_over_rounding(np.asarray(kernel), balls, wide)) <= 1
            low, high = floats(balls)
            outer_low, outer_high = floats(wide)
            assert (outer_low <= low).all() and (high <= outer_high).all()


def enclosure_high(found):
    assert found.low <= found.high
    return found.high


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("kernel", ["nngp", "ntk", "ark"])
def test_a_kernel_wrong_by_a_tenth_of_a_trillionth_is_refuted(name, kernel):
    x, arch = drawn(0), Architecture("mlp", 1, name, 1.5, 0.2)
    computed = np.asarray(getattr(mlp_limits(arch, gram(x)), kernel))
    with precision(FIRST_BITS):
        exact, rounded = (getattr(ball_kernels(arch, x, 1.0, error), kernel) for error in (0.0, STEP))
        honest = errors_over_rounding(computed, exact, rounded)
        planted = errors_over_rounding(computed * (1 + 1e-13), exact, rounded)
    assert honest.high <= 1 < planted.low


@pytest.mark.parametrize("name", CLOSED)
def test_distinct_inputs_with_a_bias_are_proved_definite(name):
    x = drawn(1, "antipodal", m=4)
    with precision(FIRST_BITS):
        kernel = ball_kernels(Architecture("mlp", 2, name, 1.5, 0.3), x).ark
        assert definite(kernel) is True and smallest_eigenvalue(kernel) > 0


@pytest.mark.parametrize("name", CLOSED)
def test_a_kernel_of_equal_inputs_is_never_proved_definite(name):
    x = drawn(1, "duplicate", m=4)
    for bits in (FIRST_BITS, 8 * FIRST_BITS):
        with precision(bits):
            kernel = ball_kernels(Architecture("mlp", 2, name, 1.5, 0.3), x).ark
            assert definite(kernel) is not True
            assert enclosure(smallest_eigenvalue(kernel)).low <= 0


def test_zero_inputs_without_bias_have_the_slope_of_finite_networks_there():
    x = drawn(0)
    x[1] = 0
    for name, at_zero in (("relu", 0.0), ("leaky_relu", LEAKY_SLOPE)):
        arch = Architecture("mlp", 1, name, 1.5, 0.0)
        with precision(FIRST_BITS):
            ark = ball_kernels(arch, x).ark
        low, high = floats(ark)
        program = np.asarray(mlp_limits(arch, gram(x)).ark)
        np.testing.assert_allclose((low + high) / 2, program, rtol=1e-14, atol=1e-15)
        assert high[1, 1] == pytest.approx(1.5**4 * at_zero**2)


@pytest.mark.parametrize("change", [{"activation": "tanh"}, {"family": "cnn"}])
def test_what_has_no_closed_form_is_refused(change):
    arch = Architecture(**{"family": "mlp", "depth": 1, "activation": "erf", **change})
    with pytest.raises(ValueError, match="closed forms are for MLPs with erf, relu, leaky_relu"):
        ball_kernels(arch, drawn(0))


# Activation, depth, arrangement |-> which limit kernels without bias are singular, by theory.
def singular(name, depth, arrangement):
    kinked = name in ("relu", "leaky_relu")
    return (
        (arrangement == "parallel" and kinked)
        or (arrangement in ("antipodal", "two_antipodal") and (name in ("erf", "tanh")))
        or (arrangement in ("antipodal", "two_antipodal") and name == "sigmoid" and depth == 1)
        or (arrangement == "two_antipodal" and depth == 1 and (kinked or name in ("gelu", "softplus")))
        or arrangement == "duplicate"
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("depth", [1, 2])
def test_exact_arithmetic_proves_the_degenerate_cases_and_no_others(name, depth):
    for arrangement, bias in itertools.product(
        ("generic", "parallel", "antipodal", "two_antipodal", "duplicate"), (0.0, 0.3)
    ):
        x, arch = drawn(2, arrangement), Architecture("mlp", depth, name, 1.5, bias)
        z = null_vector(arch, x)
        expected = arrangement == "duplicate" or (bias == 0.0 and singular(name, depth, arrangement))
        assert (z is not None) is expected, (arrangement, bias)
        if z is not None:
            # The program's kernel maps it to 0 as well; slopes at an angle of pi cost a root of the rounding.
            kernel = np.asarray(mlp_limits(arch, gram(x)).ark)
            assert np.abs(kernel @ np.array(z)).max() < 1e-7 * kernel.max()


def test_nearly_degenerate_inputs_are_not_degenerate():
    x = drawn(2, "antipodal")
    x[-1, 0] = np.nextafter(x[-1, 0], np.inf)
    assert null_vector(Architecture("mlp", 1, "erf", 1.5, 0.0), x) is None
    x = drawn(2, "parallel")
    x[-1, 0] = np.nextafter(x[-1, 0], np.inf)
    assert null_vector(Architecture("mlp", 2, "relu", 1.5, 0.0), x) is None
