"""Rows of a table one by one, those behind damage included: what cannot be read is noted, and passed over."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from advntk.checks.evidence.rows import LeftOut
from advntk.checks.evidence.schema import DAMAGE, columns_of
from advntk.printable import excerpt

# Rows are looked for one by one between two that can be read; in a longer gap the rest is one note.
_LONGEST_GAP = 1000

Note = Callable[[LeftOut], None]


def scanned(
    db: sqlite3.Connection,
    table: str,
    columns: tuple[str, ...],
    note: Note,
    condition: str = "TRUE",
    values: tuple[Any, ...] = (),
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and columns of every row that can be read, in the order of their numbers.

    Args:
      db: the evidence.
      table: to read.
      columns: to read; those that the table does not have are noted once, and left out of every row.
      note: told of what cannot be read.
      condition: SQL that rows must meet.
      values: of its parameters.

    Raises:
      sqlite3.OperationalError: SQLite cannot read, for another reason than damage.
    """
    there = columns_of(db, table)
    known = [name for name in columns if name in there]
    for name in columns:
        if name not in there:
            reason = "the column is missing" if there else "the table is missing"
            note(LeftOut(table, None, name if there else "", reason))
            if not there:
                return
    select = f"SELECT rowid, {', '.join(known)} FROM {table} WHERE ({condition})"

    def rows(order: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, *found in db.execute(f"{select} ORDER BY rowid {order}", values):
            yield number, dict(zip(known, found, strict=True))

    last = 0
    try:
        for number, row in rows("ASC"):
            if number > last:  # damaged pages may say the same row twice
                last = number
                yield number, row
        return
    except sqlite3.OperationalError:
        raise
    except DAMAGE as error:
        reason = excerpt(error)
    # From the other end, up to the damage; then each number between on its own.
    tail: list[tuple[int, dict[str, Any]]] = []
    with suppress(*DAMAGE):
        for number, row in rows("DESC"):
            if number <= last or (tail and number >= tail[-1][0]):
                break
            tail.append((number, row))
    if not tail:
        note(LeftOut(table, None, "", f"rows after {last}: {reason}"))
        return
    end = tail[-1][0]
    for number in range(last + 1, min(end, last + 1 + _LONGEST_GAP)):
        try:
            found = db.execute(f"{select} AND rowid = ?", (*values, number)).fetchone()
        except DAMAGE as error:
            note(LeftOut(table, number, "", excerpt(error)))
        else:
            if found is not None and found[0] == number:
                yield number, dict(zip(known, found[1:], strict=True))
    if end > last + 1 + _LONGEST_GAP:
        note(LeftOut(table, None, "", f"rows {last + 1 + _LONGEST_GAP} to {end - 1}: {reason}"))
    yield from reversed(tail)
