"""Errors that grow with the point: a negative exponent is the mirror image of a positive one."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.rate import RateDecider
from advntk.checks.planning import Plan, PlannedCheck
from advntk.checks.spaces import Space
from advntk.theorems.vocabulary import Verdict

RADII = np.array([0.125, 0.25, 0.5, 1.0])
RATES = ErrorRates(false_alarm=0.02, miss=0.05)
FAIR = settings(derandomize=True, deadline=None, database=None)
SQUARE = RateDecider("gap", -2.0)


def observed(points, errors) -> dict:
    return {float(p): {"gap": row} for p, row in zip(points, errors, strict=True)}


def noisy(exponent, seeds=48, scale=0.3, draw=0, points=RADII):
    """Errors that grow like point^exponent, with log-normal noise."""
    luck = np.random.default_rng(draw).normal(size=(len(points), seeds))
    return 3 * points[:, None] ** exponent * np.exp(scale * luck)


@pytest.mark.parametrize(
    ("exponent", "verdict", "reason"),
    [
        (2.0, Verdict.HOLDS, "exponent below -1.4"),
        (3.0, Verdict.HOLDS, "exponent below -1.4"),
        (0.0, Verdict.REFUTED, "exponent not below -1.4: a plateau"),
        (-2.0, Verdict.REFUTED, "exponent not below -1.4: a plateau"),
        (1.4, Verdict.INCONCLUSIVE, "48 seeds do not separate exponent -2 from a plateau"),
    ],
)
def test_squares_plateaus_and_what_is_between(exponent, verdict, reason):
    found = SQUARE.decide(observed(RADII, noisy(exponent)), RATES)
    assert found.verdict is verdict and found.reason.startswith(reason)
    assert found.estimate == pytest.approx(-exponent, abs=0.2)
    assert found.low <= found.estimate <= found.high
    assert (found.detail["predicted"], found.detail["threshold"]) == (-2.0, pytest.approx(-1.4))
    assert found.detail["side"] == "below"


def test_the_line_that_figures_draw_goes_through_the_errors():
    found = SQUARE.decide(observed(RADII, np.repeat(3 * RADII[:, None] ** 2, 48, 1)), RATES)
    # error = exp(intercept) point^-estimate
    assert found.estimate == pytest.approx(-2.0, abs=1e-12)
    assert found.detail["intercept"] == pytest.approx(np.log(3), abs=1e-12)


@FAIR
@given(st.floats(-3, 3), st.integers(0, 2**32 - 1), st.integers(0, 8), st.sampled_from([0.5, 1.0, 2.0]))
def test_it_is_the_mirror_image_on_inverted_points(slope, draw, lost, exponent):
    """Points of powers of two are inverted without rounding, and so are their logarithms' signs."""
    errors = noisy(slope, 24, 1.0, draw)
    errors[0, :lost] = nan
    grows = RateDecider("gap", -exponent).decide(observed(RADII, errors), RATES)
    falls = RateDecider("gap", exponent).decide(observed(1 / RADII, errors), RATES)
    assert grows.verdict is falls.verdict
    for one, other in ((grows.estimate, falls.estimate), (grows.low, falls.high), (grows.high, falls.low)):
        assert one == pytest.approx(-other, rel=1e-12, abs=1e-12)
    assert grows.severity == pytest.approx(falls.severity, rel=1e-12, abs=1e-12)
    assert grows.can_improve is falls.can_improve
    assert grows.detail["intercept"] == pytest.approx(falls.detail["intercept"], rel=1e-9, abs=1e-9)
    assert grows.detail["power"]["seeds_needed"] == falls.detail["power"]["seeds_needed"]
    assert grows.detail["lost"] == falls.detail["lost"] == lost


@pytest.mark.parametrize("exponent", [0, 0.0, -0.0, nan, inf, -inf])
def test_an_exponent_that_no_plateau_can_be_told_from(exponent):
    with pytest.raises(ValueError, match=r"exponent = .*: give a finite number that is not 0"):
        RateDecider("gap", exponent)


@pytest.mark.parametrize("least", [0.0, -1.0])
@pytest.mark.parametrize("exponent", [-2.0, 2.0])
def test_points_that_are_not_positive_decide_nothing(least, exponent):
    points = np.array([least, 1.0, 2.0, 3.0])
    found = RateDecider("gap", exponent).decide(observed(points, np.ones((4, 48))), RATES)
    assert found.verdict is Verdict.INCONCLUSIVE and not found.can_improve
    assert found.reason == f"a rate needs points above 0; one is {least:g}"


LOOKS = PlannedCheck(None, (), Space(), (), 16, 4)  # type: ignore[arg-type]


@pytest.mark.parametrize("noise", ["normal", "Cauchy"])
def test_at_the_threshold_neither_rate_is_exceeded(noise, rate_at_most):
    """The worst false claim and the worst true one, looked at as often as a run looks."""
    declared = ErrorRates(false_alarm=0.02, miss=0.02)
    rates = Plan(None, (LOOKS,), declared, 1).rates_of(LOOKS)  # type: ignore[arg-type]
    rng, said = np.random.default_rng(3), []
    for _ in range(1000):
        shape = (len(RADII), LOOKS.drawn(3).stop)
        luck = rng.normal(size=shape) if noise == "normal" else np.clip(rng.standard_cauchy(shape), -60, 60)
        errors = RADII[:, None] ** 1.4 * np.exp(luck)
        for look in range(4):
            found = SQUARE.decide(observed(RADII, errors[:, : LOOKS.drawn(look).stop]), rates)
            if not (found.can_improve and found.verdict is Verdict.INCONCLUSIVE):
                break
        said.append(found.verdict)
    rate_at_most(said.count(Verdict.HOLDS), 1000, declared.miss)
    rate_at_most(said.count(Verdict.REFUTED), 1000, declared.false_alarm)
    # Errors do come, or nothing would have been measured.
    assert said.count(Verdict.HOLDS) and said.count(Verdict.REFUTED)
