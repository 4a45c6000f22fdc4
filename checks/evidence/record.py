"""Reading runs back from the evidence, as typed rows."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from advntk.checks.evidence.migrations import migrate
from advntk.checks.evidence.plain import loads
from advntk.checks.evidence.rows import (
    DecisionRow,
    FindingRow,
    Provenance,
    RunCosts,
    RunHead,
    RunRecord,
    RunRequest,
    TrialRow,
)
from advntk.checks.evidence.schema import (
    FILE_NAME,
    SCHEMA_VERSION,
    BadEvidence,
    check_header,
    check_tables,
    version_of,
)

T = TypeVar("T")


def read_run_heads(folder: Path) -> list[RunHead]:
    """All runs of a folder, oldest first.

    Raises:
      BadEvidence: no evidence there, or rows that are damaged.
    """
    query = "SELECT id, started, finished, request, provenance, costs FROM run ORDER BY id"
    return _reading(folder, lambda db: [_head(row, folder) for row in db.execute(query)])


def read_run(folder: Path, run: int | None = None) -> RunRecord:
    """The run with this id, or the latest one.

    Raises:
      BadEvidence: no evidence there, no such run, or rows that are damaged.
    """
    return _reading(folder, lambda db: _read(db, folder, run))


def _reading(folder: Path, read: Callable[[sqlite3.Connection], T]) -> T:
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
                return _at_present_version(db, folder, read)
        except sqlite3.OperationalError:
            # A writer was killed in the middle: its journal is rolled back by opening for writing.
            with closing(sqlite3.connect(f"{uri}?mode=rw", uri=True)) as db:
                check_tables(db, path)
                return _at_present_version(db, folder, read)
    except sqlite3.Error as error:
        raise BadEvidence(f"--evidence {folder}: {FILE_NAME} cannot be read ({error})") from error


def _at_present_version(db: sqlite3.Connection, folder: Path, read: Callable[[sqlite3.Connection], T]) -> T:
    """Read older evidence as what it would be today; the file stays as it is."""
    if version_of(db) == SCHEMA_VERSION:
        return read(db)
    with closing(sqlite3.connect(":memory:")) as copy:
        db.backup(copy)
        migrate(copy, folder)
        return read(copy)


def _read(db: sqlite3.Connection, folder: Path, run: int | None) -> RunRecord:
    which = "(SELECT max(id) FROM run)" if run is None else "?"
    row = db.execute(
        f"SELECT id, started, finished, request, provenance, costs FROM run WHERE id = {which}",
        () if run is None else (run,),
    ).fetchone()
    if row is None:
        raise BadEvidence(f"--evidence {folder}: holds no run {'' if run is None else run}".rstrip())
    head = _head(row, folder)
    trials: dict[tuple[str, str], list[TrialRow]] = {}
    for trial in read_trials(db, folder, "run = ? ORDER BY point, seed", (head.id,)):
        trials.setdefault((trial.trial, trial.scenario_id), []).append(trial)
    decisions = [
        typed(
            DecisionRow,
            dict(zip(_DECISION, found[1:], strict=True)),
            folder,
            "decision",
            found[0],
            ("scenario", "decision"),
        )
        for found in db.execute(
            f"SELECT rowid, {', '.join(_DECISION)} FROM decision WHERE run = ? ORDER BY rowid", (head.id,)
        )
    ]
    findings = [
        typed(FindingRow, {"claim": claim, "finding": text}, folder, "finding", number, ("finding",))
        for number, claim, text in db.execute(
            "SELECT rowid, claim, finding FROM finding WHERE run = ? ORDER BY rowid", (head.id,)
        )
    ]
    return RunRecord(
        head.id,
        head.started,
        head.finished,
        head.request,
        head.provenance,
        head.costs,
        decisions,
        findings,
        trials,
    )


_TRIAL = (
    "trial", "scenario_id", "scenario", "axis", "point", "seed", "outcome", "numbers", "figures", "message",
    "trace", "device", "key",
)  # fmt: skip
_DECISION = ("claim", "trial", "scenario_id", "scenario", "label", "decider", "decision")


def read_trials(
    db: sqlite3.Connection, folder: Path, condition: str, values: tuple[Any, ...]
) -> Iterator[TrialRow]:
    """Rows of the table `trial` for which an SQL condition holds.

    Raises:
      BadEvidence: one of them is damaged.
    """
    for number, *found in db.execute(
        f"SELECT rowid, {', '.join(_TRIAL)} FROM trial WHERE {condition}", values
    ):
        columns = dict(zip(_TRIAL, found, strict=True))
        yield typed(TrialRow, columns, folder, "trial", number, ("scenario", "numbers", "figures"))


def _head(row: tuple, folder: Path) -> RunHead:
    number, started, finished, request, provenance, costs = row
    return RunHead(
        number,
        started,
        finished,
        typed(RunRequest, {"request": request}, folder, "run", number, ("request",)),
        typed(Provenance, {"provenance": provenance}, folder, "run", number, ("provenance",)),
        typed(RunCosts, {"costs": costs}, folder, "run", number, ("costs",)) if costs else RunCosts(),
    )


def typed(
    kind: type[T],
    columns: dict[str, Any],
    folder: Path,
    table: str,
    number: int,
    json: tuple[str, ...],
) -> T:
    """A row as its dataclass, validated.

    Args:
      kind: the dataclass.
      columns: column |-> what the table holds.
      folder: of the evidence, for messages.
      table: where the row is from, for messages.
      number: of the row, for messages.
      json: columns that hold JSON.  One that is not a field of `kind` holds its other fields.

    Raises:
      BadEvidence: JSON that is none, or values of another type; the message names row and column.
    """
    fields = dict(columns)
    try:
        for name in json:
            fields[name] = loads(columns[name])
            if name not in kind.__dataclass_fields__:  # type: ignore[attr-defined]
                inside = fields.pop(name)
                if not isinstance(inside, dict):
                    # An empty list would pass for a row of defaults.
                    raise TypeError(f"{name} is no object")
                fields.update(inside)
        return msgspec.convert(fields, kind)
    except (ValueError, TypeError, RecursionError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadEvidence(
            f"--evidence {folder}: row {number} of table {table} is damaged ({reason}); "
            "the file was left as it is"
        ) from error
