"""Evidence of older versions: read as it is, and brought up to date on a copy."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from made_up_rows import PROVENANCE, REQUEST, row

from advntk.checks.evidence import (
    FILE_NAME,
    SCHEMA_VERSION,
    BadEvidence,
    EvidenceStore,
    Outcome,
    migrations,
    read_run,
)
from advntk.theorems.vocabulary import Verdict

FOLDER = Path(__file__).parent / "old_evidence"
VERSIONS = (1, 2)
WORST = [Verdict.ERROR, Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.HOLDS]
# Trial |-> the kinds of figures that it kept something for.
FIGURES = {
    1: {"gram_matrix": set(), "limit_kernel": set(), "transformed_kernel": {"margin"}, "joint_limit": set()},
    2: {"linear_search": set(), "joint_limit": {"blocks"}, "fading": {"fading"}},
}


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def old(tmp_path, version):
    (tmp_path / FILE_NAME).write_bytes(gzip.decompress((FOLDER / f"v{version}.sqlite.gz").read_bytes()))
    return tmp_path


@pytest.fixture
def said(version):
    """Claim |-> what was said of it at that time."""
    return json.loads((FOLDER / f"v{version}.json").read_text())


def content(folder) -> bytes:
    return (folder / FILE_NAME).read_bytes()


def version_of(folder) -> int:
    return int.from_bytes(content(folder)[60:64])


def counted(folder) -> dict[str, int]:
    """Rows of every table, counted by sqlite alone."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        return {
            table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("run", "trial", "decision", "finding")
        }


def test_the_fixtures_are_of_the_version_that_they_say(old, version):
    assert version_of(old) == version < SCHEMA_VERSION


def test_it_says_what_it_said_at_that_time(old, said):
    record = read_run(old)
    assert record.request.claims.keys() == said.keys()
    for claim, then in said.items():
        decisions = [d for d in record.decisions if d.claim == claim]
        inside = [d for d in decisions if d.decision.verdict is not Verdict.OUT_OF_SCOPE]
        scenarios = {(d.trial, d.scenario_id) for d in inside}
        assert len(scenarios) == then["scenarios"]
        assert sum(len(record.trials[scenario]) for scenario in scenarios) == then["trials"]
        # A claim is as good as its worst scenario, of which the one nearest to failing is shown.
        worst = min((d.decision.verdict for d in inside), key=WORST.index)
        assert worst is Verdict(then["verdict"])
        shown = max((d.decision for d in inside if d.decision.verdict is worst), key=lambda d: d.severity)
        assert shown.estimate == then["estimate"]


def test_every_row_is_there(old):
    before = counted(old)
    record = read_run(old)
    rows = [row for found in record.trials.values() for row in found]
    assert (len(rows), len(record.decisions), len(record.findings)) == (
        before["trial"],
        before["decision"],
        before["finding"],
    )
    assert {row.outcome for row in rows} == {Outcome.MEASURED}


def test_figures_are_kept_under_their_kinds(old, version):
    kept = {trial: set(rows[0].figures) for (trial, _), rows in read_run(old).trials.items()}
    for trial, kinds in FIGURES[version].items():
        assert kept[trial] == kinds, trial


def test_sweeps_over_width_become_sweeps_over_an_axis(old, version):
    record = read_run(old)
    widths = {1: (8, 16, 32, 64), 2: (64, 128, 256, 512)}[version]
    joint = [row for (trial, _), rows in record.trials.items() if trial == "joint_limit" for row in rows]
    assert {(row.axis, row.point, row.scenario["width"]) for row in joint} == {
        ("width", n, n) for n in widths
    }
    alone = {(r.axis, r.point) for (t, _), rows in record.trials.items() for r in rows if t != "joint_limit"}
    assert alone == {(None, None)}
    rates = {claim.rate.parameter for claim in record.request.claims.values() if claim.rate}
    assert rates == {"width"}
    assert record.request.sweeps == ({"width": list(widths)} if version == 1 else {})


def test_axes_that_were_kept_are_described(old, version):
    checks = read_run(old).request.checks
    if version == 1:
        assert checks == {}
        return
    joint, alone = checks["joint_limit"], checks["linear_search"]
    assert (joint.sweep, joint.points, joint.seeds, joint.looks) == ("width", (64, 128, 256, 512), 64, 4)
    assert (alone.sweep, alone.points) == (None, ())
    assert joint.axis("depth").choice == [1, 2, 3] and joint.axis("sigma_w").symbol == "σ_w"
    assert joint.axis("sigma_w").choice == {"low": 1.1, "high": 2.0}
    assert joint.axis("label_noise").choice is None


def test_labels_leave_out_what_the_sweep_changes(old):
    labels = {d.label for d in read_run(old).decisions if d.trial == "joint_limit"}
    assert all("d=n" in label and "n=64" not in label and "d=64" not in label for label in labels), labels


def test_reading_leaves_the_file_as_it_is(old):
    before = content(old)
    (old / FILE_NAME).chmod(0o444)
    read_run(old)
    assert content(old) == before
    assert [path.name for path in old.iterdir()] == [FILE_NAME]


def test_opening_for_writing_brings_it_up_to_date_and_keeps_every_row(old):
    before, then = counted(old), read_run(old)
    (old / FILE_NAME).chmod(0o640)
    store = EvidenceStore(old)
    store.close()
    assert version_of(old) == SCHEMA_VERSION
    assert counted(old) == before
    assert read_run(old) == then
    assert (old / FILE_NAME).stat().st_mode & 0o777 == 0o640
    assert [path.name for path in old.iterdir()] == [FILE_NAME]


def test_further_runs_are_added_to_it(old):
    store = EvidenceStore(old)
    second = store.start_run(REQUEST, PROVENANCE)
    store.add_trials(second, [row(gap=2.0)])
    store.close()
    assert (read_run(old).id, read_run(old, 1).id) == (2, 1)


def test_without_a_key_nobody_knows_what_it_was_measured_with(old, version):
    store = EvidenceStore(old)
    found = store.measured(1)
    store.close()
    assert len(found) == (0 if version == 1 else counted(old)["trial"])


def test_a_migration_that_fails_leaves_the_file_as_it_was(old, version, monkeypatch):
    def fails(db, folder):
        db.execute("DELETE FROM trial")
        raise sqlite3.OperationalError("disk full")

    before = content(old)
    for step in range(version + 1, SCHEMA_VERSION + 1):
        with monkeypatch.context() as patched:
            patched.setitem(migrations._TO, step, fails)
            with pytest.raises(BadEvidence, match="disk full"):
                EvidenceStore(old)
        assert content(old) == before
        assert [path.name for path in old.iterdir()] == [FILE_NAME]


def test_a_copy_that_cannot_take_its_place_leaves_the_file_as_it_was(old, monkeypatch):
    def fails(self, target):
        raise OSError("no such luck")

    monkeypatch.setattr(Path, "replace", fails)
    before = content(old)
    with pytest.raises(BadEvidence, match=r"cannot be written \(no such luck\)"):
        EvidenceStore(old)
    assert content(old) == before
    monkeypatch.undo()
    EvidenceStore(old).close()
    assert version_of(old) == SCHEMA_VERSION


def test_another_process_that_writes_meanwhile_is_waited_for(old, monkeypatch):
    from advntk.checks.evidence import store

    monkeypatch.setattr(store, "_PATIENCE_S", 0.05)
    with closing(sqlite3.connect(old / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BadEvidence, match="locked"):
            EvidenceStore(old)
        other.execute("ROLLBACK")
    EvidenceStore(old).close()


# Kind of figure |-> numbers of older evidence, by which it was recognised |-> names that figures know today.
KINDS = {
    "margin": (("curve_scale", "curve_margin", "certified_scale", "critical_scale"), "scale margin"),
    "defect": (("curve_time", "curve_defect", "curve_predicted"), "time defect predicted"),
    "learning": (
        ("curve_learning_loss", "curve_learning_clean", "curve_learning_robust"),
        "loss clean robust",
    ),
    "images": (("curve_shown_clean", "curve_shown_moved", "curve_shown_moved_regression"), "clean moved"),
    "gain": (("robust", "robust_regression", "clean", "clean_regression"), "robust clean"),
    "ensemble": (("mean", "variance", "characteristic"), "mean variance characteristic"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_figures_draw_is_kept_under_its_kind(tmp_path, kind):
    needs, names = KINDS[kind]
    numbers = {name: [1.5, 2.5] if name.startswith("curve_") else 3.5 for name in needs}
    (tmp_path / FILE_NAME).write_bytes(gzip.decompress((FOLDER / "v2.sqlite.gz").read_bytes()))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        for text in (numbers, {**numbers, needs[0]: None}):
            db.execute(
                "INSERT INTO trial SELECT run, 'drawn', family, scenario, width, ?, dtype, outcome, ?, 'k' "
                "FROM trial LIMIT 1",
                (int(text is numbers), json.dumps({**text, "value": 7})),
            )
        db.commit()
    ((without, found),) = (rows for (trial, _), rows in read_run(tmp_path).trials.items() if trial == "drawn")
    assert set(names.split()) <= found.figures[kind].keys() and len(found.figures[kind]) == len(needs)
    assert set(map(str, found.figures[kind].values())) <= {"[1.5, 2.5]", "3.5"}
    # What is decided on stays a number; a curve is drawn alone.
    assert found.numbers == {"value": 7, **{n: v for n, v in numbers.items() if not n.startswith("curve_")}}
    assert kind not in without.figures


def test_how_trials_ended_in_words_of_today(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(gzip.decompress((FOLDER / "v2.sqlite.gz").read_bytes()))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        for seed, outcome in enumerate(("error: ValueError: no", "integrator gave up", "measured")):
            db.execute(
                "INSERT INTO trial SELECT run, 'ended', family, scenario, width, ?, dtype, ?, '{}', 'k' FROM "
                "trial LIMIT 1",
                (seed, outcome),
            )
        db.commit()
    (rows,) = (rows for (trial, _), rows in read_run(tmp_path).trials.items() if trial == "ended")
    assert [(r.outcome, r.message) for r in rows] == [
        (Outcome.ERROR, "ValueError: no"),
        (Outcome.STOPPED, "integrator gave up"),
        (Outcome.MEASURED, ""),
    ]


# Table and column of older evidence |-> what may stand there by damage.
DAMAGE = [
    ("run", "request", "{}"),
    ("run", "request", "null"),
    ("run", "request", "Dear diary"),
    ("run", "environment", "[]"),
    ("run", "result", "[]"),
    ("trial", "numbers", "[]"),
    ("trial", "numbers", '{"gap"'),
    ("decision", "decision", "null"),
    ("decision", "scenario", "7"),
    ("decision", "decision", "[" * 100_000 + "]" * 100_000),
    ("finding", "finding", "7"),
]


@pytest.mark.parametrize("open_", [read_run, EvidenceStore])
@pytest.mark.parametrize(("table", "column", "value"), DAMAGE)
def test_damaged_rows_are_refused_and_left_as_they_are(tmp_path, table, column, value, open_):
    (tmp_path / FILE_NAME).write_bytes(gzip.decompress((FOLDER / "v1.sqlite.gz").read_bytes()))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = 1", (value,))
        db.commit()
    before = content(tmp_path)
    with pytest.raises(BadEvidence) as raised:
        open_(tmp_path)
    message = str(raised.value)
    assert message.startswith(f"--evidence {tmp_path}: ") and "\n" not in message
    assert f"row 1 of table {table} is damaged" in message
    assert content(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def colliding(folder, version, change):
    """Evidence whose constraint was lost, with one trial doubled and the double changed."""
    (folder / FILE_NAME).write_bytes(gzip.decompress((FOLDER / f"v{version}.sqlite.gz").read_bytes()))
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        columns = ", ".join(row[1] for row in db.execute("PRAGMA table_info(trial)"))
        db.execute("ALTER TABLE trial RENAME TO constrained")
        db.execute(f"CREATE TABLE trial ({columns})")
        db.execute("INSERT INTO trial SELECT * FROM constrained")
        db.execute("DROP TABLE constrained")
        db.execute("INSERT INTO trial SELECT * FROM trial WHERE rowid = 7")
        db.execute(f"UPDATE trial SET {change} WHERE rowid = (SELECT max(rowid) FROM trial)")
        db.commit()


class TestCollisions:
    """Trials that one key of today would stand for."""

    def test_the_same_row_twice_is_one_row(self, tmp_path, version):
        colliding(tmp_path, version, "seed = seed")
        before = counted(tmp_path)["trial"]
        found = read_run(tmp_path)
        assert found.left_out == () and sum(map(len, found.trials.values())) == before - 1
        store = EvidenceStore(tmp_path)
        store.close()
        assert store.left_out == [] and counted(tmp_path)["trial"] == before - 1
        assert read_run(tmp_path) == found

    def test_what_is_ambiguous_is_left_out_and_said_for_ever(self, tmp_path, version):
        colliding(tmp_path, version, "numbers = '{}'")
        last = counted(tmp_path)["trial"]
        untouched = content(tmp_path)
        found = read_run(tmp_path)
        assert content(tmp_path) == untouched
        assert [(one.table, one.row, one.damaged) for one in found.left_out] == [
            ("trial", 7, False),
            ("trial", last, False),
        ]
        assert f"row {last} has the same trial" in found.left_out[0].reason
        assert sum(map(len, found.trials.values())) == last - 2
        store = EvidenceStore(tmp_path)
        store.close()
        assert tuple(store.left_out) == found.left_out
        assert version_of(tmp_path) == SCHEMA_VERSION and read_run(tmp_path) == found

    def test_widths_that_are_no_sweep_any_more(self, tmp_path):
        """A width that is no number beside one that is."""
        colliding(tmp_path, 1, "width = NULL")
        found = read_run(tmp_path)
        assert len(found.left_out) in (0, 2)
        EvidenceStore(tmp_path).close()
        assert read_run(tmp_path) == found


@pytest.mark.parametrize(("table", "column", "value"), DAMAGE)
def test_damaged_rows_of_older_evidence_are_passed_over_on_request(tmp_path, table, column, value):
    (tmp_path / FILE_NAME).write_bytes(gzip.decompress((FOLDER / "v1.sqlite.gz").read_bytes()))
    whole = read_run(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = 1", (value,))
        db.commit()
    before = content(tmp_path)
    if table == "run":
        with pytest.raises(BadEvidence, match="run cannot be salvaged: row 1 of table run is damaged"):
            read_run(tmp_path, salvage=True)
    else:
        found = read_run(tmp_path, salvage=True)
        assert [(one.table, one.row) for one in found.left_out] == [(table, 1)]
        count = {"trial": lambda r: sum(map(len, r.trials.values()))}.get(
            table, lambda r: len(getattr(r, f"{table}s"))
        )
        assert count(found) == count(whole) - 1
    assert content(tmp_path) == before
