"""Trials of a run as tables for other programs: Parquet and JSON lines.

One row per trial; a scenario's fields and the trial's statistics are columns of their own (prefixes
`scenario.` and `value.`), curves are lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from advntk.checks.evidence.plain import dumps
from advntk.checks.evidence.rows import RunRecord

# Of every table, even of one without rows: by them a table is known as ours.
FIRST_COLUMNS = ("run", "trial", "scenario_id", "axis", "point", "seed", "outcome")
# In the metadata of a Parquet file.
GENERATOR = {"generator": "advntk export"}


def trial_rows(record: RunRecord) -> Iterator[dict[str, Any]]:
    """One flat dict per trial."""
    for (trial, scenario_id), rows in record.trials.items():
        for row in rows:
            yield {
                "run": record.id,
                "trial": trial,
                "scenario_id": scenario_id,
                "axis": row.axis,
                "point": row.point,
                "seed": row.seed,
                "outcome": str(row.outcome),
                "message": row.message,
                "device": row.device,
                "key": row.key,
                **{f"scenario.{name}": value for name, value in row.scenario.items()},
                **{f"value.{name}": value for name, value in row.numbers.items()},
            }


def write_json_lines(record: RunRecord, path: Path) -> int:
    """Write one JSON object per line (numbers that are not finite as in the evidence); their number."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in trial_rows(record):
            file.write(dumps(row) + "\n")
            count += 1
    return count


def write_parquet(record: RunRecord, path: Path) -> int:
    """Write one Parquet file; columns that a trial does not have are null.  The number of rows.

    A column in which trials differ in shape holds JSON.
    """
    import pyarrow
    from pyarrow import parquet

    def column(values: list[Any]) -> Any:
        try:
            return pyarrow.array(values)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
            # Two trials use one name for numbers of different shapes.
            return pyarrow.array([None if value is None else dumps(value) for value in values])

    rows = list(trial_rows(record))
    names = dict.fromkeys([*FIRST_COLUMNS, *(name for row in rows for name in row)])
    columns = {name: column([row.get(name) for row in rows]) for name in names}
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata(GENERATOR), path, compression="zstd")
    return len(rows)
