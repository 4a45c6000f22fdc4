"""The trials of a run as files that other programs read."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from advntk.checks.evidence import RunRecord, dumps
from advntk.checks.evidence.export import FIRST_COLUMNS, trial_rows, write_json_lines, write_parquet


def write_csv(record: RunRecord, path: Path) -> int:
    """Write one row per trial under a header; the number of rows.

    Columns as in Parquet; empty where a trial does not have one, lists as JSON, nan and inf as such.  Text
    that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    rows = list(trial_rows(record))
    names = dict.fromkeys([*FIRST_COLUMNS, *(name for row in rows for name in row)])
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        table = csv.writer(file)
        table.writerow([_cell(name) for name in names])
        table.writerows([_cell(row.get(name, "")) for name in names] for row in rows)
    return len(rows)


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
    return dumps(value) if isinstance(value, list | tuple | dict) else value


# Ending of a file |-> what writes it.
TRIAL_WRITERS: dict[str, Callable[[RunRecord, Path], int]] = {
    ".parquet": write_parquet,
    ".csv": write_csv,
    ".jsonl": write_json_lines,
}
