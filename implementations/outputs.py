"""Files that the user names: nothing is written over but what the same command wrote, and nothing by halves.

Every command looks with `may_write` before it works, and writes with `replacing`.  A file's own content
says who wrote it, never its name.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from advntk.exceptions import UsageError

STORE_NAME = "evidence.sqlite"
STORE_MARK = b"advn"  # application id in the header of our SQLite files, at `_STORE_MARK_AT`
_STORE_MARK_AT = 68
_SQLITE = b"SQLite format 3\0"
# A database's journal and write-ahead log: without them it may be broken.
_COMPANIONS = ("-journal", "-wal", "-shm")
# Every mark stands within these first bytes, or in a footer or member that the format has for it.
_HEAD_BYTES = 4096


class BadOutput(UsageError):
    """A place that must not be or cannot be written; the message names it and the fix."""


@dataclass(frozen=True)
class FileKind:
    """What one command writes in one format: a name for messages, and whether the file at a path is one."""

    name: str
    is_at: Callable[[Path], bool]


def may_write(
    path: Path, kind: FileKind, option: str = "--out", inputs: Iterable[Path] = (), force: bool | None = None
) -> None:
    """Refuses a place that must not be written over; where nothing is, anything may be written.

    A link is followed, as `replacing` does.

    Args:
      path: what was asked for, there or not.
      kind: what will be written.
      option: what the place was named by, for messages.
      inputs: what the same command reads; never written over, under whatever name.
      force: whether files of other kinds may be replaced; None where the command has no such option.

    Raises:
      BadOutput: a file of another kind is there, a database, a model, an input, or no regular file.
    """

    def refused(reason: str, fix: str) -> BadOutput:
        return BadOutput(f"{option} {path}: {reason}; {fix}")

    another = "choose another place"
    try:
        place = path.resolve()
        if any(_is_same(place, other) for other in inputs):
            raise refused("is read by the same command", another)
        _no_companion(place, refused)
        if not os.path.lexists(place):
            if place.name == STORE_NAME:
                raise refused("is the name of an evidence store", another)
            return
        mode = place.stat().st_mode
        if not stat.S_ISREG(mode):
            raise refused("is a folder" if stat.S_ISDIR(mode) else "is no regular file", another)
        with place.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        is_store = head[_STORE_MARK_AT : _STORE_MARK_AT + len(STORE_MARK)] == STORE_MARK
        if head.startswith(_SQLITE) or is_store or place.name == STORE_NAME:
            raise refused("is a database, such as evidence, which is never written over", another)
        if kind.is_at(place):
            return
        if (found := npz_kind(place)) is not None:
            raise refused(f"is an {found}, not {kind.name}; it is never written over", another)
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError in some versions of Python
        raise refused(f"cannot be written ({getattr(error, 'strerror', None) or error})", another) from error
    if not force:
        fix = another if force is None else f"{another}, or add --force to replace it"
        raise refused(f"is there already and is not {kind.name}", fix)


def try_door(path: Path, option: str = "--out") -> None:
    """Find out before the work whether a file can be made at `path`, by making one beside it.

    Raises:
      BadOutput: it cannot.
    """
    with told(path, option):
        with suppress(FileNotFoundError):
            path.lstat()  # a name may be too long
        with suppress(_Tried), replacing(path):
            raise _Tried


@contextmanager
def told(path: Path, option: str = "--out") -> Iterator[None]:
    """Within, that the system refuses to write is said in one line.

    Raises:
      BadOutput: it does.
    """
    try:
        yield
    except OSError as error:
        raise BadOutput(
            f"{option} {path}: cannot be written ({error.strerror or error}); choose another place with --out"
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft in the same folder, which becomes `path` at the end, as a whole; no draft is left behind.

    What stood at `path` stays as it was until then; a link stays one.  Permissions are those that the umask
    leaves.

    Raises:
      OSError: it cannot be written.
    """
    # A short name of its own: that of `path` may be as long as names can be.
    path = path.resolve()
    draft = path.parent / f".advntk-{secrets.token_hex(8)}.part"
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a file of text as a whole.

    Raises:
      OSError: it cannot be written.
    """
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def text_kind(name: str, mark: str, line: int = 0) -> FileKind:
    """Text with `mark` as a whole line of its own, the number `line` from 0."""

    def is_at(path: Path) -> bool:
        lines = _head(path).split(b"\n")
        return line < len(lines) and lines[line].rstrip(b"\r") == mark.encode()

    return FileKind(name, is_at)


def html_kind(name: str, generator: str) -> FileKind:
    """A page whose head names its `generator` on a line of its own."""
    marks = {f'<meta name="generator" content="{generator}"{end}>'.encode() for end in ("", " /")}

    def is_at(path: Path) -> bool:
        head = _head(path)
        return head[:14].lower() == b"<!doctype html" and not marks.isdisjoint(head.split(b"\n"))

    return FileKind(name, is_at)


def json_kind(name: str, generator: str) -> FileKind:
    """A JSON object that names its `generator`."""

    def is_at(path: Path) -> bool:
        try:
            found = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            return False
        return isinstance(found, dict) and found.get("generator") == generator

    return FileKind(name, is_at)


def npz_of(name: str, what: str) -> FileKind:
    """One of our .npz files, which says that it is `what`, in any version."""
    return FileKind(name, lambda path: (npz_kind(path) or "").rpartition(" ")[0] == what)


def npz_kind(path: Path) -> str | None:
    """What one of our .npz files says that it is ("advntk model 1"); None of any other file."""
    import zipfile

    if not _head(path).startswith(b"PK"):
        return None
    from advntk.implementations.npz_files import member

    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            text = member(archive, archive.getinfo("about.npy"), path.stat().st_size)
        found = json.loads(str(text))["kind"]
    except Exception:  # somebody else's archive, or a damaged one: zipfile and numpy raise a dozen kinds
        return None
    return found if isinstance(found, str) and found.startswith("advntk ") else None


def _is_same(place: Path, other: Path) -> bool:
    """Whether both are one file; one that cannot be found is none."""
    try:
        return place.samefile(other)
    except (OSError, RuntimeError):
        return False


def _no_companion(path: Path, refused: Callable[[str, str], BadOutput]) -> None:
    for ending in _COMPANIONS:
        if path.name.endswith(ending):
            of = path.with_name(path.name.removesuffix(ending))
            if of.name == STORE_NAME or (of.is_file() and _head(of).startswith(_SQLITE)):
                raise refused(f"belongs to the database {of.name}", "choose another place")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


class _Tried(Exception):
    """The door opened."""
