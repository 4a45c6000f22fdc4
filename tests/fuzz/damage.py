"""Ways in which a file that was good is damaged: of bytes, of tables and rows, of JSON, of archives.

Everything here is drawn by Hypothesis.  A damage is a description of plain values (so that a failing example
says what to do by hand) and a function that does it to a file.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

TABLES = ("run", "trial", "decision", "finding")


@dataclass(frozen=True)
class Damage:
    """What is done to a file, in words and as a function of its path."""

    words: str
    to: Callable[[Path], None] = field(repr=False)


# What stands in files where something else should.
ODD_VALUES = (
    None, True, 0, -1, 1.5, 1e308, float("nan"), float("inf"), 10**25, 10**400, "", "x", "HOLDS", "\ud800",
    "\x00\x1b[31m", "x" * 2000, [], {}, [[]], {"float": "nan"}, {"float": "x"}, {"dict": {}}, [None],
    [1, "x"], {"a": {"b": []}},
)  # fmt: skip
ODD_TEXTS = (
    "", "null", "7", "[]", "{}", '"x"', "Dear diary", '{"a": 1', "[" * 60_000, "NaN", "{'a': 1}", "\ufeff{}",
    '{"a": 1, "a": 2}', "9" * 5000,
)  # fmt: skip
ODD_CELLS = (None, 0, -1, 2**62, 1.5, b"", b"\xff\xfe{}", b"\x00" * 9, *ODD_TEXTS)


@st.composite
def damaged_bytes(draw: st.DrawFn, size: int) -> Damage:
    """A few bytes changed, a part lost, blanked, doubled or moved; in a file of about `size` bytes."""
    kind = draw(st.sampled_from(("flip", "flip", "flip", "cut", "blank", "remove", "double", "append")))
    begin = draw(st.integers(0, max(0, size - 1)))
    length = draw(st.sampled_from((1, 2, 16, 100, 512, 4096)))
    flips = draw(
        st.lists(st.tuples(st.integers(0, size - 1), st.integers(1, 255)), min_size=1, max_size=4)
        if kind == "flip"
        else st.just([])
    )

    def to(path: Path) -> None:
        found = bytearray(path.read_bytes())
        if kind == "flip":
            for at, mask in flips:
                if at < len(found):
                    found[at] ^= mask
        elif kind == "cut":
            del found[begin:]
        elif kind == "blank":
            found[begin : begin + length] = bytes(len(found[begin : begin + length]))
        elif kind == "remove":
            del found[begin : begin + length]
        elif kind == "double":
            found[begin:begin] = found[begin : begin + length]
        else:
            found += bytes(range(256)) * (1 + length // 256)
        path.write_bytes(bytes(found))

    return Damage(f"{kind} {flips or (begin, length)}", to)


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


@st.composite
def damaged_tables(draw: st.DrawFn) -> Damage:
    """A table dropped, emptied or renamed; a column dropped or renamed; constraints and indices gone."""
    kind = draw(
        st.sampled_from(("drop", "empty", "rename", "drop column", "rename column", "no index", "other run"))
    )
    table, column = draw(st.sampled_from(TABLES)), draw(st.integers(0, 14))

    def to(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db:
            names = _columns(db, table)
            name = names[column % len(names)]
            plain(db, table)
            if kind == "drop":
                db.execute(f"DROP TABLE {table}")
            elif kind == "empty":
                db.execute(f"DELETE FROM {table}")
            elif kind == "rename":
                db.execute(f"ALTER TABLE {table} RENAME TO another")
            elif kind == "drop column":
                db.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
            elif kind == "rename column":
                db.execute(f"ALTER TABLE {table} RENAME COLUMN {name} TO another")
            elif kind == "other run":
                db.execute(f"UPDATE {table} SET {names[0]} = 77 WHERE rowid = 1")
            db.commit()

    return Damage(f"{kind} {table} {column}", to)


def plain(db: sqlite3.Connection, table: str) -> None:
    """The same table without constraints and indices: what a damaged schema lets in."""
    db.execute(f"ALTER TABLE {table} RENAME TO constrained")
    db.execute(f"CREATE TABLE {table} ({', '.join(_columns(db, 'constrained'))})")
    db.execute(f"INSERT INTO {table} SELECT * FROM constrained")
    db.execute("DROP TABLE constrained")


@dataclass(frozen=True)
class CellDamage(Damage):
    """Damage to one cell of one row, which is named."""

    table: str = ""
    row: int = 0


@st.composite
def damaged_cells(draw: st.DrawFn) -> CellDamage:
    """One cell holds something of another type, or JSON in which one value has another type."""
    table, row, column = draw(st.sampled_from(TABLES)), draw(st.integers(1, 4)), draw(st.integers(0, 14))
    inside = draw(st.booleans())
    cell, step, value = draw(st.sampled_from(ODD_CELLS)), draw(st.integers(0, 400)), draw(odd_json())

    def to(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db:
            names = _columns(db, table)
            name = names[column % len(names)]
            # Rows are counted round and round.
            numbers = [number for (number,) in db.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]
            if not numbers:
                return
            number = numbers[(row - 1) % len(numbers)]
            found = db.execute(f"SELECT {name} FROM {table} WHERE rowid = ?", (number,)).fetchone()
            plain(db, table)
            new = cell
            if inside and isinstance(found[0], str) and found[0].startswith("{"):
                new = json.dumps(changed(json.loads(found[0]), step, value))
            db.execute(f"UPDATE {table} SET {name} = ? WHERE rowid = ?", (new, number))
            db.commit()

    what = f"at step {step} {value!r}" if inside else repr(cell)
    return CellDamage(f"row {row} of {table}, column {column}: {what[:200]}", to, table, row)


class Gone:
    """Stands for a value that is taken away."""

    def __repr__(self) -> str:
        return "gone"


def odd_json() -> st.SearchStrategy[Any]:
    """A value that stands in JSON where another should, or `Gone`."""
    return st.sampled_from((Gone(), *ODD_VALUES))


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """The path of every value inside, itself included."""
    found = [path]
    if isinstance(value, dict):
        found += [inner for key, part in value.items() for inner in places(part, (*path, key))]
    elif isinstance(value, list):
        found += [inner for key, part in enumerate(value) for inner in places(part, (*path, key))]
    return found


def changed(value: Any, step: int, new: Any) -> Any:
    """`value` with `new` at one of the places inside it, or without what is there."""
    every = places(value)
    path = every[step % len(every)]
    if not path:
        return None if isinstance(new, Gone) else new
    inside = value
    for key in path[:-1]:
        inside = inside[key]
    if isinstance(new, Gone):
        del inside[path[-1]]
    else:
        inside[path[-1]] = new
    return value


def damaged_stores(size: int) -> st.SearchStrategy[Damage]:
    """Any damage to an evidence file."""
    return st.one_of(damaged_bytes(size), damaged_tables(), damaged_cells(), damaged_cells())


@st.composite
def damaged_json(draw: st.DrawFn, size: int) -> Damage:
    """Any damage to a file of JSON: to its bytes, or one value inside."""
    if draw(st.booleans()):
        return draw(damaged_bytes(size))
    step, value = draw(st.integers(0, 400)), draw(odd_json())
    text = draw(st.sampled_from((None, None, None, *ODD_TEXTS)))

    def to(path: Path) -> None:
        if text is None:
            path.write_text(json.dumps(changed(json.loads(path.read_text()), step, value)))
        else:
            path.write_bytes(text.encode("utf-8", "surrogatepass"))

    return Damage(f"text {text!r}"[:200] if text is not None else f"at step {step} {value!r}"[:200], to)


@st.composite
def damaged_texts(draw: st.DrawFn, size: int, text: str) -> Damage:
    """Any damage to a file of text: to its bytes, or one word of it replaced by something odd."""
    if draw(st.booleans()):
        return draw(damaged_bytes(size))
    words = text.split()
    word = words[draw(st.integers(0, len(words) - 1))]
    odd = draw(st.sampled_from((*ODD_TEXTS, "nan", "1_0", "'''", '"\\ud800"', "[[x]]", "{x = 1}", "1e999")))

    def to(path: Path) -> None:
        path.write_bytes(text.replace(word, odd, 1).encode("utf-8", "surrogatepass"))

    return Damage(f"{word!r} becomes {odd!r}"[:200], to)


@st.composite
def damaged_archives(draw: st.DrawFn, size: int, members: tuple[str, ...]) -> Damage:
    """Any damage to a .npz: to its bytes, to the bytes of one member, or members gone, doubled, swapped."""
    kind = draw(st.sampled_from(("bytes", "inside", "gone", "swapped", "pickled", "compressed", "about")))
    if kind == "bytes":
        return draw(damaged_bytes(size))
    inner, member, other = draw(damaged_bytes(2000)), draw(st.integers(0, 9)), draw(st.integers(0, 9))
    step, value = draw(st.integers(0, 400)), draw(odd_json())

    def to(path: Path) -> None:
        import numpy as np

        with zipfile.ZipFile(path) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
        names = [f"{name}.npy" for name in members]
        name, another = names[member % len(names)], names[other % len(names)]
        packed = zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED
        if kind == "inside":
            draft = path.with_suffix(".part")
            draft.write_bytes(found[name])
            inner.to(draft)
            found[name] = draft.read_bytes()
            draft.unlink()
        elif kind == "gone":
            del found[name]
        elif kind == "swapped":
            found[name] = found[another]
        elif kind == "pickled":
            stream = io.BytesIO()
            np.save(stream, np.array([{"a": 1}], object), allow_pickle=True)
            found[name] = stream.getvalue()
        elif kind == "about":
            stream = io.BytesIO(found["about.npy"])
            about = changed(json.loads(str(np.load(stream))), step, value)
            stream = io.BytesIO()
            np.save(stream, np.array(json.dumps(about)))
            found["about.npy"] = stream.getvalue()
        with zipfile.ZipFile(path, "w", packed) as archive:
            for entry, content in found.items():
                archive.writestr(entry, content)

    what = inner.words if kind == "inside" else f"at step {step} {value!r}"[:200] if kind == "about" else ""
    return Damage(f"{kind} {member} {other} {what}", to)


@dataclass(frozen=True)
class Answer:
    """What a command line gave: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def fault(self) -> str:
        """What is wrong with how a refusal is said; empty if nothing is."""
        if "Traceback" in self.err or "Traceback" in self.out:
            return self.err.strip().splitlines()[-1]
        lines = self.err.strip().splitlines()
        if self.code == 2 and len(lines) != 1:
            return f"{len(lines)} lines on standard error"
        if any(len(line) > 300 for line in lines):
            return f"a line of {max(map(len, lines))} characters"
        return ""


def answer(*arguments: object) -> Answer:
    """What `advntk` answers to these arguments, in this process."""
    from advntk.cli import main

    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "argv", ["advntk", *map(str, arguments)]),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    return Answer(int(code), out.getvalue(), err.getvalue())


def examples(default: int) -> int:
    """How many examples each test draws; long runs ask for more by ADVNTK_FUZZ_EXAMPLES."""
    return int(os.environ.get("ADVNTK_FUZZ_EXAMPLES", default))


def fuzzed(default: int) -> Callable[[Any], Any]:
    """Settings of a fuzz test: the same examples in every run, and no time limit for one of them."""
    return settings(
        max_examples=examples(default),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
