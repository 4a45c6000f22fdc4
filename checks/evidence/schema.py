"""The tables of an evidence file, how older ones become newer, and how a foreign file is recognised."""

from __future__ import annotations

import sqlite3
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
    if not 1 <= version <= SCHEMA_VERSION:
        raise BadEvidence(
            f"--evidence {path.parent}: {path.name} has schema version {version}, this program knows "
            f"versions up to {SCHEMA_VERSION}; choose another folder or the version of advntk that wrote it"
        )
