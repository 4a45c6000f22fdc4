"""The evidence of a folder: one SQLite file, appended to and never edited.

Tables: `run` (one row per run: request, versions, device, times), `trial` (one row per scenario, width
and seed, raw numbers), `decision` (one row per claim, scenario and statistic) and `finding`.
A run that never finished stays visible as such.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

SCHEMA_VERSION = 1
APPLICATION_ID = int.from_bytes(b"advn")  # in the file's header: tells ours from other programs'
FILE_NAME = "evidence.sqlite"

_SCHEMA = """
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
"""


class BadEvidence(ValueError):
    """A folder or file that cannot be used; the message names it and the fix."""


@dataclass(frozen=True)
class TrialRow:
    """One measurement as it is stored; `scenario` is a dict of plain values."""

    trial: str
    family: str
    scenario: dict
    width: int
    seed: int
    outcome: str
    numbers: dict[str, Any]


class EvidenceStore:
    """The evidence file of one folder."""

    def __init__(self, folder: Path) -> None:
        """Open (or create) the evidence of `folder`.

        Raises:
          BadEvidence: the folder cannot be written, or holds a file that is not ours or is newer.
        """
        self.folder = folder
        self.path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadEvidence(_unwritable(folder, error.strerror or str(error))) from error
        if not os.access(folder, os.W_OK):
            raise BadEvidence(_unwritable(folder, "permission denied"))
        fresh = not os.path.lexists(self.path)
        if not fresh:
            _check_header(self.path)
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None)
            if fresh:
                self._create()
        except sqlite3.Error as error:
            raise BadEvidence(
                f"--evidence {folder}: {self.path.name} is not readable evidence ({error}); "
                "it was left as it is; choose another folder"
            ) from error

    def _create(self) -> None:
        with self._transaction():
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def start_run(self, request: Mapping, environment: Mapping) -> int:
        """Note the start of a run and return its id."""
        cursor = self._db.execute(
            "INSERT INTO run (started, request, environment) VALUES (?, ?, ?)",
            (_now(), dumps(request), dumps(environment)),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def add_trials(self, run: int, rows: Iterable[TrialRow]) -> None:
        """Append measurements, all or none."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO trial VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        run,
                        row.trial,
                        row.family,
                        dumps(row.scenario),
                        row.width,
                        row.seed,
                        "float64",
                        row.outcome,
                        dumps(row.numbers),
                    )
                    for row in rows
                ],
            )

    def add_decision(
        self,
        run: int,
        claim: str,
        trial: str,
        family: str,
        scenario: dict,
        decider: str,
        said: dict,
    ) -> None:
        """Append one decision."""
        self._db.execute(
            "INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?, ?)",
            (run, claim, trial, family, dumps(scenario), decider, dumps(said)),
        )

    def add_finding(self, run: int, claim: str, finding: dict) -> None:
        """Append one finding."""
        self._db.execute("INSERT INTO finding VALUES (?, ?, ?)", (run, claim, dumps(finding)))

    def finish_run(self, run: int, result: Mapping) -> None:
        """Note the end of a run and what it measured about itself."""
        self._db.execute("UPDATE run SET finished = ?, result = ? WHERE id = ?", (_now(), dumps(result), run))


@dataclass(frozen=True)
class RunRecord:
    """One run read back; `trials` are grouped by (trial, family), each a list of `TrialRow`s."""

    id: int
    started: str
    finished: str | None
    request: dict
    environment: dict
    result: dict
    decisions: list[dict]
    findings: list[dict]
    trials: dict[tuple[str, str], list[TrialRow]]


def read_run(folder: Path, run: int | None = None) -> RunRecord:
    """The run with this id, or the latest one.

    Raises:
      BadEvidence: no evidence there, or no such run.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise BadEvidence(f"--evidence {folder}: no {FILE_NAME} there; run `advntk check` first")
    _check_header(path)
    # As a proper URI: a folder's name may hold '#', '?' or '%'.
    uri = path.resolve().as_uri()
    try:
        try:
            with closing(sqlite3.connect(f"{uri}?mode=ro", uri=True)) as db:
                return _read(db, folder, run)
        except sqlite3.OperationalError:
            # A writer was killed in the middle: its journal is rolled back by opening for writing.
            with closing(sqlite3.connect(f"{uri}?mode=rw", uri=True)) as db:
                return _read(db, folder, run)
    except sqlite3.Error as error:
        raise BadEvidence(f"--evidence {folder}: {FILE_NAME} cannot be read ({error})") from error


def _check_header(path: Path) -> None:
    """Look at the file's first hundred bytes, so that a foreign database is not even opened."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise BadEvidence(
            f"--evidence {path.parent}: {path.name} is not readable evidence "
            f"({error.strerror}); it was left as it is; choose another folder"
        ) from error
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise BadEvidence(
            f"--evidence {path.parent}: {path.name} is not readable evidence (not a SQLite file); "
            "it was left as it is; choose another folder"
        )
    # Offsets of application_id and user_version in the SQLite file format.
    application, version = (int.from_bytes(header[at : at + 4], signed=True) for at in (68, 60))
    if application != APPLICATION_ID:
        raise BadEvidence(
            f"--evidence {path.parent}: {path.name} belongs to another program; it was left as it is; "
            "choose another folder"
        )
    if version != SCHEMA_VERSION:
        raise BadEvidence(
            f"--evidence {path.parent}: {path.name} has schema version {version}, this program knows "
            f"{SCHEMA_VERSION}; choose another folder or the version of advntk that wrote it"
        )


def _read(db: sqlite3.Connection, folder: Path, run: int | None) -> RunRecord:
    which = "(SELECT max(id) FROM run)" if run is None else "?"
    row = db.execute(
        f"SELECT id, started, finished, request, environment, result FROM run WHERE id = {which}",
        () if run is None else (run,),
    ).fetchone()
    if row is None:
        raise BadEvidence(f"--evidence {folder}: holds no run {'' if run is None else run}".rstrip())
    trials: dict[tuple[str, str], list[TrialRow]] = {}
    for name, family, scenario, width, seed, outcome, numbers in db.execute(
        "SELECT trial, family, scenario, width, seed, outcome, numbers FROM trial WHERE run = ? "
        "ORDER BY rowid",
        (row[0],),
    ):
        found = TrialRow(name, family, loads(scenario), width, seed, outcome, loads(numbers))
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


def dumps(value: Any) -> str:
    """JSON that strict parsers accept: a number that is not finite becomes {"float": "nan"}, or "inf".

    A mapping that could be taken for one is wrapped: {"float": 1} becomes {"dict": {"float": 1}}.
    """
    return json.dumps(_plain(value), allow_nan=False)


def loads(text: str) -> Any:
    """The inverse of `dumps`."""
    return _number(json.loads(text))


_MARKS = ({"float"}, {"dict"})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        plain = {str(k): _plain(v) for k, v in value.items()}
        return {"dict": plain} if plain.keys() in _MARKS else plain
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _number(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        inside = value["dict"] if value.keys() == {"dict"} else value
        return {k: _number(v) for k, v in inside.items()}
    return [_number(v) for v in value] if isinstance(value, list) else value


def _unwritable(folder: Path, reason: str) -> str:
    return f"--evidence {folder}: cannot be written ({reason}); choose a folder you may write to"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
