"""How each format of a report, a comparison, a history or a table of trials is known again by its content."""

from __future__ import annotations

import json
from pathlib import Path

from advntk.checks.evidence.export import FIRST_COLUMNS
from advntk.checks.evidence.export import GENERATOR as TABLE_GENERATOR
from advntk.implementations.outputs import FileKind, html_kind, json_kind, text_kind
from advntk.reports.mutation_score import GENERATOR as MUTATION_GENERATOR
from advntk.reports.summary import GENERATOR

COMPARISON_GENERATOR = f"{GENERATOR} (comparison)"
HISTORY_GENERATOR = f"{GENERATOR} (history)"

PAGE = html_kind("the page of a run", GENERATOR)
SUMMARY = json_kind("the summary of a run", GENERATOR)
MARKDOWN = text_kind("a run as Markdown", f"<!-- {GENERATOR} -->")
JUNIT = text_kind("a run as JUnit XML", f"<!-- {GENERATOR} -->", line=1)
LATEX = text_kind("a run as LaTeX", f"% {GENERATOR}")
COMPARISON = {
    "md": text_kind("a comparison as Markdown", f"<!-- {COMPARISON_GENERATOR} -->"),
    "json": json_kind("a comparison as JSON", COMPARISON_GENERATOR),
    "html": html_kind("the page of a comparison", COMPARISON_GENERATOR),
}
HISTORY = {
    "json": json_kind("a history as JSON", HISTORY_GENERATOR),
    "html": html_kind("the page of a history", HISTORY_GENERATOR),
}


def _is_csv(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.readline(1000)
    return head.rstrip(b"\r\n").split(b",")[: len(FIRST_COLUMNS)] == [n.encode() for n in FIRST_COLUMNS]


def _is_json_lines(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.readline()
    try:
        # Of a run without trials the file is empty, and nothing is lost with it.
        return not head or tuple(json.loads(head))[: len(FIRST_COLUMNS)] == FIRST_COLUMNS
    except (ValueError, TypeError, RecursionError):
        return False


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        if file.read(4) != b"PAR1":
            return False
    import pyarrow
    from pyarrow import parquet

    try:
        found = parquet.read_schema(path).metadata or {}
    except (pyarrow.ArrowException, OSError):
        return False
    return all(found.get(key.encode()) == value.encode() for key, value in TABLE_GENERATOR.items())


def _is_ledger(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.readline()
    try:
        found = json.loads(head)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("generator") == MUTATION_GENERATOR


# What `mutate` writes into its folder, by name.
MUTATION = {
    "mutants.jsonl": FileKind("results of mutants", _is_ledger),
    "mutation.json": json_kind("a mutation score", MUTATION_GENERATOR),
    "mutation.md": text_kind("a mutation score as Markdown", f"<!-- {MUTATION_GENERATOR} -->"),
}

# By the ending that chooses the format.
TRIALS = {
    ".csv": FileKind("a table of trials as CSV", _is_csv),
    ".jsonl": FileKind("a table of trials as JSON lines", _is_json_lines),
    ".parquet": FileKind("a table of trials as Parquet", _is_parquet),
}
