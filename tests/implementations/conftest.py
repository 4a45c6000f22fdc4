"""Tools shared by these tests: a declared-error mean test, and fresh Python processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from advntk import implementations

sys.path.insert(0, str(Path(__file__).parent))  # `tests` itself is no package
from official_formats import cifar_folder, svhn_folder  # noqa: F401

ROOT = Path(implementations.__file__).parents[2]
EPS = float(np.finfo(np.float64).eps)


@pytest.fixture(scope="session")
def assert_mean() -> Callable[..., None]:
    """Decides by a two-sided t-test whether iid samples have a given mean."""
    return _assert_mean


def _assert_mean(samples, expected, resolves: float, error_rate: float = 1e-6) -> None:
    """Student's t per entry, Bonferroni over the entries: wrongly fails with rate <= `error_rate`.

    `resolves` guards the power: the interval must be narrower than this share of the largest entry,
    so an implementation off by twice that share fails.
    """
    samples, expected = np.asarray(samples), np.asarray(expected)
    seeds = len(samples)
    quantile = stats.t.isf(error_rate / (2 * expected.size), seeds - 1)
    # Entries that do not fluctuate are compared to rounding: a mean of `seeds` numbers.
    rounding = seeds * EPS * np.abs(samples).max()
    half = quantile * samples.std(0, ddof=1) / np.sqrt(seeds) + rounding
    assert half.max() <= resolves * np.abs(expected).max(), "the sample is too small to decide"
    excess = np.abs(samples.mean(0) - expected) / half
    assert excess.max() <= 1, f"mean off by {excess.max() * quantile:.1f} standard errors"


@pytest.fixture(scope="session")
def fresh_python() -> Callable[..., subprocess.CompletedProcess]:
    """Runs code in a new interpreter, so that nothing is imported yet."""

    def run(code: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
