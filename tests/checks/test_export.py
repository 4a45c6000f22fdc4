"""Tables of trials: what other programs read is what was measured."""

from __future__ import annotations

import json
from math import inf, isnan, nan

import pytest
from pyarrow import parquet

from advntk.checks.evidence import EvidenceStore, TrialRow, loads, read_run
from advntk.checks.evidence.export import trial_rows, write_json_lines, write_parquet
from advntk.checks.scenario import Scenario


@pytest.fixture
def record(tmp_path):
    store = EvidenceStore(tmp_path / "evidence")
    run = store.start_run({}, {})
    here, there = Scenario(), Scenario(depth=2)

    def row(scenario, trial, seed, **numbers):
        return TrialRow(trial, scenario.id, scenario.as_dict(), 64, seed, "measured", numbers, f"key{seed}")

    store.add_trials(run, [row(here, "a", 0, gap=0.1 + 0.2, curve=[1.0, 2.0]), row(here, "a", 1, gap=nan)])
    # The same name for another shape.
    store.add_trials(run, [row(there, "b", 2, gap=-inf, curve=3.0)])
    store.close()
    return read_run(tmp_path / "evidence")


def test_parquet(record, tmp_path):
    assert write_parquet(record, tmp_path / "t.parquet") == 3
    rows = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert [r["seed"] for r in rows] == [0, 1, 2] and [r["key"] for r in rows] == ["key0", "key1", "key2"]
    assert rows[0]["value.gap"] == 0.1 + 0.2 and isnan(rows[1]["value.gap"]) and rows[2]["value.gap"] == -inf
    assert [r["scenario.depth"] for r in rows] == [1, 1, 2]
    assert [None if r["value.curve"] is None else json.loads(r["value.curve"]) for r in rows] == [
        [1.0, 2.0],
        None,
        3.0,
    ]


def test_json_lines(record, tmp_path):
    assert write_json_lines(record, tmp_path / "t.jsonl") == 3
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    assert [loads(line)["trial"] for line in lines] == ["a", "a", "b"]
    assert loads(lines[2])["value.gap"] == -inf


def test_every_field_of_a_scenario_is_a_column(record):
    (first, *_) = trial_rows(record)
    assert {f"scenario.{name}" for name in Scenario().as_dict()} <= first.keys()
