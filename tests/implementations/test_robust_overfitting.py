"""PGD, the infinite-width AT predictor along time, and the robust overfitting that it shows."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from advntk.implementations.attacks.pgd import pgd_linf
from advntk.implementations.data.dataset import BadData, one_hot
from advntk.implementations.data.images import digits
from advntk.implementations.dynamics.closed_form import closed_form
from advntk.implementations.dynamics.predictor import ntk_regression, weights_along_time
from advntk.implementations.experiments.robust_overfitting import (
    LearningCurve,
    LearningCurves,
    Split,
    peak,
    robust_overfitting,
    split,
)
from advntk.implementations.kernels.closed_form_ntk import loss_gradient, mlp_ntk, mlp_ntk_gram
from advntk.implementations.kernels.infinite import ark_product, infinite_kernels
from advntk.implementations.networks.architecture import Architecture, architecture

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=15)
SEEDS = st.integers(0, 2**31)
# Programs this small take longer to optimize than to run.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
# An entry of a kernel is O(100) operations on numbers of its own size.
ROUNDING = 100 * EPS
MLP_5 = architecture("mlp", 5, "relu", 1.76, 0.18)
TIMES = (0.0, 0.01, 0.3, 2.0, 30.0)

fast_ntk = compiled(mlp_ntk)
fast_gram = compiled(mlp_ntk_gram)
along_time = compiled(weights_along_time)
gradient_of_loss = compiled(loss_gradient)
in_closed_form = compiled(closed_form)


@compiled
def slow_ntk(arch: Architecture, x: jax.Array, other: jax.Array | None = None) -> jax.Array:
    return infinite_kernels(arch, x, other).ntk


@partial(compiled, static_argnames="start")
def attack_line(slope, x, radius, low, high, start=False):
    """PGD on the linear loss slope . x."""
    key = jax.random.key(7) if start else None
    return pgd_linf(lambda _: slope, x, radius, radius / 5, 10, low, high, key)


def gaussian(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


@EXACT
@given(seed=SEEDS, radius=st.floats(0.01, 2), start=st.booleans())
def test_pgd_of_a_linear_loss_reaches_the_optimum_inside_ball_and_box(seed, radius, start):
    rng = np.random.default_rng(seed)
    slope, x = rng.standard_normal((2, 4, 3))
    x = np.clip(x, -0.5, 0.5)
    slope[0, 0] = 0
    found = np.asarray(attack_line(slope, x, radius, -0.5, 0.5, start))
    assert np.abs(found - x).max() <= radius + EPS and np.abs(found).max() <= 0.5
    # Ten steps of radius/5 cross the ball once from end to end; each rounds.
    best = np.clip(x + radius * np.sign(slope), -0.5, 0.5)
    np.testing.assert_allclose(found[slope != 0], best[slope != 0], rtol=0, atol=20 * EPS * (1 + radius))
    gain = (slope * (found - x)).sum(1)
    assert (gain >= -20 * EPS * (1 + radius) * np.abs(slope).sum(1)).all()
    # Without a slope nothing moves but the random start, which is there.
    assert (found[0, 0] == x[0, 0]) != start or abs(x[0, 0]) == 0.5


def test_pgd_follows_the_gradient_at_the_current_iterate():
    # From 0 uphill to the crest at 0.5, and no further than a step beyond it.
    found = pgd_linf(lambda at: 0.5 - at, jnp.zeros(1), 2.0, 0.3, 50, -5.0, 5.0)
    assert abs(float(found[0]) - 0.5) <= 0.3


@pytest.mark.parametrize("key", [0, 1])
def test_random_starts_fill_the_ball(key):
    found = pgd_linf(jnp.zeros_like, jnp.zeros(2000), 0.1, 0.02, 3, -0.5, 0.05, jax.random.key(key))
    found = np.asarray(found)
    assert found.min() < -0.099 and found.max() == 0.05
    # A quarter lies beyond the box; binomial, five standard deviations.
    assert abs((found == 0.05).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 2000)


@EXACT
@given(seed=SEEDS, spread=st.floats(0, 3))
def test_weights_at_all_times_are_those_of_the_closed_form_and_of_a_dense_exponential(seed, spread):
    rng = np.random.default_rng(seed)
    m, c = 6, 3
    x, y = gaussian(seed, m, 4), rng.standard_normal((m, c))
    ntk, growth = np.array(fast_gram(MLP_5, x)), np.exp(spread * rng.uniform(size=m))
    ntk /= np.trace(ntk) / m
    found = np.asarray(along_time(ntk, growth, y, np.asarray(TIMES)))
    condition = np.linalg.cond(ntk) * np.exp(spread)
    for time, weights in zip(TIMES, found, strict=True):
        moved = expm(-time * ntk * growth[None, :])
        dense = np.linalg.solve(ntk, y - moved @ y)
        # scipy's exponential is off by up to 3000 eps, the solve multiplies it by the condition.
        np.testing.assert_allclose(weights, dense, rtol=0, atol=4000 * EPS * condition * np.abs(y).max())
    identity = np.eye(c)
    xi = 2.0 * growth[:, None, None] * identity[None]
    general = in_closed_form(
        jnp.einsum("ij,ab->iajb", ntk, identity), jnp.asarray(xi), jnp.asarray(y)
    ).weights
    np.testing.assert_allclose(found[3], general, rtol=0, atol=100 * m * EPS * condition * np.abs(y).max())


@EXACT
@given(seed=SEEDS, spread=st.floats(0, 3))
def test_the_end_of_time_is_the_linear_solve_whatever_the_strengths(seed, spread):
    rng = np.random.default_rng(seed)
    x, y = gaussian(seed, 6, 4), rng.standard_normal((6, 2))
    ntk, growth = fast_gram(MLP_5, x), np.exp(spread * rng.uniform(size=6))
    solved = np.asarray(ntk_regression(ntk, jnp.asarray(y)))
    # e^{-lambda_min t} is below eps.
    time = 40 / np.linalg.eigvalsh(ntk)[0]
    last = along_time(ntk, growth, y, np.asarray([time]))[0]
    scale = np.linalg.norm(solved) * np.linalg.cond(ntk) * np.exp(spread)
    np.testing.assert_allclose(last, solved, rtol=0, atol=ROUNDING * scale)


@EXACT
@given(seed=SEEDS, noise=st.sampled_from((0.0, 0.1, 0.5)))
def test_a_split_is_disjoint_and_noisy_in_training_only(seed, noise):
    images, labels = digits()
    # An image is told apart by its pixels; no two digits are equal.
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    assert len(known) == len(images)
    made = split(seed, 50, 30, 20, noise)

    def true_labels(x):
        return np.array([known[((one + 0.5) * 16).reshape(8, 8).tobytes()] for one in x])

    sets = [made.x, made.validation_x, made.test_x]
    assert [len(one) for one in sets] == [50, 30, 20]
    together = np.concatenate(sets)
    assert len(np.unique(together, axis=0)) == 100
    assert together.min() == -0.5 and together.max() == 0.5
    np.testing.assert_array_equal(made.validation_labels, true_labels(made.validation_x))
    np.testing.assert_array_equal(made.test_labels, true_labels(made.test_x))
    trained_on = made.y.argmax(1)
    np.testing.assert_array_equal(made.y, one_hot(trained_on, 10))
    assert (trained_on != true_labels(made.x)).sum() == round(50 * noise)
    for a, b in zip(made, split(seed, 50, 30, 20, noise), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_split_of_too_many_digits_is_refused():
    with pytest.raises(BadData, match="2000 exceeds the 1797"):
        split(0, 1000, 500, 500, 0.0)


@pytest.fixture(scope="module")
def noisy() -> tuple[Split, LearningCurves]:
    """30 % noisy labels; a search whose strength varies from sample to sample."""
    made = split(0, 120, 60, 40, 0.3)
    ark = float(ark_product(MLP_5, jnp.asarray(made.x[:1]))[0, 0])
    strengths = jnp.linspace(0, 1.5, 120) / ark
    found = robust_overfitting(MLP_5, made, jnp.asarray([1e-3, 0.1, 1e3]), strengths, jax.random.key(0))
    return made, jax.tree.map(np.asarray, found)


def test_late_training_ends_at_the_predictor_without_at(noisy):
    _, found = noisy
    for curve in found:
        assert (np.diff(curve.distance) < 0).all()
        # Beyond e^{-lambda_min t} only the rounding of two solves is left; the kernel's condition is 1e3.
        assert curve.distance[-1] < 1e4 * ROUNDING
        assert curve.clean[-1] == curve.clean_without_at
        # The sign of a gradient within rounding of zero may differ.
        assert abs(curve.robust[-1] - curve.robust_without_at) <= 1 / 40
        assert (curve.robust <= curve.clean).all()


def test_robustness_peaks_before_the_end_where_labels_are_noisy(noisy):
    _, found = noisy
    best = peak(found)
    assert best.chosen == 1 and best.robust == found.test.robust[1]
    assert best.rise > 0.1 and best.drop > 0.1
    assert best.drop == found.test.robust[1] - found.test.robust[2]


def test_accuracies_are_those_of_an_attack_written_out(noisy):
    made, found = noisy
    x, y, there = jnp.asarray(made.x), jnp.asarray(made.y), jnp.asarray(made.test_x)
    weights = jnp.linalg.inv(slow_ntk(MLP_5, x)) @ y
    kernel = slow_ntk(MLP_5, there, x)
    assert float(found.test.clean_without_at) == np.mean(np.argmax(kernel @ weights, 1) == made.test_labels)
    at, targets = there, one_hot(made.test_labels, 10)
    for _ in range(10):
        at = at + 0.03 * jnp.sign(gradient_of_loss(MLP_5, at, jnp.asarray(targets), x, weights))
        at = jnp.clip(at, jnp.maximum(there - 0.15, -0.5), jnp.minimum(there + 0.15, 0.5))
    right = np.mean(np.argmax(slow_ntk(MLP_5, at, x) @ weights, 1) == made.test_labels)
    # Two starts of the search differ in a few samples of 40.
    assert abs(right - found.test.robust_without_at) <= 3 / 40


def test_the_earliest_of_equally_good_times_is_chosen():
    def curve(robust):
        return LearningCurve(*(np.asarray(robust),) * 3, np.asarray(0.0), np.asarray(0.0))

    best = peak(LearningCurves(curve([0.1, 0.5, 0.5, 0.2]), curve([0.2, 0.6, 0.7, 0.3])))
    assert best.chosen == 1 and best.robust == 0.6
    assert best.rise == pytest.approx(0.4) and best.drop == pytest.approx(0.3)
