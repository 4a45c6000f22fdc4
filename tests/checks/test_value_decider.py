"""The value decider on synthetic ratios of known limit: what it decides, and what it leaves undecided.

Seeds are fixed.  The level of every statistical judgement is declared in `conftest.py`.  Where means are to
be exact the noise of each point is +d and -d in turn: its mean is zero and its deviation known.
"""

from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np
import pytest
from made_up_ratios import (
    NOISE,
    POINTS,
    RATES,
    STRICT,
    alternating,
    error_of,
    means,
    noisy,
    observed,
    with_controls,
)
from scipy.stats import t as student

from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.power import student_distance
from advntk.checks.deciders.value import EQUAL, LEAST_SEEDS, ValueDecider
from advntk.theorems.vocabulary import Verdict


def test_control_variates_decide_what_seeds_alone_do_not():
    """The same numbers with and without them; what they take away is in the decision."""
    found = with_controls("normal", means(0.0, 0.5), 4096, np.random.default_rng(3))
    off = (0.058,)
    with_them = ValueDecider("ratio", off, "controls").decide(found, STRICT)
    without = ValueDecider("ratio", off).decide(found, STRICT)
    assert (with_them.verdict, without.verdict) == (Verdict.HOLDS, Verdict.INCONCLUSIVE)
    # Variances: 0.25^2 of its own, 0.5^2 * 2 of the square, and 1.5^2 / 4 + 0.7^2 of the controls; a share of
    # squares over 4096 seeds, those of a normal squared having the kurtosis 15.
    left = (0.0625 + 0.5) / (0.0625 + 0.5 + 0.5625 + 0.49)
    assert with_them.detail["variance_left"] == pytest.approx([left] * 4, abs=5 * left * sqrt(15 / 4096))
    assert without.detail["variance_left"] == [1.0] * 4
    assert max(with_them.detail["errors"].values()) < min(without.detail["errors"].values())


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_controls_of_a_seed_may_have_any_shape(shape):
    rng = np.random.default_rng(4)
    controls = rng.standard_normal((4, 256, *shape))
    values = means(0.0)[:, None] + controls.reshape(4, 256, -1).sum(-1)
    decision = ValueDecider("ratio", (0.01,), "controls", terms=0).decide(
        observed(values, controls=controls), RATES
    )
    # Nothing but rounding is left of the noise.
    assert decision.verdict is Verdict.HOLDS and decision.detail["variance_left"] == [0.0] * 4


@pytest.mark.parametrize("noise", NOISE)
def test_enough_seeds_decide_at_strict_rates(noise):
    """Off by nothing HOLDS, off by `off` is refuted: it is 12 standard errors or more away from the edge,
    while Student's quantile at these rates is below 6, so that a failure has a chance below 1e-8."""
    seeds, rng = 4096, np.random.default_rng(5)
    line = np.linalg.pinv(np.stack([np.ones(4), 1 / POINTS], 1))[0]
    error = NOISE[noise][1] * sqrt(line @ line / seeds)
    off = 12 * error / (1 - EQUAL)
    decider = ValueDecider("ratio", (off,))
    assert decider.decide(noisy(noise, means(0.0, 0.01), seeds, rng), STRICT).verdict is Verdict.HOLDS
    for sign in (1, -1):
        found = decider.decide(noisy(noise, means(sign * off, 0.01), seeds, rng), STRICT)
        assert found.verdict is Verdict.REFUTED and f"off by {found.estimate:+.2%}" in found.reason


@pytest.mark.parametrize("off", [0.0, 0.002, 0.0025, 0.003, 0.006, 0.0099, 0.0101, -0.002, -0.003, -0.02])
def test_verdicts_follow_from_the_interval(off):
    """Off by at most a quarter of 0.01 is equal, and from 0.01 on it is not: noise is a hundredth of that."""
    decision = ValueDecider("ratio", (0.01,), terms=0).decide(alternating(means(off), 1e-3, 256), RATES)
    reach = {
        rate: student.isf(rate / 4, 255) * error_of(1e-3, 256) / 2 for rate in (RATES.false_alarm, RATES.miss)
    }
    refuted, holds = abs(off) - reach[0.02] > 0.0025, abs(off) + reach[0.05] < 0.01
    expected = Verdict.REFUTED if refuted else Verdict.HOLDS if holds else Verdict.INCONCLUSIVE
    assert decision.verdict is expected
    # Rounding of a mean over 256 seeds of about 1.
    assert decision.estimate == pytest.approx(off, abs=1e-13)
    assert decision.high - decision.estimate == pytest.approx(reach[0.05], abs=1e-13)
    assert decision.estimate - decision.low == pytest.approx(reach[0.05], abs=1e-13)
    assert decision.severity == pytest.approx(abs(off) + reach[0.05], abs=1e-13)
    assert decision.confidence == 1 - 2 * RATES.miss
    assert decision.can_improve == (expected is Verdict.INCONCLUSIVE)


def test_the_first_power_left_out_widens_the_interval():
    """1 + a/n: a fit in 1/n finds it exactly, and a term a^2/n^2 would move its limit."""
    a, deviation, seeds = 0.5, 0.01, 1024
    decision = ValueDecider("ratio", (0.01,)).decide(alternating(means(0, a), deviation, seeds), RATES)
    line = np.polyfit(1 / POINTS, a**2 / POINTS**2, 1)
    left_out = abs(line[1])
    weights = np.linalg.pinv(np.stack([np.ones(4), 1 / POINTS], 1))[0]
    error = np.linalg.norm(weights) * error_of(deviation, seeds)
    reach = left_out + student.isf(RATES.miss / 4, seeds - 1) * error
    assert decision.detail["fit"]["terms"] == 1 and left_out > error / 2
    # Rounding of a least-squares problem of condition below 100.
    assert decision.detail["left_out"] == pytest.approx(left_out, rel=1e-10)
    assert decision.detail["slope"] == pytest.approx(a, rel=1e-10) and decision.detail["curvature"] == 0
    assert (decision.low, decision.high) == (pytest.approx(-reach, rel=1e-9), pytest.approx(reach, rel=1e-9))


def test_another_power_is_taken_where_one_does_not_fit():
    a, b = 0.5, 2.0
    decision = ValueDecider("ratio", (0.01,)).decide(alternating(means(0, a, b), 1e-4, 1024), RATES)
    assert decision.verdict is Verdict.HOLDS and decision.detail["fit"]["terms"] == 2
    assert decision.estimate == pytest.approx(0, abs=1e-10)
    assert decision.detail["slope"] == pytest.approx(a, rel=1e-9)
    assert decision.detail["curvature"] == pytest.approx(b, rel=1e-8)
    # The next coefficient of such a series is a b.
    cubic = np.polyfit(1 / POINTS, a * b / POINTS**3, 2)[-1]
    assert decision.detail["left_out"] == pytest.approx(abs(cubic), rel=1e-8)


def test_what_neither_power_describes_stays_undecided():
    decision = ValueDecider("ratio", (0.5,)).decide(alternating(1 + POINTS**-0.5, 1e-4, 1024), RATES)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "neither 1/point nor its square describes" in decision.reason


def test_without_terms_points_are_averaged_and_a_slope_is_still_noticed():
    flat = ValueDecider("ratio", (0.01,), terms=0)
    alike = flat.decide(alternating(means(0.0), 1e-3, 256), RATES)
    assert alike.detail["fit"] == {"terms": 0, "chance": pytest.approx(1.0)}
    assert (alike.detail["slope"], alike.detail["left_out"]) == (0.0, 0.0)
    # A slope of 50 standard errors at the first point is no average of equal means.
    sloped = flat.decide(alternating(means(0.0, 0.05), 1e-3, 256), RATES)
    assert sloped.detail["fit"]["terms"] == 1
    assert sloped.estimate == pytest.approx(0, abs=1e-12)


def test_points_weigh_by_their_precision():
    values = np.stack([1 + d * np.resize([1.0, -1.0], 256) for d in (1.0, 0.1, 0.1, 0.5)])
    values += np.array([0.003, -0.002, 0.001, 0.004])[:, None]
    decision = ValueDecider("ratio", (0.5,), terms=0).decide(observed(values), RATES)
    precision = 1 / np.array([1.0, 0.01, 0.01, 0.25])
    expected = precision @ [0.003, -0.002, 0.001, 0.004] / precision.sum()
    assert decision.estimate == pytest.approx(expected, abs=1e-12)
    reach = student.isf(RATES.miss / 4, 255) / np.sqrt(precision.sum() * 255)
    assert decision.high - decision.estimate == pytest.approx(reach, rel=1e-9)


@pytest.mark.parametrize("off", [0.0, 0.004, 0.5])
def test_the_finest_error_that_the_noise_allows_counts_whatever_the_mean_is(off):
    levels, seeds = (0.1, 0.03, 0.01), 256
    clear = student_distance(RATES.miss / 4, RATES.miss, seeds - 1) * error_of(1.0, seeds) / 2
    for deviation, expected in (
        (0.99 * 0.01 / clear, 0.01),
        (1.01 * 0.01 / clear, 0.03),
        (1.01 * 0.03 / clear, 0.1),
        # None of them: the coarsest, which nothing then decides but what is off by much.
        (2 * 0.1 / clear, 0.1),
    ):
        found = ValueDecider("ratio", levels, terms=0).decide(
            alternating(means(off), deviation, seeds), RATES
        )
        assert found.detail["off"] == expected and found.detail["equal"] == EQUAL * expected


def test_noise_that_is_too_skewed_for_its_seeds_decides_nothing():
    """Of n equal values and one apart the third cumulant is known; a tenth of the skewness decides."""
    seeds = 64
    values = np.full(seeds, 1.0)
    values[0] += 1e-3
    away = values - values.mean()
    # Four points of equal weight halve the skewness of a mean.
    skewness = (away**3).mean() / seeds**2 / (values.std(ddof=1) / sqrt(seeds)) ** 3 / 2
    quantile = student.isf(STRICT.false_alarm / 4, seeds - 1)
    assert skewness * quantile**3 / 6 > np.log(4)
    found = observed(np.tile(values, (4, 1)))
    decision = ValueDecider("ratio", (0.01,), terms=0).decide(found, STRICT)
    assert decision.verdict is Verdict.INCONCLUSIVE and decision.can_improve
    assert "too skewed for 64 seeds" in decision.reason
    # Just as much to the other side.
    mirrored = ValueDecider("ratio", (0.01,), terms=0).decide(observed(np.tile(2 - values, (4, 1))), STRICT)
    assert "too skewed" in mirrored.reason
    # Symmetric noise of the same size, and the same noise at rates that ask for less.
    assert (
        ValueDecider("ratio", (0.01,), terms=0)
        .decide(alternating(means(0.0), values.std(), seeds), STRICT)
        .verdict
        is Verdict.HOLDS
    )
    loose = ErrorRates(0.2, 0.2)
    assert skewness * student.isf(0.05, seeds - 1) ** 3 / 6 < np.log(4)
    assert ValueDecider("ratio", (0.01,), terms=0).decide(found, loose).verdict is Verdict.HOLDS


def test_no_number_of_seeds_helps_what_is_off_or_left_to_the_bias_model():
    decider = ValueDecider("ratio", (0.01,))
    for curve in (means(0.011), means(0.0, 16.0, 256.0)):
        found = decider.decide(alternating(curve, 0.05, 256), RATES)
        assert found.detail["power"]["seeds_needed"] is None
    enough = decider.decide(alternating(means(0.0), 1e-6, 256), RATES)
    assert enough.detail["power"]["seeds_needed"] == LEAST_SEEDS


@pytest.mark.parametrize(
    "off", [(), (0.0,), (-0.1,), (1.0,), (0.01, 0.03), (0.01, 0.01), [0.01], 0.01, (nan,)]
)
def test_an_off_that_is_no_falling_sequence_of_shares_is_refused(off):
    with pytest.raises(ValueError, match="give falling relative errors below 1"):
        ValueDecider("ratio", off)


@pytest.mark.parametrize("bad", [nan, inf, -inf])
@pytest.mark.parametrize("where", ["ratio", "controls"])
def test_one_number_that_is_not_finite_leaves_it_undecided(where, bad):
    found = with_controls("normal", means(0.0), 64, np.random.default_rng(10))
    found[64][where] = found[64][where].copy()
    found[64][where].flat[5] = bad
    decision = ValueDecider("ratio", (0.9,), "controls").decide(found, RATES)
    assert decision.verdict is Verdict.INCONCLUSIVE and "1 values are not finite" in decision.reason
    # Controls that nobody asked for do not matter.
    if where == "controls":
        assert ValueDecider("ratio", (0.9,)).decide(found, RATES).verdict is Verdict.HOLDS


@pytest.mark.parametrize(("seeds", "enough"), [(0, False), (1, False), (63, False), (64, True)])
def test_too_few_seeds_are_undecided(seeds, enough):
    found = alternating(means(0.0), 1e-3, 128)
    found[32] = {"ratio": found[32]["ratio"][:seeds]}  # the poorest point counts
    decision = ValueDecider("ratio", (0.01,)).decide(found, RATES)
    assert decision.verdict is (Verdict.HOLDS if enough else Verdict.INCONCLUSIVE)
    assert enough or f"{seeds} seeds measured" in decision.reason


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_points_are_undecided(count):
    found = dict(list(alternating(means(0.0), 1e-3, 128).items())[:count])
    decision = ValueDecider("ratio", (0.01,)).decide(found, RATES)
    assert decision.verdict is Verdict.INCONCLUSIVE and f"{count} points" in decision.reason


def test_points_must_be_positive():
    found = alternating(means(0.0), 1e-3, 128)
    found[0] = found.pop(16)
    decision = ValueDecider("ratio", (0.01,)).decide(found, RATES)
    assert decision.verdict is Verdict.INCONCLUSIVE and "points above 0; one is 0" in decision.reason


def test_equal_numbers_without_noise_are_decided():
    for value, verdict in ((1.0, Verdict.HOLDS), (1.02, Verdict.REFUTED)):
        found = ValueDecider("ratio", (0.01,), terms=0).decide(observed(np.full((4, 64), value)), STRICT)
        assert found.verdict is verdict


def test_decision_shows_what_it_rests_on_in_whatever_order_points_come():
    found = noisy("normal", means(0.0, 0.5), 256, np.random.default_rng(11))
    decider = ValueDecider("ratio", (0.5,))
    decision = decider.decide(dict(reversed(found.items())), RATES)
    assert decision == decider.decide(found, RATES)
    assert (decision.statistic, decision.quantity) == ("ratio", "relative error of the limit")
    assert decision.low < decision.estimate < decision.high
    assert decision.detail["seeds"] == 256
    assert decision.detail["means"] == {f"{p:g}": float(found[int(p)]["ratio"].mean()) for p in POINTS}
    assert decision.detail["errors"] == {
        f"{p:g}": float(found[int(p)]["ratio"].std(ddof=1) / 16) for p in POINTS
    }
