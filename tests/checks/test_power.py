"""Power of the deciders: against exact arithmetic, slow searches, and how often verdicts are reached."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from math import ceil, comb, inf, isfinite, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.fit import median_bounds
from advntk.checks.deciders.level import BATCHES, LEAST_PER_BATCH, SKEWNESS_SAFETY, LevelDecider
from advntk.checks.deciders.median import MedianDecider
from advntk.checks.deciders.power import (
    allowed,
    fewest_seeds,
    power,
    power_of_level,
    power_of_median,
    power_of_rate,
    smallest_share,
    student_distance,
    student_quantile,
)
from advntk.checks.deciders.rate import RateDecider
from advntk.theorems.vocabulary import Verdict

FAIR = settings(derandomize=True, deadline=None, database=None)
RATES = ErrorRates(false_alarm=0.02, miss=0.05)
WIDTHS = np.array([64, 128, 256, 512])
MARGIN = sqrt(2)
LEAST = BATCHES * LEAST_PER_BATCH


def tail(n: int, j: int, chance: Fraction) -> Fraction:
    """P(Bin(n, chance) <= j), term by term."""
    return sum((comb(n, i) * chance**i * (1 - chance) ** (n - i) for i in range(j + 1)), Fraction(0))


@FAIR
@given(st.integers(0, 120), st.floats(1e-9, 0.49))
def test_allowed_failures_are_those_of_the_exact_sum(n, error):
    j = allowed(n, error)
    # Only an error rate that is itself a binomial sum could fall on either side by rounding.
    assert tail(n, j, Fraction(1, 2)) <= Fraction(error * (1 + 1e-9))
    assert n == 0 or tail(n, j + 1, Fraction(1, 2)) > Fraction(error * (1 - 1e-9))


@pytest.mark.parametrize("n", [1000, 65_536, 3_000_001])
@pytest.mark.parametrize("error", [0.05, 2.5e-4, 1e-7])
def test_allowed_failures_of_many_seeds_agree_with_another_library(n, error):
    j = allowed(n, error)
    assert binom.cdf(j, n, 0.5) <= error < binom.cdf(j + 1, n, 0.5)


@pytest.mark.parametrize("n", [5, 16, 40, 100])
@pytest.mark.parametrize("share", [Fraction(1, 2), Fraction(3, 5), Fraction(9, 10), Fraction(1)])
def test_power_is_the_exact_sum(n, share):
    exact = tail(n, allowed(n, 0.05), 1 - share)
    assert power(n, float(share), 0.05) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("n", [8, 24, 64, 512])
@pytest.mark.parametrize(("error", "missed"), [(0.05, 0.05), (2.5e-4, 2.5e-4), (0.01, 0.2)])
def test_the_smallest_share_is_where_power_is_reached(n, error, missed):
    share = smallest_share(n, error, missed)
    if n < -np.log2(error):
        assert share == inf
    else:
        assert 0.5 < share < 1
        # The inverse is good to a few digits less than all of them.
        assert power(n, share * (1 + 1e-9), error) >= 1 - missed > power(n, share * (1 - 1e-9), error)


@pytest.mark.parametrize(
    ("share", "limit"), [(1.0, 30), (0.95, 80), (0.8, 200), (2 / 3, 600), (0.6, 1500), (0.55, 5000)]
)
@pytest.mark.parametrize(("error", "missed"), [(0.05, 0.05), (1e-3, 1e-3), (0.05, 0.3), (1e-5, 0.01)])
def test_the_fewest_seeds_are_those_of_a_search_from_one_upwards(share, limit, error, missed):
    slow = next((n for n in range(1, limit) if power(n, share, error) >= 1 - missed), None)
    fast = fewest_seeds(share, error, missed)
    assert fast == slow if slow is not None else fast >= limit


def test_the_number_of_seeds_is_no_power_of_two_and_power_is_a_saw():
    """The first sufficient number counts, although more seeds can be too few again."""
    need = fewest_seeds(0.7, 0.05, 0.05)
    after = [power(n, 0.7, 0.05) >= 0.95 for n in range(need, need + 10)]
    assert need & (need - 1) and after[0] and not all(after)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_no_number_of_seeds_shows_what_is_not_there(share):
    assert fewest_seeds(share, 0.05, 0.05) is None


def test_a_share_barely_above_half_is_answered_too():
    """(z_error + z_missed)^2 / (2 p - 1)^2 by the normal approximation, 1 / 2048 above a half."""
    share, both = 0.5 + 1 / 2048, 2 * 1.6448536
    assert fewest_seeds(share, 0.05, 0.05) == pytest.approx(both**2 * 1024**2, rel=1e-3)


def rate_decision(slopes, lost=0, rates=RATES):
    """The rate decider on seeds with exactly these slopes."""
    errors = WIDTHS[:, None] ** -np.append(slopes, np.zeros(lost))[None]
    errors[1, len(slopes) :] = np.nan
    observations = {int(w): {"gap": row} for w, row in zip(WIDTHS, errors, strict=True)}
    return RateDecider("gap", 0.5).decide(observations, rates)


def slow_effect(slopes, lost, rates):
    """Smallest of the shifts that leave just one more slope on the wrong side, by trying all of them."""
    n = len(slopes) + lost
    need = smallest_share(n, rates.miss, rates.miss)
    shifts = np.median(slopes) - slopes
    return next((d for d in sorted(shifts) if (shifts <= d).sum() >= need * n), inf)


@FAIR
@given(st.integers(0, 2**32 - 1), st.integers(3, 90), st.integers(0, 6))
def test_the_effect_in_the_unit_of_the_slopes_is_that_of_trying_all_shifts(draw, n, lost):
    slopes = np.random.default_rng(draw).standard_cauchy(n)
    found = power_of_rate(slopes, 0.35, n + lost, RATES)
    # Both take differences of the same numbers, shifted by 0.35 in one of them.
    slack = 8 * np.finfo(float).eps * np.abs(slopes).max() + 1e-15
    assert found.smallest_effect == pytest.approx(slow_effect(slopes, lost, RATES), rel=0, abs=slack)
    assert found.seeds_needed == fewest_seeds((slopes > 0.35).sum() / (n + lost), 0.05, 0.05)


def test_from_the_smallest_effect_on_holds_is_reached_as_often_as_said(rate_at_most):
    """Slopes of the measured law, drawn again with its median the smallest effect above the threshold."""
    rng = np.random.default_rng(1)
    measured = rng.laplace(size=64)
    found = power_of_rate(measured, 0.35, 64, RATES)
    shifted = measured - np.median(measured) + 0.35 + found.smallest_effect + 1e-9
    said = [rate_decision(rng.choice(shifted, 64)).verdict for _ in range(2000)]
    rate_at_most(2000 - said.count(Verdict.HOLDS), 2000, RATES.miss)
    # Below half the effect it is missed more often, or the effect would not be the smallest.
    nearer = [rate_decision(rng.choice(shifted - found.smallest_effect / 2, 64)) for _ in range(300)]
    assert sum(d.verdict is not Verdict.HOLDS for d in nearer) > 2 * 300 * RATES.miss


def test_the_seeds_needed_are_enough_and_one_fewer_are_not(rate_at_most):
    """Slopes drawn from those measured, in the number asked for."""
    rng = np.random.default_rng(2)
    measured = rng.normal(0.5, 0.2, 24)
    need = power_of_rate(measured, 0.35, 24, RATES).seeds_needed
    assert need is not None
    said = [rate_decision(rng.choice(measured, need)).verdict for _ in range(2000)]
    rate_at_most(2000 - said.count(Verdict.HOLDS), 2000, RATES.miss)
    share = float((measured > 0.35).mean())
    assert all(power(n, share, RATES.miss) < 0.95 for n in range(1, need))


@pytest.mark.parametrize("n", [1, 4])
def test_too_few_seeds_see_no_effect(n):
    found = power_of_rate(np.full(n, 9.0), 0.35, n, RATES)
    assert found.smallest_effect == inf and "more than all seeds" in found.effect
    assert found.seeds_needed == 5  # 2^-5 <= 0.05


def test_lost_seeds_make_the_detectable_effect_larger_up_to_none():
    slopes = np.random.default_rng(3).normal(0.5, 0.1, 40)
    effects = [power_of_rate(slopes, 0.35, 40 + lost, RATES).smallest_effect for lost in range(60)]
    assert effects[0] < effects[8] < effects[-1] == inf
    assert power_of_rate(slopes, 0.35, 81, RATES).seeds_needed is None


@FAIR
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.floats(-2, 2))
def test_the_sides_of_a_median_are_mirror_images(values, threshold):
    array = np.array(values)
    above = power_of_median(array, threshold, "above", array.size, RATES)
    below = power_of_median(-array, -threshold, "below", array.size, RATES)
    assert (above.smallest_effect, above.seeds_needed) == (below.smallest_effect, below.seeds_needed)
    assert above.smallest_effect >= 0


@pytest.mark.parametrize("side", ["above", "below"])
def test_a_median_is_in_its_own_unit(side):
    """Half as wide a law, half the effect; another threshold changes the seeds needed only."""
    values = np.random.default_rng(4).standard_normal(48)
    wide, narrow, moved = (
        power_of_median(values * scale, at, side, 48, RATES)
        for scale, at in ((1.0, 0.0), (0.5, 0.0), (1.0, -9.0 if side == "above" else 9.0))
    )
    assert narrow.smallest_effect == wide.smallest_effect / 2
    assert moved.smallest_effect == pytest.approx(wide.smallest_effect)
    assert moved.seeds_needed == 5


@pytest.mark.parametrize("error", [0.05, 1e-3, 1e-7])
def test_student_quantile_and_distance_are_those_of_the_definition(error):
    """A normal estimate against the quantile times its standard error, by quadrature over the latter."""
    from scipy.integrate import quad
    from scipy.stats import chi2, norm
    from scipy.stats import t as student

    quantile, distance = student_quantile(error, 15), student_distance(error, error / 2, 15)
    assert quantile == pytest.approx(student.isf(error, 15), rel=1e-8)

    def density(s):
        return norm.cdf(quantile * s - distance) * 30 * s * chi2.pdf(15 * s * s, 15)

    missed = quad(density, 0, 8, points=[1, 2, 3], epsabs=1e-14, limit=400)[0]
    assert missed == pytest.approx(error / 2, rel=1e-4)


def level_decision(limit, deviation, seeds, rng, rates=RATES):
    values = limit + deviation * rng.standard_normal((len(WIDTHS), seeds))
    found = {int(w): {"spread": row} for w, row in zip(WIDTHS, values, strict=True)}
    return LevelDecider("spread", MARGIN).decide(found, rates)


def test_a_level_is_seen_from_its_smallest_effect_on(rate_at_most):
    """The deviation is known here, so the intercepts given are such as have it exactly."""
    rng, seeds, deviation = np.random.default_rng(5), 512, 0.6
    line = np.linalg.pinv(np.stack([np.ones(4), 1 / WIDTHS], 1))[0]
    pattern = np.resize([1.0, -1.0], BATCHES)
    pattern *= deviation * np.sqrt((line @ line) * BATCHES / seeds) / pattern.std(ddof=1)
    found = power_of_level(1 + pattern, MARGIN, seeds, RATES, SKEWNESS_SAFETY, LEAST)
    edge = 1 / MARGIN + found.smallest_effect
    assert edge < MARGIN - found.smallest_effect
    missed = sum(
        level_decision(edge, deviation, seeds, rng).verdict is not Verdict.HOLDS for _ in range(2000)
    )
    # One edge alone takes half of the miss rate, and with normal noise exactly that.
    rate_at_most(missed, 2000, RATES.miss / 2)
    assert missed > 2000 * RATES.miss / 2 / 2


def test_a_level_needs_seeds_as_the_square_of_its_error():
    pattern = np.resize([0.05, -0.05], BATCHES)
    one, double = (
        power_of_level(1 + k * pattern, MARGIN, 4096, RATES, SKEWNESS_SAFETY, LEAST) for k in (1, 2)
    )
    assert double.smallest_effect == pytest.approx(2 * one.smallest_effect)
    room = 1 - 1 / MARGIN
    for found in (one, double):
        need = max(LEAST, BATCHES * ceil(4096 / BATCHES * (found.smallest_effect / room) ** 2))
        assert found.seeds_needed == need


@pytest.mark.parametrize("centre", [MARGIN, 1 / MARGIN, 3.0, -1.0])
def test_a_level_outside_its_margin_needs_more_than_seeds(centre):
    pattern = np.resize([0.05, -0.05], BATCHES)
    found = power_of_level(centre + pattern, 1.2, 512, RATES, SKEWNESS_SAFETY, LEAST)
    assert found.seeds_needed is None and isfinite(found.smallest_effect)


def test_a_level_without_noise_still_needs_its_least_seeds():
    found = power_of_level(np.ones(BATCHES), MARGIN, 512, RATES, SKEWNESS_SAFETY, LEAST)
    assert (found.smallest_effect, found.seeds_needed) == (0.0, LEAST)


def test_every_statistical_decision_says_its_power():
    rng = np.random.default_rng(6)
    slopes, values = rng.normal(0.5, 0.1, 32), rng.standard_normal(32)
    rate = rate_decision(slopes, lost=2).detail
    assert rate["power"]["test"] == power_of_rate(slopes, 0.35, 34, RATES).test
    assert rate["power"]["seeds_needed"] == power_of_rate(slopes, 0.35, 34, RATES).seeds_needed
    median = MedianDecider("gain", -0.2, "above").decide({8: {"gain": values}}, RATES).detail
    assert median["power"] == asdict(power_of_median(values, -0.2, "above", 32, RATES))
    level = level_decision(1.0, 0.3, 512, rng).detail["power"]
    assert level["test"].startswith("Student") and level["seeds_needed"] >= LEAST


def test_the_bounds_of_a_median_and_the_allowed_failures_are_one_rule():
    """The lower bound is the order statistic above as many values as may fail."""
    for n in range(1, 80):
        low, _ = median_bounds(np.arange(float(n)), 0.01)
        assert low == (allowed(n, 0.01) if allowed(n, 0.01) >= 0 else -inf)
