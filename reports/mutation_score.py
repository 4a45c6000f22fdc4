"""The table of planted falsehoods that this version was measured against, for every page.

`python -m benchmarks.catch` measures it; the file travels with the package.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

FILE_NAME = "catch.json"


def planted_falsehoods() -> dict[str, Any] | None:
    """`code` (the source measured), `falsehoods`, and how many were `caught`; None without a table."""
    file = files("advntk.reports") / FILE_NAME
    if not file.is_file():
        return None
    table = json.loads(file.read_text(encoding="utf-8"))
    return {**table, "caught": sum(fault["verdict"] == "REFUTED" for fault in table["falsehoods"])}
