"""The enclosure decider: every enclosure clear of the bound, one beyond it refutes, none else decides."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.enclosure import EnclosureDecider, enclosed, outward
from advntk.theorems.vocabulary import Verdict

FAIR = settings(derandomize=True, deadline=None, database=None)
RATES = ErrorRates(0.05, 0.05)
ENDS = st.floats(allow_nan=False, allow_infinity=False)


def decide(side, bound, *enclosures):
    return EnclosureDecider("value", bound, side).decide({None: enclosed("value", enclosures)}, RATES)


@pytest.mark.parametrize(
    ("side", "low", "high", "verdict"),
    [
        ("at most", 0.5, 1.0, Verdict.HOLDS),
        ("at most", 0.5, np.nextafter(1.0, 2.0), Verdict.INCONCLUSIVE),
        ("at most", 1.0, 1.5, Verdict.INCONCLUSIVE),
        ("at most", np.nextafter(1.0, 2.0), 1.5, Verdict.REFUTED),
        ("at most", -inf, inf, Verdict.INCONCLUSIVE),
        ("above", np.nextafter(1.0, 2.0), 1.5, Verdict.HOLDS),
        ("above", 1.0, 1.5, Verdict.INCONCLUSIVE),
        ("above", 0.5, 1.0, Verdict.REFUTED),
        ("above", -inf, inf, Verdict.INCONCLUSIVE),
    ],
)
def test_sides_and_equality(side, low, high, verdict):
    assert decide(side, 1, (low, high, 106)).verdict is verdict


def test_a_positive_eigenvalue_below_its_rounding_is_not_refuted():
    assert decide("above", 0, (-1e-16, 3e-16, 0)).verdict is Verdict.INCONCLUSIVE
    assert decide("above", 0, (-3e-16, -1e-16, 0)).verdict is Verdict.REFUTED


@FAIR
@given(st.sampled_from(["at most", "above"]), st.lists(st.tuples(ENDS, ENDS), min_size=1, max_size=5))
def test_the_verdict_is_what_all_values_inside_would_get(side, pairs):
    enclosures = [(*sorted(pair), 106) for pair in pairs]
    found = decide(side, 1, *enclosures)
    right = [high <= 1 if side == "at most" else low > 1 for low, high, _ in enclosures]
    wrong = [low > 1 if side == "at most" else high <= 1 for low, high, _ in enclosures]
    expected = Verdict.REFUTED if any(wrong) else Verdict.HOLDS if all(right) else Verdict.INCONCLUSIVE
    assert found.verdict is expected
    assert found.low <= found.estimate <= found.high
    assert (found.low, found.high) in [(low, high) for low, high, _ in enclosures]


def test_certified_is_what_only_balls_decide():
    both = decide("above", 0, (1.0, 2.0, 106), (1.0, 2.0, 212))
    assert both.detail["certified"] is True and both.reason.startswith("certified, all 2 trials")
    mixed = decide("above", 0, (1.0, 2.0, 106), (0.5, 2.0, 0))
    assert "certified" not in mixed.detail and mixed.reason.startswith("not certified")
    assert "floats with a derived bound of their rounding" in mixed.reason
    open_ = decide("above", 0, (-1.0, 2.0, 848))
    assert "certified" not in open_.detail
    assert "(width 3, 848 bits)" in open_.reason and "1 of 1 enclosures reach across" in open_.reason
    beyond = decide("at most", 1, (2.0, 3.0, 106))
    assert beyond.detail["certified"] is True and "1 of 1 trials violate it" in beyond.reason


def test_tightness_is_that_of_the_largest():
    assert decide("at most", 2, (0.0, 0.5, 106), (0.0, 1.0, 106)).detail["tightness"] == 0.5
    assert "tightness" not in decide("above", 0, (1.0, 2.0, 106)).detail


@pytest.mark.parametrize("ends", [(nan, 1.0), (0.0, nan), (2.0, 1.0)])
def test_what_encloses_nothing_decides_nothing(ends):
    found = decide("at most", 1, (*ends, 106))
    assert found.verdict is Verdict.INCONCLUSIVE and "gave no enclosure" in found.reason


def test_nothing_measured():
    found = EnclosureDecider("value", 1, "above").decide({}, RATES)
    assert found.verdict is Verdict.INCONCLUSIVE and found.reason == "nothing was measured"


@FAIR
@given(ENDS, ENDS, st.sampled_from([0.0, 1.0]))
def test_few_digits_still_contain_the_enclosure_on_its_side_of_the_bound(a, b, bound):
    low, high = sorted((a, b))
    shown = [float(end) for end in outward(low, high, bound)[1:-1].split(", ")]
    assert shown[0] <= low and high <= shown[1]
    assert (shown[0] <= bound, shown[1] <= bound) == (low <= bound, high <= bound)


def test_an_enclosure_is_short_where_it_can_be():
    assert outward(0.0122345, 0.0122346, 0.0) == "[0.0122, 0.0123]"


@pytest.mark.parametrize(("side", "bound"), [("below", 1), ("above", inf), ("above", nan)])
def test_other_sides_and_bounds_are_refused(side, bound):
    with pytest.raises(ValueError, match=r"choose 'at most' or 'above'|must be finite"):
        EnclosureDecider("value", bound, side)
