"""The evidence of a folder: one SQLite file, in which every measurement is appended and never edited.

Tables: `run` (one row per run: request, versions, device, times), `trial` (one row per scenario, width
and seed, raw numbers), `decision` (one row per claim, scenario and statistic) and `finding`.
A run that never finished stays visible as such, and can be resumed: a trial's key says whether what is
there was measured under the same circumstances.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock, Timeout

from advntk.checks.evidence.plain import dumps, loads
from advntk.checks.evidence.schema import FILE_NAME, BadEvidence, check_header, check_tables, create, migrate

# How long one process waits for another that is writing to the same file.
_PATIENCE_S = 60.0


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
    key: str = ""


def trial_key(trial: str, scenario: Mapping, seed: int, run_seed: int, code: str) -> str:
    """What a measurement depends on, as twenty hexadecimal digits (80 bits: no collisions to fear).

    The scenario has the width in it; `code` stands for the program, its libraries and the device.
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
            self._create()
        check_header(self.path)
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=_PATIENCE_S)
            check_tables(self._db, self.path)
            with self._transaction():
                migrate(self._db)
        except sqlite3.Error as error:
            raise BadEvidence(
                f"--evidence {folder}: {self.path.name} is not readable evidence ({error}); "
                "it was left as it is; choose another folder"
            ) from error
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

    def start_run(self, request: Mapping, environment: Mapping) -> int:
        """Note the start of a run and return its id."""
        cursor = self._db.execute(
            "INSERT INTO run (started, request, environment) VALUES (?, ?, ?)",
            (_now(), dumps(request), dumps(environment)),
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

    def code_of(self, run: int) -> str:
        """What the numbers of a run depend on besides its trials: program, libraries, device."""
        (text,) = self._db.execute("SELECT environment FROM run WHERE id = ?", (run,)).fetchone()
        return circumstances(loads(text))

    def measured(self, run: int) -> dict[str, dict[str, Any]]:
        """Numbers by key of what a run has measured; trials that broke are left out."""
        rows = self._db.execute(
            "SELECT key, numbers FROM trial WHERE run = ? AND key <> '' AND outcome NOT LIKE 'error:%'",
            (run,),
        )
        return {key: loads(numbers) for key, numbers in rows}

    def _forget_decisions(self, run: int) -> None:
        """Trials that broke are forgotten as well, and tried again."""
        with self._transaction():
            self._db.execute("DELETE FROM trial WHERE run = ? AND outcome LIKE 'error:%'", (run,))
            self._db.execute("DELETE FROM decision WHERE run = ?", (run,))
            self._db.execute("DELETE FROM finding WHERE run = ?", (run,))

    def add_trials(self, run: int, rows: Iterable[TrialRow]) -> None:
        """Append measurements, all or none."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO trial VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                        row.key,
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


def circumstances(environment: Mapping) -> str:
    """What numbers depend on, out of a run's environment: program, libraries, device, own data."""
    return dumps(
        {name: environment.get(name) for name in ("code", "versions", "device", "dtype", "data_digest")}
    )


def _unwritable(folder: Path, reason: str) -> str:
    return f"--evidence {folder}: cannot be written ({reason}); choose a folder you may write to"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
