"""The tables of an evidence file, and how a foreign file is recognised."""

from __future__ import annotations

import sqlite3
import stat
from itertools import chain
from pathlib import Path

from advntk.exceptions import UsageError
from advntk.implementations.inputs import kind_in_words
from advntk.implementations.outputs import STORE_MARK, STORE_NAME

SCHEMA_VERSION = 3
APPLICATION_ID = int.from_bytes(STORE_MARK)  # in the file's header: tells ours from other programs'
FILE_NAME = STORE_NAME

# `point` is NULL where nothing sweeps; a unique index takes NULLs for different, hence the coalesce.
TABLES = """
CREATE TABLE run (
  id INTEGER PRIMARY KEY, started TEXT NOT NULL, finished TEXT, request TEXT NOT NULL,
  provenance TEXT NOT NULL, costs TEXT
);
CREATE TABLE trial (
  run INTEGER NOT NULL REFERENCES run(id), trial TEXT NOT NULL, scenario_id TEXT NOT NULL,
  scenario TEXT NOT NULL, axis TEXT, point NUMERIC, seed INTEGER NOT NULL, dtype TEXT NOT NULL,
  device TEXT NOT NULL, outcome TEXT NOT NULL, message TEXT NOT NULL, trace TEXT NOT NULL,
  numbers TEXT NOT NULL, figures TEXT NOT NULL, key TEXT NOT NULL
);
CREATE UNIQUE INDEX trial_once ON trial (run, trial, scenario_id, coalesce(point, ''), seed);
CREATE TABLE decision (
  run INTEGER NOT NULL REFERENCES run(id), claim TEXT NOT NULL, trial TEXT NOT NULL,
  scenario_id TEXT NOT NULL, scenario TEXT NOT NULL, label TEXT NOT NULL, decider TEXT NOT NULL,
  decision TEXT NOT NULL
);
CREATE TABLE finding (
  run INTEGER NOT NULL REFERENCES run(id), claim TEXT NOT NULL, finding TEXT NOT NULL
)
"""


# What a migration could not bring over; only where it left something out.
LEFT_OUT = (
    "CREATE TABLE left_out (run INTEGER, source TEXT, number INTEGER, reason TEXT, trial TEXT, "
    "scenario_id TEXT)"
)
# Files that SQLite keeps beside a database: without them it may be broken.
COMPANIONS = ("-journal", "-wal")

# Version |-> table |-> its columns.
_OLDER = {
    "run": {"id", "started", "finished", "request", "environment", "result"},
    "trial": {"run", "trial", "family", "scenario", "width", "seed", "dtype", "outcome", "numbers"},
    "decision": {"run", "claim", "trial", "family", "scenario", "decider", "decision"},
    "finding": {"run", "claim", "finding"},
}
_COLUMNS: dict[int, dict[str, set[str]]] = {
    1: _OLDER,
    2: {**_OLDER, "trial": {*_OLDER["trial"], "key"}},
    SCHEMA_VERSION: {
        "run": {"id", "started", "finished", "request", "provenance", "costs"},
        "trial": {
            "run", "trial", "scenario_id", "scenario", "axis", "point", "seed", "dtype", "device", "outcome",
            "message", "trace", "numbers", "figures", "key",
        },
        "decision": {"run", "claim", "trial", "scenario_id", "scenario", "label", "decider", "decision"},
        "finding": {"run", "claim", "finding"},
    },
}  # fmt: skip
# What SQLite raises for a damaged file; a message may quote bytes that are no text.
DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
_MAGIC, _HEADER_BYTES = b"SQLite format 3\0", 100


class BadEvidence(UsageError):
    """A folder or file that cannot be used; the message names it and the fix."""


def create(db: sqlite3.Connection) -> None:
    """Make the tables of the present version."""
    for statement in chain(*split_statements()):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def split_statements() -> tuple[list[str], list[str]]:
    """What makes the tables, and what makes their indices."""
    every = [statement.strip() for statement in TABLES.split(";")]
    return [s for s in every if s.startswith("CREATE TABLE")], [s for s in every if "INDEX" in s]


def version_of(db: sqlite3.Connection) -> int:
    """The schema version that a file says it has."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return version


def check_header(path: Path, salvage: bool = False) -> None:
    """Look at what stands at `path` before SQLite does, so that a foreign or damaged file is not even opened.

    With `salvage` a file may be cut short.

    Raises:
      BadEvidence: no regular file, no database, another program's, another version's, or cut short.
    """

    def refused(reason: str) -> BadEvidence:
        return BadEvidence(
            f"--evidence {path.parent}: {path.name} {reason}; it was left as it is; choose another folder"
        )

    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # to open a FIFO would be to wait for ever
            raise refused(f"is not readable evidence ({kind_in_words(status.st_mode)}, not a file)")
        for beside in (path.resolve().with_name(path.resolve().name + ending) for ending in COMPANIONS):
            if beside.exists() and not beside.is_file():
                raise refused(f"is not readable evidence ({beside.name} beside it is no file)")
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError in some versions of Python
        leads_nowhere = isinstance(error, FileNotFoundError) and path.is_symlink()
        reason = "a link that leads nowhere" if leads_nowhere else getattr(error, "strerror", None) or error
        raise refused(f"is not readable evidence ({reason})") from error
    if not header.startswith(_MAGIC) and _MAGIC.startswith(header[: len(_MAGIC)]) and header:
        raise refused(f"is not readable evidence (cut short: {len(header)} bytes are left)")
    if not header.startswith(_MAGIC):
        reason = "the file is empty, " if not header else ""
        raise refused(f"is not readable evidence ({reason}not a SQLite file)")
    if len(header) < _HEADER_BYTES:
        raise refused(f"is not readable evidence (cut short: {len(header)} bytes are left)")
    # Offsets of application_id and user_version in the SQLite file format.
    application, version = (int.from_bytes(header[at : at + 4], signed=True) for at in (68, 60))
    if application != APPLICATION_ID:
        raise refused("belongs to another program")
    if not 1 <= version <= SCHEMA_VERSION:
        raise BadEvidence(
            f"--evidence {path.parent}: {path.name} has schema version {version}, this program knows "
            f"versions up to {SCHEMA_VERSION}; choose another folder or the version of advntk that wrote it"
        )
    # Looked at twice: another process may write the last pages, and end its journal, in between.
    wanted = _bytes_promised(header)
    if salvage or wanted <= path.stat().st_size or _has_journal(path):
        return
    if wanted > (left := path.stat().st_size):
        raise refused(f"is not readable evidence (cut short: {left} of {wanted} bytes are left)")


def check_tables(db: sqlite3.Connection, path: Path) -> None:
    """Look for the tables and columns of the file's version, before anything is read or written.

    SQLite takes a file of less than one page for a new and empty database.

    Raises:
      BadEvidence: one is missing.
    """
    # Versions are counted by SQLite from 0, which is that of an empty file.
    for table, columns in _COLUMNS.get(version_of(db), _COLUMNS[SCHEMA_VERSION]).items():
        found = columns_of(db, table)
        if missing := sorted(columns - found):
            what = f"column {missing[0]} of table {table}" if found else f"table {table}"
            raise BadEvidence(
                f"--evidence {path.parent}: {path.name} is not readable evidence (it has no {what}); "
                "it was left as it is; choose another folder"
            )


def check_constraints(db: sqlite3.Connection, path: Path) -> None:
    """Look for what keeps rows apart, before any is added.

    Raises:
      BadEvidence: it was lost.
    """
    keys = {row[1] for row in db.execute("PRAGMA table_info(run)") if row[5]}
    unique = {row[1] for row in db.execute("PRAGMA index_list(trial)") if row[2]}
    if keys != {"id"} or "trial_once" not in unique:
        lost = "key of table run" if keys != {"id"} else "index of table trial"
        raise BadEvidence(
            f"--evidence {path.parent}: {path.name} cannot be added to (the {lost} was lost); it was left as "
            "it is; choose another folder"
        )


def columns_of(db: sqlite3.Connection, table: str) -> set[str]:
    """The columns of a table; empty if there is none."""
    return {row[1] for row in db.execute(f"PRAGMA table_info({table})")}


def _bytes_promised(header: bytes) -> int:
    """Size of the file by its own header: page size times number of pages, where the number is valid."""
    page = int.from_bytes(header[16:18])
    page = 2**16 if page == 1 else page
    # The number of pages is valid where the change counter is that of the version that wrote it.
    pages = int.from_bytes(header[28:32]) if header[24:28] == header[92:96] else 1
    return page * max(1, pages)


def _has_journal(path: Path) -> bool:
    """Whether a writer was killed in the middle: the journal, not the file, then says how long it is."""
    return any(path.resolve().with_name(path.resolve().name + ending).exists() for ending in COMPANIONS)
