"""Judging measured error rates: exact binomial tests with one declared level.

Makes the helpers of this suite importable by name, too; `tests` itself is no package.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).parent))

from made_up_theories import Bench

# Chance that one of these judgements fails although the rate is as declared, were its seed drawn anew.
# The suite makes fewer than two hundred of them, so that all together they err below 2e-4.
LEVEL = 1e-6


@pytest.fixture
def rate_at_most() -> Callable[[int, int, float], None]:
    """Fails if `count` of `repetitions` speak against an error rate of at most `declared`."""

    def judge(count: int, repetitions: int, declared: float) -> None:
        p = binomtest(count, repetitions, declared, alternative="greater").pvalue
        assert p > LEVEL, f"{count} of {repetitions} errors at a declared rate of {declared}: p = {p:.1e}"

    return judge


@pytest.fixture
def rate_equals() -> Callable[[int, int, float], None]:
    """Fails if `count` of `repetitions` speak against the probability `expected`, on either side."""

    def judge(count: int, repetitions: int, expected: float) -> None:
        p = binomtest(count, repetitions, expected).pvalue
        assert p > LEVEL, f"{count} of {repetitions}, expected a share of {expected:.4g}: p = {p:.1e}"

    return judge


@pytest.fixture
def bench(tmp_path) -> Bench:
    """A claim of rate 1/2 that is run as often as one likes."""
    return Bench(tmp_path / "evidence")
