"""Tables of trials: what other programs read is what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf, isnan, nan

import pytest
from made_up_rows import PROVENANCE, REQUEST, SCENARIO, row
from pyarrow import parquet

from advntk.checks.evidence import EvidenceStore, loads, read_run
from advntk.checks.evidence.export import trial_rows, write_json_lines, write_parquet


@pytest.fixture
def record(tmp_path):
    store = EvidenceStore(tmp_path / "evidence")
    run = store.start_run(REQUEST, PROVENANCE)
    store.add_trials(run, [row(0, 0.5, gap=0.1 + 0.2, curve=[1.0, 2.0]), row(1, 0.5, gap=nan)])
    # The same name for another shape, along no sweep.
    other = replace(
        row(2, None, "b", gap=-inf, curve=3.0), scenario_id="id2", scenario={**SCENARIO, "depth": 5}
    )
    store.add_trials(run, [other])
    store.close()
    return read_run(tmp_path / "evidence")


def by_seed(rows):
    return sorted(rows, key=lambda r: r["seed"])


def test_parquet(record, tmp_path):
    assert write_parquet(record, tmp_path / "t.parquet") == 3
    rows = by_seed(parquet.read_table(tmp_path / "t.parquet").to_pylist())
    assert [r["seed"] for r in rows] == [0, 1, 2] and [r["key"] for r in rows] == ["key0", "key1", "key2"]
    assert rows[0]["value.gap"] == 0.1 + 0.2 and isnan(rows[1]["value.gap"]) and rows[2]["value.gap"] == -inf
    assert [r["scenario.depth"] for r in rows] == [2, 2, 5]
    assert [(r["axis"], r["point"]) for r in rows] == [("n", 0.5), ("n", 0.5), (None, None)]
    assert [None if r["value.curve"] is None else json.loads(r["value.curve"]) for r in rows] == [
        [1.0, 2.0],
        None,
        3.0,
    ]


def test_json_lines(record, tmp_path):
    assert write_json_lines(record, tmp_path / "t.jsonl") == 3
    lines = by_seed(loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines())
    assert [line["trial"] for line in lines] == ["joint_limit", "joint_limit", "b"]
    assert lines[2]["value.gap"] == -inf


def test_every_axis_of_a_scenario_is_a_column(record):
    assert all({f"scenario.{name}" for name in SCENARIO} <= found.keys() for found in trial_rows(record))
