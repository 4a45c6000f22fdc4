"""Evidence opened for reading: the file stays as it is, byte for byte, whatever state it is in.

What SQLite could only read by changing something (a journal that a killed writer left, a log on a disk that
is read-only) is read from a private copy, and so is everything that is salvaged.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from advntk.checks.evidence.schema import (
    COMPANIONS,
    DAMAGE,
    FILE_NAME,
    BadEvidence,
    check_header,
    check_tables,
)
from advntk.printable import excerpt

T = TypeVar("T")

SALVAGE = "`advntk report --salvage` shows the rest"
# Where a file in SQLite's format says that changes go to a log first.
_JOURNAL_MODE_AT, _WRITE_AHEAD = 18, 2
# SQLite would have to write, and must not or cannot.
_TO_BE_COPIED = ("SQLITE_READONLY", "SQLITE_CANTOPEN")


def reading(folder: Path, read: Callable[[sqlite3.Connection], T], salvage: bool = False) -> T:
    """What `read` finds in the evidence of `folder`.

    Args:
      folder: of the evidence.
      read: called with a connection, perhaps twice.
      salvage: whether damage is borne; `read` then has to expect any `sqlite3.Error`.

    Raises:
      BadEvidence: no evidence there, or none that can be read.
    """
    path = folder / FILE_NAME
    try:
        path.lstat()
    except NotADirectoryError:
        raise BadEvidence(f"--evidence {folder}: is not a folder; name one that holds {FILE_NAME}") from None
    except FileNotFoundError:
        raise BadEvidence(f"--evidence {folder}: no {FILE_NAME} there; run `advntk check` first") from None
    except OSError as error:
        raise BadEvidence(
            f"--evidence {folder}: cannot be read ({error.strerror}); choose another folder"
        ) from error
    check_header(path, salvage)
    try:
        if salvage:
            with _copied(path) as copy:
                # A schema that is damaged in part is still a schema.
                copy.execute("PRAGMA writable_schema = ON")
                return read(copy)
        try:
            with closing(_as_it_stands(path)) as db:
                return _checked(db, path, read)
        except sqlite3.OperationalError as error:
            # Not while another process writes: a copy could be half of before and half of after.
            if not str(getattr(error, "sqlite_errorname", "")).startswith(_TO_BE_COPIED):
                raise
        with _copied(path) as copy:
            return _checked(copy, path, read)
    except DAMAGE as error:
        raise BadEvidence(
            f"--evidence {folder}: {FILE_NAME} is not readable evidence ({excerpt(error)}); it was left as "
            f"it is; choose another folder{'' if salvage else f', or {SALVAGE}'}"
        ) from error
    except OSError as error:  # no room for a copy
        raise BadEvidence(
            f"--evidence {folder}: {FILE_NAME} cannot be copied to be read ({error.strerror or error}); make "
            "room, or set TMPDIR"
        ) from error


def _checked(db: sqlite3.Connection, path: Path, read: Callable[[sqlite3.Connection], T]) -> T:
    check_tables(db, path)
    check_pages(db, path)
    return read(db)


def check_pages(db: sqlite3.Connection, path: Path) -> None:
    """Let SQLite look at every page: a damaged one may hide rows without any error.

    Raises:
      BadEvidence: one is damaged.
    """
    if found := damaged_pages(db):
        raise BadEvidence(
            f"--evidence {path.parent}: {path.name} is not readable evidence ({excerpt(found)}); it was "
            f"left as it is; choose another folder, or {SALVAGE}"
        )


def damaged_pages(db: sqlite3.Connection) -> str:
    """What SQLite says of the first page that is damaged; empty if none is."""
    try:
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except DAMAGE as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # locked, or to be read from a copy
        return str(error)
    return "" if found == "ok" else str(found).replace("*** in database main ***", "").strip()


def text(raw: bytes) -> str | bytes:
    """Text as SQLite keeps it; bytes that are none stay bytes, which no row admits as text."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _as_it_stands(path: Path) -> sqlite3.Connection:
    # As a proper URI: a folder's name may hold '#', '?' or '%'.
    path = path.resolve()
    uri = f"{path.as_uri()}?mode=ro"
    with path.open("rb") as file:
        logged = file.read(_JOURNAL_MODE_AT + 1)[_JOURNAL_MODE_AT] == _WRITE_AHEAD
    if logged and not _has_content(path.with_name(path.name + "-wal")):
        # With nothing in the log the file is all there is; otherwise SQLite would make files beside it.
        uri += "&immutable=1"
    db = sqlite3.connect(uri, uri=True)
    db.text_factory = text
    return db


@contextmanager
def _copied(path: Path) -> Iterator[sqlite3.Connection]:
    """A private copy of the file with its journal or log, which SQLite may do with as it has to."""
    path = path.resolve()
    with TemporaryDirectory(prefix="advntk-") as draft:
        for name in ("", *COMPANIONS):
            part = path.with_name(path.name + name)
            if not name or part.is_file():
                shutil.copyfile(part, Path(draft) / (FILE_NAME + name))
        copy = Path(draft) / FILE_NAME
        with closing(sqlite3.connect(copy)) as db:
            db.text_factory = text
            yield db


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
