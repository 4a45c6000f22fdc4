"""Rows that are damaged are refused in one line that names the table, the row and what is wrong with it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict, replace

import pytest
from made_up_rows import PROVENANCE, REQUEST, SCENARIO, row

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence import (
    FILE_NAME,
    BadEvidence,
    DecisionRow,
    EvidenceStore,
    FindingKind,
    FindingRow,
    RunCosts,
    dumps,
    read_run,
    read_run_heads,
)
from advntk.checks.evidence.opening import SALVAGE
from advntk.theorems.vocabulary import Verdict

DECISION = Decision(Verdict.HOLDS, "gap", "exponent", 0.5, 0.4, 0.6, 0.998, "above")


@pytest.fixture
def folder(tmp_path):
    store = EvidenceStore(tmp_path)
    run = store.start_run(REQUEST, PROVENANCE)
    store.add_trials(run, [row(0, gap=1.0), row(1, gap=2.0)])
    store.add_decision(run, DecisionRow("t.c", "joint_limit", "id", SCENARIO, "L=2", "rate", DECISION))
    store.add_finding(run, FindingRow("t.c", FindingKind.COUNTEREXAMPLE, "L=2"))
    store.finish_run(run, RunCosts())
    store.close()
    read_run(tmp_path)
    return tmp_path


def damage(folder, table, column, value, number=1):
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, number))
        db.commit()


COLUMNS = [
    ("run", "request"),
    ("run", "provenance"),
    ("run", "costs"),
    ("trial", "scenario"),
    ("trial", "numbers"),
    ("trial", "figures"),
    ("decision", "scenario"),
    ("decision", "decision"),
    ("finding", "finding"),
]
# What no column of JSON may hold.
NONSENSE = {
    "no JSON": "Dear diary",
    "cut short": '{"a": 1',
    "empty": "",
    "null": "null",
    "a list": "[]",
    "pairs": '[["seed", 1]]',
    "a number": "7",
    "text": '"HOLDS"',
    "too deep": "[" * 100_000 + "]" * 100_000,
    "a number that is none": '{"a": {"float": "much"}}',
    "a wrapped dict that is none": '{"dict": 3}',
    "bytes": b"\xff\xfe{}",
}


@pytest.mark.parametrize(("table", "column"), COLUMNS)
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_instead_of_json(folder, table, column, nonsense):
    if (column, nonsense) == ("costs", "empty"):
        nonsense = "no JSON"  # no text at all is a run that has not finished
    damage(folder, table, column, NONSENSE[nonsense])
    with pytest.raises(BadEvidence) as raised:
        read_run(folder)
    message = str(raised.value)
    assert message.startswith(f"--evidence {folder}: row 1 of table {table} is damaged (")
    assert message.endswith(f"; the file was left as it is; {SALVAGE}") and "\n" not in message
    assert f"({column}: " in message and len(message) < 300 + len(str(folder))


def without(row, name) -> str:
    return dumps({key: value for key, value in asdict(row).items() if key != name})


AS_JSON = json.loads(dumps(asdict(REQUEST)))
# Table, column, what it holds |-> what is said of it.
WRONG = {
    "a request without a seed": ("run", "request", without(REQUEST, "seed"), "seed"),
    "a seed that is text": ("run", "request", dumps(asdict(REQUEST) | {"seed": "three"}), "$.seed"),
    "a claim of another kind": (
        "run",
        "request",
        json.dumps(AS_JSON | {"claims": {"t.c": AS_JSON["claims"]["t.c"] | {"kind": "banana"}}}),
        "'banana'",
    ),
    "versions that are a list": ("run", "provenance", '{"versions": []}', "$.versions"),
    "a time that is text": ("run", "costs", '{"wall_time_s": "long"}', "$.wall_time_s"),
    "a value that is a list": ("trial", "scenario", '{"depth": [1]}', "$.scenario"),
    "a value that is missing": ("trial", "scenario", '{"depth": null}', "$.scenario"),
    "an unknown outcome": ("trial", "outcome", "exploded", "'exploded'"),
    "a seed that is none": ("trial", "seed", "first", "$.seed"),
    "a point that is none": ("trial", "point", "wide", "$.point"),
    "a kind without what it draws": ("trial", "figures", '{"curves": 3}', "$.figures"),
    "an unknown verdict": (
        "decision",
        "decision",
        dumps(asdict(replace(DECISION, verdict="MAYBE"))),  # type: ignore[arg-type]
        "'MAYBE'",
    ),
    "no verdict": ("decision", "decision", dumps(asdict(replace(DECISION, verdict=None))), "verdict"),  # type: ignore[arg-type]
    "an estimate that is text": (
        "decision",
        "decision",
        dumps(asdict(replace(DECISION, estimate="much"))),  # type: ignore[arg-type]
        "$.decision.estimate",
    ),
    "an estimate that is missing": ("decision", "decision", without(DECISION, "estimate"), "estimate"),
    "an unknown kind of finding": ("finding", "finding", '{"kind": "rumour", "label": "x"}', "'rumour'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_values_of_another_type(folder, wrong):
    table, column, value, said = WRONG[wrong]
    damage(folder, table, column, value)
    with pytest.raises(BadEvidence) as raised:
        read_run(folder)
    message = str(raised.value)
    assert message.startswith(f"--evidence {folder}: row 1 of table {table} is damaged (")
    assert said in message and f"({column}: " in message and "\n" not in message


def test_the_row_is_the_one_that_is_damaged(folder):
    damage(folder, "trial", "outcome", "exploded", number=2)
    with pytest.raises(BadEvidence, match="row 2 of table trial"):
        read_run(folder)


def test_heads_and_what_was_measured_are_looked_at_as_well(folder):
    damage(folder, "trial", "numbers", "[]")
    assert len(read_run_heads(folder)) == 1
    store = EvidenceStore(folder)
    with pytest.raises(BadEvidence, match="row 1 of table trial"):
        store.measured(1)
    store.close()
    damage(folder, "run", "request", "null")
    with pytest.raises(BadEvidence, match="row 1 of table run"):
        read_run_heads(folder)
    damage(folder, "run", "provenance", "null")
    store = EvidenceStore(folder)
    with pytest.raises(BadEvidence, match="row 1 of table run"):
        store.provenance_of(1)
    store.close()


def test_what_later_versions_may_add_does_no_harm(folder):
    damage(folder, "run", "provenance", '{"device": "cpu", "of_later": 1}')
    assert read_run(folder).provenance.device == "cpu"
