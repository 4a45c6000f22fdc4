"""The median decider: which side of a threshold, and measured error rates against the declared ones."""

from __future__ import annotations

from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.median import MedianDecider
from advntk.theorems.vocabulary import Verdict

FAIR = settings(derandomize=True, deadline=None, database=None)
# Different on the two sides, so that a mix-up of them shows.
RATES = ErrorRates(false_alarm=0.02, miss=0.05)
SIDES = ("above", "below")

# Every law has median zero.
NOISE = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "skewed": lambda rng, n: rng.exponential(size=n) - np.log(2),
    "Cauchy": lambda rng, n: rng.standard_cauchy(n),
}


def decide(values, side="above", threshold=0.0, rates=RATES):
    return MedianDecider("gain", threshold, side).decide({64: {"gain": np.array(values, float)}}, rates)


def share_beyond(seeds: int, error: float) -> float:
    """Chance that a bound of the median at rate `error` lies beyond the median itself."""
    tail = binom.cdf(np.arange(seeds), seeds, 0.5)
    return float(max(tail[tail <= error], default=0.0))


@pytest.mark.parametrize(
    ("side", "threshold", "verdict"),
    [
        ("above", 1.9, Verdict.HOLDS),
        ("above", 2.1, Verdict.REFUTED),
        ("below", 2.1, Verdict.HOLDS),
        ("below", 1.9, Verdict.REFUTED),
        # At the threshold neither side is reached.
        ("above", 2.0, Verdict.INCONCLUSIVE),
        ("below", 2.0, Verdict.INCONCLUSIVE),
    ],
)
def test_sides_and_equality(side, threshold, verdict):
    decision = decide([2.0] * 12, side, threshold)
    assert decision.verdict is verdict
    assert decision.detail.items() >= {"threshold": threshold, "side": side, "seeds": 12}.items()


@FAIR
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40),
    st.floats(-2, 2),
    st.sampled_from(SIDES),
    st.integers(0, 2**32 - 1),
)
def test_the_sides_are_mirror_images_and_the_order_of_seeds_does_not_matter(values, threshold, side, draw):
    found = decide(values, side, threshold)
    mirrored = decide([-v for v in values], SIDES[side == "above"], -threshold)
    assert (mirrored.verdict, mirrored.severity) == (found.verdict, found.severity)
    assert (mirrored.low, mirrored.high) == (-found.high, -found.low)
    assert decide(np.random.default_rng(draw).permutation(values), side, threshold) == found


def test_repetitions_of_all_rungs_count_together():
    points = {w: {"gain": np.full(6, 1.0)} for w in (8, 16)}
    decider, strict = MedianDecider("gain", 0.0, "above"), ErrorRates(2.0**-12, 2.0**-12)
    assert decider.decide(points, strict).verdict is Verdict.HOLDS
    assert decider.decide({8: points[8]}, strict).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("side", SIDES)
def test_at_the_threshold_both_verdicts_come_at_most_at_their_rate(noise, side, rate_at_most, rate_equals):
    """The worst false claim and the worst true one: the median is the threshold."""
    rng = np.random.default_rng(list(NOISE).index(noise))
    said = [decide(NOISE[noise](rng, 24), side).verdict for _ in range(2000)]
    rate_at_most(said.count(Verdict.HOLDS), 2000, RATES.miss)
    rate_at_most(said.count(Verdict.REFUTED), 2000, RATES.false_alarm)
    # And no rarer than the binomial sum, or power would be given away.
    rate_equals(said.count(Verdict.HOLDS), 2000, share_beyond(24, RATES.miss))
    rate_equals(said.count(Verdict.REFUTED), 2000, share_beyond(24, RATES.false_alarm))


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("side", SIDES)
def test_the_interval_covers_the_median_at_its_confidence(noise, side, rate_at_most):
    rng = np.random.default_rng(10 + list(NOISE).index(noise))
    found = [decide(NOISE[noise](rng, 17), side, 0.3) for _ in range(2000)]
    rate_at_most(sum(d.low > 0 for d in found), 2000, RATES.miss)
    rate_at_most(sum(d.high < 0 for d in found), 2000, RATES.miss)
    # It excludes the median now and then, or it would be wider than it must be.
    assert any(d.low > 0 for d in found) and any(d.high < 0 for d in found)
    assert all(d.low <= d.estimate <= d.high for d in found)
    assert {d.confidence for d in found} == {1 - 2 * RATES.miss}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("value", [5.0, -5.0])
def test_too_few_repetitions_are_inconclusive_and_say_how_many(side, value):
    """2^-5 <= 0.05 < 2^-4 and 2^-6 <= 0.02 < 2^-5."""
    decision = decide([value] * 4, side)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "at least 5 for HOLDS, 6 for REFUTED" in decision.reason
    assert (decision.low, decision.high) == (-inf, inf)
    holds = (value > 0) == (side == "above")
    five, six = (decide([value] * n, side).verdict for n in (5, 6))
    assert five is (Verdict.HOLDS if holds else Verdict.INCONCLUSIVE)
    assert six is (Verdict.HOLDS if holds else Verdict.REFUTED)


@pytest.mark.parametrize("bad", [nan, inf, -inf])
@pytest.mark.parametrize("side", SIDES)
def test_one_number_that_is_not_finite_makes_it_inconclusive(bad, side):
    decision = decide([*[5.0] * 29, bad], side)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "1 of 30 repetitions" in decision.reason
    assert isnan(decision.estimate)


@pytest.mark.parametrize("observations", [{}, {64: {"gain": np.zeros(0)}}], ids=["no point", "no seeds"])
def test_nothing_measured_is_inconclusive(observations):
    decision = MedianDecider("gain", 0.0, "above").decide(observations, RATES)
    assert (decision.verdict, decision.reason) == (Verdict.INCONCLUSIVE, "nothing was measured")
