"""Defect of the closed form against what the commutator predicts, along time."""

from __future__ import annotations

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import ALARM, MEASURED, PREDICTED, panels, plain_log_labels, to_svg
from reports.wording import number


def defect_figure(trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative: median defect per scenario along time, and measured against predicted."""
    figure, (left, right) = panels(2, width=4.6, height=3.2)
    ends, sizes = [], []
    for rows in trials:
        time, defect, predicted = (
            np.array([row.numbers[name] for row in rows], dtype=float)
            for name in ("curve_time", "curve_defect", "curve_predicted")
        )
        left.plot(time[0], np.median(defect, axis=0), "o-", ms=3, lw=0.8, color=MEASURED, alpha=0.7)
        left.plot(time[0], np.median(predicted, axis=0), "--", lw=1.2, color=PREDICTED, alpha=0.9)
        sizes.append(float(np.median(defect[:, -1])))
        ends.append((predicted.ravel(), defect.ravel()))
    x, y = (np.concatenate(parts) for parts in zip(*ends, strict=True))
    right.plot(x, y, "o", ms=2, color=MEASURED, alpha=0.5)
    usable = x[np.isfinite(x) & (x > 0)]
    if usable.size:
        line = np.array([usable.min(), usable.max()])
        right.plot(line, line, "--", color=PREDICTED, lw=1.4, label="as the commutator predicts")
        right.plot(line, np.full(2, 1e-9), color=ALARM, lw=1.2, label="what would pass as equal")
        right.legend(frameon=False, fontsize=7)
    for axis in (left, right) if usable.size else ():
        axis.set_xscale("log")
        axis.set_yscale("log")
        plain_log_labels(axis.xaxis)
        plain_log_labels(axis.yaxis)
    left.set_xlabel("t / T")
    left.set_ylabel("|closed form − flow| / |r(0)|")
    left.set_title(f"{len(trials)} scenarios, medians over seeds; dashed: predicted")
    right.set_xlabel("defect predicted by the commutator")
    right.set_ylabel("measured defect")
    right.set_title("every seed and time")
    words = (
        "Defect of the closed form against the integrated flow, relative to the initial residual: "
        f"medians at T between {number(min(sizes))} and {number(max(sizes))}, near the commutator's."
    )
    return to_svg(figure), words
