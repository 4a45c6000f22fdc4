"""The tables of an evidence file, and how a foreign file is recognised."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from advntk.exceptions import UsageError

SCHEMA_VERSION = 3
APPLICATION_ID = int.from_bytes(b"advn")  # in the file's header: tells ours from other programs'
FILE_NAME = "evidence.sqlite"

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


class BadEvidence(UsageError):
    """A folder or file that cannot be used; the message names it and the fix."""


def create(db: sqlite3.Connection) -> None:
    """Make the tables of the present version."""
    for statement in TABLES.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def version_of(db: sqlite3.Connection) -> int:
    """The schema version that a file says it has."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return version


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
