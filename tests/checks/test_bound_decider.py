"""The bound decider: every value on the right side, and the worst of them shown."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.decision import ErrorRates
from advntk.theorems.vocabulary import Verdict

FAIR = settings(derandomize=True, deadline=None, database=None)
RATES = ErrorRates(0.05, 0.05)
SIDES = ("at most", "above")


def decide(side, values, bounds):
    """Each of `values` and `bounds` is one width's list."""
    found = {
        8 * 2**i: {"value": np.array(v, float), "bound": np.array(b)}
        for i, (v, b) in enumerate(zip(values, bounds, strict=True))
    }
    return BoundDecider("value", "bound", side).decide(found, RATES)


@pytest.mark.parametrize(
    ("side", "value", "bound", "verdict"),
    [
        ("at most", 1.0, 2.0, Verdict.HOLDS),
        ("at most", 2.0, 2.0, Verdict.HOLDS),
        ("at most", np.nextafter(2.0, 3.0), 2.0, Verdict.REFUTED),
        ("at most", -0.5, 0.0, Verdict.HOLDS),
        ("at most", 0.0, 0.0, Verdict.INCONCLUSIVE),
        ("at most", 1e-310, 1e-309, Verdict.INCONCLUSIVE),
        ("at most", 0, 0, Verdict.HOLDS),
        ("at most", 0.0, 0, Verdict.HOLDS),
        ("at most", 1e-300, 0.0, Verdict.REFUTED),
        ("above", 3.0, 2.0, Verdict.HOLDS),
        ("above", 2.0, 2.0, Verdict.REFUTED),
        ("above", np.nextafter(2.0, 3.0), 2.0, Verdict.HOLDS),
        ("above", -1.0, 2.0, Verdict.REFUTED),
        ("above", 0.0, 0.0, Verdict.INCONCLUSIVE),
        ("above", 0, 0, Verdict.REFUTED),
        ("above", 1e-300, 0.0, Verdict.HOLDS),
    ],
)
def test_sides_and_equality(side, value, bound, verdict):
    assert decide(side, [[value]], [[bound]]).verdict is verdict


@FAIR
@given(st.sampled_from(SIDES), st.integers(0, 2), st.integers(0, 4))
def test_one_violation_refutes(side, width, seed):
    fine, bad = (0.5, 2.0) if side == "at most" else (2.0, 0.5)
    values = [[fine] * 5 for _ in range(3)]
    assert decide(side, values, [[1.0] * 5] * 3).verdict is Verdict.HOLDS
    values[width][seed] = bad
    decision = decide(side, values, [[1.0] * 5] * 3)
    assert decision.verdict is Verdict.REFUTED
    assert "1 of 15 trials violate it" in decision.reason
    assert decision.detail["value"] == bad


@FAIR
@given(
    st.sampled_from(SIDES),
    st.sampled_from([nan, inf, -inf]),
    st.sampled_from(["value", "bound"]),
    st.integers(0, 4),
    st.sampled_from([0.5, 2.0]),
)
def test_one_number_that_is_not_finite_makes_it_inconclusive(side, bad, which, seed, level):
    values, bounds = [level] * 5, [1.0] * 5
    (values if which == "value" else bounds)[seed] = bad
    decision = decide(side, [values], [bounds])
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "1 of 5 trials" in decision.reason


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("values", [[], [[]], [[], []]], ids=["no width", "no seeds", "no seeds twice"])
def test_nothing_measured_is_inconclusive(side, values):
    decision = decide(side, values, values)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reason == "nothing was measured"


# Away from overflow and underflow, so that every ratio is a normal number.
VALUE = st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6)
BOUND = st.floats(1e-6, 1e6)


@FAIR
@given(
    st.sampled_from(SIDES),
    st.lists(st.lists(st.tuples(VALUE, BOUND), min_size=1, max_size=6), min_size=1, max_size=4),
)
def test_the_worst_is_the_worst(side, points):
    pairs = [pair for point in points for pair in point]
    decision = decide(
        side, [[v for v, _ in point] for point in points], [[b for _, b in point] for point in points]
    )
    ratios = [v / b for v, b in pairs]
    worst = max(ratios) if side == "at most" else min(ratios)
    assert decision.estimate == decision.low == decision.high == worst
    assert (decision.detail["value"], decision.detail["bound"]) in pairs
    assert decision.detail["value"] / decision.detail["bound"] == worst
    assert decision.severity == (worst if side == "at most" else -worst)
    wrong = [v > b if side == "at most" else v <= b for v, b in pairs]
    assert decision.verdict is (Verdict.REFUTED if any(wrong) else Verdict.HOLDS)
    assert decision.reason.startswith(f"{sum(wrong)} of {len(pairs)} trials violate it")


@pytest.mark.parametrize("rate", [1e-300, 0.5, 1.0])
def test_error_rates_play_no_part(rate):
    found = {8: {"value": np.array([1.0, 3.0]), "bound": np.array([2.0, 4.0])}}
    decision = BoundDecider("value", "bound", "at most").decide(found, ErrorRates(rate, rate))
    assert decision == BoundDecider("value", "bound", "at most").decide(found, RATES)
    assert decision.confidence is None


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("value", "ratio"), [(5.0, inf), (1e-300, inf), (-5.0, 0.0)])
def test_the_ratio_to_a_bound_of_zero(side, value, ratio):
    decision = decide(side, [[value]], [[0.0]])
    wrong = value > 0 if side == "at most" else value <= 0
    assert decision.verdict is (Verdict.REFUTED if wrong else Verdict.HOLDS)
    assert decision.estimate == decision.low == decision.high == ratio
    assert decision.severity == (ratio if side == "at most" else -ratio)
    assert (decision.detail["value"], decision.detail["bound"]) == (value, 0.0)


def test_a_bound_of_zero_leaves_the_other_ratios():
    decision = decide("at most", [[-1.0, 0.5], [0.0]], [[0.0, 2.0], [0.0]])
    assert (decision.verdict, decision.estimate) == (Verdict.HOLDS, 0.25)
    decision = decide("above", [[3.0, 5.0], [7.0]], [[2.0, 0.0], [0.0]])
    assert (decision.verdict, decision.estimate) == (Verdict.HOLDS, 1.5)
    decision = decide("at most", [[1.0, 9.0]], [[0.0, 2.0]])
    assert (decision.verdict, decision.estimate, decision.detail["value"]) == (Verdict.REFUTED, inf, 1.0)
