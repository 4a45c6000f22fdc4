"""The tables of an evidence file, how older ones become newer, and how a foreign file is recognised."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

SCHEMA_VERSION = 2
APPLICATION_ID = int.from_bytes(b"advn")  # in the file's header: tells ours from other programs'
FILE_NAME = "evidence.sqlite"

TABLES = """
CREATE TABLE run (
  id INTEGER PRIMARY KEY, started TEXT NOT NULL, finished TEXT, request TEXT NOT NULL,
  environment TEXT NOT NULL, result TEXT
);
CREATE TABLE trial (
  run INTEGER NOT NULL REFERENCES run(id), trial TEXT NOT NULL, family TEXT NOT NULL,
  scenario TEXT NOT NULL, width INTEGER NOT NULL, seed INTEGER NOT NULL, dtype TEXT NOT NULL,
  outcome TEXT NOT NULL, numbers TEXT NOT NULL, key TEXT,
  UNIQUE (run, trial, family, width, seed)
);
CREATE TABLE decision (
  run INTEGER NOT NULL REFERENCES run(id), claim TEXT NOT NULL, trial TEXT NOT NULL,
  family TEXT NOT NULL, scenario TEXT NOT NULL, decider TEXT NOT NULL, decision TEXT NOT NULL
);
CREATE TABLE finding (
  run INTEGER NOT NULL REFERENCES run(id), claim TEXT NOT NULL, finding TEXT NOT NULL
)
"""

_COLUMNS = {
    "run": {"id", "started", "finished", "request", "environment", "result"},
    "trial": {
        "run", "trial", "family", "scenario", "width", "seed", "dtype", "outcome", "numbers", "key",
    },
    "decision": {"run", "claim", "trial", "family", "scenario", "decider", "decision"},
    "finding": {"run", "claim", "finding"},
}  # fmt: skip
_MAGIC, _HEADER_BYTES = b"SQLite format 3\0", 100

# Version |-> what makes a file of the version before into one of this.
MIGRATIONS = {
    # Rows of version 1 have no key: they were measured by code that kept none, and are never resumed.
    2: ("ALTER TABLE trial ADD COLUMN key TEXT",),
}


class BadEvidence(ValueError):
    """A folder or file that cannot be used; the message names it and the fix."""


def create(db: sqlite3.Connection) -> None:
    """Make the tables of the present version."""
    for statement in TABLES.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def migrate(db: sqlite3.Connection) -> None:
    """Bring the tables up to the present version; the caller holds a transaction."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for newer in range(version + 1, SCHEMA_VERSION + 1):
        for statement in MIGRATIONS[newer]:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {newer}")


def check_header(path: Path) -> None:
    """Look at what stands at `path` before SQLite does, so that a foreign or damaged file is not even opened.

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
            raise refused(f"is not readable evidence ({_kind(status.st_mode)}, not a file)")
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
    if wanted > path.stat().st_size and not _has_journal(path) and wanted > (left := path.stat().st_size):
        raise refused(f"is not readable evidence (cut short: {left} of {wanted} bytes are left)")


def check_tables(db: sqlite3.Connection, path: Path) -> None:
    """Look for the tables and columns of the file's version, before anything is read or written.

    SQLite takes a file of less than one page for a new and empty database.

    Raises:
      BadEvidence: one is missing.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for table, columns in _COLUMNS.items():
        found = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        # Version 1 had no key; versions are counted by SQLite from 0, which is that of an empty file.
        wanted = columns - {"key"} if version == 1 else columns
        if missing := sorted(wanted - found):
            what = f"column {missing[0]} of table {table}" if found else f"table {table}"
            raise BadEvidence(
                f"--evidence {path.parent}: {path.name} is not readable evidence (it has no {what}); "
                "it was left as it is; choose another folder"
            )


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _bytes_promised(header: bytes) -> int:
    """Size of the file by its own header: page size times number of pages, where the number is valid."""
    page = int.from_bytes(header[16:18])
    page = 2**16 if page == 1 else page
    # The number of pages is valid where the change counter is that of the version that wrote it.
    pages = int.from_bytes(header[28:32]) if header[24:28] == header[92:96] else 1
    return page * max(1, pages)


def _has_journal(path: Path) -> bool:
    """Whether a writer was killed in the middle: the journal, not the file, then says how long it is."""
    return any(path.with_name(path.name + ending).exists() for ending in ("-journal", "-wal"))
