"""The transformed kernel sym(Theta A): brute force, critical scale, and a certificate that is tight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import linalg

from advntk.implementations.dynamics.transformed import certified_spread, critical_scale, margins

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=40)
SEEDS = st.integers(0, 2**31)


def positive_definite(seed: int, size: int, condition: float) -> np.ndarray:
    """A random rotation of eigenvalues between 1/condition and 1, both taken."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((size, size)))[0]
    between = np.exp(-np.log(condition) * rng.random(size))
    between[0], between[-1] = 1, 1 / condition
    matrix = basis @ np.diag(between) @ basis.T
    return (matrix + matrix.T) / 2


@EXACT
@given(seed=SEEDS, size=st.integers(2, 5))
def test_margins_equal_brute_force(seed, size):
    theta = positive_definite(seed, size, 10.0)
    ark, scales = np.random.default_rng(seed).random(size), np.array([0.0, 0.5, 3.0])
    got = margins(theta, ark, scales)
    for scale, margin in zip(scales, got, strict=True):
        xi = np.diag(np.exp(scale * ark))
        product = theta @ xi / np.linalg.eigvalsh(xi)[-1]
        smallest = min(np.linalg.eigvals((product + product.T) / 2).real)
        # Weyl: eigenvalues move by at most the norm of the rounding.
        assert abs(margin - smallest / linalg.norm(theta, 2)) <= 16 * size * EPS
    np.testing.assert_allclose(got[0], np.linalg.eigvalsh(theta)[0], rtol=0, atol=16 * size * EPS)


@EXACT
@given(seed=SEEDS, size=st.integers(2, 5), condition=st.floats(1.5, 1e4))
def test_the_margin_changes_sign_at_the_critical_scale(seed, size, condition):
    theta = positive_definite(seed, size, condition)
    ark = np.random.default_rng(seed + 1).random(size)
    critical = critical_scale(theta, ark)
    if np.isinf(critical):
        spread = ark.max() - ark.min()
        assert (margins(theta, ark, np.linspace(0, 40 / spread, 500)) > 0).all()
        return
    # A relative step of 1e-6, against 1e-12 of the bisection.
    before, after = margins(theta, ark, critical * np.array([1 - 1e-6, 1 + 1e-6]))
    rounding = 16 * size * EPS
    assert before > -rounding and after < rounding
    assume(after - before < -4 * rounding)  # else the crossing is flatter than rounding resolves
    assert before > 0 > after
    assert (margins(theta, ark, np.linspace(0, critical * (1 - 1e-6), 50)) > -rounding).all()


@EXACT
@given(seed=SEEDS, size=st.integers(2, 6), condition=st.floats(1.01, 1e6))
def test_the_certified_spread_never_exceeds_the_critical_one(seed, size, condition):
    theta = positive_definite(seed, size, condition)
    ark = np.random.default_rng(seed + 1).random(size)
    spread = ark.max() - ark.min()
    critical = critical_scale(theta, ark) * spread
    # The smallest eigenvalue, 1/condition, is known to size * eps.
    assert certified_spread(theta) <= critical * (1 + 16 * size * EPS * condition)


@EXACT
@given(size=st.integers(2, 5), condition=st.floats(1.1, 1e4), at=st.integers(0, 3))
def test_the_certified_spread_is_attained(size, condition, at):
    # Eigenvectors of the extreme eigenvalues at 45 degrees between the samples of the largest and the
    # smallest ARK: there the critical spread is 2 arccosh((k + 1)/(k - 1)), the certified one.
    theta = np.eye(size) * (1 + 1 / condition) / 2
    first, last = at % size, (at + 1) % size
    theta[first, last] = theta[last, first] = (1 - 1 / condition) / 2
    ark = np.full(size, 0.5)
    ark[first], ark[last] = 0.0, 1.0
    critical, certified = critical_scale(theta, ark), certified_spread(theta)
    expected = 2 * np.arccosh((condition + 1) / (condition - 1))
    # The bisection stops at 1e-12; both depend on the condition number, known to condition * eps.
    allowed = 2e-12 + 64 * size * EPS * condition
    assert critical == pytest.approx(expected, rel=allowed)
    assert certified == pytest.approx(expected, rel=allowed)
    # What is certified is used up: slightly beyond, the matrix is indefinite.
    beyond, within = margins(theta, ark, certified * np.array([1 + 1e-6, 1 - 1e-6]))
    assert beyond < 0 < within


def test_equal_diagonal_entries_never_break_definiteness():
    theta = positive_definite(0, 4, 100.0)
    assert critical_scale(theta, np.full(4, 0.3)) == np.inf
    np.testing.assert_array_equal(
        margins(theta, np.full(4, 0.3), np.array([0.0, 1e6])), margins(theta, np.zeros(4), np.zeros(2))
    )


def test_a_diagonal_kernel_never_breaks_within_the_scan():
    assert critical_scale(np.diag([1.0, 2.0, 0.5]), np.array([0.0, 0.5, 1.0])) == np.inf


def test_a_multiple_of_the_identity_is_certified_for_every_spread():
    assert certified_spread(3 * np.eye(3)) == np.inf


@pytest.mark.parametrize(
    "theta",
    [np.ones((2, 2)), np.diag([1.0, 0.0]), np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])],
    ids=["ones", "zero eigenvalue", "rank one"],
)
def test_a_singular_kernel_certifies_nothing(theta):
    assert certified_spread(theta) == 0.0


def test_an_indefinite_kernel_certifies_nothing_and_is_broken_from_the_start():
    theta = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert certified_spread(theta) == 0.0
    assert critical_scale(theta, np.array([0.0, 1.0])) == 0.0


@EXACT
@given(seed=SEEDS, factor=st.floats(0.1, 10))
def test_scales_measure_the_ark_in_its_own_units(seed, factor):
    theta = positive_definite(seed, 3, 50.0)
    ark = np.random.default_rng(seed).random(3)
    critical = critical_scale(theta, ark)
    assume(np.isfinite(critical))
    slope = np.diff(margins(theta, ark, critical * np.array([1 - 1e-6, 1 + 1e-6])))[0] / 2e-6
    # Bisection to 1e-12 twice; rounding of the margin divided by its slope in the logarithm of the scale.
    allowed = 4e-12 + 100 * EPS / abs(slope)
    assert critical_scale(theta, factor * ark) == pytest.approx(critical / factor, rel=allowed)
    assert critical_scale(7.0 * theta, ark + 2.0) == pytest.approx(critical, rel=allowed)
