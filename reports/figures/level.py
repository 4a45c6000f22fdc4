"""A level against the inverse points of a sweep, extrapolated to infinity and held against its prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence.rows import DecisionRow
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
    title,
    to_svg,
)
from advntk.reports.formatting import interval, words
from advntk.reports.scenes import Scene

_LEGEND = (
    Key("dot", MEASURED, "mean over seeds, ± 2 standard errors"),
    Key("line", FITTED, "fit in the inverse; square: its limit and interval"),
    Key("dashed", PREDICTED, "predicted"),
    Key("band", BAND, "equivalence margin"),
)


def level_figure(decisions: list[DecisionRow], scenes: list[Scene]) -> Drawing:
    """One panel per scenario, nearest to failing first; `scenes[i]` is that of `decisions[i]`."""
    shown = [(decisions[i].decision, scenes[i]) for i in nearest_to_failing(decisions, MOST_PANELS)]
    axes = panels(len(shown))
    found = []
    for axis, (decision, scene) in zip(axes, shown, strict=True):
        _panel(axis, decision, scene)
        ratio = interval(decision.estimate, decision.low, decision.high)
        found.append(f"{words(decision.statistic)}: ratio {ratio} of the prediction")
    hidden = len(decisions) - len(shown)
    more = f"; the {hidden} farther from failing are not drawn" if hidden else ""
    over = " or ".join(dict.fromkeys(scene.swept.axis for _, scene in shown))
    text = f"Measured over predicted, against the inverse of {over}. {'; '.join(found)}{more}."
    return Drawing(to_svg(axes), text, _LEGEND)


def _panel(axis: Any, decision: Decision, scene: Scene) -> None:
    margin = decision.detail.get("margin")
    places, values, points = scene.places, scene.statistic(decision.statistic), scene.points
    means = np.array([values[places == point].mean() for point in points])
    counts = np.array([np.sum(places == point) for point in points])
    # One seed has no spread to tell.
    spreads = [
        values[places == point].std(ddof=1) if count > 1 else 0.0
        for point, count in zip(points, counts, strict=True)
    ]
    errors = np.array(spreads) / np.sqrt(counts)
    axis.axhline(1, ls="--", color=PREDICTED, lw=1.6)
    axis.errorbar(1 / points, means, 2 * errors, fmt="o", ms=4.5, color=MEASURED)
    estimate = decision.estimate
    limit = ""
    if margin is not None and np.isfinite([estimate, decision.low, decision.high]).all():
        axis.axhspan(1 / margin, margin, color=BAND, alpha=0.12, lw=0)
        ends = np.array([0, 1 / points[0]])
        axis.plot(ends, estimate + decision.detail["slope"] * ends, color=FITTED, lw=1.2)
        reach = [[estimate - decision.low], [decision.high - estimate]]
        axis.errorbar([0], [estimate], reach, fmt="s", ms=4.5, color=FITTED, capsize=3)
        limit = f"limit {estimate:.2f} [{decision.low:.2f}, {decision.high:.2f}], within ×{margin:.3g}"
    ticks = [0.0, *(1 / points[:4])]
    axis.set_xticks(ticks, ["∞", *(f"{point:g}" for point in points[:4])])
    few_ticks(axis.yaxis)
    axis.set_xlabel(f"{scene.swept.axis}, spaced by its inverse")
    axis.set_ylabel(f"{words(decision.statistic)} / predicted")
    title(axis, f"{scene.label}, {scene.seeds} seeds\n{limit}")
