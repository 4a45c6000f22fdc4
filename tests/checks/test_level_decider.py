"""The level decider on synthetic ratios of known limit: measured error rates against the declared ones.

Seeds are fixed.  The level of every statistical judgement is declared in `conftest.py`.
"""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nct, sem
from scipy.stats import t as student

from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.level import (
    BATCHES,
    LEAST_PER_BATCH,
    SKEWNESS_SAFETY,
    LevelDecider,
    intercept_weights,
    slope_weights,
)
from advntk.checks.efforts import LEVEL, PROFILES
from advntk.theorems.vocabulary import Verdict

WIDTHS = np.array([64, 128, 256, 512])
FAIR = settings(derandomize=True, deadline=None, database=None)
EPS = float(np.finfo(float).eps)
MARGIN = sqrt(2)
# Different on the two sides, so that a mix-up of them shows.
RATES = ErrorRates(false_alarm=0.02, miss=0.05)
STRICT = ErrorRates(false_alarm=1e-6 / 18, miss=1e-3)

# Noise of mean 1.  A squared normal variable is chi-square with 1 degree of freedom; a mean of squares
# over 4 inputs and 8 outputs is about chi-square with 32.
NOISE = {
    "normal": lambda rng, shape: 1 + 0.25 * rng.standard_normal(shape),
    "chi-square 32": lambda rng, shape: rng.chisquare(32, shape) / 32,
    "chi-square 1": lambda rng, shape: rng.chisquare(1, shape),
}


def ratios(noise, level, slope, seeds, rng) -> dict:
    """Observations whose mean at width n is level (1 + slope / n)."""
    means = level * (1 + slope / WIDTHS)
    values = means[:, None] * NOISE[noise](rng, (len(WIDTHS), seeds))
    return {int(w): {"spread": row} for w, row in zip(WIDTHS, values, strict=True)}


def verdicts(noise, level, seeds, rates, repetitions, slope=0.0, seed=0) -> dict[Verdict, int]:
    """How often each verdict is reached over independent repetitions."""
    rng = np.random.default_rng(seed)
    decider = LevelDecider("spread", MARGIN)
    said = [
        decider.decide(ratios(noise, level, slope, seeds, rng), rates).verdict for _ in range(repetitions)
    ]
    return {verdict: said.count(verdict) for verdict in Verdict}


@pytest.mark.parametrize("slope", [-32.0, 0.0, 32.0])
@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize(
    ("level", "verdict"), [(1.0, Verdict.HOLDS), (2.0, Verdict.REFUTED), (0.5, Verdict.REFUTED)]
)
def test_enough_seeds_decide_at_strict_rates(level, verdict, noise, slope, rate_at_most):
    """The distance to the margin in standard errors gives the power, by the noncentral t distribution."""
    seeds, deviation = {
        "normal": (512, 0.25),
        "chi-square 32": (512, 0.25),
        "chi-square 1": (8192, sqrt(2)),
    }[noise]
    means = level * (1 + slope / WIDTHS)
    error = deviation * np.sqrt(((intercept_weights(WIDTHS) * means) ** 2).sum() / seeds)
    rate = STRICT.miss if verdict is Verdict.HOLDS else STRICT.false_alarm
    distance = min(abs(level - MARGIN), abs(level - 1 / MARGIN)) / error
    undecided = nct.cdf(student.ppf(1 - rate / SKEWNESS_SAFETY, BATCHES - 1), BATCHES - 1, distance)
    assert undecided < 1e-3
    found = verdicts(noise, level, seeds, STRICT, 20, slope, seed=1)
    rate_at_most(20 - found[verdict], 20, 1e-3)


@pytest.mark.parametrize("level", [MARGIN, 1 / MARGIN])
def test_at_the_margin_normal_noise_gives_exactly_the_widened_rates(level, rate_equals):
    """With normal noise the Student interval is exact.  The far end of the margin is 0.7 / 0.013, over
    fifty deviations away and plays no part."""
    found = verdicts("normal", level, 512, RATES, 4000, slope=8.0, seed=2)
    assert SKEWNESS_SAFETY == 4
    rate_equals(found[Verdict.HOLDS], 4000, RATES.miss / 4)
    rate_equals(found[Verdict.REFUTED], 4000, RATES.false_alarm / 4)


@pytest.mark.parametrize("seeds", [256, 512])
@pytest.mark.parametrize("level", [MARGIN, 1 / MARGIN])
def test_at_the_margin_skewed_noise_keeps_the_declared_rates(level, seeds, rate_at_most):
    for noise in ("chi-square 32", "chi-square 1"):
        found = verdicts(noise, level, seeds, RATES, 2000, slope=8.0, seed=3)
        rate_at_most(found[Verdict.HOLDS], 2000, RATES.miss)
        rate_at_most(found[Verdict.REFUTED], 2000, RATES.false_alarm)


def chi_square(rng, repetitions):
    """Means over batches of 32 seeds of chi-square noise with 1 degree of freedom: again chi-square."""
    return rng.chisquare(32, (repetitions, len(WIDTHS), BATCHES)) / 32


def squares(freedom: int):
    """Means over batches of 32 seeds and over 8 outputs of the square of a centred chi-square variable.

    That is the law of a squared spread around its mean, if the kernel's entry is a quadratic form of
    so many equal eigenvalues.
    """

    def draw(rng, repetitions):
        shape = (repetitions, len(WIDTHS), BATCHES, 32, 8)
        if freedom == 1:
            values = rng.standard_normal(shape, dtype=np.float32) ** 2
        else:
            values = 2 * rng.standard_gamma(freedom / 2, shape, dtype=np.float32)
        return ((values - freedom) ** 2).mean((3, 4), dtype=float) / (2 * freedom)

    return draw


# Name |-> batch means of mean 1, repetitions, and how many of these are drawn at once.
SKEWED = {
    "chi-square 1": (chi_square, 100_000, 20_000),
    "squares 1": (squares(1), 20_000, 200),
    "squares 16": (squares(16), 5_000, 200),
}


@pytest.mark.parametrize("noise", SKEWED)
def test_at_the_margin_small_rates_are_kept_with_skewed_noise(noise, rate_at_most):
    """512 seeds, and so many repetitions that a Student interval without safety is told from the
    declared rates: it errs 1.25 times as often as declared 0.01 for "chi-square 1", and 1.5 times for
    "squares 1".

    The decider's rule is applied to all repetitions at once, and the decider itself to the first ones.
    """
    draw, repetitions, at_once = SKEWED[noise]
    rng = np.random.default_rng(10)
    curve = 1 + 8 / WIDTHS
    estimates, errors = [], []
    for first in range(0, repetitions, at_once):
        means = curve[:, None] * draw(rng, at_once)
        intercepts = np.einsum("w,rwb->rb", intercept_weights(WIDTHS), means)
        estimates.append(intercepts.mean(1))
        errors.append(intercepts.std(1, ddof=1) / sqrt(BATCHES))
        if first == 0:
            beginning = means[:200]
    estimate, error = np.concatenate(estimates), np.concatenate(errors)
    assert len(estimate) == repetitions
    for level in (MARGIN, 1 / MARGIN):
        for rate in (0.05, 1e-2):
            reach = student.ppf(1 - rate / SKEWNESS_SAFETY, BATCHES - 1) * error
            low, high = level * (estimate - reach), level * (estimate + reach)
            holds = (low > 1 / MARGIN) & (high < MARGIN)
            refuted = (high < 1 / MARGIN) | (low > MARGIN)
            rate_at_most(int(holds.sum()), repetitions, rate)
            rate_at_most(int(refuted.sum()), repetitions, rate)
            decider = LevelDecider("spread", MARGIN)
            for i, means in enumerate(level * beginning):
                # Equal values in each batch have the batch's mean.
                found = {
                    int(w): {"spread": np.repeat(m, LEAST_PER_BATCH)}
                    for w, m in zip(WIDTHS, means, strict=True)
                }
                verdict = decider.decide(found, ErrorRates(rate, rate)).verdict
                assert (verdict is Verdict.HOLDS, verdict is Verdict.REFUTED) == (holds[i], refuted[i])


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("seeds", [256, 512])
def test_false_alarms_and_misses_at_the_alternatives(noise, seeds, rate_at_most):
    """A true level is 1; a false one is off by the factor 2 that a lost sqrt 2 makes of a square."""
    true = verdicts(noise, 1.0, seeds, RATES, 500, slope=8.0, seed=4)
    rate_at_most(true[Verdict.REFUTED], 500, RATES.false_alarm)
    for level in (2.0, 0.5):
        false = verdicts(noise, level, seeds, RATES, 500, slope=8.0, seed=5)
        rate_at_most(false[Verdict.HOLDS], 500, RATES.miss)


@pytest.mark.parametrize("level", [MARGIN, 1 / MARGIN])
def test_at_the_margin_strict_rates_leave_it_open(level, rate_at_most):
    found = verdicts("normal", level, 512, STRICT, 500, seed=6)
    rate_at_most(500 - found[Verdict.INCONCLUSIVE], 500, STRICT.miss + STRICT.false_alarm)


@pytest.mark.parametrize(("seeds", "enough"), [(0, False), (1, False), (255, False), (256, True)])
def test_too_few_seeds_are_inconclusive(seeds, enough):
    found = ratios("normal", 1.0, 0.0, 256, np.random.default_rng(0))
    found[256] = {"spread": found[256]["spread"][:seeds]}  # the poorest width counts
    decision = LevelDecider("spread", 4.0).decide(found, RATES)
    assert decision.verdict is (Verdict.HOLDS if enough else Verdict.INCONCLUSIVE)
    assert enough or f"{seeds} seeds" in decision.reason


@pytest.mark.parametrize("widths", [0, 1, 3])
def test_too_few_widths_are_inconclusive(widths):
    found = dict(list(ratios("normal", 1.0, 0.0, 512, np.random.default_rng(0)).items())[:widths])
    decision = LevelDecider("spread", 4.0).decide(found, RATES)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert f"{widths} points" in decision.reason


@FAIR
@given(st.sampled_from([nan, inf, -inf]), st.integers(0, 3), st.integers(0, 99), st.sampled_from([1.0, 3.0]))
def test_one_value_that_is_not_finite_makes_it_inconclusive(bad, width, seed, level):
    """Also in a seed that fills no batch: 100 seeds are 16 batches of 6 and 4 left over."""
    found = ratios("normal", level, 0.0, 260, np.random.default_rng(0))
    found[int(WIDTHS[width])]["spread"][seed] = bad
    assert LevelDecider("spread", MARGIN).decide(found, RATES).verdict is Verdict.INCONCLUSIVE


def exact_weights(widths: list[int]) -> tuple[list[Fraction], list[Fraction]]:
    """Least-squares weights of intercept and slope in 1/width, in exact arithmetic."""
    x = [Fraction(1, w) for w in widths]
    mean = sum(x, Fraction(0)) / len(x)
    total = sum(((v - mean) ** 2 for v in x), Fraction(0))
    slope = [(v - mean) / total for v in x]
    return [Fraction(1, len(x)) - mean * s for s in slope], slope


def weights_error(widths: np.ndarray) -> float:
    """Bound on the rounding error of either row of weights.

    The pseudo-inverse is that of a matrix off by c eps ||A||, c a few times the number of widths;
    it then moves by at most 2 ||A^+||^2 times that (Wedin).
    """
    values = np.linalg.svd(np.stack([np.ones(len(widths)), 1 / widths], 1), compute_uv=False)
    return 2 * 10 * len(widths) * EPS * values[0] / values[-1] ** 2


SWEEPS = st.lists(st.integers(8, 4096), min_size=4, max_size=8, unique=True).map(sorted)


@FAIR
@given(SWEEPS)
def test_weights_are_those_of_least_squares(sweep):
    widths = np.array(sweep)
    for found, exact in zip(
        (intercept_weights(widths), slope_weights(widths)), exact_weights(sweep), strict=True
    ):
        assert np.abs(found - np.array([float(e) for e in exact])).max() <= weights_error(widths)


# Away from underflow, where rounding is no longer relative.
NUMBER = st.floats(-1000, 1000).filter(lambda v: v == 0 or abs(v) > 1e-100)


@FAIR
@given(SWEEPS, NUMBER, NUMBER)
def test_straight_lines_in_inverse_width_are_recovered(sweep, level, slope):
    widths = np.array(sweep)
    line = level + slope / widths
    # Rounding of the weights, of the line, and of the sum over at most 8 widths.
    for weights, expected in ((intercept_weights(widths), level), (slope_weights(widths), slope)):
        rounding = 12 * EPS * (np.abs(weights) * (abs(level) + np.abs(slope / widths))).sum()
        bound = weights_error(widths) * np.abs(line).sum() + rounding
        assert abs(weights @ line - expected) <= bound


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("slope", [-30.0, 0.0, 100.0])
def test_finite_width_correction_is_extrapolated_away(profile, slope):
    widths = np.array(LEVEL.of(profile).points)
    found = {int(w): {"spread": np.full(256, 1 + slope / w)} for w in widths}
    decision = LevelDecider("spread", MARGIN).decide(found, STRICT)
    bound = weights_error(widths) * (1 + abs(slope) / widths).sum() + 200 * EPS * (1 + abs(slope) / 64)
    assert decision.verdict is Verdict.HOLDS
    assert abs(decision.estimate - 1) <= bound
    assert (
        abs(decision.detail["slope"] - slope) <= bound + 200 * EPS * np.abs(slope_weights(widths)).sum() * 3
    )


def test_decision_shows_what_it_rests_on():
    found = ratios("normal", 1.0, 0.0, 260, np.random.default_rng(7))
    decision = LevelDecider("spread", MARGIN).decide(dict(reversed(found.items())), RATES)
    assert decision.verdict is Verdict.HOLDS
    assert decision.confidence == 1 - 2 * RATES.miss
    assert decision.low < decision.estimate < decision.high
    assert decision.severity == max(decision.high, 1 / decision.low) < MARGIN
    assert decision.detail["seeds"] == 260 and BATCHES == 16
    assert decision.detail["means"] == {str(w): float(found[int(w)]["spread"].mean()) for w in WIDTHS}


@pytest.mark.parametrize("rate", [0.05, 1e-3])
@pytest.mark.parametrize("noise", NOISE)
def test_interval_is_students_over_batches_of_consecutive_seeds(noise, rate):
    """Recomputed with other tools: a line fitted to each batch, and Student's interval of scipy."""
    found = ratios(noise, 1.0, 8.0, 260, np.random.default_rng(9))  # 16 batches of 16, 4 left over
    batches = np.stack([found[int(w)]["spread"][:256].reshape(16, 16).mean(1) for w in WIDTHS])
    intercepts = np.polyfit(1 / WIDTHS, batches, 1)[1]
    # Four times as careful as declared, for the sake of skewed noise.
    low, high = student.interval(1 - 2 * rate / 4, 15, intercepts.mean(), sem(intercepts))
    decision = LevelDecider("spread", MARGIN).decide(found, ErrorRates(1e-6, rate))
    # Both fits are off by at most the weights' error times the means; the deviation by no more.
    reach = 1 + student.ppf(1 - rate / 4, 15)
    slack = 2 * reach * weights_error(WIDTHS) * np.abs(batches).sum(0).max()
    assert slack < 1e-6  # far below the fifth digit in which 15 and 16 degrees of freedom differ
    assert (decision.low, decision.high) == (pytest.approx(low, abs=slack), pytest.approx(high, abs=slack))
    assert decision.estimate == pytest.approx(intercepts.mean(), abs=slack)


def test_severity_of_an_interval_that_reaches_zero_is_infinite():
    found = {int(w): {"spread": np.tile([-9.0, 9.0], 128)} for w in WIDTHS}
    rng = np.random.default_rng(8)
    found = {w: {"spread": rng.permutation(v["spread"])} for w, v in found.items()}
    decision = LevelDecider("spread", MARGIN).decide(found, RATES)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.low <= 0 and decision.severity == inf
