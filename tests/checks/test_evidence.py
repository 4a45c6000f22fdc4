"""The evidence file: what goes in comes out, and what is not ours is left as it is."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import asdict
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence import (
    APPLICATION_ID,
    FILE_NAME,
    SCHEMA_VERSION,
    BadEvidence,
    EvidenceStore,
    TrialRow,
    dumps,
    loads,
    read_run,
)
from advntk.checks.scenario import Scenario
from advntk.theorems.vocabulary import Verdict

FAIR = settings(derandomize=True, deadline=None, database=None)
REQUEST = {"profile": "quick", "seed": 3, "pins": [["outputs", 3]], "false_alarm": 1e-6}
ENVIRONMENT = {"jax": "0", "device": "cpu"}


@pytest.fixture
def store(tmp_path):
    opened = EvidenceStore(tmp_path / "deep" / "evidence")
    yield opened
    opened.close()


def row(seed=0, width=64, trial="joint_limit", outcome="measured", **numbers) -> TrialRow:
    scenario = Scenario()
    return TrialRow(trial, scenario.id, scenario.as_dict(), width, seed, outcome, numbers)


def same(one, other) -> bool:
    """Equality in which NaN equals NaN, and types count."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (isnan(one) and isnan(other)))


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestRoundTrip:
    def test_run(self, store):
        run = store.start_run(REQUEST, ENVIRONMENT)
        store.finish_run(run, {"seconds": 1.5, "worst": nan, "verdicts": {"HOLDS": 3}})
        found = read_run(store.folder)
        assert found.id == run
        assert (found.request, found.environment) == (REQUEST, ENVIRONMENT)
        assert same(found.result, {"seconds": 1.5, "worst": nan, "verdicts": {"HOLDS": 3}})
        assert found.finished is not None and found.started <= found.finished
        assert (found.decisions, found.findings, found.trials) == ([], [], {})

    def test_trials_are_grouped_and_ordered(self, store):
        """By width and seed: batches come in as they are done."""
        run = store.start_run(REQUEST, ENVIRONMENT)
        numbers = {"gap": 0.1 + 0.2, "curve": [1.0, nan, inf, -inf], "count": 3}
        first = [row(1, 64, **numbers), row(0, 64, **numbers), row(0, 128, **numbers)]
        other = [row(0, 64, "fixed_input", "error: ValueError: no")]
        store.add_trials(run, first)
        store.add_trials(run, other)
        found = read_run(store.folder).trials
        assert set(found) == {("joint_limit", Scenario().id), ("fixed_input", Scenario().id)}
        for wrote, read in zip(
            sorted(first, key=lambda r: (r.width, r.seed)), found["joint_limit", Scenario().id], strict=True
        ):
            assert same(asdict(wrote), asdict(read))
        assert found["fixed_input", Scenario().id] == other

    def test_arrays_become_lists(self, store):
        run = store.start_run(REQUEST, ENVIRONMENT)
        store.add_trials(
            run, [row(a=np.float64(0.1), b=np.array([[1.0, inf]]), c=np.int64(4), d=np.bool_(True))]
        )
        (read,) = read_run(store.folder).trials["joint_limit", Scenario().id]
        assert same(read.numbers, {"a": 0.1, "b": [[1.0, inf]], "c": 4, "d": True})

    def test_decisions(self, store):
        run = store.start_run(REQUEST, ENVIRONMENT)
        open_ended = Decision(Verdict.INCONCLUSIVE, "gap", "exponent", nan, -inf, inf, None, "few", inf)
        plain = Decision(
            Verdict.HOLDS, "gap", "exponent", 0.5, 0.4, 0.6, 0.998, "above", -0.4, False, {"seeds": 96}
        )
        for said in (open_ended, plain):
            store.add_decision(run, "t.c", "trial", "family", Scenario().as_dict(), "rate", asdict(said))
        found = read_run(store.folder).decisions
        for said, read in zip((open_ended, plain), found, strict=True):
            where = {"claim": "t.c", "trial": "trial", "family": "family", "decider": "rate"}
            expected = {**where, "scenario": Scenario().as_dict(), **asdict(said)}
            assert same({**expected, "verdict": str(said.verdict)}, read)
            assert Verdict(read["verdict"]) is said.verdict

    def test_findings(self, store):
        run = store.start_run(REQUEST, ENVIRONMENT)
        store.add_finding(
            run, "t.c", {"kind": "degenerate case", "at": -inf, "scenario": Scenario().as_dict()}
        )
        store.add_finding(run, "t.d", {"kind": "counterexample", "label": "σ_w=1.5"})
        assert read_run(store.folder).findings == [
            {"claim": "t.c", "kind": "degenerate case", "at": -inf, "scenario": Scenario().as_dict()},
            {"claim": "t.d", "kind": "counterexample", "label": "σ_w=1.5"},
        ]

    def test_an_unfinished_run_is_readable_and_says_so(self, store):
        run = store.start_run(REQUEST, ENVIRONMENT)
        store.add_trials(run, [row(gap=1.0)])
        found = read_run(store.folder)  # while the writer still has the file open
        assert found.finished is None and found.result == {}
        assert len(found.trials["joint_limit", Scenario().id]) == 1

    def test_the_latest_run_by_default_and_earlier_ones_by_id(self, store):
        first = store.start_run({"n": 1}, {})
        store.add_trials(first, [row(gap=1.0)])
        store.add_finding(first, "t.c", {"kind": "first"})
        store.close()
        again = EvidenceStore(store.folder)
        second = again.start_run({"n": 2}, {})
        again.add_trials(second, [row(gap=2.0)])
        again.close()
        assert first != second
        assert read_run(store.folder).id == second
        for run, gap in ((first, 1.0), (second, 2.0)):
            found = read_run(store.folder, run)
            assert found.request == {"n": int(gap)}
            assert [r.numbers for rows in found.trials.values() for r in rows] == [{"gap": gap}]
            assert len(found.findings) == (1 if run == first else 0)

    def test_trials_are_added_all_or_none(self, store):
        run = store.start_run(REQUEST, ENVIRONMENT)
        store.add_trials(run, [row(0, gap=1.0)])
        with pytest.raises(sqlite3.IntegrityError):
            store.add_trials(run, [row(1, gap=1.0), row(0, gap=2.0)])
        (read,) = read_run(store.folder).trials["joint_limit", Scenario().id]
        assert read.numbers == {"gap": 1.0}
        store.add_trials(run, [row(1, gap=1.0)])  # the store is still usable

    @pytest.mark.parametrize(
        "name", ["plain", "with space", "dätä", "run #1", "100%25", "what?", "a&mode=rwc", "back\\slash"]
    )
    def test_any_folder_name(self, tmp_path, name):
        store = EvidenceStore(tmp_path / name)
        run = store.start_run(REQUEST, ENVIRONMENT)
        store.close()
        assert read_run(tmp_path / name).id == run
        assert names(tmp_path) == [name]


VERSION_1 = """
CREATE TABLE run (
  id INTEGER PRIMARY KEY, started TEXT NOT NULL, finished TEXT, request TEXT NOT NULL,
  environment TEXT NOT NULL, result TEXT
);
CREATE TABLE trial (
  run INTEGER NOT NULL REFERENCES run(id), trial TEXT NOT NULL, family TEXT NOT NULL,
  scenario TEXT NOT NULL, width INTEGER NOT NULL, seed INTEGER NOT NULL, dtype TEXT NOT NULL,
  outcome TEXT NOT NULL, numbers TEXT NOT NULL,
  UNIQUE (run, trial, family, width, seed)
);
CREATE TABLE decision (
  run INTEGER NOT NULL REFERENCES run(id), claim TEXT NOT NULL, trial TEXT NOT NULL,
  family TEXT NOT NULL, scenario TEXT NOT NULL, decider TEXT NOT NULL, decision TEXT NOT NULL
);
CREATE TABLE finding (
  run INTEGER NOT NULL REFERENCES run(id), claim TEXT NOT NULL, finding TEXT NOT NULL
);
INSERT INTO run VALUES (1, '2026-01-01', NULL, '{"n": 1}', '{}', NULL);
INSERT INTO trial VALUES (1, 't', 'f', '{}', 64, 0, 'float64', 'measured', '{"gap": 1.5}');
PRAGMA application_id = 1633973870;
PRAGMA user_version = 1;
"""


class TestMigration:
    @pytest.fixture
    def old(self, tmp_path):
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
            database.executescript(VERSION_1)
        return tmp_path

    def test_an_old_file_is_read_as_it_is(self, old):
        before = (old / FILE_NAME).read_bytes()
        assert read_run(old, 1).trials["t", "f"][0].numbers == {"gap": 1.5}
        assert (old / FILE_NAME).read_bytes() == before

    def test_writing_brings_it_up_to_date_and_keeps_what_it_holds(self, old):
        store = EvidenceStore(old)
        second = store.start_run(REQUEST, ENVIRONMENT)
        store.add_trials(second, [row(gap=2.0)])
        assert store.measured(1) == {}  # without a key nobody knows what it was measured with
        store.close()
        assert read_run(old, 1).trials["t", "f"][0].numbers == {"gap": 1.5}
        assert (old / FILE_NAME).read_bytes()[60:64] == SCHEMA_VERSION.to_bytes(4)


class TestRefusal:
    @pytest.mark.parametrize("below", [True, False])
    def test_a_file_in_the_way(self, tmp_path, below):
        (tmp_path / "file").write_text("mine")
        folder = tmp_path / "file" / "evidence" if below else tmp_path / "file"
        with pytest.raises(
            BadEvidence, match=r"cannot be written \(.*choose a folder you may write to"
        ) as raised:
            EvidenceStore(folder)
        assert f"--evidence {folder}" in str(raised.value)
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_folder_without_permission(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
        with pytest.raises(BadEvidence, match="permission denied"):
            EvidenceStore(tmp_path)
        assert names(tmp_path) == []

    @pytest.mark.parametrize("open_", [EvidenceStore, read_run])
    @pytest.mark.parametrize("content", [b"Dear diary, ...\n" * 100, b"x", b""])
    def test_a_foreign_file_is_left_as_it_is(self, tmp_path, content, open_):
        (tmp_path / FILE_NAME).write_bytes(content)
        with pytest.raises(BadEvidence, match=r"not a SQLite file.*choose another folder") as raised:
            open_(tmp_path)
        assert str(raised.value).startswith(f"--evidence {tmp_path}: {FILE_NAME} ")
        assert (tmp_path / FILE_NAME).read_bytes() == content
        assert names(tmp_path) == [FILE_NAME]

    @pytest.mark.parametrize("open_", [EvidenceStore, read_run])
    @pytest.mark.parametrize("version", [-1, 0, SCHEMA_VERSION + 1, 999])
    def test_another_schema_version_is_left_as_it_is(self, store, version, open_):
        store.start_run(REQUEST, ENVIRONMENT)
        store._db.execute(f"PRAGMA user_version = {version}")
        store.close()
        before = store.path.read_bytes()
        with pytest.raises(BadEvidence) as raised:
            open_(store.folder)
        assert f"has schema version {version}, this program knows versions up to {SCHEMA_VERSION}" in str(
            raised.value
        )
        assert "choose another folder or the version of advntk that wrote it" in str(raised.value)
        assert store.path.read_bytes() == before
        assert names(store.folder) == [FILE_NAME]

    @pytest.mark.parametrize("open_", [EvidenceStore, read_run])
    @pytest.mark.parametrize("version", [0, SCHEMA_VERSION, SCHEMA_VERSION + 1])
    @pytest.mark.parametrize("application", [0, 1, APPLICATION_ID + 1])
    def test_another_programs_database_is_left_as_it_is(self, tmp_path, application, version, open_):
        """Even if it has tables of our names."""
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
            database.execute("CREATE TABLE run (id INTEGER PRIMARY KEY, started TEXT)")
            database.execute(f"PRAGMA application_id = {application}")
            database.execute(f"PRAGMA user_version = {version}")
        before = (tmp_path / FILE_NAME).read_bytes()
        with pytest.raises(BadEvidence, match=r"belongs to another program; .*; choose another folder"):
            open_(tmp_path)
        assert (tmp_path / FILE_NAME).read_bytes() == before
        assert names(tmp_path) == [FILE_NAME]

    def test_our_own_file_says_so_in_its_header(self, store):
        """As the file format has it: bytes 60 to 63 the user version, 68 to 71 the application."""
        store.close()
        header = store.path.read_bytes()[:100]
        assert (header[60:64], header[68:72]) == (SCHEMA_VERSION.to_bytes(4), b"advn")
        EvidenceStore(store.folder).close()

    @pytest.mark.parametrize("open_", [EvidenceStore, read_run])
    @pytest.mark.parametrize("pragma", [None, "application_id = 1", "user_version = 999"])
    def test_a_file_that_is_refused_is_not_even_opened_by_sqlite(self, store, open_, pragma, monkeypatch):
        if pragma:
            store._db.execute(f"PRAGMA {pragma}")
        store.close()
        if not pragma:
            store.path.write_bytes(b"Dear diary, ...\n" * 100)
        opened = []
        connect = sqlite3.connect
        monkeypatch.setattr(
            sqlite3, "connect", lambda *args, **kwargs: opened.append(connect(*args, **kwargs)) or opened[-1]
        )
        with pytest.raises(BadEvidence):
            open_(store.folder)
        assert opened == []  # so no journal of another program is touched

    def test_a_folder_named_like_the_file(self, tmp_path):
        (tmp_path / FILE_NAME).mkdir()
        with pytest.raises(BadEvidence, match="choose another folder"):
            EvidenceStore(tmp_path)

    @pytest.mark.parametrize("open_", [EvidenceStore, read_run])
    def test_a_store_that_was_cut_short_is_never_taken_for_a_new_one(self, store, open_):
        """At any length: to nothing, within the header, within a page, by a page, by a byte."""
        run = store.start_run(REQUEST, ENVIRONMENT)
        store.add_trials(run, [row(seed, gap=1.0) for seed in range(200)])
        store.close()
        whole = store.path.read_bytes()
        page = int.from_bytes(whole[16:18])
        assert len(whole) >= 3 * page
        lengths = (0, 1, 15, 16, 68, 99, 100, 101, 511, 512, page - 1, page, page + 1, 2 * page)
        for length in (*lengths, len(whole) - page, len(whole) - 1):
            store.path.write_bytes(whole[:length])
            with pytest.raises(BadEvidence, match="choose another folder") as raised:
                open_(store.folder)
            assert "\n" not in str(raised.value) and FILE_NAME in str(raised.value)
            assert store.path.read_bytes() == whole[:length] and names(store.folder) == [FILE_NAME]
        store.path.write_bytes(whole)
        assert read_run(store.folder).id == run

    @pytest.mark.parametrize("open_", [EvidenceStore, read_run])
    @pytest.mark.parametrize("table", ["run", "trial", "decision", "finding"])
    def test_a_store_that_lacks_a_table_is_left_as_it_is(self, store, table, open_):
        store._db.execute(f"ALTER TABLE {table} RENAME TO other")
        store.close()
        before = store.path.read_bytes()
        with pytest.raises(BadEvidence, match=f"no table {table}"):
            open_(store.folder)
        assert store.path.read_bytes() == before

    @pytest.mark.parametrize("open_", [EvidenceStore, read_run])
    @pytest.mark.parametrize("kind", ["folder", "FIFO", "nowhere", "loop", "device"])
    def test_what_is_no_file_is_refused_at_once(self, tmp_path, kind, open_):
        path = tmp_path / FILE_NAME
        if kind == "folder":
            path.mkdir()
        elif kind == "FIFO":
            os.mkfifo(path)
        else:
            path.symlink_to({"nowhere": "none/such", "loop": FILE_NAME, "device": "/dev/null"}[kind])
        with pytest.raises(BadEvidence, match="it was left as it is; choose another folder") as raised:
            open_(tmp_path)
        assert "\n" not in str(raised.value) and names(tmp_path) == [FILE_NAME]

    def test_a_link_to_a_store_is_a_store(self, store, tmp_path):
        run = store.start_run(REQUEST, ENVIRONMENT)
        store.close()
        (tmp_path / FILE_NAME).symlink_to(store.path)
        assert read_run(tmp_path).id == run
        EvidenceStore(tmp_path).close()

    def test_a_link_that_leads_nowhere(self, tmp_path):
        (tmp_path / FILE_NAME).symlink_to(tmp_path / "nowhere" / "else")
        with pytest.raises(BadEvidence, match="choose another folder"):
            EvidenceStore(tmp_path)

    @pytest.mark.parametrize("made", [True, False])
    def test_nothing_to_read(self, tmp_path, made):
        folder = tmp_path / "evidence"
        if made:
            folder.mkdir()
        with pytest.raises(BadEvidence, match=f"no {FILE_NAME} there; run `advntk check` first"):
            read_run(folder)
        assert folder.exists() is made  # reading creates nothing

    def test_no_such_run(self, store):
        with pytest.raises(BadEvidence, match=r"holds no run$"):
            read_run(store.folder)
        store.start_run(REQUEST, ENVIRONMENT)
        with pytest.raises(BadEvidence, match=r"holds no run 7$"):
            read_run(store.folder, 7)

    def test_reading_changes_nothing(self, store):
        store.start_run(REQUEST, ENVIRONMENT)
        store.close()
        before = store.path.read_bytes()
        read_run(store.folder)
        assert store.path.read_bytes() == before
        assert names(store.folder) == [FILE_NAME]


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


# Also text that spells a number that is not finite.
TEXT = st.text() | st.sampled_from(["nan", "NaN", "inf", "-inf", "Infinity"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@FAIR
@given(VALUES)
def test_dumps_is_strict_json_and_loads_undoes_it(value):
    text = dumps(value)
    json.loads(text, parse_constant=no_constant)
    assert same(loads(text), value) if not isinstance(value, str | None) else loads(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (nan, '{"float": "nan"}'),
        (-nan, '{"float": "nan"}'),
        (inf, '{"float": "inf"}'),
        (np.float32(-inf), '{"float": "-inf"}'),
        ({"a": (1, np.array([inf, 0.5]))}, '{"a": [1, [{"float": "inf"}, 0.5]]}'),
        ("nan", '"nan"'),
        ({64: 1.5}, '{"64": 1.5}'),
        (Verdict.HOLDS, '"HOLDS"'),
    ],
)
def test_dumps_of_what_json_lacks(value, text):
    assert dumps(value) == text


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "Infinity", '{"float": "nan"}'])
def test_text_stays_text(text):
    assert loads(dumps({"reason": text})) == {"reason": text}


@pytest.mark.parametrize("value", [1.5, nan, [1.0, 2.0], "nan", "text", None, {"float": -inf}])
def test_a_dict_with_the_key_float_stays_a_dict(value):
    """As the numbers of a trial whose only statistic is named "float"."""
    assert same(loads(dumps({"float": value})), {"float": value})


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 1j])
def test_dumps_refuses_what_it_cannot_keep(value):
    with pytest.raises(TypeError):
        dumps(value)
