"""The verdict table on a terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from advntk.checks.evidence.rows import FindingKind
from advntk.reports.formatting import counted, estimate, verdict_note
from advntk.reports.verdict_style import STYLES

# The longest row of the widest table; where there is less, an estimate has a line of its own.
WIDE = 150


def verdict_table(summary: dict[str, Any], width: int = WIDE) -> Table:
    """One row per claim; a verdict that was not expected says so in words, not only in colour.

    Args:
      summary: as `advntk.reports.summary.summarise` gives it.
      width: columns of the terminal; with fewer than `WIDE` the estimate stands below the claim's id.
    """
    run = summary["run"]
    table = Table(title=f"{run['profile']} on {run['data']}, seed {run['seed']}", title_justify="left")
    table.add_column("claim", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    if width >= WIDE:
        table.add_column(Text("estimate [interval] (as claimed)"))
        table.add_column("scenarios", justify="right")
        table.add_column("trials", justify="right")
    for claim in summary["claims"]:
        found = estimate(claim["estimate"])
        if width >= WIDE:
            counts = (str(claim["scenarios"]), str(claim["trials"]))
            table.add_row(Text(claim["id"]), _verdict(claim), Text(found), *counts)
        else:
            table.add_row(Text.assemble(claim["id"], "\n  ", (found, "dim")), _verdict(claim))
    return table


def _verdict(claim: dict[str, Any]) -> Text:
    verdict = Text(claim["verdict"], style=STYLES[claim["verdict"]].terminal)
    if note := verdict_note(claim):
        verdict.append(f" {note}", style="dim" if claim["as_expected"] else "bold")
    return verdict


def remarks(summary: dict[str, Any]) -> list[str]:
    """Why claims came out otherwise than expected, and what was found beside the verdicts."""
    lines = [f"{claim['id']}: {claim['reason']}" for claim in summary["claims"] if not claim["as_expected"]]
    for claim in summary["claims"]:
        narrow = sorted({axis for found in claim["coverage"].values() for axis in found["narrow"]})
        if narrow:
            lines.append(f"{claim['id']}: sampled narrowly, at one value only of {', '.join(narrow)}")
        lines += [
            f"{claim['id']}: {f['label']}" for f in claim["findings"] if f["kind"] == FindingKind.LOOSE_BOUND
        ]
        cases = [f["label"] for f in claim["findings"] if f["kind"] == FindingKind.DEGENERATE_CASE]
        if cases:
            lines.append(
                f"{claim['id']}: {counted(len(cases), 'degenerate case')} outside its assumptions found"
            )
    return lines
