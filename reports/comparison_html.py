"""The page that compares two runs, self-contained as that of one run."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from advntk.reports.formatting import interval
from advntk.reports.interval_figures import before_and_now, numbers_of
from advntk.reports.template_environment import template_environment

# More rows than this in one figure cannot be told apart; the table below has them all.
_MOST_ROWS = 40


def comparison_page(content: dict[str, Any]) -> str:
    """HTML of what `advntk.reports.comparison.comparison_content` found."""
    moves = [
        (
            move["quantity"],
            f"{move['claim']}, move {index}",
            _by_name(move["before"]),
            _by_name(move["now"]),
        )
        for index, move in enumerate(content["moves"], start=1)
    ]
    claims = [
        (
            row["now"]["estimate"]["quantity"],
            row["claim"],
            *(numbers_of(row[when]["estimate"]) for when in ("before", "now")),
        )
        for row in content["claims"]
        if _comparable(row)
    ]
    return (
        template_environment()
        .get_template("comparison.html.j2")
        .render(
            title=f"{content['before']['folder']} and {content['now']['folder']} compared",
            content=content,
            changed=[row for row in content["changes"] if row["before"] and row["now"]],
            alone=[row for row in content["changes"] if not (row["before"] and row["now"])],
            moved=_figures(moves, "m"),
            settled=_figures(claims, "c"),
        )
    )


def _by_name(found: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(("value", "low", "high"), found, strict=True))


def _comparable(row: dict) -> bool:
    """Whether a claim has estimates with an interval of the same quantity before and now."""
    found = [point and point["estimate"] for point in (row["before"], row["now"])]
    if not all(found) or found[0]["quantity"] != found[1]["quantity"]:
        return False
    return all(estimate["confidence"] is not None for estimate in found)


def _figures(rows: list[tuple[str, str, dict, dict]], key: str) -> list[dict]:
    """A figure for each quantity, as numbers of different meaning share no axis."""
    figures = []
    for index, quantity in enumerate(dict.fromkeys(row[0] for row in rows)):
        of = [row[1:] for row in rows if row[0] == quantity]
        shown = of[:_MOST_ROWS]
        more = f" The first {len(shown)} of {len(of)}." if len(shown) < len(of) else ""
        figures.append(
            {
                "svg": Markup(before_and_now(shown, quantity, f"{key}{index}")),
                "words": f"{quantity}, before and now. "
                + "; ".join(
                    f"{label}: {interval(**old)}, then {interval(**new)}" for label, old, new in shown
                ),
                "caption": f"{quantity}: hollow before, filled now, lines are intervals.{more}",
            }
        )
    return figures
