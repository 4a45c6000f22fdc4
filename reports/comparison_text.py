"""Two runs compared, on a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from advntk.reports.formatting import estimate, interval
from advntk.reports.markdown import LIMIT_BYTES, markdown_environment
from advntk.reports.truncation import truncated


def comparison_tables(content: dict[str, Any]) -> list[Table | Text]:
    """What differs, verdicts that changed, estimates that moved; a line that counts them."""
    shown: list[Table | Text] = []
    sides = [f"{when}: run {content[when]['id']} of {content[when]['folder']}" for when in ("before", "now")]
    for when in ("before", "now"):
        shown += [Text(f"missing {when}: {words}", style="bold") for words in content[when]["missing"]]
    if content["differs"]:
        shown.append(
            _table(("differs", *sides), [(d["what"], d["before"], d["now"]) for d in content["differs"]])
        )
    if content["changes"]:
        rows = [(row["claim"], _verdict(row["before"]), _verdict(row["now"])) for row in content["changes"]]
        shown.append(_table(("verdict changed", *sides), rows))
    if content["moves"]:
        moves = [
            (
                m["claim"],
                f"{m['quantity']} of {m['statistic']}",
                m["scenario"],
                interval(*m["before"]),
                interval(*m["now"]),
            )
            for m in content["moves"]
        ]
        shown.append(_table(("estimate moved", "statistic", "scenario", *sides), moves))
    changed, alone = count_changes(content)
    only = f"claims in one run only: {alone}; " if alone else ""
    counted = (
        f"verdicts changed: {changed}; {only}estimates moved beyond both intervals: "
        f"{len(content['moves'])} of {content['compared']}"
    )
    return [*shown, Text(counted)]


def count_changes(content: dict[str, Any]) -> tuple[int, int]:
    """Claims whose verdict changed, and claims that only one of the runs has."""
    changed = sum(bool(row["before"] and row["now"]) for row in content["changes"])
    return changed, len(content["changes"]) - changed


def comparison_markdown(content: dict[str, Any], limit: int = LIMIT_BYTES) -> str:
    """The same as Markdown of at most `limit` bytes.

    Raises:
      ValueError: `limit` is too small even for the heading.
    """
    template = markdown_environment().get_template("comparison.md.j2")
    changes, moves, differs = content["changes"], content["moves"], content["differs"]
    total = len(changes) + len(moves) + len(differs)
    changed, alone = count_changes(content)

    def render(count: int) -> str:
        rest = max(0, count - len(changes))
        return template.render(
            content=content,
            changed=changed,
            alone=alone,
            changes=changes[:count],
            moves=moves[:rest],
            differs=differs[: max(0, rest - len(moves))],
            shown=count,
            total=total,
            limit=limit,
        )

    return truncated(render, total, limit)


def _verdict(point: dict | None) -> str:
    if point is None:
        return "not asked for"
    unexpected = "" if point["as_expected"] else " (unexpected)"
    return f"{point['verdict']}{unexpected}, {estimate(point['estimate'])}"


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table()
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        # As text: what stands in brackets is no markup.
        table.add_row(*map(Text, row))
    return table
