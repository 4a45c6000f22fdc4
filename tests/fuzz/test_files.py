"""Files that were good, and were damaged in any way: a line says so, or what is undamaged is as it was.

A short run is part of the ordinary suite; `uv run tox -e fuzz` draws 2000 examples of each.
"""

from __future__ import annotations

import gzip
import os
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
from damage import (
    CellDamage,
    Damage,
    answer,
    damaged_archives,
    damaged_bytes,
    damaged_cells,
    damaged_json,
    damaged_stores,
    damaged_texts,
    fuzzed,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from made_up_evidence import add_run, said

from advntk.checks.evidence import FILE_NAME, BadEvidence, EvidenceStore, Provenance, dumps, read_run
from advntk.exceptions import UsageError

CLAIMS = {
    "diagonal_limit.ark": [said()],
    "diagonal_limit.ntk": [said(), said("HOLDS", 0.6)],
    "diagonal_limit.xi": [said("REFUTED", 0.1)],
}
EXPECTED = """[[claim]]
claim = "diagonal_limit.xi"
expected = "REFUTED"
reason = "a control"
owner = "jane@example.org"
expires = 2999-06-30
"""
FORMATS = ("json,md,junit", "json,tex,csv,parquet", "html")
OLD = Path(__file__).parents[1] / "checks" / "old_evidence" / "v2.sqlite.gz"


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A store with one finished run."""
    folder = tmp_path_factory.mktemp("good")
    add_run(folder, CLAIMS, findings=[("diagonal_limit.xi", "L=2")])
    return folder / FILE_NAME


@pytest.fixture(scope="module")
def older(tmp_path_factory) -> Path:
    """A store of version 2, with a few of its rows."""
    path = tmp_path_factory.mktemp("older") / FILE_NAME
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM trial WHERE rowid % 50 <> 1")
        db.commit()
        db.execute("VACUUM")
    return path


@contextmanager
def damaged(content: bytes, damage: Damage, name: str = FILE_NAME):
    """A folder to work in, which has the damaged file in `files`; afterwards the file is as it was."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        try:
            path = Path("files") / name
            path.parent.mkdir()
            path.write_bytes(content)
            try:
                damage.to(path)
            except sqlite3.Error:
                assume(False)
            before = path.read_bytes()
            yield path
            assert path.read_bytes() == before
            assert [found.name for found in path.parent.iterdir()] == [name]
        finally:
            os.chdir(home)


def size(path: Path) -> int:
    return path.stat().st_size


def told(*arguments: object, codes=(0, 2)):
    """What the command line answers: a documented exit code, a refusal as one line of bounded length."""
    found = answer(*arguments)
    assert found.fault == "" and found.code in codes, (arguments, found)
    return found


def one_line(error: UsageError) -> None:
    line = str(error)
    assert "\n" not in line and len(line) <= 300, line


@fuzzed(12)
@given(data=st.data())
def test_a_report_on_a_damaged_store(good, data):
    damage = data.draw(damaged_stores(size(good)))
    formats = data.draw(st.sampled_from(FORMATS))
    with damaged(good.read_bytes(), damage):
        found = told("report", "files", "--format", formats, "--out", "out")
        assert found.code == 0 or not Path("out").exists()
        told("report", "files", "--format", formats, "--out", "salvaged", "--salvage")


@fuzzed(40)
@given(damage=damaged_cells())
def test_what_is_undamaged_is_read_as_it_was(good, damage):
    with damaged(good.read_bytes(), Damage("none", lambda path: None)) as path:
        whole = parts(read_run(path.parent))
    with damaged(good.read_bytes(), damage) as path:
        try:
            record = read_run(path.parent, salvage=True)
        except BadEvidence as error:
            one_line(error)
            assert damage.table == "run", error
            return
        found = parts(record)
        for table, rows in whole.items():
            # At most the one row that was damaged is another, or is not there; without its id a run loses
            # all of its own.
            lost = [row for row in rows if row not in found[table]]
            named = [one for one in record.left_out if one.table == table]
            assert len(lost) <= (len(named) if damage.table == "run" else damage.table == table), lost
            assert len(found[table]) <= len(rows)


def parts(record) -> dict[str, list[str]]:
    """Every row as text, by its table."""
    trials = [row for rows in record.trials.values() for row in rows]
    rows = {"trial": trials, "decision": record.decisions, "finding": record.findings}
    return {table: [dumps(asdict(row)) for row in found] for table, found in rows.items()}


@fuzzed(20)
@given(data=st.data())
def test_a_gate_on_a_damaged_store_never_passes_for_a_lost_row(good, data):
    damage = data.draw(damaged_stores(size(good)))
    with damaged(good.read_bytes(), damage) as path:
        found = told("gate", "--evidence", "files", codes=range(8))
        if found.code != 2 and isinstance(damage, CellDamage):
            assert read_run(path.parent).left_out == ()


@fuzzed(25)
@given(data=st.data())
def test_resuming_a_damaged_store_changes_nothing_where_it_is_refused(good, data):
    from advntk.checks.recording import Recorder
    from advntk.resuming import start_or_resume

    damage = data.draw(damaged_stores(size(good)))
    before = []
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / FILE_NAME
        path.write_bytes(good.read_bytes())
        try:
            damage.to(path)
        except sqlite3.Error:
            assume(False)
        before = path.read_bytes()
        try:
            with closing(EvidenceStore(Path(place))) as store:
                request = store.heads()[-1].request
                run, older = start_or_resume(store, request, Provenance(), resume=True, allow_changed=True)
                Recorder(store, run, 0, older)
        except (BadEvidence, IndexError) as error:
            assert path.read_bytes() == before and [p.name for p in Path(place).iterdir()] == [FILE_NAME]
            line = str(error).replace(place, "")
            assert "\n" not in line and len(line) <= 300, line


@fuzzed(15)
@given(data=st.data())
def test_damaged_evidence_of_an_older_version(older, data):
    damage = data.draw(st.one_of(damaged_bytes(size(older)), damaged_cells()))
    with damaged(older.read_bytes(), damage) as path:
        for salvage in (False, True):
            try:
                found = read_run(path.parent, salvage=salvage)
            except BadEvidence as error:
                one_line(error)
            else:
                assert salvage or not any(one.damaged for one in found.left_out)


@fuzzed(40)
@given(data=st.data())
def test_damaged_expectations(data):
    from advntk.expectations import Expectation, read_expectations

    damage = data.draw(damaged_texts(len(EXPECTED), EXPECTED))
    with damaged(EXPECTED.encode(), damage, "claims.toml") as path:
        try:
            found = read_expectations(path)
        except UsageError as error:
            one_line(error)
            assert str(error).startswith("--expectations files/claims.toml: ")
        else:
            assert all(isinstance(entry, Expectation) for entry in found)


@fuzzed(40)
@given(data=st.data())
def test_damaged_mutation_scores(data):
    from advntk.reports.mutation_score import BadMutationScore, read_mutation_score

    fault = {"claim": "a.b", "statement": "it is so", "verdict": "REFUTED", "seconds": 1.5}
    text = dumps({"code": "abc", "falsehoods": [fault, {**fault, "verdict": "HOLDS"}]})
    damage = data.draw(damaged_json(len(text)))
    with damaged(text.encode(), damage, "catch.json") as path:
        try:
            found = read_mutation_score(path)
        except BadMutationScore as error:
            one_line(error)
        else:
            assert found.words()


@fuzzed(40)
@given(data=st.data())
def test_damaged_models(model, data):
    from advntk.implementations.adv_ntk.files import MODEL_FILE, load_model
    from advntk.implementations.npz_files import BadFile
    from advntk.implementations.outputs import may_write

    damage = data.draw(damaged_archives(size(model), ("training", "weights", "strengths", "course", "about")))
    with damaged(model.read_bytes(), damage, "model.npz") as path:
        try:
            predictor, about = load_model(path)
        except BadFile as error:
            one_line(error)
            assert str(error).startswith("files/model.npz: ")
        else:
            assert len(predictor.x_train) == len(predictor.weights) and about["kind"] == "advntk model 1"
        try:
            may_write(path, MODEL_FILE)
        except UsageError as error:
            one_line(error)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A small model."""
    import numpy as np

    from advntk.implementations.adv_ntk.settings import Settings
    from advntk.implementations.kernels.described import described, network
    from advntk.implementations.kernels.ntk import kernel_of
    from advntk.implementations.npz_files import write

    path = tmp_path_factory.mktemp("model") / "model.npz"
    about = {
        "kernel": described(kernel_of(network("mlp3", "relu", 1.7, 0.2))),
        "settings": Settings(0.1).as_dict(),
        "stopped": "",
        "about": {"experiment": {"data": "digits"}, "notes": []},
    }
    pixels = np.linspace(-0.5, 0.5, 12, dtype=np.float32).reshape(3, 2, 2, 1)
    weights = np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2)
    write(
        path, "advntk model 1", about, training=pixels, weights=weights, strengths=np.ones(3),
        course=np.zeros((2, 7)),
    )  # fmt: skip
    return path


def test_a_model_that_does_not_say_what_it_was_trained_on(model):
    found = told("evaluate", model, codes=(2,))
    assert f"{model}: says not what it was trained on" in found.err
