"""Makes the helpers of this suite importable by name; `tests` itself is no package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_up_runs import evidence  # noqa: F401

from advntk.checks.evidence import Provenance, RunCosts, RunRecord, RunRequest
from advntk.checks.evidence.rows import StatedClaim, StatedRates, StatedSource
from advntk.theorems.vocabulary import Kind

SOURCE = StatedSource("somebody", "somewhere")


@pytest.fixture
def made_up_record():
    """A run from decisions and trials alone: `made_up_record({claim: expected}, decisions, trials)`."""

    def make(expected, decisions, trials, checks=None):
        claims = {
            name: StatedClaim(name, name.split(".")[0], "it holds", Kind.LIMIT, verdict, SOURCE)
            for name, verdict in expected.items()
        }
        rates = StatedRates(1e-6, 1e-3, 1, 1e-6)
        request = RunRequest("quick", 0, rates, {}, claims, checks or {})
        return RunRecord(1, "", None, request, Provenance(), RunCosts(), decisions, [], trials)

    return make
