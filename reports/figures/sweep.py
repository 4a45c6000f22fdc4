"""Error against width, every seed, with fitted and predicted slope: one panel per scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from advntk.checks.evidence import TrialRow
from advntk.reports.figures.style import (
    FITTED,
    MEASURED,
    MOST_DOTS,
    MOST_PANELS,
    PREDICTED,
    Drawing,
    Key,
    dots,
    nearest_to_failing,
    panels,
    plain_log_labels,
    setting,
    thinned,
    title,
    to_svg,
)
from advntk.reports.formatting import number

LEGEND = (
    Key("small", MEASURED, "every seed"),
    Key("dot", MEASURED, "median over seeds"),
    Key("line", FITTED, "fitted slope and its interval (grey)"),
    Key("dashed", PREDICTED, "predicted slope"),
)


def sweep_figure(decisions: list[dict], trials: list[list[TrialRow]]) -> Drawing:
    """One panel per scenario, nearest to failing first; `trials[i]` are the rows of `decisions[i]`."""
    shown = [(decisions[i], trials[i]) for i in nearest_to_failing(decisions, MOST_PANELS)]
    axes = panels(len(shown))
    words = []
    for axis, (decision, rows) in zip(axes, shown, strict=True):
        sweep_panel(axis, decision, rows)
        words.append(f"{_name(decision)}: {slope(decision)}")
    hidden = len(decisions) - len(shown)
    more = f"; the {hidden} farther from failing are not drawn" if hidden else ""
    thin = any(seeds > MOST_DOTS for seeds in _seeds(shown))
    dropped = f" Of each width at most {MOST_DOTS} seeds are drawn, evenly by rank." if thin else ""
    text = f"Relative error against width, both logarithmic. {'; '.join(words)}{more}.{dropped}"
    return Drawing(to_svg(axes), text, LEGEND)


def slope(decision: dict) -> str:
    """'exponent 0.5 [0.4, 0.6]'."""
    low, high = number(decision["low"]), number(decision["high"])
    return f"exponent {number(decision['estimate'])} [{low}, {high}]"


def _seeds(shown: Sequence[tuple[dict, list[TrialRow]]]) -> list[int]:
    return [len(rows) // max(1, len({row.width for row in rows})) for _, rows in shown]


def _name(decision: dict) -> str:
    return str(decision["statistic"]).replace("_", " ")


def sweep_panel(axis: Any, decision: dict, rows: list[TrialRow]) -> None:
    """Draw one sweep over widths on log axes; every row's statistic must be positive."""
    widths = np.array([row.width for row in rows], dtype=float)
    errors = np.array([row.numbers[decision["statistic"]] for row in rows], dtype=float)
    points = np.unique(widths)
    for point in points:
        # Seeds side by side within their point, in order, so that none hides another.
        here = errors[widths == point]
        kept = thinned(here)
        dots(axis, point * np.linspace(0.9, 1.11, len(kept)), here[kept])
    medians = np.array([np.median(errors[widths == r]) for r in points])
    axis.plot(points, medians, "o", ms=4.5, color=MEASURED)
    exponent, detail = decision["estimate"], decision["detail"]
    second = slope(decision)
    if detail.get("intercept") is not None:
        fitted = np.exp(detail["intercept"]) * points**-exponent
        axis.plot(points, fitted, color=FITTED, lw=1.2)
        _interval(axis, decision, points, fitted)
        anchor = fitted[0] * (points / points[0]) ** -detail["predicted"]
        axis.plot(points, anchor, "--", color=PREDICTED, lw=1.6)
        second += f", predicted {detail['predicted']:g}"
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(points, [f"{int(r)}" for r in points])
    axis.set_xticks([], minor=True)
    axis.autoscale_view()
    plain_log_labels(axis.yaxis)
    joint = rows[0].scenario["input_growth"] == "joint"
    axis.set_xlabel("width n = d (neurons, inputs)" if joint else "hidden width n (neurons)")
    axis.set_ylabel(_name(decision) + " (relative)")
    title(axis, f"{setting(rows[0].scenario, f'{len(errors) // len(points)} seeds')}\n{second}")


def _interval(axis: Any, decision: dict, points: np.ndarray, fitted: np.ndarray) -> None:
    """The slopes between both ends of the interval, turned about the middle of the sweep."""
    low, high = decision["low"], decision["high"]
    if not np.isfinite([low, high]).all():
        return
    middle = np.exp(np.log(points).mean())
    turned = [fitted * (points / middle) ** (decision["estimate"] - end) for end in (low, high)]
    axis.fill_between(points, *turned, color=FITTED, alpha=0.12, lw=0)
