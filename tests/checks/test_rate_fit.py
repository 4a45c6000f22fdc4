"""Whether a power law fits errors that a rate is read off: floors and bends are found, rarely imagined.

Seeds are fixed.  The level of every statistical judgement is declared in `conftest.py`.
"""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.fit import LEAST_FLOOR, SLACK, Median, fit_of_rate, median_of
from advntk.checks.deciders.rate import CAUTION, RateDecider
from advntk.theorems.vocabulary import Verdict

WIDTHS = np.array([64.0, 128.0, 256.0, 512.0])
FAIR = settings(derandomize=True, deadline=None, database=None)
RATES = ErrorRates(false_alarm=0.02, miss=0.05)
STRICT = ErrorRates(false_alarm=1e-6 / 18, miss=1e-3)
NOISE = {
    "log-normal 0.1": lambda rng, shape: rng.lognormal(sigma=0.1, size=shape),
    "log-normal 0.3": lambda rng, shape: rng.lognormal(sigma=0.3, size=shape),
    "log-normal 1": lambda rng, shape: rng.lognormal(sigma=1.0, size=shape),
    "half-Cauchy": lambda rng, shape: np.abs(rng.standard_cauchy(shape)),
}


def decided(curve, noise, seeds, rng, exponent=0.5, rates=STRICT):
    errors = curve[:, None] * NOISE[noise](rng, (len(curve), seeds))
    return RateDecider("gap", exponent).decide(
        {int(w): {"gap": row} for w, row in zip(WIDTHS, errors, strict=True)}, rates
    )


def floored(exponent: float, share: float) -> np.ndarray:
    """Errors whose square has a part that does not fall, a share of it at the last point."""
    falling = (WIDTHS / WIDTHS[-1]) ** (-2 * exponent)
    return 3 * np.sqrt((1 - share) * falling + share)


def without_noise(curve, points=WIDTHS, exponent=0.5, seeds=40, slope=None):
    """The fit of a curve that is alike at all seeds."""
    any_slope = slope or Median(exponent, exponent, exponent)
    return fit_of_rate(points, np.repeat(curve[:, None], seeds, 1), exponent, any_slope, 0.7 * exponent, 1e-3)


@pytest.mark.parametrize("share", [0.3, 0.35])
def test_a_floor_is_found_although_the_slope_is_steep_enough(share, rate_at_most):
    """Noise of ten per cent, 100 seeds.  The floor of a seed has twice the deviation of the last point, 0.2,
    times the norm of its weights, near 1.5: a median of 100 lies 0.04 from the true one, and its lower bound
    at these rates some 0.15 below it.  Never does it HOLD."""
    rng, found = np.random.default_rng(0), []
    for _ in range(300):
        found.append(decided(floored(0.5, share), "log-normal 0.1", 100, rng))
    # Slopes are around 0.43: the threshold of 0.35 alone would let them HOLD.
    assert all(decision.low > 0.35 for decision in found)
    assert all(decision.detail["fit"]["found"] for decision in found)
    assert {decision.verdict for decision in found} == {Verdict.INCONCLUSIVE}
    assert all("no power law: a floor" in decision.reason for decision in found)
    covered = sum(
        not (decision.detail["fit"]["floor"]["low"] <= share <= decision.detail["fit"]["floor"]["high"])
        for decision in found
    )
    # Each end misses its median with the miss rate over ten, and skewed squares move the median by little.
    rate_at_most(covered, 300, 2 * STRICT.miss)


def test_a_wall_of_fixed_input_width_does_not_hold():
    """Errors that fall like (1/n + 1/d)^1/2 with d = 1024: a third of the last square stays."""
    rng = np.random.default_rng(1)
    for _ in range(100):
        decision = decided(np.sqrt(1 / WIDTHS + 1 / 1024), "log-normal 0.1", 100, rng)
        assert decision.verdict is Verdict.INCONCLUSIVE and "a floor" in decision.reason
        assert not decision.can_improve  # by seeds; larger points would tell


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("exponent", [0.5, 1.0, -0.5])
def test_a_power_law_is_rarely_taken_for_none(noise, exponent, rate_at_most):
    """A floor and a bend at a tenth of the miss rate each, and a median exponent 5 % below the predicted one:
    together less than the miss rate and a fifth."""
    rng, lost = np.random.default_rng(2), 0
    for _ in range(400):
        decision = decided(3 * WIDTHS**-exponent, noise, 100, rng, exponent, RATES)
        lost += bool(decision.detail["fit"]["found"])
    rate_at_most(lost, 400, (1 + 2 / CAUTION) * RATES.miss)


@pytest.mark.parametrize("exponent", [0.5, 1.0, -0.5])
def test_with_little_noise_a_power_law_keeps_its_verdict(exponent, rate_at_most):
    """Ten per cent of noise puts the median of 100 exponents within 0.007 of the true one: 5 % below it is
    over three deviations away, so that floor and bend alone cost it its verdict."""
    rng, repetitions = np.random.default_rng(3), 500
    held = sum(
        decided(3 * WIDTHS**-exponent, "log-normal 0.1", 100, rng, exponent, RATES).verdict is Verdict.HOLDS
        for _ in range(repetitions)
    )
    rate_at_most(repetitions - held, repetitions, 2 / CAUTION * RATES.miss)


@pytest.mark.parametrize("exponent", [0.6, 1.0])
def test_what_falls_faster_than_predicted_holds(exponent):
    decision = decided(WIDTHS**-exponent, "log-normal 0.1", 100, np.random.default_rng(4))
    assert decision.verdict is Verdict.HOLDS and decision.detail["fit"]["floor"]["value"] < 0


def test_what_falls_more_slowly_than_predicted_does_not_hold():
    """An exponent of 0.44 is above the threshold of 0.35."""
    rng = np.random.default_rng(5)
    for _ in range(50):
        decision = decided(WIDTHS**-0.44, "log-normal 0.1", 192, rng)
        assert decision.low > 0.35 and decision.verdict is Verdict.INCONCLUSIVE


@FAIR
@given(st.floats(0.0, 0.9), st.sampled_from([0.25, 0.5, 1.0, 2.0]))
def test_the_floor_of_a_curve_without_noise_is_its_share(share, exponent):
    fit = without_noise(floored(exponent, share), exponent=exponent)
    # Weights are divided by squared errors, which span 8^4 at most: that much of rounding, over and over.
    assert fit.floor.value == pytest.approx(share, abs=1e-11)
    assert fit.floor.low == fit.floor.value == fit.floor.high
    assert ("a floor" in fit.found) == (fit.floor.value > LEAST_FLOOR)


@FAIR
@given(st.floats(0.3, 1.5), st.floats(-0.2, 0.2), st.floats(0.1, 10))
def test_curvature_and_last_exponent_are_those_of_a_parabola(exponent, curvature, factor):
    logs = np.log(WIDTHS / WIDTHS[-1])
    fit = without_noise(factor * np.exp(-exponent * logs + curvature * logs**2))
    assert fit.curvature.value == pytest.approx(curvature, abs=1e-12)
    assert fit.last_exponent.value == pytest.approx(exponent, abs=1e-12)


def test_the_last_exponent_of_a_power_law_is_its_own_and_its_curvature_none():
    fit = without_noise(WIDTHS**-0.5)
    assert fit.curvature.value == pytest.approx(0, abs=1e-13)
    assert fit.last_exponent.value == pytest.approx(0.5, abs=1e-13)
    assert fit.found == ""


def test_an_exponent_below_the_predicted_one_has_some_slack():
    """True rates have corrections of their own: five per cent are no lack of fit, more are one."""
    curve, least = WIDTHS**-0.5, (1 - SLACK) * 0.5
    for high, found in ((least - 1e-9, True), (least + 1e-9, False)):
        fit = without_noise(curve, slope=Median(0.4, 0.4, high))
        assert ("the exponent is at most" in fit.found) == found


def test_a_bend_is_found_where_no_floor_fits():
    """Steep at first, then flat: squares are no line in 1/n, but the parabola's end says it."""
    curve = np.exp(-np.cumsum([0, 0.9, 1.1, 0.1]) * np.log(2))
    decision = decided(curve, "log-normal 0.1", 192, np.random.default_rng(9))
    assert decision.low > 0.35 and decision.detail["fit"]["floor"]["low"] < LEAST_FLOOR
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "no power law: the exponent at the last point is" in decision.reason
    assert decision.detail["fit"]["curvature"]["low"] > 0


def test_an_error_that_grows_is_read_from_its_far_end():
    """Growing like n^1/2 it falls as n does, and stays above a floor at small n."""
    rng = np.random.default_rng(6)
    pure = decided(WIDTHS**0.5, "log-normal 0.1", 100, rng, -0.5)
    assert pure.verdict is Verdict.HOLDS
    floor = np.sqrt(WIDTHS + 64 * 0.5)  # a third of the square at n = 64
    decision = decided(floor, "log-normal 0.1", 100, rng, -0.5)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "exponent below -0.35, but no power law: a floor" in decision.reason
    assert decision.detail["fit"]["floor"]["value"] == pytest.approx(1 / 3, abs=0.15)
    # A floor at large n, where errors that grow are largest, is none of its own.
    other = decided(np.sqrt(WIDTHS), "log-normal 0.1", 100, rng, -0.5)
    assert other.detail["fit"]["found"] == ""


def test_a_plateau_is_still_refuted_and_shows_its_floor():
    decision = decided(np.full(4, 2.0), "log-normal 0.1", 100, np.random.default_rng(7))
    assert decision.verdict is Verdict.REFUTED
    assert decision.detail["fit"]["floor"]["value"] == pytest.approx(1, abs=0.2)


def test_the_fit_is_in_the_decision():
    decision = decided(WIDTHS**-0.5, "log-normal 0.1", 100, np.random.default_rng(8))
    fit = decision.detail["fit"]
    assert set(fit) == {"floor", "curvature", "last_exponent", "found"} and fit["found"] == ""
    for name in ("floor", "curvature", "last_exponent"):
        assert fit[name]["low"] < fit[name]["value"] < fit[name]["high"]


def test_too_few_seeds_find_nothing():
    """Intervals are infinite: no floor is claimed that chance could have made."""
    fit = without_noise(np.full(4, 2.0), seeds=5, slope=Median(0.0, -inf, inf))
    assert fit.found == "" and (fit.floor.low, fit.floor.high) == (-inf, inf)
    assert fit.floor.value == pytest.approx(1, abs=1e-12)


def test_errors_of_any_size_leave_no_overflow():
    errors = np.repeat(WIDTHS[:, None] ** -0.5, 40, 1) * 1e300
    errors[:, 0] = 1e-300
    errors[3, 1] = 1e308
    fit = fit_of_rate(WIDTHS, errors, 0.5, Median(0.5, 0.4, 0.6), 0.35, 1e-3)
    assert np.isfinite([fit.floor.value, fit.curvature.value, fit.last_exponent.value]).all()


def test_a_median_has_its_order_statistics():
    # P(Bin(10, 1/2) <= 1) = 11/1024.
    assert median_of(np.arange(10.0)[::-1], 11 / 1024) == Median(4.5, 1.0, 8.0)
    assert median_of(np.arange(10.0), 10.9 / 1024) == Median(4.5, 0.0, 9.0)
