"""Robust and clean accuracy along training time: robust overfitting, and where stopping wins."""

from __future__ import annotations

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import ALARM, MEASURED, MOST_PANELS, PREDICTED, panels, plain_log_labels, to_svg


def overfitting_figure(trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative: one panel per scenario, every split thin, the mean thick."""
    shown = trials[:MOST_PANELS]
    figure, axes = panels(len(shown), width=4.6, height=3.4)
    words = []
    for axis, rows in zip(axes, shown, strict=True):
        words.append(_panel(axis, rows))
    axes[0].legend(frameon=False, fontsize=7, loc="lower left")
    return to_svg(figure), "Accuracy on unseen images along training time. " + " ".join(words)


def _panel(axis, rows: list[TrialRow]) -> str:
    time = np.array(rows[0].numbers["curve_time"], dtype=float)
    for name, colour, label in (("clean", MEASURED, "clean"), ("robust", ALARM, "robust (PGD-10)")):
        curves = np.array([row.numbers[f"curve_{name}"] for row in rows], dtype=float)
        without = np.array([row.numbers[f"{name}_without_search"] for row in rows], dtype=float)
        axis.plot(time, curves.T, lw=0.5, alpha=0.3, color=colour)
        axis.plot(time, curves.mean(0), lw=2, color=colour, label=label)
        axis.plot([time[-1]], [without.mean()], "D", ms=5, color=PREDICTED, zorder=5)
    best = np.array([row.numbers["best_time"] for row in rows], dtype=float)
    axis.plot([], [], "D", ms=5, color=PREDICTED, label="trained without a search, t = ∞")
    axis.axvline(np.median(best), ls=":", color="black", lw=1, label="best time (median over splits)")
    axis.set_xscale("log")
    plain_log_labels(axis.xaxis)
    axis.set_ylim(0, 1)
    axis.set_xlabel("t · mean Θ(x_i, x_i)")
    axis.set_ylabel("accuracy on test images")
    scenario = rows[0].scenario
    axis.set_title(
        f"{scenario['label_noise']:.0%} wrong labels, η·S = {scenario['strength']:g}, {len(rows)} splits"
    )
    robust = np.array([row.numbers["curve_robust"] for row in rows], dtype=float).mean(0)
    return (
        f"{scenario['label_noise']:.0%} wrong labels: mean robust accuracy {robust[0]:.2f} at first, at most "
        f"{robust.max():.2f}, {robust[-1]:.2f} at last."
    )
