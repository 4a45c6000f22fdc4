"""The verdict table on a terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from reports.wording import estimate, expectation

_STYLES = {
    "HOLDS": "green",
    "REFUTED": "red",
    "INCONCLUSIVE": "yellow",
    "OUT_OF_SCOPE": "blue",
    "ERROR": "bold red",
}


def verdict_table(summary: dict[str, Any]) -> Table:
    """One row per claim; a verdict that was not expected says so in words, not only in colour."""
    run = summary["run"]
    table = Table(title=f"{run['profile']} on {run['data']}, seed {run['seed']}", title_justify="left")
    table.add_column("claim", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("estimate [interval]")
    table.add_column("scenarios", justify="right")
    table.add_column("trials", justify="right")
    for claim in summary["claims"]:
        verdict = Text(claim["verdict"], style=_STYLES[claim["verdict"]])
        if claim["as_expected"] and claim["expected"] != "HOLDS":
            verdict.append(f" ({expectation(claim)})", style="dim")
        elif not claim["as_expected"]:
            verdict.append(f" (expected {claim['expected']})", style="bold")
        table.add_row(
            claim["id"],
            verdict,
            estimate(claim["estimate"]),
            str(claim["scenarios"]),
            str(claim["trials"]),
        )
    return table


def remarks(summary: dict[str, Any]) -> list[str]:
    """Why claims came out otherwise than expected, and what was found beside the verdicts."""
    lines = [f"{claim['id']}: {claim['reason']}" for claim in summary["claims"] if not claim["as_expected"]]
    for claim in summary["claims"]:
        narrow = sorted({axis for found in claim["coverage"].values() for axis in found["narrow"]})
        if narrow:
            lines.append(f"{claim['id']}: sampled narrowly, at one value only of {', '.join(narrow)}")
        cases = [f["label"] for f in claim["findings"] if f["kind"] == "degenerate case"]
        if cases:
            lines.append(f"{claim['id']}: {len(cases)} degenerate cases outside its assumptions found")
    return lines
