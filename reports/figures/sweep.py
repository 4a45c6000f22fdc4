"""Error against the points of a sweep, every seed, with fitted and predicted slope: a panel per scenario."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence.rows import DecisionRow
from advntk.reports.figures.points import beside, show_points
from advntk.reports.figures.style import (
    ASIDE,
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
    thinned,
    title,
    to_svg,
)
from advntk.reports.formatting import number, words
from advntk.reports.scenes import Scene

LEGEND = (
    Key("small", MEASURED, "every seed"),
    Key("dot", MEASURED, "median over seeds"),
    Key("line", FITTED, "fitted slope and its interval (grey)"),
    Key("dashed", PREDICTED, "predicted slope"),
)


def sweep_figure(decisions: list[DecisionRow], scenes: list[Scene]) -> Drawing:
    """One panel per scenario, nearest to failing first; `scenes[i]` is that of `decisions[i]`."""
    shown = [(decisions[i].decision, scenes[i]) for i in nearest_to_failing(decisions, MOST_PANELS)]
    axes = panels(len(shown))
    found = []
    for axis, (decision, scene) in zip(axes, shown, strict=True):
        sweep_panel(axis, decision, scene)
        found.append(f"{words(decision.statistic)}: {slope(decision)}")
    hidden = len(decisions) - len(shown)
    more = f"; the {hidden} farther from failing are not drawn" if hidden else ""
    thin = any(scene.seeds > MOST_DOTS for _, scene in shown)
    dropped = f" Of each point at most {MOST_DOTS} seeds are drawn, evenly by rank." if thin else ""
    over = " or ".join(dict.fromkeys(scene.swept.axis for _, scene in shown))
    text = f"Error against {over}, both logarithmic. {'; '.join(found)}{more}.{dropped}"
    return Drawing(to_svg(axes), text, LEGEND)


def slope(decision: Decision) -> str:
    """'exponent 0.5 [0.4, 0.6]'."""
    return f"exponent {number(decision.estimate)} [{number(decision.low)}, {number(decision.high)}]"


def sweep_panel(axis: Any, decision: Decision, scene: Scene) -> None:
    """Draw one sweep on log axes; points and every row's statistic must be positive."""
    places, errors, points = scene.places, scene.statistic(decision.statistic), scene.points
    for point in points:
        # Seeds side by side within their point, in order, so that none hides another.
        here = errors[places == point]
        kept = thinned(here)
        dots(axis, beside(points, point, len(kept)), here[kept])
    medians = np.array([np.median(errors[places == point]) for point in points])
    axis.plot(points, medians, "o", ms=4.5, color=MEASURED)
    exponent, detail = decision.estimate, decision.detail
    second = slope(decision)
    if detail.get("intercept") is not None:
        fitted = np.exp(detail["intercept"]) * points**-exponent
        axis.plot(points, fitted, color=FITTED, lw=1.2)
        _interval(axis, decision, points, fitted)
        anchor = fitted[0] * (points / points[0]) ** -detail["predicted"]
        axis.plot(points, anchor, "--", color=PREDICTED, lw=1.6)
        second += f", predicted {detail['predicted']:g}"
    axis.set_yscale("log")
    show_points(axis, points, scene.swept.axis)
    axis.autoscale_view()
    plain_log_labels(axis.yaxis)
    axis.set_ylabel(words(decision.statistic))
    title(axis, f"{scene.label}, {scene.seeds} seeds\n{second}")


def _interval(axis: Any, decision: Decision, points: np.ndarray, fitted: np.ndarray) -> None:
    """The slopes between both ends of the interval, turned about the middle of the sweep."""
    low, high = decision.low, decision.high
    if not np.isfinite([low, high]).all():
        return
    middle = np.exp(np.log(points).mean())
    turned = [fitted * (points / middle) ** (decision.estimate - end) for end in (low, high)]
    axis.fill_between(points, *turned, color=ASIDE, alpha=0.3, lw=0)
