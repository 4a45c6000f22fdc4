"""A verdict's source covers what was executed to reach it, and leaves out what was not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from advntk.checks import digests
from advntk.checks.theories import checks_of
from advntk.theorems.catalogue import load

# Runs one trial, and prints the project's modules in whose functions Python was.
TRACED = """
import json, sys, threading
entered = set()

def profile(frame, event, _):
    if event == "call" and frame.f_code.co_name != "<module>":
        entered.add(frame.f_globals.get("__name__"))

from benchmarks.calibration import run_once
run_once(("ark_positive_definiteness.gram_psd",), "gaussian", 1)  # imports are calls too
threading.setprofile(profile)
sys.setprofile(profile)
found = run_once((sys.argv[1],), "gaussian", 1)
sys.setprofile(None)
assert set(found["verdicts"]) == {sys.argv[1]}, found
rooms = ("advntk.theorems", "advntk.implementations", "advntk.checks")
print(json.dumps(sorted(name for name in entered if name and name.startswith(rooms))))
"""
# What describes a request and counts what was sampled measures nothing.
AROUND = {"advntk.checks.description", "advntk.checks.coverage", "advntk.checks.digests"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "claim",
    [
        # Tracing a claim that traces much itself takes half a minute.
        pytest.param("ark_positive_definiteness.rank", marks=pytest.mark.evidence),
        pytest.param("diagonal_limit.ntk", marks=pytest.mark.evidence),
        "adv_ntk.batching",
    ],
)
def test_all_that_runs_is_part_of_the_source(claim):
    found = subprocess.run([sys.executable, "-c", TRACED, claim], capture_output=True, text=True, check=True)
    entered = set(json.loads(found.stdout))
    module = _module(claim.split(".")[0])
    assert {check.module for check in checks_of(module)} & entered
    assert len(entered) > 20 and entered - AROUND <= digests.verdict_modules(module)


def test_a_source_is_what_the_check_reaches_and_no_more(monkeypatch):
    files = {}
    ours, theirs = _module("diagonal_limit"), _module("adv_ntk")
    real, readme = digests.source_of, Path(__file__).parents[2] / "README.md"
    before = digests.verdict_digest(ours), digests.verdict_digest(theirs)
    monkeypatch.setattr(digests, "source_of", lambda module: files.get(module, real(module)))
    files["advntk.implementations.adv_ntk.training"] = readme
    assert digests.verdict_digest(ours) == before[0] and digests.verdict_digest(theirs) != before[1]
    files.clear()
    files["advntk.checks.deciders.rate"] = readme
    assert digests.verdict_digest(ours) != before[0]


def _module(theorem):
    return next(module for module in load().modules if module.THEOREM.id == theorem)
