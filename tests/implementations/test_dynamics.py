"""Perturbation schedules and the regularization matrix Xi, against closed forms and scipy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from advntk.implementations.dynamics.regularization import (
    _ORDER,
    _PANELS,
    search_growth,
    xi_blocks,
    xi_diagonal,
)
from advntk.implementations.dynamics.schedules import Schedule, schedule

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=20)
SEEDS = st.integers(0, 2**31)

SHAPES = {
    "constant": lambda u: 1.0 + 0 * u,
    "growing": lambda u: 1 + u,
    "decaying": lambda u: np.exp(-u),
    "oscillating": lambda u: 0.5 + 0.5 * np.sin(u),
    "early_stopped": lambda u: np.maximum(1 - u, 0),
}
blocks_of = jax.jit(xi_blocks)
diagonal_of = jax.jit(xi_diagonal)


def exponential(matrix: np.ndarray) -> np.ndarray:
    """exp of a small symmetric matrix: Taylor at a sixteenth, squared four times.

    Each squaring doubles the relative rounding, to 16 n eps in the end.  (scipy's expm, faster in general,
    is off by up to 3000 eps for some of the matrices here.)
    """
    sixteenth = matrix / 16
    term = total = np.eye(len(matrix))
    for k in range(1, 24):
        term = term @ sixteenth / k
        total = total + term
    for _ in range(4):
        total = total @ total
    return total


def kink_error(jump: float, time: float) -> float:
    """Largest error of one Gauss-Legendre panel on a function whose slope jumps, from Peano's kernel."""
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    at = np.linspace(-1, 1, 4001)
    kernel = (1 - at) ** 2 / 2 - np.maximum(nodes[:, None] - at, 0).T @ weights
    # The kernel is Lipschitz with constant 1 on a grid of step 1/2000.
    return jump * (time / _PANELS / 2) ** 2 * (np.abs(kernel).max() + 1 / 4000)


@pytest.mark.parametrize("shape", SHAPES)
@EXACT
@given(
    scale=st.floats(0, 3),
    rate=st.floats(0, 3),
    time=st.floats(0, 5),
    other=st.floats(0, 3),
)
def test_strengths_follow_the_shape_for_each_sample(shape, scale, rate, time, other):
    made = schedule(shape, jnp.array([scale, 2.0]), jnp.array([rate, other]))
    expected = [scale * SHAPES[shape](rate * time), 2.0 * SHAPES[shape](other * time)]
    strengths = np.asarray(made.strengths(time))
    # The phase rate * time, at most 15, is rounded once before the shape is taken.
    np.testing.assert_allclose(strengths, expected, rtol=0, atol=3 * 32 * EPS * 2)
    assert (strengths >= 0).all()


def test_the_rate_defaults_to_one_and_the_shape_is_data():
    made = schedule("decaying", jnp.array([1.0, 2.0]))
    np.testing.assert_array_equal(made.rate, [1.0, 1.0])
    leaves, structure = jax.tree.flatten(made)
    assert len(leaves) == 3
    assert structure == jax.tree.structure(schedule("growing", made.scale))


@pytest.mark.parametrize(
    ("shape", "scale", "rate", "said"),
    [
        ("sudden", [1.0], None, ["shape = 'sudden' is unknown", ", ".join(SHAPES)]),
        ("constant", [-1.0], None, ["scale = [-1.]", "finite and not negative"]),
        ("constant", [np.nan], None, ["scale = [nan]", "finite and not negative"]),
        ("growing", [1.0], [np.inf], ["rate = [inf]", "finite and not negative"]),
        ("growing", [1.0], [-2.0], ["rate = [-2.]", "finite and not negative"]),
    ],
)
def test_a_bad_schedule_is_named_with_its_value_and_the_fix(shape, scale, rate, said):
    # The annotations are checked in tests only; go around them as a person at the keyboard would.
    unchecked = getattr(schedule, "__wrapped__", schedule)
    with pytest.raises(ValueError) as caught:
        unchecked(shape, jnp.array(scale), None if rate is None else jnp.array(rate))
    for part in said:
        assert part in str(caught.value)


def shared(shape: str, scale: float, rate: float, samples: int = 1) -> Schedule:
    return schedule(shape, jnp.full(samples, scale), jnp.full(samples, rate))


def integrated(shape: str, k: float, rate: float, time: float) -> float:
    """int_0^t exp(k shape(rate tau)) dtau where it has a closed form."""

    def ramp(slope: float, end: float) -> float:
        # Subnormal slopes have too few digits to divide by.
        return np.expm1(slope * end) / slope if abs(slope) > 1e-300 else end

    if shape == "constant":
        return time * np.exp(k)
    if shape == "growing":
        return np.exp(k) * ramp(k * rate, time)
    end = min(time, 1 / rate) if rate > 1e-300 else time
    return np.exp(k) * ramp(-k * rate, end) + time - end


@pytest.mark.parametrize("shape", ["constant", "growing", "early_stopped"])
@EXACT
@given(eigenvalue=st.floats(-4, 4), scale=st.floats(0, 2), rate=st.floats(0, 2), time=st.floats(0.1, 4))
def test_xi_of_one_entry_is_the_integrated_exponential(shape, eigenvalue, scale, rate, time):
    got = float(diagonal_of(jnp.array([[eigenvalue]]), shared(shape, scale, rate), time)[0, 0])
    k = eigenvalue * scale
    expected = integrated(shape, k, rate, time)
    # The exponent, known to eps, gives its exponential a relative error of its size times eps; expm1 over
    # the slope and the sum over all nodes add some.  Quadrature errs at the kink alone.
    largest = abs(k) * (1 + rate * time)
    allowed = 32 * EPS * (1 + largest) * time * np.exp(largest)
    if shape == "early_stopped":
        allowed += kink_error(abs(k) * rate, time)
    assert abs(got - expected) <= allowed


def blocks(seed: int, samples: int, size: int) -> np.ndarray:
    """Positive semidefinite blocks with a norm of about one."""
    a = np.random.default_rng(seed).standard_normal((samples, size, size))
    return a @ a.swapaxes(-1, -2) / (2 * size)


@pytest.mark.parametrize("shape", SHAPES)
@settings(EXACT, max_examples=4)
@given(seed=SEEDS, time=st.floats(0.1, 3))
def test_xi_is_the_integral_of_matrix_exponentials(shape, seed, time):
    size, block = 3, blocks(seed, 2, 3)
    scale, rate = np.array([0.7, 1.3]), np.array([1.5, 0.6])
    got = np.asarray(
        blocks_of(jnp.asarray(block), Schedule.of(shape, jnp.asarray(scale), jnp.asarray(rate)), time)
    )
    for i in range(2):

        def integrand(tau, i=i):
            return exponential(scale[i] * SHAPES[shape](rate[i] * tau) * block[i])

        kink = [1 / rate[i]] if shape == "early_stopped" and 1 / rate[i] < time else None
        expected, error = integrate.quad_vec(integrand, 0, time, epsabs=0, epsrel=1e-12, points=kink)
        largest = np.linalg.eigvalsh(block[i])[-1]
        exponent = largest * scale[i] * (1 + rate[i] * time)
        # Eigenvectors leave a relative error of eps times the size times one plus the exponent, the
        # reference 16 times eps times the size; quadrature errs at the kink alone.
        allowed = 32 * size * EPS * (1 + exponent) * time * np.exp(exponent) + 2 * error
        if kink:
            allowed += kink_error(largest * scale[i] * rate[i], time)
        np.testing.assert_allclose(got[i], expected, rtol=0, atol=allowed)


@EXACT
@given(seed=SEEDS, scale=st.floats(0.1, 2), rate=st.floats(0, 2))
def test_xi_of_diagonal_blocks_is_the_diagonal_xi(seed, scale, rate):
    diagonal = np.random.default_rng(seed).random((4, 2, 3))
    common = shared("growing", scale, rate, samples=2)
    of_blocks = blocks_of(jnp.asarray(diagonal[..., None] * np.eye(3)), common, 0.5)
    entries = np.asarray(diagonal_of(jnp.asarray(diagonal), common, 0.5))
    np.testing.assert_allclose(
        of_blocks, entries[..., None] * np.eye(3), rtol=0, atol=100 * EPS * entries.max()
    )


def test_xi_of_zero_is_the_elapsed_time():
    got = diagonal_of(jnp.zeros((2, 3)), shared("oscillating", 3.0, 2.0, samples=2), 0.7)
    # A sum of 256 positive weights.
    np.testing.assert_allclose(got, np.full((2, 3), 0.7), rtol=_PANELS * _ORDER * EPS)


@EXACT
@given(seed=SEEDS, size=st.integers(1, 4))
def test_search_growth_is_the_matrix_exponential_of_every_block(seed, size):
    block, strengths = blocks(seed, 3, size), np.array([0.0, 0.5, 2.0])
    got = search_growth(jnp.asarray(block), jnp.asarray(strengths))
    for i, strength in enumerate(strengths):
        expected = exponential(strength * block[i])
        exponent = strength * np.linalg.eigvalsh(block[i])[-1]
        allowed = 32 * size * EPS * (1 + exponent) * np.exp(exponent)
        np.testing.assert_allclose(got[i], expected, rtol=0, atol=allowed)
