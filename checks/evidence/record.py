"""Reading a run back from the evidence."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advntk.checks.evidence.plain import loads
from advntk.checks.evidence.schema import FILE_NAME, BadEvidence, check_header, check_tables
from advntk.checks.evidence.store import TrialRow


@dataclass(frozen=True)
class RunRecord:
    """One run read back; `trials` are grouped by (trial, family), each in the order of width and seed."""

    id: int
    started: str
    finished: str | None
    request: dict
    environment: dict
    result: dict
    decisions: list[dict]
    findings: list[dict]
    trials: dict[tuple[str, str], list[TrialRow]]


@dataclass(frozen=True)
class RunHead:
    """A run without what it measured."""

    id: int
    started: str
    finished: str | None
    request: dict
    environment: dict


def read_run_heads(folder: Path) -> list[RunHead]:
    """All runs of a folder, oldest first.

    Raises:
      BadEvidence: no evidence there.
    """
    query = "SELECT id, started, finished, request, environment FROM run ORDER BY id"
    rows = _reading(folder, lambda db: db.execute(query).fetchall())
    return [RunHead(row[0], row[1], row[2], loads(row[3]), loads(row[4])) for row in rows]


def read_run(folder: Path, run: int | None = None) -> RunRecord:
    """The run with this id, or the latest one.

    Raises:
      BadEvidence: no evidence there, or no such run.
    """
    return _reading(folder, lambda db: _read(db, folder, run))


def _reading(folder: Path, read: Callable[[sqlite3.Connection], Any]) -> Any:
    path = folder / FILE_NAME
    if not os.path.lexists(path):
        raise BadEvidence(f"--evidence {folder}: no {FILE_NAME} there; run `advntk check` first")
    check_header(path)
    # As a proper URI: a folder's name may hold '#', '?' or '%'.
    uri = path.resolve().as_uri()
    try:
        try:
            with closing(sqlite3.connect(f"{uri}?mode=ro", uri=True)) as db:
                check_tables(db, path)
                return read(db)
        except sqlite3.OperationalError:
            # A writer was killed in the middle: its journal is rolled back by opening for writing.
            with closing(sqlite3.connect(f"{uri}?mode=rw", uri=True)) as db:
                check_tables(db, path)
                return read(db)
    except sqlite3.Error as error:
        raise BadEvidence(f"--evidence {folder}: {FILE_NAME} cannot be read ({error})") from error


def _read(db: sqlite3.Connection, folder: Path, run: int | None) -> RunRecord:
    which = "(SELECT max(id) FROM run)" if run is None else "?"
    row = db.execute(
        f"SELECT id, started, finished, request, environment, result FROM run WHERE id = {which}",
        () if run is None else (run,),
    ).fetchone()
    if row is None:
        raise BadEvidence(f"--evidence {folder}: holds no run {'' if run is None else run}".rstrip())
    trials: dict[tuple[str, str], list[TrialRow]] = {}
    # Version 1 had no key.
    keyed = any(column[1] == "key" for column in db.execute("PRAGMA table_info(trial)"))
    for name, family, scenario, width, seed, outcome, numbers, key in db.execute(
        f"SELECT trial, family, scenario, width, seed, outcome, numbers, {'key' if keyed else 'NULL'} "
        "FROM trial WHERE run = ? ORDER BY width, seed",
        (row[0],),
    ):
        found = TrialRow(name, family, loads(scenario), width, seed, outcome, loads(numbers), key or "")
        trials.setdefault((name, family), []).append(found)
    decisions = [
        {
            "claim": claim,
            "trial": trial,
            "family": family,
            "scenario": loads(scenario),
            "decider": decider,
            **loads(said),
        }
        for claim, trial, family, scenario, decider, said in db.execute(
            "SELECT claim, trial, family, scenario, decider, decision FROM decision WHERE run = ? "
            "ORDER BY rowid",
            (row[0],),
        )
    ]
    findings = [
        {"claim": claim, **loads(finding)}
        for claim, finding in db.execute(
            "SELECT claim, finding FROM finding WHERE run = ? ORDER BY rowid", (row[0],)
        )
    ]
    return RunRecord(
        row[0],
        row[1],
        row[2],
        loads(row[3]),
        loads(row[4]),
        loads(row[5]) if row[5] else {},
        decisions,
        findings,
        trials,
    )
