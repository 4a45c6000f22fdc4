"""A spread against 1/width, extrapolated to infinite width and held against its prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.evidence import TrialRow
from advntk.reports.figures.style import (
    BAND,
    FITTED,
    MEASURED,
    MOST_PANELS,
    PREDICTED,
    Drawing,
    Key,
    few_ticks,
    nearest_to_failing,
    panels,
    setting,
    title,
    to_svg,
)
from advntk.reports.formatting import number

_LEGEND = (
    Key("dot", MEASURED, "mean over seeds, ± 2 standard errors"),
    Key("line", FITTED, "fit in 1/n; square: its limit and interval"),
    Key("dashed", PREDICTED, "predicted"),
    Key("band", BAND, "equivalence margin"),
)


def level_figure(decisions: list[dict], trials: list[list[TrialRow]]) -> Drawing:
    """One panel per scenario, nearest to failing first; `trials[i]` are the rows of `decisions[i]`."""
    shown = [(decisions[i], trials[i]) for i in nearest_to_failing(decisions, MOST_PANELS)]
    axes = panels(len(shown))
    words = []
    for axis, (decision, rows) in zip(axes, shown, strict=True):
        _panel(axis, decision, rows)
        name = str(decision["statistic"]).replace("_", " ")
        low, high = number(decision["low"]), number(decision["high"])
        words.append(f"{name}: ratio {number(decision['estimate'])} [{low}, {high}] of the prediction")
    hidden = len(decisions) - len(shown)
    more = f"; the {hidden} farther from failing are not drawn" if hidden else ""
    return Drawing(
        to_svg(axes), f"Measured over predicted, against 1/width. {'; '.join(words)}{more}.", _LEGEND
    )


def _panel(axis: Any, decision: dict, rows: list[TrialRow]) -> None:
    margin = decision["detail"].get("margin")
    widths = np.array([row.width for row in rows], dtype=float)
    values = np.array([row.numbers[decision["statistic"]] for row in rows], dtype=float)
    points = np.unique(widths)
    seeds = len(values) // len(points)
    means = np.array([values[widths == r].mean() for r in points])
    # One seed has no spread to tell.
    spreads = np.array([values[widths == r].std(ddof=1) if np.sum(widths == r) > 1 else 0.0 for r in points])
    errors = spreads / np.sqrt([np.sum(widths == r) for r in points])
    axis.axhline(1, ls="--", color=PREDICTED, lw=1.6)
    axis.errorbar(1 / points, means, 2 * errors, fmt="o", ms=4.5, color=MEASURED)
    estimate = decision["estimate"]
    limit = ""
    if margin is not None and np.isfinite([estimate, decision["low"], decision["high"]]).all():
        axis.axhspan(1 / margin, margin, color=BAND, alpha=0.12, lw=0)
        ends = np.array([0, 1 / points[0]])
        axis.plot(ends, estimate + decision["detail"]["slope"] * ends, color=FITTED, lw=1.2)
        reach = [[estimate - decision["low"]], [decision["high"] - estimate]]
        axis.errorbar([0], [estimate], reach, fmt="s", ms=4.5, color=FITTED, capsize=3)
        limit = f"limit {estimate:.2f} [{decision['low']:.2f}, {decision['high']:.2f}], within ×{margin:.3g}"
    ticks = [0.0, *(1 / points[:4])]
    axis.set_xticks(ticks, ["∞", *(f"{int(r)}" for r in points[:4])])
    few_ticks(axis.yaxis)
    axis.set_xlabel("hidden width n (neurons; spaced by 1/n)")
    name = str(decision["statistic"]).replace("_", " ")
    # Spreads are compared as squares.
    axis.set_ylabel(name + ("²" if name.endswith("spread") else "") + " / predicted")
    title(axis, f"{setting(rows[0].scenario, f'{seeds} seeds')}\n{limit}")
