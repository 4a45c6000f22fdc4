"""The value decider on synthetic ratios: measured error rates against the declared ones.

Seeds are fixed.  The level of every statistical judgement is declared in `conftest.py`.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from made_up_ratios import (
    BIASES,
    NOISE,
    RATES,
    alternating,
    means,
    noisy,
    observed,
    verdicts,
    with_controls,
)

from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.value import EQUAL, LEAST_SEEDS, SKEWNESS_SAFETY, ValueDecider
from advntk.theorems.vocabulary import Verdict

# The ordinary suite looks at decisions (`test_value_decider`), `tox -e catch` at how often they err.
pytestmark = pytest.mark.evidence


def test_normal_noise_without_bias_gives_exactly_the_rates_divided_by_the_safety(rate_equals):
    """Means that are alike at all points: the estimate is their weighted mean, and its interval Student's."""
    decider, rng, repetitions = ValueDecider("ratio", (0.04,), terms=0), np.random.default_rng(0), 4000
    assert SKEWNESS_SAFETY == 4 and EQUAL == 0.25
    for sign in (1, -1):
        at_off = verdicts(
            decider, RATES, repetitions, lambda s=sign: noisy("normal", means(s * 0.04), 256, rng)
        )
        rate_equals(at_off[Verdict.HOLDS], repetitions, RATES.miss / 4)
        equal = verdicts(
            decider, RATES, repetitions, lambda s=sign: noisy("normal", means(s * 0.01), 256, rng)
        )
        rate_equals(equal[Verdict.REFUTED], repetitions, RATES.false_alarm / 4)


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("noise", NOISE)
def test_false_alarms_and_misses_at_the_edges_of_the_alternatives(noise, bias, rate_at_most):
    """Equal to within a quarter of `off`, and off by `off`, where errors come most often."""
    off, repetitions = 8 * NOISE[noise][1] / sqrt(256), 600
    decider, rng = ValueDecider("ratio", (off,)), np.random.default_rng(1)
    for sign in (1, -1):
        true = verdicts(
            decider,
            RATES,
            repetitions,
            lambda s=sign: noisy(noise, means(s * EQUAL * off, *BIASES[bias]), 256, rng),
        )
        rate_at_most(true[Verdict.REFUTED], repetitions, RATES.false_alarm)
        false = verdicts(
            decider, RATES, repetitions, lambda s=sign: noisy(noise, means(s * off, *BIASES[bias]), 256, rng)
        )
        rate_at_most(false[Verdict.HOLDS], repetitions, RATES.miss)


@pytest.mark.parametrize("noise", NOISE)
def test_error_rates_are_kept_with_control_variates(noise, rate_at_most):
    off, repetitions, seeds = 0.5, 500, 128
    decider, rng = ValueDecider("ratio", (off,), "controls"), np.random.default_rng(2)
    curve = {one: means(one, 0.5, 0.25) for one in (EQUAL * off, off)}
    true = verdicts(decider, RATES, repetitions, lambda: with_controls(noise, curve[EQUAL * off], seeds, rng))
    rate_at_most(true[Verdict.REFUTED], repetitions, RATES.false_alarm)
    false = verdicts(decider, RATES, repetitions, lambda: with_controls(noise, curve[off], seeds, rng))
    rate_at_most(false[Verdict.HOLDS], repetitions, RATES.miss)


def test_a_lack_of_fit_is_found_by_chance_as_rarely_as_declared(rate_at_most):
    """Both models of a curve without any bias are given up with a chance of at most one in a thousand."""
    decider, rng = ValueDecider("ratio", (0.05,)), np.random.default_rng(6)
    lost = sum(
        "neither" in decider.decide(noisy("normal", means(0.0), 128, rng), RATES).reason for _ in range(1500)
    )
    rate_at_most(lost, 1500, 1e-3)


@pytest.mark.parametrize(("seeds", "rate"), [(64, 0.05), (64, 0.01), (256, 0.01)])
def test_skewed_noise_keeps_the_declared_rates_wherever_the_guard_lets_it_pass(seeds, rate, rate_at_most):
    """Chi-square noise with one degree of freedom, at rates where its skewness is still let pass."""
    rates, repetitions, rng = ErrorRates(rate, rate), 6000 if seeds > 64 else 1500, np.random.default_rng(7)
    decider = ValueDecider("ratio", (0.9,), terms=0)

    def draw() -> dict:
        return observed(1 - 0.225 + (rng.chisquare(1, (4, seeds)) - 1))

    found = [decider.decide(draw(), rates) for _ in range(repetitions)]
    assert not any("skewed" in decision.reason for decision in found[:100])
    rate_at_most(sum(decision.verdict is Verdict.REFUTED for decision in found), repetitions, rate)


def test_the_smallest_effect_is_refuted_but_for_the_miss_rate(rate_equals):
    """Of noise of known size, so that the numbers of the decision are those of the law."""
    seeds, deviation, rng = 256, 0.1, np.random.default_rng(8)
    decider = ValueDecider("ratio", (0.03,), terms=0)
    power = decider.decide(alternating(means(0.0), deviation * sqrt(255 / 256), seeds), RATES).detail["power"]
    curve = means(power["smallest_effect"])
    found = verdicts(
        decider, RATES, 2000, lambda: observed(curve[:, None] + deviation * rng.standard_normal((4, seeds)))
    )
    rate_equals(2000 - found[Verdict.REFUTED], 2000, RATES.miss)


@pytest.mark.parametrize("off", [0.0, 0.01])
def test_the_seeds_needed_hold_but_for_the_miss_rate(off, rate_equals):
    """Of an estimate of 0 both sides must be cleared: each fails with the miss rate."""
    seeds, deviation, rng = 128, 0.1, np.random.default_rng(9)
    decider = ValueDecider("ratio", (0.02,), terms=0)
    first = decider.decide(alternating(means(off), deviation * sqrt(127 / 128), seeds), RATES)
    need = first.detail["power"]["seeds_needed"]
    assert LEAST_SEEDS < need < 1500
    # Refuted ones are off by too much to be equal, so the equal part is as wide as it can be.
    curve = means(off)
    fails = 0
    for _ in range(1500):
        values = curve[:, None] + deviation * rng.standard_normal((4, need))
        fails += decider.decide(observed(values), RATES).severity >= 0.02
    rate_equals(fails, 1500, RATES.miss * (2 if off == 0 else 1))
