"""A refuted claim as a failed test item: its report says all that is needed, and its command replays it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from typer.testing import CliRunner

import advntk.checks.trials.closed_form.flows as trials
from advntk.cli import app
from advntk.pytest_session import Session

CLAIM = "closed_form.search"


@pytest.fixture
def session():
    jax.clear_caches()
    opened = Session("quick", "gaussian", 3, None)
    yield opened
    opened.close()
    jax.clear_caches()


@pytest.mark.slow
def test_the_report_of_a_refuted_claim(session, monkeypatch, tmp_path):
    honest = trials.searched_residual
    monkeypatch.setattr(trials, "searched_residual", lambda ark, s, residual: -honest(ark, s, residual))
    item = next((p, c, f) for p, c, f in session.items_of("closed_form") if c.id == CLAIM)
    found = session.verdict(*item)
    assert (found.verdict, found.as_expected) == ("REFUTED", False)
    first, *others = found.report.splitlines()
    lines = dict(line.strip().split("  ", 1) for line in others)
    assert first.startswith(f"{CLAIM} is REFUTED, expected HOLDS: ")
    assert {"claim", "scenario", "smallest counterexample", "replay"} <= lines.keys()
    program, *arguments = shlex.split(lines["replay"])
    assert program == "advntk"
    again = CliRunner().invoke(app, [*arguments, "--evidence", str(tmp_path / "again"), "--json"])
    (claim,) = json.loads(again.stdout)["claims"]
    assert claim["verdict"] == "REFUTED"
    replayed = claim["estimate"]["scenario"]
    monkeypatch.undo()
    assert replayed["data"] == "gaussian" and replayed["activation"] == "erf"  # as simple as it gets


def test_controls_are_one_item_and_others_one_per_scenario(session):
    items = list(session.items_of("closed_form"))
    control = [f for _, c, f in items if c.id == "closed_form.non_commuting"]
    assert len(control) == 1 and len(control[0]) > 1
    assert all(len(f) == 1 for _, c, f in items if c.id == CLAIM)
    assert sum(c.id == CLAIM for _, c, _ in items) > 1


@pytest.mark.parametrize(
    "options",
    [("--advntk-seed", "-1"), ("--advntk-evidence", "/proc/nope"), ("--advntk-data", "mnist")],
    ids=" ".join,
)
def test_an_option_that_means_nothing_is_a_usage_error(options):
    """Not failed claims: exit code 4, and a line that names the option."""
    trials_of = Path(trials.__file__).parent
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--co", *options, str(trials_of)],
        capture_output=True,
        text=True,
        check=False,
        cwd=trials_of,
    )
    assert found.returncode == 4, found.stdout + found.stderr
    assert options[0] in found.stdout + found.stderr and "Traceback" not in found.stdout + found.stderr
