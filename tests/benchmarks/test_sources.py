"""A verdict's source covers what was executed to reach it, and leaves out what was not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks import sources

# Runs one trial, and prints the project's modules in whose functions Python was.
TRACED = """
import json, sys, threading
entered = set()

def profile(frame, event, _):
    if event == "call" and frame.f_code.co_name != "<module>":
        entered.add(frame.f_globals.get("__name__"))

from benchmarks.reseeded import run_once
run_once(("ark_positive_definiteness.gram_psd",), "gaussian", 1)  # imports are calls too
threading.setprofile(profile)
sys.setprofile(profile)
found = run_once((sys.argv[1],), "gaussian", 1)
sys.setprofile(None)
assert set(found["verdicts"]) == {sys.argv[1]}, found
rooms = ("theorems", "implementations", "checks")
print(json.dumps(sorted(name for name in entered if name and name.split(".")[0] in rooms)))
"""
# What describes a request and counts what was sampled measures nothing.
AROUND = {"advntk.checks.description", "checks.coverage"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "claim", ["ark_positive_definiteness.rank", "diagonal_limit.ntk", "adv_ntk.batching"]
)
def test_all_that_runs_is_part_of_the_source(claim):
    found = subprocess.run([sys.executable, "-c", TRACED, claim], capture_output=True, text=True, check=True)
    entered = set(json.loads(found.stdout))
    theorem = claim.split(".")[0]
    assert f"advntk.checks.trials.{theorem}" in entered
    assert len(entered) > 20 and entered - AROUND <= sources.modules_of(theorem)


def test_a_source_is_what_the_check_reaches_and_no_more(monkeypatch):
    files = {}

    def digest(theorem):
        sources.theorem_digest.cache_clear()
        return sources.theorem_digest(theorem)

    real = sources._file
    before = digest("diagonal_limit"), digest("adv_ntk")
    files["advntk.implementations.adv_ntk.training"] = sources.ROOT / "README.md"
    monkeypatch.setattr(sources, "_file", lambda module: files.get(module, real(module)))
    assert digest("diagonal_limit") == before[0] and digest("adv_ntk") != before[1]
    files = {"advntk.checks.deciders.rate": sources.ROOT / "README.md"}
    assert digest("diagonal_limit") != before[0]
    sources.theorem_digest.cache_clear()
