"""Reading runs back from the evidence, as typed rows; damaged ones are refused, or salvaged around."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from advntk.checks.evidence.migrations import migrate
from advntk.checks.evidence.opening import SALVAGE, reading, text
from advntk.checks.evidence.rows import (
    DecisionRow,
    FindingRow,
    LeftOut,
    Provenance,
    RunCosts,
    RunHead,
    RunRecord,
    RunRequest,
    TrialRow,
)
from advntk.checks.evidence.scanning import scanned
from advntk.checks.evidence.schema import DAMAGE, SCHEMA_VERSION, BadEvidence, columns_of, version_of
from advntk.checks.evidence.validation import DamagedRow, typed
from advntk.printable import excerpt

T = TypeVar("T")

_RUN = ("id", "started", "finished", "request", "provenance", "costs")
_TRIAL = (
    "trial", "scenario_id", "scenario", "axis", "point", "seed", "outcome", "numbers", "figures", "message",
    "trace", "device", "key",
)  # fmt: skip
_DECISION = ("claim", "trial", "scenario_id", "scenario", "label", "decider", "decision")
_FINDING = ("claim", "finding")
_NO_RUN = -1  # ids begin at 1
# What a row is read as |-> its table, its columns, and those of JSON.
_TABLES: dict[type, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    TrialRow: ("trial", _TRIAL, ("scenario", "numbers", "figures")),
    DecisionRow: ("decision", _DECISION, ("scenario", "decision")),
    FindingRow: ("finding", _FINDING, ("finding",)),
}
# What may be missing of a run without taking the run with it.
_REST_OF_RUN: tuple[tuple[str, type], ...] = (("provenance", Provenance), ("costs", RunCosts))


def read_run_heads(folder: Path) -> list[RunHead]:
    """All runs of a folder, oldest first.

    Raises:
      BadEvidence: no evidence there, or rows that are damaged.
    """

    def read(rows: Rows) -> list[RunHead]:
        heads = [head for number in rows.runs() if (head := rows.head(number)) is not None]
        rows.refuse_damage()
        return heads

    return _reading(folder, read, salvage=False)


def read_run_ids(folder: Path, salvage: bool = False) -> list[int]:
    """Ids of all runs of a folder, rising; with `salvage` also of runs that cannot be read.

    Raises:
      BadEvidence: no evidence there, or none that can be read.
    """

    def read(rows: Rows) -> list[int]:
        found = rows.runs()
        rows.refuse_damage()
        return found

    return _reading(folder, read, salvage)


def read_run(folder: Path, run: int | None = None, salvage: bool = False) -> RunRecord:
    """The run with this id, or the latest one.

    Args:
      folder: of the evidence.
      run: its id; None: the latest.
      salvage: leave out what is damaged, and say so in the record, instead of refusing it.

    Raises:
      BadEvidence: no evidence there, no such run, or rows that are damaged.
    """

    def read(rows: Rows) -> RunRecord:
        ids = rows.runs()
        number = max(ids, default=None) if run is None else run
        record = rows.record(number) if number in ids and number is not None else None
        rows.refuse_damage()
        if record is not None:
            return record
        if not rows.left_out:
            raise BadEvidence(f"--evidence {folder}: holds no run {'' if run is None else run}".rstrip())
        others = [str(other) for other in ids if other != number and rows.head(other) is not None]
        fix = f"choose --run {' or '.join(others[-4:])}" if others else "no run is left"
        what = "a run" if number is None else f"run {number}"
        raise BadEvidence(f"--evidence {folder}: {what} cannot be salvaged: {rows.left_out[0]}; {fix}")

    return _reading(folder, read, salvage)


def _reading(folder: Path, read: Callable[[Rows], T], salvage: bool) -> T:
    """Older evidence is read as what it would be today; the file stays as it is."""

    def found(db: sqlite3.Connection) -> T:
        rows = Rows(db, folder, salvage)
        if version_of(db) == SCHEMA_VERSION:
            return read(rows)
        with closing(sqlite3.connect(":memory:")) as copy:
            copy.text_factory = text
            db.backup(copy)
            return read(Rows(copy, folder, salvage, migrate(copy)))

    return reading(folder, found, salvage)


class Rows:
    """Rows of evidence of the present version, and what had to be left out of them."""

    def __init__(
        self, db: sqlite3.Connection, folder: Path, salvage: bool = False, left_out: Sequence[LeftOut] = ()
    ) -> None:
        """Nothing is read yet.

        Args:
          db: the evidence.
          folder: that it is in, for messages.
          salvage: whether damage is borne.
          left_out: what is known to be missing already.
        """
        self._db, self._folder, self._salvage = db, folder, salvage
        self._left_out = dict.fromkeys(left_out)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What could not be read so far, each once."""
        return tuple(self._left_out)

    def refuse_damage(self, fix: str = SALVAGE) -> None:
        """Unless damage is borne, refuse it.

        Raises:
          BadEvidence: one line with the first row that is damaged, how many there are, and the fix.
        """
        damaged = [one for one in self.left_out if one.damaged]
        if self._salvage or not damaged:
            return
        counts = Counter(one.table for one in damaged)
        of = ", ".join(f"{number} of {table}" for table, number in counts.items())
        more = f"; {len(damaged)} damaged rows in all ({of})" if len(damaged) > 1 else ""
        raise BadEvidence(
            f"--evidence {self._folder}: {damaged[0]}{more}; the file was left as it is; {fix}"
        ) from None

    def check_owners(self) -> None:
        """Look for rows that belong to no run, which every run would be read without."""
        for kind in _TABLES:
            for _ in self._rows(kind, _NO_RUN, None):
                pass

    def runs(self) -> list[int]:
        """Ids of all runs, rising."""
        self._check("run")
        found = []
        for number, row in scanned(self._db, "run", ("id",), self._note_once):
            if type(row.get("id")) is int:
                found.append(row["id"])
            else:
                self._note_once(LeftOut("run", number, "id", "no whole number"))
        return sorted(set(found))

    def head(self, run: int) -> RunHead | None:
        """A run without what it measured; None where its request is damaged."""
        for number, row in scanned(self._db, "run", _RUN, self._note_once, "id = ?", (run,)):
            try:
                request = typed(RunRequest, {"request": row.get("request", "")}, ("request",))
            except DamagedRow as error:
                self._note_once(LeftOut("run", number, error.column, error.reason))
                return None
            rest: dict[str, Any] = {}
            for name, kind in _REST_OF_RUN:
                try:
                    # Without costs the run has not finished.
                    is_there = name != "costs" or row.get(name)
                    rest[name] = typed(kind, {name: row.get(name)}, (name,)) if is_there else kind()
                except DamagedRow as error:
                    self._note_once(LeftOut("run", number, error.column, error.reason))
                    rest[name] = kind()
            times = self._times(number, row)
            return RunHead(run, *times, request, rest["provenance"], rest["costs"])
        return None

    def _times(self, number: int, row: dict[str, Any]) -> tuple[str, str | None]:
        for name, least in (("started", str), ("finished", str | None)):
            if not isinstance(row.get(name), least):
                self._note_once(LeftOut("run", number, name, "no text"))
        started, finished = row.get("started"), row.get("finished")
        # That something was noted there says that the run has finished.
        return (
            started if isinstance(started, str) else "",
            finished if finished is None or isinstance(finished, str) else "",
        )

    def record(self, run: int) -> RunRecord | None:
        """A whole run; None where its request is damaged."""
        head = self.head(run)
        if head is None:
            return None
        trials: dict[tuple[str, str], list[TrialRow]] = {}
        for trial in self.trials(run, head.request):
            trials.setdefault((trial.trial, trial.scenario_id), []).append(trial)
        for rows in trials.values():
            rows.sort(key=lambda row: (row.point is not None, row.point or 0, row.seed))
        decisions = list(self._of(DecisionRow, run, head.request))
        findings = list(self._of(FindingRow, run, head.request))
        if columns_of(self._db, "left_out"):
            self._left_out.update(dict.fromkeys(self._left_out_before(run)))
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
            self.left_out,
        )

    def trials(self, run: int, request: RunRequest | None = None) -> list[TrialRow]:
        """The trials of a run that can be read, each once, in the order of their rows."""
        found: dict[tuple, list[tuple[int, TrialRow]]] = {}
        for number, row in self._rows(TrialRow, run, request):
            found.setdefault((row.trial, row.scenario_id, row.point, row.seed), []).append((number, row))
        for several in found.values():
            if len(several) == 1:
                continue
            # The same row twice is one; which of different ones is right nobody knows.
            alike = len({repr(row) for _, row in several}) == 1
            for number, row in several[1:] if alike else several:
                others = ", ".join(str(other) for other, _ in several if other != number)
                reason = excerpt(f"the same trial as row {others}{'' if alike else ', and says otherwise'}")
                self._note_once(LeftOut("trial", number, "", reason, None, row.trial, row.scenario_id))
            if not alike:
                several.clear()
        return [several[0][1] for several in found.values() if several]

    def _of(self, kind: type[T], run: int, request: RunRequest) -> Iterator[T]:
        return (row for _, row in self._rows(kind, run, request))

    def _rows(self, kind: type[T], run: int, request: RunRequest | None) -> Iterator[tuple[int, T]]:
        """Numbers and rows of one run; those of which nobody can say whose they are count as damaged."""
        table, columns, json = _TABLES[kind]
        self._check(table)
        if "run" not in columns_of(self._db, table):
            self._note_once(LeftOut(table, None, "", "the table is missing, or says of no row whose it is"))
            return
        ids = ", ".join(map(str, self.runs()))
        condition = f"run = ? OR typeof(run) <> 'integer' OR run NOT IN ({ids})"
        for number, row in scanned(self._db, table, ("run", *columns), self._note_once, condition, (run,)):
            of = row.pop("run")
            try:
                if of != run or type(of) is not int:
                    raise DamagedRow("no run has this id", "run")
                found = typed(kind, row, json)
                if request is not None and row.get("claim") not in (None, *request.claims):
                    raise DamagedRow("the run has no such claim", "claim")
            except DamagedRow as error:
                self._note_once(_lost(table, number, error, row, request))
            else:
                yield number, found

    def _check(self, table: str) -> None:
        """Salvaged, a table may have lost rows without any error; otherwise pages were looked at before."""
        if not self._salvage or not columns_of(self._db, table):
            return
        try:
            (found,) = self._db.execute(f"PRAGMA quick_check({table})").fetchone()
        except DAMAGE as error:
            found = str(error)
        if found != "ok":
            self._note_once(LeftOut(table, None, "", excerpt(found)))

    def _note_once(self, one: LeftOut) -> None:
        # The same row may be looked at for several reasons.
        self._left_out[one] = None

    def _left_out_before(self, run: int) -> list[LeftOut]:
        """What a migration has left out of a run."""
        query = "SELECT source, number, reason, trial, scenario_id FROM left_out WHERE run = ? ORDER BY rowid"
        return [
            LeftOut(str(table), number, "", excerpt(reason), None, trial, scenario, damaged=False)
            for table, number, reason, trial, scenario in self._db.execute(query, (run,))
        ]


def _lost(
    table: str, number: int, error: DamagedRow, row: dict[str, Any], request: RunRequest | None
) -> LeftOut:
    """A row that is damaged, with what the rest of it says of whose it was."""

    def known(name: str, among: Any = None) -> str | None:
        value = row.get(name)
        if not isinstance(value, str) or name == error.column or (among and value not in among):
            return None
        return value

    claims, trials = (request.claims, request.checks) if request else ({}, {})
    return LeftOut(
        table,
        number,
        error.column,
        error.reason,
        known("claim", claims),
        known("trial", trials),
        known("scenario_id"),
    )
