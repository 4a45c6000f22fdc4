"""An effect: every repetition, their median with its interval, and the threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence.rows import DecisionRow
from advntk.reports.figures.style import (
    FITTED,
    MEASURED,
    MOST_ROWS,
    PREDICTED,
    Drawing,
    Key,
    dots,
    few_ticks,
    nearest_to_failing,
    panels,
    thinned,
    title,
    to_svg,
)
from advntk.reports.formatting import number, words
from advntk.reports.scenes import Scene

_LEGEND = (
    Key("dot", MEASURED, "every repetition"),
    Key("diamond", FITTED, "median and its interval"),
    Key("dashed", PREDICTED, "threshold"),
)


def median_figure(decisions: list[DecisionRow], scenes: list[Scene]) -> Drawing:
    """One panel per statistic, a row per scenario; `scenes[i]` is that of `decisions[i]`."""
    pairs = list(zip(decisions, scenes, strict=True))
    names = list(dict.fromkeys(row.decision.statistic for row in decisions))
    axes = panels(len(names), height=2.04, left=0.3)
    found = []
    for axis, name in zip(axes, names, strict=True):
        found.append(_panel(axis, name, [pair for pair in pairs if pair[0].decision.statistic == name]))
    return Drawing(to_svg(axes), f"Every repetition and their median. {' '.join(found)}", _LEGEND)


def _panel(axis: Any, name: str, pairs: list[tuple[DecisionRow, Scene]]) -> str:
    chosen = nearest_to_failing([row for row, _ in pairs], MOST_ROWS)
    total = 0
    for height, (row, scene) in enumerate(pairs[i] for i in chosen):
        values = np.sort(scene.statistic(name))
        total += len(values)
        # Equal values stand on top of each other.
        values = values[thinned(values)]
        first = np.searchsorted(values, values, side="left")
        beside = np.arange(len(values)) - first
        dots(axis, values, height + 0.12 + beside * 0.6 / max(6, beside.max() + 1), size=4, alpha=0.7)
        _median(axis, row.decision, height)
    decision = pairs[chosen[0]][0].decision
    shown, side = words(name), decision.detail.get("side", "")
    threshold = decision.detail.get("threshold")
    if threshold is not None:
        axis.axvline(threshold, ls="--", color=PREDICTED, lw=1.6)
    axis.autoscale_view()
    axis.set_ylim(-0.5, len(chosen) - 0.05)
    few_ticks(axis.xaxis)
    axis.set_yticks([])
    axis.set_ylabel(f"{len(chosen)} scenario{'s' if len(chosen) > 1 else ''}")
    wanted = f", claimed {side} {threshold:g}" if threshold is not None else ""
    axis.set_xlabel(shown)
    low, high = number(decision.low), number(decision.high)
    title(
        axis,
        f"{shown}{wanted}, {total} repetitions\nmedian {number(decision.estimate)} [{low}, {high}]",
    )
    return f"{shown}: median {number(decision.estimate)} [{low}, {high}]{wanted}."


def _median(axis: Any, decision: Decision, height: float) -> None:
    if np.isfinite([decision.low, decision.high]).all():
        axis.plot([decision.low, decision.high], [height - 0.15] * 2, color=FITTED, lw=1.6)
    if np.isfinite(decision.estimate):
        axis.plot([decision.estimate], [height - 0.15], "D", ms=5, color=FITTED)
