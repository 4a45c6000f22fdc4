"""The commands that measure again: a scenario, a finding, the whole run."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from made_up_runs import decision, stated_check

from advntk.checks.evidence import (
    FindingKind,
    FindingRow,
    Provenance,
    RunRequest,
)
from advntk.checks.evidence.rows import (
    StatedRates,
)
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.reports.formatting import (
    replay,
    replay_decision,
    replay_finding,
    run_again,
)

REQUEST = RunRequest("quick", 5, StatedRates(1e-6, 1e-3, 1, 1e-6), {}, {})


def options(command):
    """Name |-> values of the options of a command line."""
    parts = shlex.split(command)[3:]
    found = {}
    for name, value in zip(parts[::2], parts[1::2], strict=True):
        found.setdefault(name, []).append(value)
    return found


def test_a_replay_command_holds_what_was_sampled_and_what_is_no_default():
    scenario = ADVERSARIAL_TRAINING.scenario(depth=1, sigma_w=1.35, data="gaussian", width=8)
    request = replace(REQUEST, checks={"t": stated_check(scenario)})
    found = options(replay("made_up.claim", "t", scenario.as_dict(), request, Provenance()))
    assert found == {
        "--profile": ["quick"],
        "--seed": ["5"],
        "--axis": ["depth=1,sigma_w=1.35,width=8,data=gaussian"],
    }


def test_a_replay_command_leaves_the_sweep_to_its_points():
    scenario = ADVERSARIAL_TRAINING.scenario(width=8, input_width=8)
    request = replace(REQUEST, checks={"t": stated_check(scenario)}, sweeps={"width": [8, 16], "time": [1]})
    given = ("made_up.claim", "t", scenario.as_dict(), request, Provenance(theories=("mine.py", "a b.py")))
    found = options(replay(*given, swept=("width", "input_width")))
    assert found["--axis"] == ["depth=1"] and found["--sweep"] == ["width=8,16"]
    assert found["--theory"] == ["mine.py", "a b.py"]
    alone = options(replay(*given))
    assert alone["--axis"] == ["depth=1,width=8,input_width=8"] and "--sweep" not in alone


def test_a_value_with_a_comma_has_an_option_of_its_own():
    scenario = ADVERSARIAL_TRAINING.scenario(data="a,b.npz")
    request = replace(REQUEST, checks={"t": stated_check(scenario)}, pins={"data": "a,b.npz", "depth": 2})
    found = options(replay("c", "t", scenario.as_dict(), request, Provenance()))
    assert found["--axis"] == ["depth=1", "data=a,b.npz"]


def test_of_a_trial_that_evidence_does_not_describe_everything_is_held():
    found = options(replay("c", "t", {"depth": 1, "alpha": 2.0}, REQUEST, Provenance()))
    assert found["--axis"] == ["depth=1,alpha=2.0"]


def test_decisions_and_findings_know_their_own_commands(evidence):
    record = evidence({"made_up.claim": [decision("REFUTED")]})
    (row,) = record.decisions
    assert options(replay_decision(row, record))["--axis"] == ["depth=1"]
    scenario = {**row.scenario, "width": 8}
    finding = FindingRow("made_up.claim", FindingKind.COUNTEREXAMPLE, "", (), "", scenario)
    # Without the name of its trial it is one of those that the claim reads.
    assert options(replay_finding(finding, record))["--axis"] == ["depth=1,width=8"]
    assert replay_finding(replace(finding, scenario=None), record) is None


@pytest.mark.parametrize(
    ("names", "asked"), [(None, ["made_up.claim"]), ((), []), (("made_up",), ["made_up"])], ids=str
)
def test_the_run_again_is_asked_for_as_it_was(evidence, names, asked):
    record = evidence({"made_up.claim": [decision("HOLDS")]})
    request = replace(
        record.request, pins={"depth": 2, "data": "a,b"}, sweeps={"alpha": [1, 2.5]}, profile="thorough"
    )
    provenance = replace(record.provenance, names=names, theories=("mine.py",))
    command = run_again(replace(record, request=request, provenance=provenance))
    assert shlex.split(command) == [
        *("advntk", "check", *asked, "--profile", "thorough", "--data", "digits", "--seed", "0"),
        *("--axis", "depth=2", "--axis", "data=a,b", "--sweep", "alpha=1,2.5", "--theory", "mine.py"),
    ]
