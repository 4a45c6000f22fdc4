"""The evidence of a folder: one SQLite file, in which every measurement is appended and never edited.

Tables: `run` (one row per run: request, provenance, costs, times), `trial` (one row per scenario, point of
its sweep and seed, raw numbers), `decision` (one row per claim, scenario and statistic) and `finding`.
A run that never finished stays visible as such, and can be resumed: a trial's key says whether what is
there was measured under the same circumstances.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock, Timeout

from advntk.checks.evidence.migrations import migrate
from advntk.checks.evidence.plain import dumps
from advntk.checks.evidence.record import read_trials, typed
from advntk.checks.evidence.rows import (
    DecisionRow,
    FindingRow,
    Provenance,
    RunCosts,
    RunRequest,
    TrialRow,
)
from advntk.checks.evidence.schema import (
    FILE_NAME,
    SCHEMA_VERSION,
    BadEvidence,
    check_header,
    check_tables,
    create,
    version_of,
)

# How long one process waits for another that is writing to the same file.
_PATIENCE_S = 60.0


def trial_key(trial: str, scenario: Mapping, seed: int, run_seed: int, code: str) -> str:
    """What a measurement depends on, as twenty hexadecimal digits (80 bits: no collisions to fear).

    The scenario is the one at the point of the sweep; `code` stands for the source that the trial depends on,
    its libraries and the device.
    """
    text = json.dumps([trial, scenario, seed, run_seed, "float64", code], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


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
        if not os.path.lexists(self.path):
            try:
                self._create()
            except OSError as error:  # a full disk, say
                raise BadEvidence(_unwritable(folder, error.strerror or str(error))) from error
        check_header(self.path)
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=_PATIENCE_S)
            check_tables(self._db, self.path)
            if version_of(self._db) < SCHEMA_VERSION:
                self._migrate()
        except sqlite3.Error as error:
            raise BadEvidence(
                f"--evidence {folder}: {self.path.name} is not readable evidence ({error}); "
                "it was left as it is; choose another folder"
            ) from error
        except OSError as error:  # what a migrated copy meets on its way
            self._db.close()
            raise BadEvidence(_unwritable(folder, error.strerror or str(error))) from error
        except BadEvidence:
            self._db.close()
            raise
        self._lock: FileLock | None = None

    def _create(self) -> None:
        """Make the file elsewhere and put it in place whole; another process may have done so before."""
        with TemporaryDirectory(dir=self.folder, prefix=".new-") as draft:
            path = Path(draft) / FILE_NAME
            with closing(sqlite3.connect(path)) as db:
                create(db)
                db.commit()
            with suppress(FileExistsError):
                os.link(path, self.path)

    def _migrate(self) -> None:
        """Make a newer file of an older one: on a copy, which takes its place when it is whole."""
        with TemporaryDirectory(dir=self.folder, prefix=".new-") as draft:
            path = Path(draft) / FILE_NAME
            with self._transaction(), closing(sqlite3.connect(path)) as copy:
                # Nobody else writes meanwhile.
                with closing(sqlite3.connect(self.path)) as reader:
                    reader.backup(copy)
                migrate(copy, self.folder)
                copy.commit()
                shutil.copymode(self.path, path)
                path.replace(self.path)
            self._db.close()
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=_PATIENCE_S)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing.

        Raises:
          BadEvidence: the disk is full, or the file cannot be written any more.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk has rolled back already.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise BadEvidence(
                f"--evidence {self.folder}: cannot be written ({error}); what was measured before is kept: "
                "mend that and go on with --resume"
            ) from error

    def _write(self, statement: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        with self._transaction():
            return self._db.execute(statement, values)

    def close(self) -> None:
        """Close the file, and let others resume the run that was written."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()
            Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock = None

    def _own(self, run: int) -> None:
        """Be the one process that writes a run; a killed process lets go by itself."""
        self._lock = FileLock(self.folder / f".run-{run}.lock")
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            self._lock = None
            raise BadEvidence(
                f"--resume: run {run} in {self.folder} is being measured by another process; wait for it, "
                "or choose another folder"
            ) from None

    def start_run(self, request: RunRequest, provenance: Provenance) -> int:
        """Note the start of a run and return its id."""
        cursor = self._write(
            "INSERT INTO run (started, request, provenance) VALUES (?, ?, ?)",
            (_now(), dumps(asdict(request)), dumps(asdict(provenance))),
        )
        assert cursor.lastrowid is not None
        self._own(cursor.lastrowid)
        return cursor.lastrowid

    def reopen_run(self, run: int) -> None:
        """Go on with a run; what was decided in it is decided again, from the same trials.

        Raises:
          BadEvidence: another process is measuring it.
        """
        self._own(run)
        self._forget_decisions(run)

    def provenance_of(self, run: int) -> Provenance:
        """What the numbers of a run depend on besides its request."""
        (text,) = self._db.execute("SELECT provenance FROM run WHERE id = ?", (run,)).fetchone()
        return typed(Provenance, {"provenance": text}, self.folder, "run", run, ("provenance",))

    def measured(self, run: int) -> dict[str, TrialRow]:
        """Rows by key of what a run has measured; trials that broke are left out."""
        condition = "run = ? AND key <> '' AND outcome <> 'error'"
        return {row.key: row for row in read_trials(self._db, self.folder, condition, (run,))}

    def _forget_decisions(self, run: int) -> None:
        """Trials that broke are forgotten as well, and tried again."""
        with self._transaction():
            self._db.execute("DELETE FROM trial WHERE run = ? AND outcome = 'error'", (run,))
            self._db.execute("DELETE FROM decision WHERE run = ?", (run,))
            self._db.execute("DELETE FROM finding WHERE run = ?", (run,))

    def add_trials(self, run: int, rows: Iterable[TrialRow]) -> None:
        """Append measurements, all or none."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO trial VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        run,
                        row.trial,
                        row.scenario_id,
                        dumps(row.scenario),
                        row.axis,
                        row.point,
                        row.seed,
                        "float64",
                        _storable(row.device),
                        row.outcome,
                        _storable(row.message),
                        _storable(row.trace),
                        dumps(row.numbers),
                        dumps(row.figures),
                        row.key,
                    )
                    for row in rows
                ],
            )

    def add_decision(self, run: int, row: DecisionRow) -> None:
        """Append one decision."""
        self._write(
            "INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run,
                row.claim,
                row.trial,
                row.scenario_id,
                dumps(row.scenario),
                _storable(row.label),
                row.decider,
                dumps(asdict(row.decision)),
            ),
        )

    def add_finding(self, run: int, row: FindingRow) -> None:
        """Append one finding."""
        kept = {name: value for name, value in asdict(row).items() if name != "claim"}
        self._write("INSERT INTO finding VALUES (?, ?, ?)", (run, row.claim, dumps(kept)))

    def finish_run(self, run: int, costs: RunCosts) -> None:
        """Note the end of a run and what it took."""
        self._write(
            "UPDATE run SET finished = ?, costs = ? WHERE id = ?", (_now(), dumps(asdict(costs)), run)
        )


def circumstances(provenance: Provenance, trial: str) -> str:
    """What the numbers of one trial depend on: the source that it imports, libraries, device, own data."""
    return dumps(
        {
            "code": provenance.digests.get(trial, provenance.code),
            "versions": provenance.versions,
            "device": provenance.device,
            "dtype": provenance.dtype,
            "data_digest": provenance.data_digest,
        }
    )


def _storable(text: str) -> str:
    """Text as SQLite takes it: half a character, which an exception may hold, is written as its number."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _unwritable(folder: Path, reason: str) -> str:
    return f"--evidence {folder}: cannot be written ({reason}); choose a folder you may write to"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
