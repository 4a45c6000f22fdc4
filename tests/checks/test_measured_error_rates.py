"""Every decider on processes whose truth is known, looked at as often as a run looks: errors counted.

HOLDS for a plateau or a wrong level is a miss, REFUTED for a true rate or level a false alarm.  Families
are looked at with 16, 32, 64 and 128 seeds (levels with 256, 512 and 1024), each look at its share of the
error rates.  The declared rates are large enough to be measured; the level of every judgement is declared
in `conftest.py`.  Deciders broken on purpose show that the same measurement catches them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pytest

from advntk.checks.deciders import level
from advntk.checks.deciders.decision import Decision, ErrorRates
from advntk.checks.deciders.level import LevelDecider
from advntk.checks.deciders.median import MedianDecider
from advntk.checks.deciders.rate import RateDecider, slopes_of
from advntk.checks.planning import Plan, PlannedCheck
from advntk.checks.spaces import Space
from advntk.theorems.vocabulary import Verdict

WIDTHS = np.array([64, 128, 256, 512])
RATES = ErrorRates(false_alarm=0.02, miss=0.02)
# Looks that do not share their rates err in a share of about 0.04: enough to tell them from 0.02.
REPETITIONS = 4000
MARGIN = sqrt(2)


def looking(seeds: int, looks: int) -> PlannedCheck:
    """What a plan says of the number of seeds of each look."""
    return PlannedCheck(None, (), Space(), (), seeds, looks)  # type: ignore[arg-type]


SWEEP, LEVEL = looking(16, 4), looking(256, 3)


def at_each_look(planned: PlannedCheck, rates: ErrorRates) -> ErrorRates:
    """Error rates of one look, as a plan shares them out."""
    return Plan(None, (planned,), rates, 1).rates_of(planned)  # type: ignore[arg-type]


def count(decider, draw, planned=SWEEP, repetitions=REPETITIONS, shared=True, seed=0) -> Counter:
    """How often each verdict comes, if more seeds are drawn as long as the decider asks for them.

    `draw` gives values (repetitions x widths, or the first of them, x seeds); with `shared` false every
    look spends all.
    """
    rng, said = np.random.default_rng(seed), Counter()
    rates = at_each_look(planned, RATES) if shared else RATES
    for _ in range(0, repetitions, 250):
        for values in draw(rng, (250, len(WIDTHS), planned.drawn(planned.looks - 1).stop)):
            for look in range(planned.looks):
                seen = values[:, : planned.drawn(look).stop]
                found = {int(w): {"it": row} for w, row in zip(WIDTHS, seen, strict=False)}
                decision = decider.decide(found, rates)
                if not (decision.can_improve and decision.verdict is Verdict.INCONCLUSIVE):
                    break
            said[decision.verdict] += 1
    return said


@pytest.fixture
def both_at_most(rate_at_most):
    """Judges both rates, where a claim is as good as true and as good as false."""

    def judge(said: Counter) -> None:
        rate_at_most(said[Verdict.HOLDS], said.total(), RATES.miss)
        rate_at_most(said[Verdict.REFUTED], said.total(), RATES.false_alarm)

    return judge


def test_the_looks_are_those_of_a_run():
    assert [SWEEP.drawn(look).stop for look in range(SWEEP.looks)] == [16, 32, 64, 128]
    assert at_each_look(SWEEP, RATES) == ErrorRates(0.005, 0.005)


# --- rates -------------------------------------------------------------------------------------------

# Noise in the logarithm of an error.  Cauchy noise is cut where an error would overflow.
NOISE = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "log-normal": lambda rng, shape: rng.lognormal(size=shape),
    "Cauchy": lambda rng, shape: np.clip(rng.standard_cauchy(shape), -60, 60),
    "half-normal factor": lambda rng, shape: np.log(np.abs(rng.standard_normal(shape)) + 1e-300),
    "half-Cauchy factor": lambda rng, shape: np.log(np.abs(rng.standard_cauchy(shape)) + 1e-300),
    # The same number at every width of a seed, beside a small one of each: errors of one network.
    "shared": lambda rng, shape: (
        3 * rng.standard_cauchy((shape[0], 1, shape[2])).clip(-60, 60) + rng.standard_normal(shape) / 2
    ),
    # Every seed has an exponent of its own; only their median is the true one.
    "own exponents": lambda rng, shape: (
        rng.standard_cauchy((shape[0], 1, shape[2])).clip(-60, 60) * np.log(WIDTHS / 64)[None, :, None]
    ),
}


def errors(curve, noise, scale=1.0):
    """Draws `curve` (one value per width) with noise of this scale in the logarithm."""

    def draw(rng, shape):
        return np.exp(np.log(curve)[None, :, None] + scale * NOISE[noise](rng, shape))

    return draw


def power_law(exponent: float) -> np.ndarray:
    return 3.0 * WIDTHS**-exponent


def slope(curve: np.ndarray) -> float:
    """Slope without noise.  It is the median slope with it: noise that is alike at all widths of a
    sweep of equal ratios moves a slope up as often as down."""
    return float(slopes_of(WIDTHS, curve[:, None])[0])


@pytest.mark.parametrize("noise", NOISE)
def test_at_the_threshold_neither_rate_is_exceeded(noise, both_at_most):
    """The worst false claim and the worst true one."""
    repetitions = REPETITIONS if noise == "normal" else REPETITIONS // 4
    said = count(RateDecider("it", 0.5), errors(power_law(0.35), noise), SWEEP, repetitions, seed=1)
    both_at_most(said)
    # Errors do come, or nothing would have been measured.
    assert said[Verdict.HOLDS] and said[Verdict.REFUTED]


# Strong enough noise for errors to come: slopes spread over several times the exponent.
CASES = [(0.5, 3.0, noise) for noise in NOISE] + [(1.0, 6.0, "normal"), (1.0, 1.0, "Cauchy")]


@pytest.mark.parametrize(("exponent", "scale", "noise"), CASES)
def test_rates_and_plateaus_in_strong_noise(exponent, scale, noise, rate_at_most):
    decider = RateDecider("it", exponent)
    flat = count(decider, errors(power_law(0.0), noise, scale), repetitions=500, seed=2)
    rate_at_most(flat[Verdict.HOLDS], 500, RATES.miss)
    true = count(decider, errors(power_law(exponent), noise, scale), repetitions=500, seed=3)
    rate_at_most(true[Verdict.REFUTED], 500, RATES.false_alarm)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
@pytest.mark.parametrize("noise", ["normal", "Cauchy", "half-normal factor"])
def test_in_weak_noise_the_truth_is_found(exponent, noise):
    decider = RateDecider("it", exponent)
    flat = count(decider, errors(power_law(0.0), noise, 0.1), repetitions=250, seed=4)
    true = count(decider, errors(power_law(exponent), noise, 0.1), repetitions=250, seed=5)
    assert flat[Verdict.REFUTED] == true[Verdict.HOLDS] == 250


# Name |-> curve and whether the claim of rate 1/2 is true.
BENT = {
    "rate, steeper at first": (power_law(0.5) * (1 + 100 / WIDTHS), True),
    "rate, flatter at first": (power_law(0.5) * (1 - 12 / WIDTHS), True),
    "rate, almost flat on the sweep": (power_law(0.5) * (1 - 45 / WIDTHS), True),
    "plateau, slow correction": (1 + 40 / WIDTHS, False),
    "plateau, correction beyond the sweep": (1 + 2000 / WIDTHS, False),
    "floor reached on the sweep": (WIDTHS**-0.5 + 0.1, False),
    "floor not yet reached": (WIDTHS**-0.5 + 0.005, False),
}
OUT_OF_SIGHT = {
    "rate, almost flat on the sweep",
    "plateau, correction beyond the sweep",
    "floor not yet reached",
}


@pytest.mark.parametrize("process", BENT)
def test_a_bent_slope_counts_as_the_ladder_shows_it(process, rate_at_most):
    """What bends beyond the sweep is out of sight, as the decider says, and then decided wrongly."""
    curve, true = BENT[process]
    assert ((slope(curve) > 0.35) is not true) == (process in OUT_OF_SIGHT)
    said = count(RateDecider("it", 0.5), errors(curve, "normal", 0.3), repetitions=500, seed=6)
    wrong = said[Verdict.REFUTED if true else Verdict.HOLDS]
    if process in OUT_OF_SIGHT:
        assert wrong > 450
    else:
        rate_at_most(wrong, 500, RATES.false_alarm if true else RATES.miss)


def lose(draw, share, against=None):
    """Loses a random share of the seeds, or of those with a slope that speaks against a verdict."""

    def losing(rng, shape):
        values = draw(rng, shape)
        log_width = np.log(WIDTHS) - np.log(WIDTHS).mean()
        slopes = -np.einsum("w,rws->rs", log_width, np.log(values)) / (log_width @ log_width)
        gone = rng.random(slopes.shape) < share
        if against is not None:
            gone &= (slopes < 0.35) if against is Verdict.HOLDS else (slopes > 0.35)
        return np.where(gone[:, None], np.nan, values)

    return losing


@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("against", [None, Verdict.HOLDS, Verdict.REFUTED])
def test_lost_seeds_do_not_make_up_a_verdict(share, against, both_at_most):
    """At the threshold; also where just the seeds that speak against a verdict are the ones lost."""
    draw = lose(errors(power_law(0.35), "normal"), share, against)
    said = count(RateDecider("it", 0.5), draw, repetitions=500, seed=7)
    both_at_most(said)


# --- rate deciders that are broken on purpose ---------------------------------------------------------


@dataclass(frozen=True)
class NormalTheory:
    """The mean slope with an interval as if slopes were normal, of this measure of their spread."""

    spread: str

    def decide(self, observations, rates) -> Decision:
        from scipy.special import ndtri

        values = np.stack([o["it"] for o in observations.values()])
        slopes = slopes_of(WIDTHS, values)
        quartiles = np.quantile(slopes, [0.25, 0.75])
        spread = slopes.std(ddof=1) if self.spread == "deviation" else np.ptp(quartiles) / 1.349
        reach = -ndtri(rates.miss) * spread / sqrt(slopes.size)
        low, high = slopes.mean() - reach, slopes.mean() + reach
        verdict = Verdict.HOLDS if low > 0.35 else Verdict.REFUTED if high < 0.35 else Verdict.INCONCLUSIVE
        return Decision(verdict, "it", "exponent", 0, low, high, None, "", can_improve=True)


@dataclass(frozen=True)
class Forgetful(RateDecider):
    """Leaves lost seeds out, as if they had never been drawn."""

    def decide(self, observations, rates) -> Decision:
        kept = ~np.isnan(np.stack([o["it"] for o in observations.values()])).any(0)
        return super().decide({w: {"it": o["it"][kept]} for w, o in observations.items()}, rates)


def skewed_exponents(rng, shape):
    """Exponents of the seeds: their median is the threshold, their mean far above it."""
    own = 0.35 + rng.lognormal(size=(shape[0], 1, shape[2])) - 1
    return np.exp(-own * np.log(WIDTHS)[None, :, None])


def test_skewed_exponents_do_not_mislead_the_rate_decider(both_at_most):
    said = count(RateDecider("it", 0.5), skewed_exponents, repetitions=500, seed=8)
    both_at_most(said)


BROKEN = {
    "looks do not share": (RateDecider("it", 0.5), errors(power_law(0.35), "normal"), False),
    "normal theory, Cauchy noise": (NormalTheory("quartiles"), errors(power_law(0.35), "Cauchy"), True),
    "normal theory, skewed exponents": (NormalTheory("deviation"), skewed_exponents, True),
    "lost seeds left out": (
        Forgetful("it", 0.5),
        lose(errors(power_law(0.35), "normal"), 0.5, Verdict.HOLDS),
        True,
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_rate_decider_is_caught(broken, rate_at_most):
    decider, draw, shared = BROKEN[broken]
    repetitions = 500 if shared else 3000
    said = count(decider, draw, SWEEP, repetitions, shared, seed=1)
    with pytest.raises(AssertionError, match="at a declared rate"):
        rate_at_most(said[Verdict.HOLDS], repetitions, RATES.miss)


# --- medians -----------------------------------------------------------------------------------------

# Every law has median zero.  One width is measured.
EFFECTS = {
    "normal": lambda rng, shape: rng.standard_normal((shape[0], 1, shape[2])),
    "log-normal": lambda rng, shape: rng.lognormal(size=(shape[0], 1, shape[2])) - 1,
    "Cauchy": lambda rng, shape: rng.standard_cauchy((shape[0], 1, shape[2])),
}


@pytest.mark.parametrize("side", ["above", "below"])
@pytest.mark.parametrize("noise", EFFECTS)
def test_a_median_at_its_threshold(noise, side, both_at_most):
    decider = MedianDecider("it", 0.0, side)
    said = count(decider, EFFECTS[noise], repetitions=1000, seed=9)
    both_at_most(said)
    assert said[Verdict.HOLDS] and said[Verdict.REFUTED]


@pytest.mark.parametrize("noise", EFFECTS)
def test_a_median_on_one_side_of_its_threshold(noise, rate_at_most):
    decider = MedianDecider("it", 0.0, "above")
    for shift in (-0.2, 0.2, -1.0, 1.0):
        said = count(decider, lambda *a, s=shift: EFFECTS[noise](*a) + s, repetitions=250, seed=10)
        wrong, right = (Verdict.HOLDS, Verdict.REFUTED) if shift < 0 else (Verdict.REFUTED, Verdict.HOLDS)
        rate_at_most(said[wrong], 250, RATES.miss)
        assert abs(shift) < 1 or said[right] > 245


def test_a_median_with_a_lost_repetition_is_never_decided():
    """Nor is it asked for more seeds: the lost one stays."""

    def draw(rng, shape):
        values = rng.standard_normal(shape) + 9
        values[:, :, 3] = np.nan
        return values

    said = count(MedianDecider("it", 0.0, "above"), draw, repetitions=500)
    assert said == {Verdict.INCONCLUSIVE: 500}


def test_a_median_whose_looks_do_not_share_is_caught(rate_at_most):
    decider = MedianDecider("it", 0.0, "above")
    said = count(decider, EFFECTS["Cauchy"], SWEEP, 3000, shared=False, seed=9)
    with pytest.raises(AssertionError, match="at a declared rate"):
        rate_at_most(said[Verdict.HOLDS], 3000, RATES.miss)


# --- levels ------------------------------------------------------------------------------------------

# Values of mean 1.  The shared ones are the same at every width of a seed.
LEVELS = {
    "normal": lambda rng, shape: 1 + 0.5 * rng.standard_normal(shape, dtype=np.float32),
    "chi-square 1": lambda rng, shape: rng.standard_normal(shape, dtype=np.float32) ** 2,
    "shared": lambda rng, shape: np.broadcast_to(
        rng.standard_normal((shape[0], 1, shape[2]), dtype=np.float32) ** 2, shape
    ),
}


def ratios(noise, limit, curve=None):
    """Draws values whose mean is `limit` times 1 + 8 / width, or times the `curve` given."""
    mean = limit * (1 + 8 / WIDTHS if curve is None else curve)
    return lambda rng, shape: mean[None, :, None] * LEVELS[noise](rng, shape)


@pytest.mark.parametrize("limit", [MARGIN, 1 / MARGIN])
@pytest.mark.parametrize("noise", LEVELS)
def test_a_level_at_its_margin(noise, limit, both_at_most):
    """The worst level that is wrong, and the worst that is right."""
    said = count(LevelDecider("it", MARGIN), ratios(noise, limit), LEVEL, 500, seed=11)
    both_at_most(said)


@pytest.mark.parametrize("noise", LEVELS)
def test_a_wrong_level_never_holds_and_a_right_one_is_not_refuted(noise, rate_at_most):
    decider = LevelDecider("it", MARGIN)
    for limit in (MARGIN * 1.3, 1 / (MARGIN * 1.3)):
        said = count(decider, ratios(noise, limit), LEVEL, 500, seed=12)
        rate_at_most(said[Verdict.HOLDS], 500, RATES.miss)
    said = count(decider, ratios(noise, 1.0), LEVEL, 500, seed=13)
    rate_at_most(said[Verdict.REFUTED], 500, RATES.false_alarm)
    assert said[Verdict.HOLDS] > (490 if noise == "normal" else 100)


def test_a_level_that_bends_where_the_ladder_does_not_see_it_is_out_of_sight(rate_at_most):
    """A straight line in 1/width is all that is fitted; a correction in its square is one too many."""
    seen = 1 / (1 + 8 / WIDTHS)  # the limit is wrong, and the bend small
    said = count(LevelDecider("it", MARGIN), ratios("normal", MARGIN * 1.3, seen), LEVEL, 500, seed=14)
    rate_at_most(said[Verdict.HOLDS], 500, RATES.miss)
    unseen = 1 / (1 + 400 / WIDTHS)
    said = count(LevelDecider("it", MARGIN), ratios("normal", MARGIN * 1.3, unseen), LEVEL, 500, seed=15)
    assert said[Verdict.HOLDS] > 450


def test_a_level_with_a_lost_seed_is_never_decided():
    def draw(rng, shape):
        values = LEVELS["normal"](rng, shape)
        values[:, 2, 5] = np.nan
        return values

    said = count(LevelDecider("it", MARGIN), draw, LEVEL, 500)
    assert said == {Verdict.INCONCLUSIVE: 500}


def test_a_level_without_safety_whose_looks_do_not_share_is_caught(monkeypatch, rate_at_most):
    monkeypatch.setattr(level, "SKEWNESS_SAFETY", 1)
    draw = ratios("normal", MARGIN)
    said = count(LevelDecider("it", MARGIN), draw, LEVEL, 3000, shared=False, seed=11)
    with pytest.raises(AssertionError, match="at a declared rate"):
        rate_at_most(said[Verdict.HOLDS], 3000, RATES.miss)
