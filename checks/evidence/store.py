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
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from advntk.checks.evidence.migrations import migrate
from advntk.checks.evidence.opening import SALVAGE, check_pages, text
from advntk.checks.evidence.plain import dumps
from advntk.checks.evidence.record import Rows
from advntk.checks.evidence.rows import (
    DecisionRow,
    FindingRow,
    LeftOut,
    Provenance,
    RunCosts,
    RunHead,
    RunRequest,
    TrialRow,
)
from advntk.checks.evidence.schema import (
    DAMAGE,
    FILE_NAME,
    SCHEMA_VERSION,
    BadEvidence,
    check_constraints,
    check_header,
    check_tables,
    create,
    version_of,
)
from advntk.printable import excerpt

# How long one process waits for another that is writing to the same file.
_PATIENCE_S = 60.0
_ANEW = "leave --resume out to start anew; `advntk report --salvage` shows the rest"


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
          BadEvidence: the folder or file cannot be written, is not ours, is newer, or is damaged.
        """
        self.folder = folder
        self.path = folder / FILE_NAME
        # What had to be left out to bring older evidence up to date.
        self.left_out: list[LeftOut] = []
        self._lock: FileLock | None = None
        self._measured: dict[int, dict[str, TrialRow]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            is_there = os.path.lexists(self.path)
            if is_there:
                check_header(self.path)
            for place in (folder, self.path) if is_there else (folder,):
                if not os.access(place, os.W_OK):
                    raise BadEvidence(_unwritable(folder, f"{place.name}: permission denied"))
            if not is_there:
                self._create()
                check_header(self.path)
        except (OSError, RuntimeError, *DAMAGE) as error:  # a full disk, a loop of links
            raise BadEvidence(_unwritable(folder, getattr(error, "strerror", None) or str(error))) from error
        self._db = sqlite3.connect(self.path, isolation_level=None, timeout=_PATIENCE_S)
        try:
            self._open()
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        """Before anything is written: that all is sound, of the present version, and can be written."""
        try:
            self._db.text_factory = text
            check_tables(self._db, self.path)
            check_pages(self._db, self.path)
            if version_of(self._db) < SCHEMA_VERSION:
                self._migrate()
            check_constraints(self._db, self.path)
            # Found only when a run is read, that would be after all was measured.
            rows = Rows(self._db, self.folder)
            rows.check_owners()
            rows.refuse_damage(f"choose another folder; {SALVAGE}")
            with self._transaction():
                pass
        except DAMAGE as error:
            raise BadEvidence(
                f"--evidence {self.folder}: {self.path.name} is not readable evidence "
                f"({excerpt(error)}); it was left as it is; choose another folder"
            ) from error
        except OSError as error:  # what a migrated copy meets on its way
            raise BadEvidence(_unwritable(self.folder, error.strerror or str(error))) from error

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
                copy.text_factory = text
                self.left_out = migrate(copy)
                Rows(copy, self.folder, left_out=self.left_out).refuse_damage()
                copy.commit()
                shutil.copymode(self.path, path)
                path.replace(self.path.resolve())
            self._db.close()
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=_PATIENCE_S)
            self._db.text_factory = text

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk has rolled back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file, and let others resume the run that was written."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()
            Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock = None

    def _own(self, run: int) -> None:
        """Be the one process that writes a run; a killed process lets go by itself."""
        path = self.folder / f".run-{run}.lock"

        def refused(reason: str) -> BadEvidence:
            return BadEvidence(
                f"--evidence {self.folder}: {path.name} {reason}; remove it, or choose another folder"
            )

        try:
            if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
                raise refused("is no file, as the lock of a run is")
            self._lock = FileLock(path)
            self._lock.acquire(blocking=False)
        except Timeout:
            self._lock = None
            raise BadEvidence(
                f"--resume: run {run} in {self.folder} is being measured by another process; wait for it, "
                "or choose another folder"
            ) from None
        except OSError as error:
            self._lock = None
            raise refused(f"cannot be locked ({error.strerror or error})") from error

    def start_run(self, request: RunRequest, provenance: Provenance) -> int:
        """Note the start of a run and return its id.

        Raises:
          BadEvidence: it cannot be written, or not be locked.
        """
        with self._told(), self._transaction():
            run = self._db.execute(
                "INSERT INTO run (started, request, provenance) VALUES (?, ?, ?)",
                (_now(), dumps(asdict(request)), dumps(asdict(provenance))),
            ).lastrowid
            assert run is not None
            self._own(run)
        return run

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Within, that SQLite cannot write (a full disk, say) is said in one line."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise  # ours to mend
        except DAMAGE as error:
            raise BadEvidence(
                f"--evidence {self.folder}: cannot be written ({excerpt(error)}); what was measured before "
                "is kept: mend that and go on with --resume"
            ) from error

    def heads(self) -> list[RunHead]:
        """All runs, oldest first.

        Raises:
          BadEvidence: one is damaged.
        """
        rows = Rows(self._db, self.folder)
        found = [head for run in rows.runs() if (head := rows.head(run)) is not None]
        rows.refuse_damage(_ANEW)
        return found

    def reopen_run(self, run: int) -> None:
        """Go on with a run; what was decided in it is decided again, from the same trials.

        Raises:
          BadEvidence: another process is measuring it.
        """
        self._own(run)
        self._forget_decisions(run)

    def provenance_of(self, run: int) -> Provenance:
        """What the numbers of a run depend on besides its request.

        Raises:
          BadEvidence: it is damaged.
        """
        rows = Rows(self._db, self.folder)
        head = rows.head(run)
        rows.refuse_damage(_ANEW)
        assert head is not None
        return head.provenance

    def measured(self, run: int) -> dict[str, TrialRow]:
        """Rows by key of what a run has measured; trials that broke are left out.

        Raises:
          BadEvidence: a trial of the run is damaged.
        """
        if run not in self._measured:
            rows = Rows(self._db, self.folder)
            found = {row.key: row for row in rows.trials(run) if row.key and not row.broke}
            rows.refuse_damage(_ANEW)
            self._measured[run] = found
        # Read once more than this, it would be something else.
        return self._measured.pop(run)

    def check_trials(self, run: int) -> None:
        """Before a run is gone on with: that what it has measured can be read.

        Raises:
          BadEvidence: a trial of the run is damaged.
        """
        self._measured[run] = self.measured(run)

    def _forget_decisions(self, run: int) -> None:
        """Trials that broke are forgotten as well, and tried again."""
        with self._told(), self._transaction():
            self._db.execute("DELETE FROM trial WHERE run = ? AND outcome = 'error'", (run,))
            self._db.execute("DELETE FROM decision WHERE run = ?", (run,))
            self._db.execute("DELETE FROM finding WHERE run = ?", (run,))

    def add_trials(self, run: int, rows: Iterable[TrialRow]) -> None:
        """Append measurements, all or none."""
        with self._told(), self._transaction():
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
        values = (
            run,
            row.claim,
            row.trial,
            row.scenario_id,
            dumps(row.scenario),
            _storable(row.label),
            row.decider,
            dumps(asdict(row.decision)),
        )
        with self._told():
            self._db.execute("INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def add_finding(self, run: int, row: FindingRow) -> None:
        """Append one finding."""
        kept = {name: value for name, value in asdict(row).items() if name != "claim"}
        with self._told():
            self._db.execute("INSERT INTO finding VALUES (?, ?, ?)", (run, row.claim, dumps(kept)))

    def finish_run(self, run: int, costs: RunCosts) -> None:
        """Note the end of a run and what it took."""
        with self._told():
            self._db.execute(
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
