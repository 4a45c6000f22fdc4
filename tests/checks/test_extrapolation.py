"""Means freed of noise by control variates, and limits of them: unbiased, and as precise as they say."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy.stats import chi2, sem
from scipy.stats import t as student

from advntk.checks.deciders.extrapolation import FOLDS, Adjusted, Mean, adjusted, extrapolated

# Chance of failure of each judgement here, were its seed drawn anew.
LEVEL = 1e-6


def test_what_is_subtracted_from_a_seed_does_not_depend_on_it():
    """A value moved by 1 moves its own adjusted value by 1, and none of its fold by anything else."""
    rng = np.random.default_rng(0)
    values, controls = rng.standard_normal(96), rng.standard_normal((96, 3))
    before = adjusted(values, controls).values
    values[17] += 1
    change = adjusted(values, controls).values - before
    assert change[17] == pytest.approx(1, abs=1e-12)
    others = [i for i in range(96) if i % FOLDS == 17 % FOLDS and i != 17]
    np.testing.assert_allclose(change[others], 0, atol=1e-12)
    assert np.abs(np.delete(change, [17, *others])).min() > 1e-9  # other folds do


def test_coefficients_of_a_fold_are_least_squares_of_all_others():
    rng = np.random.default_rng(1)
    controls = rng.standard_normal((80, 2)) * [1.0, 1e3]
    values = 3 + controls @ [1.0, 1e-3] + rng.standard_normal(80)
    found = adjusted(values, controls).values
    for fold in (0, 5):
        here = np.arange(80) % FOLDS == fold
        design = np.column_stack([np.ones(80), controls])[~here]
        coefficients = np.linalg.lstsq(design, values[~here], rcond=None)[0][1:]
        np.testing.assert_allclose(found[here], values[here] - controls[here] @ coefficients, rtol=1e-10)


@pytest.mark.parametrize("seeds", [64, 70])
def test_adjusting_leaves_the_mean_as_it_is(seeds):
    """values = c^2 of a standard normal c: coefficients of the same seeds would move their mean by
    -E[c^2 (c^2 - 1)] / seeds = -2 / seeds."""
    rng, repetitions = np.random.default_rng(2), 4000
    means = np.empty(repetitions)
    for i in range(repetitions):
        c = rng.standard_normal(seeds)
        means[i] = adjusted(c**2, c[:, None]).values.mean()
    half = student.isf(LEVEL / 2, repetitions - 1) * sem(means)
    assert half < 2 / seeds / 2, "too small a sample to see the bias"
    assert abs(means.mean() - 1) <= half


@pytest.mark.parametrize("explained", [0.0, 0.5, 0.9, 0.99])
def test_the_variance_left_is_what_the_coefficient_of_determination_says(explained):
    """1 - R^2, by what k fitted coefficients cost, 1 + k/n; a variance of n normal values has the relative
    deviation sqrt(2 / n), and a share of two of them at most twice that."""
    rng, seeds, count = np.random.default_rng(3), 4096, 5
    controls = rng.standard_normal((seeds, count))
    shared = controls @ np.full(count, sqrt(explained / count))
    values = shared + sqrt(1 - explained) * rng.standard_normal(seeds)
    found = adjusted(values, controls)
    slack = 5 * 2 * sqrt(2 / seeds) + 2 * count / seeds
    assert found.left == pytest.approx(1 - explained, rel=slack)
    assert found.values.var() / values.var() == pytest.approx(found.left, rel=1e-12)


@pytest.mark.parametrize("count", [1, 8])
def test_the_standard_error_is_that_of_the_mean(count):
    """Adjusted values share their coefficients; their mean still spreads as independent ones would."""
    rng, repetitions, seeds = np.random.default_rng(4), 1500, 64
    found = []
    for _ in range(repetitions):
        controls = rng.standard_normal((seeds, count))
        values = controls.sum(1) + rng.chisquare(4, seeds)
        found.append(Mean.of(adjusted(values, controls)))
    spread = np.var([mean.value for mean in found], ddof=1)
    said = np.mean([mean.error**2 for mean in found])
    low, high = chi2.ppf([LEVEL / 2, 1 - LEVEL / 2], repetitions - 1) / (repetitions - 1)
    # Means of skewed values are nearly normal: their kurtosis adds 12/4/64 to the 2 of a normal square.
    assert low * 0.95 < spread / said < high * 1.05


@pytest.mark.parametrize(
    "controls",
    [np.zeros((64, 0)), np.ones((64, 3)), np.random.default_rng(5).standard_normal((64, 17))],
    ids=["none", "constant", "too many"],
)
def test_without_usable_controls_values_stay(controls):
    values = np.random.default_rng(6).standard_normal(64)
    found = adjusted(values, controls)
    np.testing.assert_array_equal(found.values, values)
    assert found.left == 1.0


def test_constant_and_repeated_controls_do_no_harm():
    rng = np.random.default_rng(7)
    control = rng.standard_normal((64, 1))
    values = control[:, 0] + 0.1 * rng.standard_normal(64)
    alone = adjusted(values, control)
    for more in (np.ones((64, 1)), control, 1e-9 * control):
        found = adjusted(values, np.concatenate([control, more], 1))
        # Of equal columns least squares takes the shortest coefficients, to half the digits.
        np.testing.assert_allclose(found.values, alone.values, atol=1e-7)


def test_values_that_do_not_vary_are_left_alone():
    found = adjusted(np.full(64, 2.5), np.random.default_rng(8).standard_normal((64, 2)))
    np.testing.assert_array_equal(found.values, 2.5)


def test_cumulants_of_a_mean():
    values = np.random.default_rng(9).chisquare(2, 500)
    mean = Mean.of(Adjusted(values, 0.3))
    assert (mean.value, mean.left) == (pytest.approx(values.mean()), 0.3)
    assert mean.error == pytest.approx(sem(values))
    assert mean.third == pytest.approx(((values - values.mean()) ** 3).mean() / 500**2)


def test_folds_are_those_of_the_seeds_in_turn_and_errors_those_of_the_others():
    values = np.random.default_rng(12).normal(size=70)
    mean = Mean.of(Adjusted(values, 1.0))
    assert mean.folds.shape == mean.others.shape == (FOLDS,)
    for k in range(FOLDS):
        here = np.arange(70) % FOLDS == k
        assert mean.folds[k] == pytest.approx(values[here].mean())
        assert mean.others[k] == pytest.approx(np.std(values[~here], ddof=1) / sqrt(70))


POINTS = np.array([16.0, 32.0, 64.0, 128.0, 256.0])


def alike(value: float, error: float, third: float = 0.0) -> Mean:
    """A mean of which all folds are alike, and so are the errors without them."""
    return Mean(value, error, third, 1.0, np.full(4, value), np.full(4, error))


def exact(curve: np.ndarray, error: float, third: float = 0.0) -> list[Mean]:
    return [alike(float(value), error, third) for value in curve]


def test_error_and_skewness_are_those_of_the_weighted_sum():
    thirds = np.array([1e-7, -2e-7, 3e-7, 0.0, 1e-7])
    errors = np.array([0.01, 0.02, 0.01, 0.03, 0.02])
    means = [alike(1.0, float(e), float(k)) for e, k in zip(errors, thirds, strict=True)]
    found = extrapolated(POINTS, means)
    assert found is not None and found.terms == 1
    design = np.stack([np.ones(5), 1 / POINTS], 1)
    precision = np.diag(errors**-2.0)
    covariance = np.linalg.inv(design.T @ precision @ design)
    weights = (covariance @ design.T @ precision)[0]
    assert found.error == pytest.approx(sqrt(covariance[0, 0]), rel=1e-9)
    assert found.skewness == pytest.approx(weights**3 @ thirds / found.error**3, rel=1e-9)


def test_the_p_value_is_that_of_what_is_left_over():
    rng = np.random.default_rng(10)
    curve = 1 + 0.3 / POINTS + 0.01 * rng.standard_normal(5)
    found = extrapolated(POINTS, exact(curve, 0.01))
    assert found is not None and found.terms == 1
    slope, limit = np.polyfit(1 / POINTS, curve, 1)
    left = (((curve - limit - slope / POINTS) / 0.01) ** 2).sum()
    assert found.chance == pytest.approx(chi2.sf(left, 3), rel=1e-9)
    assert (found.value, found.slope) == (pytest.approx(limit, rel=1e-12), pytest.approx(slope, rel=1e-9))


@pytest.mark.parametrize("bend", [0.0, 0.05])
def test_of_two_models_that_fit_the_narrower_is_taken(bend):
    """A large slope makes a fit in 1/n leave out more than another term costs in noise."""
    for slope, terms in ((0.1, 1), (8.0, 2)):
        found = extrapolated(POINTS, exact(1 + slope / POINTS + bend / POINTS**2, 1e-3))
        assert found is not None and found.terms == terms


def test_a_sweep_of_as_many_points_as_coefficients_leaves_nothing_over():
    points = POINTS[:3]
    found = extrapolated(points, exact(1 + 0.5 / points + 40 / points**2, 1e-6))
    assert found is not None and (found.terms, found.chance) == (2, 1.0)
    assert found.value == pytest.approx(1, abs=1e-10)


def test_nothing_fits_a_curve_that_jumps():
    assert extrapolated(POINTS, exact(np.array([1.0, 2.0, 1.0, 2.0, 1.0]), 1e-3)) is None
