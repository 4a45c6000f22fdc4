"""The evidence file: what goes in comes out."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import asdict, replace
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from made_up_rows import PROVENANCE, REQUEST, SCENARIO, row, same

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence import (
    Compilations,
    DecisionRow,
    EvidenceStore,
    FindingKind,
    FindingRow,
    Outcome,
    Provenance,
    RunCosts,
    read_run,
    read_run_heads,
)
from advntk.theorems.vocabulary import Verdict

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path):
    opened = EvidenceStore(tmp_path / "deep" / "evidence")
    yield opened
    opened.close()


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestRoundTrip:
    @pytest.mark.parametrize(
        "costs", [RunCosts(), RunCosts(1.5, Compilations(3, 0.25), 2**40), RunCosts(wall_time_s=inf)]
    )
    def test_run(self, store, costs):
        run = store.start_run(REQUEST, PROVENANCE)
        store.finish_run(run, costs)
        found = read_run(store.folder)
        assert found.id == run
        assert (found.request, found.provenance, found.costs) == (REQUEST, PROVENANCE, costs)
        # 2.0 equals 2 and yet says that it is a number of another type.
        assert same(asdict(found.request)["pins"], asdict(REQUEST)["pins"])
        assert found.finished is not None and found.started <= found.finished
        assert (found.decisions, found.findings, found.trials) == ([], [], {})

    @pytest.mark.parametrize("chosen", [None, (), ("t.c",)])
    def test_names_that_were_not_asked_for_differ_from_none_asked_for(self, store, chosen):
        store.start_run(REQUEST, replace(PROVENANCE, names=chosen))
        assert read_run(store.folder).provenance.names == chosen

    def test_trials_are_grouped_and_ordered(self, store):
        """By point and seed: batches come in as they are done."""
        run = store.start_run(REQUEST, PROVENANCE)
        numbers = {"gap": 0.1 + 0.2, "curve": [1.0, nan, inf, -inf], "count": 3}
        first = [row(1, 64, **numbers), row(0, 64, **numbers), row(0, 128, **numbers)]
        other = [row(0, 64, "fixed_input", Outcome.ERROR, message="ValueError: no")]
        store.add_trials(run, first)
        store.add_trials(run, other)
        found = read_run(store.folder).trials
        assert set(found) == {("joint_limit", "id"), ("fixed_input", "id")}
        for wrote, read in zip(
            sorted(first, key=lambda r: (r.point, r.seed)), found["joint_limit", "id"], strict=True
        ):
            assert same(asdict(wrote), asdict(read))
        assert found["fixed_input", "id"] == other and other[0].broke

    def test_points_that_are_no_whole_numbers_keep_their_order(self, store):
        run = store.start_run(REQUEST, PROVENANCE)
        store.add_trials(run, [row(0, point) for point in (10.5, 2, 0.25, 100)])
        assert [r.point for r in read_run(store.folder).trials["joint_limit", "id"]] == [0.25, 2, 10.5, 100]

    def test_without_a_sweep_there_is_no_point(self, store):
        run = store.start_run(REQUEST, PROVENANCE)
        store.add_trials(run, [row(0, None), row(1, None)])
        assert [(r.axis, r.point) for r in read_run(store.folder).trials["joint_limit", "id"]] == [
            (None, None),
            (None, None),
        ]
        with pytest.raises(sqlite3.IntegrityError):
            store.add_trials(run, [row(1, None)])

    def test_figures_are_kept_under_their_kinds(self, store):
        run = store.start_run(REQUEST, PROVENANCE)
        figures = {"curves": {"x": np.arange(3.0), "y": np.array([nan, inf, 1.0])}, "band": {}}
        store.add_trials(run, [row(0, figures=figures)])
        (read,) = read_run(store.folder).trials["joint_limit", "id"]
        assert same(read.figures, {"curves": {"x": [0.0, 1.0, 2.0], "y": [nan, inf, 1.0]}, "band": {}})

    def test_arrays_become_lists(self, store):
        run = store.start_run(REQUEST, PROVENANCE)
        store.add_trials(
            run, [row(a=np.float64(0.1), b=np.array([[1.0, inf]]), c=np.int64(4), d=np.bool_(True))]
        )
        (read,) = read_run(store.folder).trials["joint_limit", "id"]
        assert same(read.numbers, {"a": 0.1, "b": [[1.0, inf]], "c": 4, "d": True})

    def test_decisions(self, store):
        run = store.start_run(REQUEST, PROVENANCE)
        open_ended = Decision(Verdict.INCONCLUSIVE, "gap", "exponent", nan, -inf, inf, None, "few", inf)
        plain = Decision(
            Verdict.HOLDS, "gap", "exponent", 0.5, 0.4, 0.6, 0.998, "above", -0.4, False, {"seeds": 96}
        )
        wrote = [
            DecisionRow("t.c", "trial", "id", SCENARIO, "label", "rate", said) for said in (open_ended, plain)
        ]
        for one in wrote:
            store.add_decision(run, one)
        for one, read in zip(wrote, read_run(store.folder).decisions, strict=True):
            assert same(asdict(read), asdict(one))
            assert read.decision.verdict is one.decision.verdict

    def test_findings(self, store):
        run = store.start_run(REQUEST, PROVENANCE)
        wrote = [
            FindingRow("t.c", FindingKind.DEGENERATE_CASE, "L=2", ("$c$",), "trial", SCENARIO),
            FindingRow("t.c", FindingKind.COUNTEREXAMPLE, "σ_w=1.5"),
            FindingRow("t.c", FindingKind.SEARCH_FAILED, "ValueError: no"),
        ]
        for one in wrote:
            store.add_finding(run, one)
        assert read_run(store.folder).findings == wrote

    def test_an_unfinished_run_is_readable_and_says_so(self, store):
        run = store.start_run(REQUEST, PROVENANCE)
        store.add_trials(run, [row(gap=1.0)])
        found = read_run(store.folder)  # while the writer still has the file open
        assert found.finished is None and found.costs == RunCosts()
        assert len(found.trials["joint_limit", "id"]) == 1

    def test_the_latest_run_by_default_and_earlier_ones_by_id(self, store):
        first = store.start_run(replace(REQUEST, seed=1), Provenance())
        store.add_trials(first, [row(gap=1.0)])
        store.add_finding(first, FindingRow("t.c", FindingKind.COUNTEREXAMPLE, "first"))
        store.close()
        again = EvidenceStore(store.folder)
        second = again.start_run(replace(REQUEST, seed=2), Provenance())
        again.add_trials(second, [row(gap=2.0)])
        again.close()
        assert first != second
        assert read_run(store.folder).id == second
        assert [head.id for head in read_run_heads(store.folder)] == [first, second]
        for run, gap in ((first, 1.0), (second, 2.0)):
            found = read_run(store.folder, run)
            assert found.request.seed == int(gap)
            assert [r.numbers for rows in found.trials.values() for r in rows] == [{"gap": gap}]
            assert len(found.findings) == (1 if run == first else 0)

    def test_trials_are_added_all_or_none(self, store):
        run = store.start_run(REQUEST, PROVENANCE)
        store.add_trials(run, [row(0, gap=1.0)])
        with pytest.raises(sqlite3.IntegrityError):
            store.add_trials(run, [row(1, gap=1.0), row(0, gap=2.0)])
        (read,) = read_run(store.folder).trials["joint_limit", "id"]
        assert read.numbers == {"gap": 1.0}
        store.add_trials(run, [row(1, gap=1.0)])  # the store is still usable

    def test_what_broke_and_what_has_no_key_is_not_found_again(self, store):
        run = store.start_run(REQUEST, PROVENANCE)
        stopped = row(2, outcome=Outcome.NOT_FINITE, gap=nan)
        store.add_trials(run, [row(0, gap=1.0), row(1, outcome=Outcome.ERROR), stopped])
        store.add_trials(run, [replace(row(3, gap=1.0), key="")])
        assert set(store.measured(run)) == {"key0", "key2"}

    @pytest.mark.parametrize(
        "name", ["plain", "with space", "dätä", "run #1", "100%25", "what?", "a&mode=rwc", "back\\slash"]
    )
    def test_any_folder_name(self, tmp_path, name):
        store = EvidenceStore(tmp_path / name)
        run = store.start_run(REQUEST, PROVENANCE)
        store.close()
        assert read_run(tmp_path / name).id == run
        assert names(tmp_path) == [name]


WRITER = """
import sys
from pathlib import Path
from advntk.checks.evidence import EvidenceStore, Outcome, Provenance, RunCosts, RunRequest, TrialRow
from advntk.checks.evidence.rows import StatedRates
store = EvidenceStore(Path(sys.argv[1]))
run = store.start_run(RunRequest("quick", int(sys.argv[2]), StatedRates(0, 0, 0, 0), {}, {}), Provenance())
for batch in range(40):
    rows = [TrialRow("t", "f", {}, "n", batch, seed, Outcome.MEASURED, {"x": seed}) for seed in range(25)]
    store.add_trials(run, rows)
store.finish_run(run, RunCosts())
store.close()
"""


def test_processes_that_write_to_one_folder_do_not_harm_each_other(tmp_path):
    """They begin at the same time, where there is no folder yet."""
    folder = tmp_path / "evidence"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(n)], cwd=ROOT) for n in range(3)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    heads = read_run_heads(folder)
    assert sorted(head.request.seed for head in heads) == [0, 1, 2]
    for head in heads:
        assert head.finished and len(read_run(folder, head.id).trials["t", "f"]) == 40 * 25
    assert [path.name for path in folder.iterdir()] == ["evidence.sqlite"]
