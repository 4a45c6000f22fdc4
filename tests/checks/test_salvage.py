"""What can be read of damaged evidence is read, what cannot is named, and the file stays as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from made_up_rows import PROVENANCE, REQUEST, content, damage, made

from advntk.checks.evidence import (
    FILE_NAME,
    BadEvidence,
    EvidenceStore,
    LeftOut,
    RunCosts,
    read_run,
    read_run_ids,
)

DAMAGED = {
    ("trial", 2): ("numbers", "[]"),
    ("trial", 5): ("outcome", "exploded"),
    ("decision", 1): ("decision", "{}"),
    ("finding", 1): ("finding", b"\xff"),
}


@pytest.fixture
def folder(tmp_path):
    return made(tmp_path)


def test_a_good_store_loses_nothing(folder):
    assert read_run(folder, salvage=True) == read_run(folder)
    assert read_run(folder).left_out == ()


def test_each_damaged_row_costs_itself_and_is_named(folder):
    whole = read_run(folder)
    for (table, number), what in DAMAGED.items():
        damage(folder, table, number, *what)
    before = content(folder)
    found = read_run(folder, salvage=True)
    assert content(folder) == before
    assert [(one.table, one.row, one.column) for one in found.left_out] == [
        (table, number, column) for (table, number), (column, _) in DAMAGED.items()
    ]
    kept = [one for one in whole.trials["joint_limit", "id"] if one.seed not in (1, 4)]
    assert found.trials == {("joint_limit", "id"): kept}
    assert found.decisions == [] and found.findings == []
    of_trial, _, of_decision, of_finding = found.left_out
    assert (of_trial.trial, of_trial.scenario_id) == ("joint_limit", "id")
    assert (of_decision.claim, of_finding.claim) == ("t.c", "t.c")


def test_one_line_says_how_many_of_which_and_what_to_do(folder):
    for (table, number), what in DAMAGED.items():
        damage(folder, table, number, *what)
    with pytest.raises(BadEvidence) as raised:
        read_run(folder)
    message = str(raised.value).removeprefix(f"--evidence {folder}: ")
    assert message.startswith("row 2 of table trial is damaged (numbers: Expected `object`, got `array`")
    assert message.endswith(
        "; 4 damaged rows in all (2 of trial, 1 of decision, 1 of finding); the file was left as it is; "
        "`advntk report --salvage` shows the rest"
    )


# What cannot be said of a row: whose it is.
@pytest.mark.parametrize(
    ("table", "column", "value", "lost"),
    [
        ("trial", "run", "one", ("joint_limit", "id", None)),
        ("trial", "run", 77, ("joint_limit", "id", None)),
        ("trial", "trial", b"\x00", (None, "id", None)),
        ("trial", "scenario_id", b"\xff", ("joint_limit", None, None)),
        ("decision", "run", 1.5, ("joint_limit", "id", "t.c")),
        ("decision", "claim", "t.d", ("joint_limit", "id", None)),
        ("finding", "claim", b"t.c", (None, None, None)),
    ],
)
def test_a_row_that_is_nobodys_is_never_left_out_in_silence(folder, table, column, value, lost):
    damage(folder, table, 1, column, value)
    with pytest.raises(BadEvidence, match=rf"row 1 of table {table} is damaged \({column}: "):
        read_run(folder)
    (one,) = read_run(folder, salvage=True).left_out
    assert (one.table, one.row, one.column) == (table, 1, column)
    assert (one.trial, one.scenario_id, one.claim) == lost


def test_the_same_trial_twice_is_damage(folder):
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute("DROP INDEX trial_once")
        db.execute("INSERT INTO trial SELECT * FROM trial WHERE rowid = 3")
        db.commit()
    with pytest.raises(BadEvidence, match=r"row 9 of table trial is damaged \(the same trial as row 3\)"):
        read_run(folder)
    assert len(read_run(folder, salvage=True).trials["joint_limit", "id"]) == 8
    damage(folder, "trial", 9, "numbers", "{}")
    with pytest.raises(BadEvidence, match=r"row 3 of table trial is damaged \(the same trial as row 9, and"):
        read_run(folder)
    seeds = [one.seed for one in read_run(folder, salvage=True).trials["joint_limit", "id"]]
    assert seeds == [0, 1, 3, 4, 5, 6, 7]


def test_provenance_and_costs_cost_themselves_a_request_costs_the_run(folder):
    damage(folder, "run", 1, "provenance", "null")
    damage(folder, "run", 1, "costs", "[]")
    damage(folder, "run", 1, "started", b"\x00")
    found = read_run(folder, salvage=True)
    assert [one.column for one in found.left_out] == ["provenance", "costs", "started"]
    assert found.provenance.device == "" and found.costs == RunCosts() and found.started == ""
    assert len(found.trials["joint_limit", "id"]) == 8
    made(folder)
    damage(folder, "run", 2, "request", "null")
    with pytest.raises(
        BadEvidence, match=r"run 2 cannot be salvaged: row 2 of table run .*; choose --run 1$"
    ):
        read_run(folder, salvage=True)
    assert read_run(folder, 1, salvage=True).id == 1
    assert read_run_ids(folder, salvage=True) == read_run_ids(folder) == [1, 2]


@pytest.mark.parametrize("table", ["trial", "decision", "finding", "run"])
def test_a_table_that_is_gone(folder, table):
    whole = read_run(folder)
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute(f"DROP TABLE {table}")
    before = content(folder)
    with pytest.raises(BadEvidence, match=f"no table {table}"):
        read_run(folder)
    if table == "run":
        with pytest.raises(BadEvidence, match="a run cannot be salvaged: table run is damaged"):
            read_run(folder, salvage=True)
    else:
        found = read_run(folder, salvage=True)
        assert [(one.table, one.row) for one in found.left_out] == [(table, None)]
        for name in {"trial", "decision", "finding"} - {table}:
            assert getattr(found, f"{name}s") == getattr(whole, f"{name}s")
    assert content(folder) == before


def test_a_column_that_is_gone_costs_what_cannot_be_without_it(folder):
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute("ALTER TABLE trial DROP COLUMN trace")
        db.execute("ALTER TABLE decision DROP COLUMN decider")
    found = read_run(folder, salvage=True)
    assert len(found.trials["joint_limit", "id"]) == 8 and found.decisions == []
    assert [(o.table, o.row, o.column) for o in found.left_out if not o.row] == [
        ("trial", None, "trace"),
        ("decision", None, "decider"),
    ]


def pages(path) -> int:
    return int.from_bytes(path.read_bytes()[16:18])


def test_rows_on_damaged_pages_are_passed_over(tmp_path):
    """Each page in turn is blanked: what is not on it is read as it was."""
    folder = made(tmp_path / "good", seeds=60, bulk="x" * 300)
    whole = {one.seed: one for one in read_run(folder).trials["joint_limit", "id"]}
    good, path = (folder / FILE_NAME).read_bytes(), folder / FILE_NAME
    size, some = pages(path), 0
    for page in range(1, len(good) // size):
        bad = bytearray(good)
        bad[page * size : (page + 1) * size] = bytes(size)
        path.write_bytes(bad)
        with pytest.raises(BadEvidence):
            read_run(folder)
        try:
            found = read_run(folder, salvage=True)
        except BadEvidence as error:
            assert "cannot be salvaged" in str(error)
            continue
        assert path.read_bytes() == bytes(bad)
        left = found.trials.get(("joint_limit", "id"), [])
        assert all(whole[one.seed] == one for one in left)
        assert found.left_out
        some += 0 < len(left) < 60
    assert some >= 3  # in part


def test_a_store_cut_short_gives_what_is_left(tmp_path):
    folder = made(tmp_path / "good", seeds=60, bulk="x" * 300)
    path = folder / FILE_NAME
    good = path.read_bytes()
    path.write_bytes(good[: len(good) - pages(path) * 2])
    with pytest.raises(BadEvidence, match="cut short"):
        read_run(folder)
    found = read_run(folder, salvage=True)
    assert found.left_out and sum(map(len, found.trials.values())) < 60


@pytest.mark.parametrize("table", ["trial", "decision", "finding"])
def test_nothing_is_measured_into_evidence_that_could_not_be_read_again(folder, table):
    damage(folder, table, 1, "run", "nobody")
    before = content(folder)
    with pytest.raises(
        BadEvidence, match=rf"row 1 of table {table} .*; choose another folder; `advntk report"
    ):
        EvidenceStore(folder)
    assert content(folder) == before


def test_damage_to_one_run_does_not_keep_others_from_being_added(folder):
    damage(folder, "trial", 1, "numbers", "null")
    damage(folder, "run", 1, "request", "null")
    made(folder)
    assert read_run(folder).id == 2 and read_run(folder, 2).left_out == ()


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["DROP INDEX trial_once"], "index of table trial was lost"),
        (
            ["CREATE TABLE plain AS SELECT * FROM run", "DROP TABLE run", "ALTER TABLE plain RENAME TO run"],
            "key of table run was lost",
        ),
    ],
)
def test_without_its_constraints_evidence_is_read_and_not_added_to(folder, statements, words):
    whole = read_run(folder)
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()
    before = content(folder)
    with pytest.raises(BadEvidence, match=words):
        EvidenceStore(folder)
    assert content(folder) == before and read_run(folder) == whole


class TestResuming:
    @pytest.mark.parametrize(
        ("table", "column"),
        [("trial", "numbers"), ("trial", "key"), ("run", "request"), ("run", "provenance")],
    )
    def test_on_damaged_rows_it_is_refused_before_anything_is_forgotten(self, folder, table, column):
        from advntk.resuming import start_or_resume

        damage(folder, table, 1, column, b"\x00")
        before = content(folder)
        with (
            closing(EvidenceStore(folder)) as store,
            pytest.raises(BadEvidence, match=rf"row 1 of table {table} .*leave --resume out to start anew"),
        ):
            start_or_resume(store, REQUEST, PROVENANCE, resume=True, allow_changed=True)
        assert content(folder) == before

    def test_with_a_lock_that_is_none_nothing_is_written(self, folder):
        for kind in ("folder", "FIFO", "link"):
            lock = folder / ".run-2.lock"
            if kind == "folder":
                lock.mkdir()
            elif kind == "FIFO":
                os.mkfifo(lock)
            else:
                lock.symlink_to(FILE_NAME)
            before = (folder / FILE_NAME).read_bytes()
            with (
                closing(EvidenceStore(folder)) as store,
                pytest.raises(BadEvidence, match=r"\.run-2\.lock is no file.*; remove it, or choose another"),
            ):
                store.start_run(REQUEST, PROVENANCE)
            assert (folder / FILE_NAME).read_bytes() == before and os.path.lexists(lock)
            shutil.rmtree(lock) if kind == "folder" else lock.unlink()


def test_what_was_left_out_is_said_in_words():
    assert str(LeftOut("trial", 3, "numbers", "no object")) == (
        "row 3 of table trial is damaged (numbers: no object)"
    )
    assert str(LeftOut("run", None, "", "gone")) == "table run is damaged (gone)"
    assert str(LeftOut("trial", 3, "", "twice", damaged=False)) == "row 3 of table trial is ambiguous (twice)"
