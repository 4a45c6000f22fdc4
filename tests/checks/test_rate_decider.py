"""The rate decider on synthetic errors of known decay: measured error rates against the declared ones.

Seeds are fixed.  The level of every statistical judgement is declared in `conftest.py`.
"""

from __future__ import annotations

import warnings
from fractions import Fraction
from math import comb, inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.fit import median_bounds
from advntk.checks.deciders.rate import RateDecider, seeds_needed, slopes_of
from advntk.theorems.vocabulary import Verdict

WIDTHS = np.array([64, 128, 256, 512])
FAIR = settings(derandomize=True, deadline=None, database=None)
# Different on the two sides, so that a mix-up of them shows.
RATES = ErrorRates(false_alarm=0.02, miss=0.05)
STRICT = ErrorRates(false_alarm=1e-6 / 18, miss=1e-3)

NOISE = {
    "log-normal 0.3": lambda rng, shape: rng.lognormal(sigma=0.3, size=shape),
    "log-normal 1": lambda rng, shape: rng.lognormal(sigma=1.0, size=shape),
    "half-Cauchy": lambda rng, shape: np.abs(rng.standard_cauchy(shape)),
}


def decay(exponent: float, drift: float = 0.0, floor: float = 0.0) -> np.ndarray:
    """Mean error over WIDTHS: 3 (width^-exponent + floor) (1 + drift / width)."""
    return 3 * (WIDTHS**-exponent + floor) * (1 + drift / WIDTHS)


def observations(errors: np.ndarray) -> dict:
    """Observations of the statistic "gap" from an array widths x seeds."""
    return {int(w): {"gap": row} for w, row in zip(WIDTHS, errors, strict=True)}


def verdicts(curve, noise, seeds, rates, repetitions=2000, exponent=0.5, seed=0) -> dict[Verdict, int]:
    """How often each verdict is reached over independent repetitions."""
    rng = np.random.default_rng(seed)
    decider = RateDecider("gap", exponent)
    said = [
        decider.decide(observations(curve[:, None] * NOISE[noise](rng, (len(WIDTHS), seeds))), rates).verdict
        for _ in range(repetitions)
    ]
    return {verdict: said.count(verdict) for verdict in Verdict}


def rank(seeds: int, error: float) -> int:
    """Largest k with P(Bin(seeds, 1/2) < k) <= error, in exact arithmetic."""
    k, tail = 0, Fraction(0)
    while (tail := tail + Fraction(comb(seeds, k), 2**seeds)) <= Fraction(error):
        k += 1
    return k


def share_above(seeds: int, error: float, chance: float) -> float:
    """Probability that the lower bound clears a threshold that each slope clears with `chance`."""
    return float(binom.sf(seeds - rank(seeds, error), seeds, chance))


def median_slope(curve: np.ndarray) -> float:
    """Population median of the slopes.

    The noise is independent and identically distributed over widths and the weights of a slope on
    this sweep are antisymmetric, so its contribution is symmetric about zero whatever its law.
    """
    return float(slopes_of(WIDTHS, curve[:, None])[0])


@pytest.mark.parametrize("noise", NOISE)
def test_at_the_threshold_both_verdicts_come_at_their_binomial_rate(noise, rate_equals, rate_at_most):
    """The worst false claim and the worst true one: each slope clears the threshold with chance 1/2."""
    found = verdicts(decay(0.35), noise, 24, RATES, seed=list(NOISE).index(noise))
    rate_equals(found[Verdict.HOLDS], 2000, share_above(24, RATES.miss, 0.5))
    rate_equals(found[Verdict.REFUTED], 2000, share_above(24, RATES.false_alarm, 0.5))
    rate_at_most(found[Verdict.HOLDS], 2000, RATES.miss)
    rate_at_most(found[Verdict.REFUTED], 2000, RATES.false_alarm)


def test_a_small_miss_rate_is_kept(rate_at_most, rate_equals):
    """At the threshold with 24 seeds the exact rate is 0.77e-3, close under the declared 1e-3."""
    rates = ErrorRates(false_alarm=1e-6, miss=1e-3)
    found = verdicts(decay(0.35), "log-normal 1", 24, rates, repetitions=4000, seed=1)
    assert 0.7e-3 < share_above(24, 1e-3, 0.5) < 1e-3
    rate_equals(found[Verdict.HOLDS], 4000, share_above(24, 1e-3, 0.5))
    rate_at_most(found[Verdict.HOLDS], 4000, rates.miss)


PLATEAUS = {
    "plateau": decay(0.0),
    "plateau, drift up": decay(0.0, drift=-20),
    "plateau, drift down": decay(0.0, drift=40),
    "floor and decay": decay(0.5, floor=0.1),
}


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("process", PLATEAUS)
@pytest.mark.parametrize("seeds", [8, 24])
def test_plateau_holds_at_most_at_the_miss_rate(process, noise, seeds, rate_at_most):
    """Few seeds and much noise make HOLDS possible at all; with a median slope under the threshold
    its chance stays below that at the threshold."""
    assert median_slope(PLATEAUS[process]) < 0.35
    found = verdicts(PLATEAUS[process], noise, seeds, RATES, repetitions=1000, seed=2)
    rate_at_most(found[Verdict.HOLDS], 1000, RATES.miss)


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("drift", [0.0, -15.0, 40.0])
def test_true_rate_is_refuted_at_most_at_the_false_alarm_rate(noise, drift, rate_at_most):
    curve = decay(0.5, drift)
    assert median_slope(curve) > 0.35
    found = verdicts(curve, noise, 12, RATES, repetitions=1000, seed=3)
    rate_at_most(found[Verdict.REFUTED], 1000, RATES.false_alarm)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_power_is_the_binomial_sum(exponent, rate_equals):
    """Log-normal noise of sigma 1 makes slopes normal of known deviation, so the power is known."""
    log_width = np.log(WIDTHS) - np.log(WIDTHS).mean()
    deviation = 1 / np.sqrt(log_width @ log_width)
    # The threshold is 0.7 of the exponent: slopes of the two alternatives lie 0.3 above, 0.7 below it.
    above, below = (float(norm.cdf(part * exponent / deviation)) for part in (0.3, 0.7))
    holds = verdicts(decay(exponent), "log-normal 1", 24, RATES, exponent=exponent, seed=4)
    rate_equals(holds[Verdict.HOLDS], 2000, share_above(24, RATES.miss, above))
    flat = verdicts(decay(0.0), "log-normal 1", 24, RATES, exponent=exponent, seed=5)
    rate_equals(flat[Verdict.REFUTED], 2000, share_above(24, RATES.false_alarm, below))


@pytest.mark.parametrize(
    ("true", "exponent", "verdict"),
    [
        (0.5, 0.5, Verdict.HOLDS),
        (1.0, 0.5, Verdict.HOLDS),
        (1.0, 1.0, Verdict.HOLDS),
        (0.0, 0.5, Verdict.REFUTED),
        (0.0, 1.0, Verdict.REFUTED),
        (-0.5, 0.5, Verdict.REFUTED),
    ],
)
def test_enough_seeds_decide_at_strict_rates(true, exponent, verdict, rate_at_most):
    """192 seeds, log-normal 0.3: each slope falls on the right side with chance at least 0.78."""
    log_width = np.log(WIDTHS) - np.log(WIDTHS).mean()
    chance = norm.cdf(abs(true - 0.7 * exponent) * np.sqrt(log_width @ log_width) / 0.3)
    error = STRICT.miss if verdict is Verdict.HOLDS else STRICT.false_alarm
    undecided = 1 - share_above(192, error, chance)
    assert undecided < 1e-4
    found = verdicts(decay(true), "log-normal 0.3", 192, STRICT, 200, exponent, seed=6)
    rate_at_most(200 - found[verdict], 200, undecided)


@FAIR
@given(st.integers(1, 300), st.floats(1e-12, 0.49))
def test_bounds_are_the_order_statistics_of_the_binomial_sum(n, error):
    low, high = median_bounds(np.arange(1.0, n + 1), error)
    # Only an error rate that is itself a binomial sum could be on either side by rounding.
    strictly, generously = rank(n, error * (1 - 1e-9)), rank(n, error * (1 + 1e-9))
    if low == -inf:
        assert strictly == 0 and high == inf
        assert n <= -np.log2(error) + 1e-6
    else:
        assert strictly <= low <= generously
        assert high == n + 1 - low
        assert binom.cdf(low - 1, n, 0.5) <= error * (1 + 1e-9) < binom.cdf(low, n, 0.5) * (1 + 2e-9)


@pytest.mark.parametrize("n", [0, 1, 5, 9])
def test_bounds_are_infinite_when_n_is_too_small(n):
    assert median_bounds(np.zeros(n), 2.0**-9.5) == (-inf, inf)
    assert median_bounds(np.zeros(10), 2.0**-9.5) == (0.0, 0.0)


@pytest.mark.parametrize("n", [1, 4, 10, 30])
def test_a_rate_that_is_just_reached_is_enough(n):
    """A power of two is an exact binomial sum without rounding."""
    assert median_bounds(np.arange(1.0, n + 1), 2.0**-n) == (1.0, n)
    assert seeds_needed(ErrorRates(2.0**-n, 2.0**-n)).miss_side == n


@FAIR
@given(st.floats(1e-12, 0.49), st.floats(1e-12, 0.49))
def test_seeds_needed_is_where_verdicts_become_possible(false_alarm, miss):
    need = seeds_needed(ErrorRates(false_alarm, miss))
    for seeds, error in ((need.alarm_side, false_alarm), (need.miss_side, miss)):
        assert Fraction(1, 2**seeds) <= Fraction(error) < Fraction(1, 2 ** (seeds - 1))


@pytest.mark.parametrize("seeds", [1, 4])
def test_too_few_seeds_are_inconclusive_and_say_how_many(seeds):
    """2^-5 <= 0.05 < 2^-4 and 2^-6 <= 0.02 < 2^-5."""
    for exponent in (5.0, -5.0):
        decision = RateDecider("gap", 0.5).decide(
            observations(np.repeat(decay(exponent)[:, None], seeds, 1)), RATES
        )
        assert decision.verdict is Verdict.INCONCLUSIVE
        assert "at least 5 seeds for HOLDS, 6 for REFUTED" in decision.reason
        assert (decision.low, decision.high) == (-inf, inf)


@pytest.mark.parametrize("widths", [0, 1, 3])
def test_fewer_than_four_widths_are_inconclusive(widths):
    few = dict(list(observations(np.repeat(decay(0.5)[:, None], 96, 1)).items())[:widths])
    decision = RateDecider("gap", 0.5).decide(few, RATES)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert f"{widths} points" in decision.reason


BAD = (nan, inf, -inf, 0.0, -1.0)


@FAIR
@given(st.sampled_from(BAD), st.integers(0, 3), st.integers(0, 95), st.sampled_from([0.0, 0.5]))
def test_one_seed_of_many_may_be_lost(bad, width, seed, exponent):
    errors = np.repeat(decay(exponent)[:, None], 96, 1)
    errors[width, seed] = bad
    decision = RateDecider("gap", 0.5).decide(observations(errors), RATES)
    assert decision.verdict is (Verdict.HOLDS if exponent else Verdict.REFUTED)
    assert (decision.detail["lost"], decision.detail["seeds"]) == (1, 96)
    assert "1 of 96 seeds without a usable error" in decision.reason
    # 40 eps of a slope, as below.
    assert decision.estimate == pytest.approx(exponent, abs=1e-13)


@pytest.mark.parametrize("seeds", [8, 24, 96])
@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_a_verdict_bears_fewer_lost_seeds_than_the_rank_of_its_bound(seeds, exponent):
    """Each lost seed takes an end of the order; a bound of rank k is gone with k of them."""
    error, verdict = (RATES.miss, Verdict.HOLDS) if exponent else (RATES.false_alarm, Verdict.REFUTED)
    k = rank(seeds, error)
    assert k >= 1
    for lost, expected in ((k - 1, verdict), (k, Verdict.INCONCLUSIVE)):
        errors = np.repeat(decay(exponent)[:, None], seeds, 1)
        errors[1, :lost] = nan
        decision = RateDecider("gap", 0.5).decide(observations(errors), RATES)
        assert decision.verdict is expected
        assert decision.detail["lost"] == lost


@settings(FAIR, max_examples=200)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.floats(-0.5, 1.5), st.floats(-30, 30))
def test_no_verdict_depends_on_what_the_lost_seeds_would_have_given(draw, lost, exponent, hidden):
    """Whatever slope the lost seeds are given afterwards, a verdict that was reached stays."""
    rng = np.random.default_rng(draw)
    errors = decay(exponent)[:, None] * rng.lognormal(sigma=0.3, size=(4, 24))
    complete = errors.copy()
    complete[:, :lost] = decay(hidden)[:, None]
    errors[rng.integers(0, 4, lost), np.arange(lost)] = nan
    decision = RateDecider("gap", 0.5).decide(observations(errors), RATES)
    if decision.verdict is not Verdict.INCONCLUSIVE:
        assert RateDecider("gap", 0.5).decide(observations(complete), RATES).verdict is decision.verdict


@pytest.mark.parametrize("lost", [2, 5, 9])
@pytest.mark.parametrize("verdict", [Verdict.HOLDS, Verdict.REFUTED])
def test_error_rates_are_kept_when_the_seeds_that_speak_against_it_are_lost(verdict, lost, rate_at_most):
    """At the threshold, and always the seeds lost that speak most against the verdict."""
    rng = np.random.default_rng(7)
    decider, said = RateDecider("gap", 0.5), []
    for _ in range(1000):
        errors = decay(0.35)[:, None] * rng.lognormal(sigma=1.0, size=(4, 24))
        order = np.argsort(slopes_of(WIDTHS, errors))
        errors[2, order[:lost] if verdict is Verdict.HOLDS else order[-lost:]] = nan
        said.append(decider.decide(observations(errors), RATES).verdict)
    rate_at_most(said.count(verdict), 1000, RATES.miss if verdict is Verdict.HOLDS else RATES.false_alarm)


def test_nothing_usable_is_inconclusive():
    decision = RateDecider("gap", 0.5).decide(observations(np.full((4, 9), nan)), RATES)
    assert (decision.verdict, decision.reason) == (
        Verdict.INCONCLUSIVE,
        "9 of 9 seeds gave no usable error",
    )


def test_no_seeds_are_inconclusive_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decision = RateDecider("gap", 0.5).decide(observations(np.zeros((4, 0))), RATES)
    assert (decision.verdict, decision.reason) == (Verdict.INCONCLUSIVE, "nothing was measured")


@settings(FAIR, max_examples=50)
@given(st.permutations(range(24)), st.permutations(range(4)), st.integers(0, 2**32 - 1))
def test_order_of_seeds_and_of_widths_changes_nothing(seeds, widths, draw):
    rng = np.random.default_rng(draw)
    errors = decay(0.4)[:, None] * rng.lognormal(sigma=0.5, size=(4, 24))
    first = RateDecider("gap", 0.5).decide(observations(errors), RATES)
    mixed = observations(errors[:, list(seeds)])
    again = RateDecider("gap", 0.5).decide({int(WIDTHS[w]): mixed[int(WIDTHS[w])] for w in widths}, RATES)
    assert again.verdict is first.verdict
    # A product may round differently by its column: four terms of a slope, at most 4 eps of each.
    log_width = np.abs(np.log(WIDTHS) - np.log(WIDTHS).mean())
    slack = 8 * np.finfo(float).eps * log_width.sum() * np.abs(np.log(errors)).max() / (log_width @ log_width)
    for name in ("estimate", "low", "high"):
        assert getattr(again, name) == pytest.approx(getattr(first, name), rel=0, abs=slack)


@FAIR
@given(st.floats(-2, 2), st.floats(1e-6, 1e6))
def test_slope_of_an_exact_power_law_is_its_exponent(exponent, factor):
    errors = factor * WIDTHS.astype(float) ** -exponent
    # Each logarithm is off by a few eps of itself and by eps for the rounding of its argument.
    log_width = np.abs(np.log(WIDTHS) - np.log(WIDTHS).mean())
    slack = 8 * np.finfo(float).eps * log_width.sum() * (np.abs(np.log(errors)).max() + 1)
    assert slopes_of(WIDTHS, errors[:, None])[0] == pytest.approx(
        exponent, rel=0, abs=slack / (log_width @ log_width) + 8 * np.finfo(float).eps * abs(exponent)
    )


def test_decision_shows_what_it_rests_on():
    decision = RateDecider("gap", 0.5).decide(observations(np.repeat(decay(0.5)[:, None], 96, 1)), RATES)
    assert decision.verdict is Verdict.HOLDS
    assert (decision.statistic, decision.quantity) == ("gap", "exponent")
    assert decision.confidence == 1 - 2 * RATES.miss
    assert decision.low <= decision.estimate <= decision.high
    assert decision.severity == -decision.low
    assert decision.detail["seeds"] == 96 and decision.detail["threshold"] == 0.35
    # The line through the errors: log of the factor 3.  The slope is off by about 40 eps, and the
    # intercept by that times log width, at most 6.3: below 300 eps, or 1e-13.
    assert decision.detail["intercept"] == pytest.approx(np.log(3), abs=1e-13)
