"""Means along a sweep as relative errors, freed of noise by their controls, and their limit."""

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
    Key(
        "dot", MEASURED, "mean over seeds less its noise in common with control variates, ± 2 standard errors"
    ),
    Key("line", FITTED, "bias model; square: the limit and its interval"),
    Key("dashed", PREDICTED, "predicted"),
    Key("band", BAND, "what is told from it"),
)
_SEEN = "smallest_effect"


def value_figure(decisions: list[DecisionRow], scenes: list[Scene]) -> Drawing | None:
    """One panel per statistic and scenario, nearest to failing first; undecidable ones have none."""
    known = [(d, s) for d, s in zip(decisions, scenes, strict=True) if "means" in d.decision.detail]
    if not known:
        return None
    shown = [known[i] for i in nearest_to_failing([row for row, _ in known], MOST_PANELS)]
    axes = panels(len(shown))
    found = []
    for axis, (row, scene) in zip(axes, shown, strict=True):
        _panel(axis, row.decision, scene)
        error = interval(row.decision.estimate, row.decision.low, row.decision.high)
        seen = row.decision.detail.get("power", {}).get(_SEEN)
        could = "" if seen is None else f", an error of {seen:.2g} would have been refuted"
        found.append(f"{words(row.decision.statistic)}: off by {error}{could}")
    hidden = len(known) - len(shown)
    more = f"; the {hidden} farther from failing are not drawn" if hidden else ""
    over = " or ".join(dict.fromkeys(scene.swept.axis for _, scene in shown))
    text = (
        f"Means over networks as relative errors of the prediction, against the inverse of {over}. "
        f"{'; '.join(found)}{more}."
    )
    return Drawing(to_svg(axes), text, _LEGEND)


def _panel(axis: Any, decision: Decision, scene: Scene) -> None:
    detail, estimate = decision.detail, decision.estimate
    points = np.array([float(point) for point in detail["means"]])
    means = np.array(list(detail["means"].values())) - 1
    errors = np.array(list(detail["errors"].values()))
    off = detail["off"]
    axis.axhline(0, ls="--", color=PREDICTED, lw=1.6)
    axis.axhspan(-off, off, color=BAND, alpha=0.12, lw=0)
    axis.errorbar(1 / points, means, 2 * errors, fmt="o", ms=4.5, color=MEASURED)
    inverse = np.linspace(0, 1 / points[0], 60)
    fitted = estimate + detail["slope"] * inverse + detail["curvature"] * inverse**2
    axis.plot(inverse, fitted, color=FITTED, lw=1.2)
    reach = [[estimate - decision.low], [decision.high - estimate]]
    axis.errorbar([0], [estimate], reach, fmt="s", ms=4.5, color=FITTED, capsize=3)
    axis.set_xticks([0.0, *(1 / points[:4])], ["∞", *(f"{point:g}" for point in points[:4])])
    few_ticks(axis.yaxis)
    axis.set_xlabel(f"{scene.swept.axis}, spaced by its inverse")
    axis.set_ylabel(f"{words(decision.statistic)} / predicted − 1")
    limit = f"limit off by {estimate:+.2%} [{decision.low:+.2%}, {decision.high:+.2%}], within ±{off:.1%}"
    title(axis, f"{scene.label}, {scene.seeds} seeds\n{limit}")
