"""Defect of the closed form against what the commutator predicts, along time."""

from __future__ import annotations

import numpy as np

from advntk.reports.figures.style import (
    ALARM,
    MEASURED,
    PREDICTED,
    Drawing,
    Key,
    dots,
    panels,
    plain_log_labels,
    title,
    to_svg,
)
from advntk.reports.formatting import number
from advntk.reports.scenes import Scene

_LEGEND = (
    Key("dot", MEASURED, "measured defect"),
    Key("dashed", PREDICTED, "as the commutator predicts"),
    Key("line", ALARM, "what would pass as equal"),
)
_MOST_LINES = 60
_MOST_POINTS = 1500


def defect_figure(scenes: list[Scene]) -> Drawing:
    """Median defect per scenario along time, and measured against predicted of every seed and time."""
    left, right = axes = panels(2)
    ends, sizes = [], []
    every = -(-len(scenes) // _MOST_LINES)
    for index, scene in enumerate(scenes):
        time, defect, predicted = (scene.figure("defect", name) for name in ("time", "defect", "predicted"))
        if index % every == 0:
            left.plot(time[0], np.median(defect, axis=0), "o-", ms=3, lw=0.8, color=MEASURED, alpha=0.7)
            left.plot(time[0], np.median(predicted, axis=0), "--", lw=1.2, color=PREDICTED, alpha=0.9)
        sizes.append(float(np.median(defect[:, -1])))
        ends.append((predicted.ravel(), defect.ravel()))
    x, y = (np.concatenate(parts) for parts in zip(*ends, strict=True))
    usable = np.isfinite(x) & (x > 0)
    # Zero has no place on a log axis.
    drawn = np.flatnonzero(usable & (y > 0))
    drawn = drawn[:: -(-drawn.size // _MOST_POINTS)] if drawn.size else drawn
    if usable.any():
        for axis in axes:
            axis.set_xscale("log")
            axis.set_yscale("log")
        dots(right, x[drawn], y[drawn], size=2.5, alpha=0.5)
        line = np.array([x[usable].min(), x[usable].max()])
        right.plot(line, line, "--", color=PREDICTED, lw=1.6)
        right.plot(line, np.full(2, 1e-9), color=ALARM, lw=1.2)
        right.autoscale_view()
        for axis in axes:
            plain_log_labels(axis.xaxis)
            plain_log_labels(axis.yaxis)
    left.set_xlabel("t / T")
    left.set_ylabel("|closed form − flow| / |r(0)|")
    title(left, f"{len(scenes)} scenarios, medians over seeds\n(dashed: predicted)")
    right.set_xlabel("defect predicted by the commutator")
    right.set_ylabel("measured defect")
    title(right, f"every seed and time: {len(x)} points\n" + (f"({drawn.size} drawn)" if drawn.size else ""))
    words = (
        "Defect of the closed form against the integrated flow, relative to the initial residual: "
        f"medians at T between {number(min(sizes))} and {number(max(sizes))}, near the commutator's."
    )
    return Drawing(to_svg(axes), words, _LEGEND if usable.any() else _LEGEND[:1])
