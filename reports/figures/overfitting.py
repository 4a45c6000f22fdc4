"""Robust and clean accuracy along training time: robust overfitting, and where stopping wins."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.reports.figures.style import (
    ALARM,
    ASIDE,
    FITTED,
    MEASURED,
    MOST_PANELS,
    PREDICTED,
    Drawing,
    Key,
    panels,
    plain_log_labels,
    title,
    to_svg,
)
from advntk.reports.scenes import Scene

_LEGEND = (
    Key("line", MEASURED, "clean: mean over splits (thin: every split)"),
    Key("line", ALARM, "robust, under PGD-10"),
    Key("diamond", PREDICTED, "trained without a search, t = ∞"),
    Key("dotted", FITTED, "best time, median over splits (grey: quartiles)"),
)
_MOST_SPLITS = 48


def overfitting_figure(scenes: list[Scene]) -> Drawing:
    """One panel per scenario, every split thin, the mean thick."""
    shown = scenes[:MOST_PANELS]
    axes = panels(len(shown))
    words = [_panel(axis, scene) for axis, scene in zip(axes, shown, strict=True)]
    text = "Accuracy on unseen images along training time. " + " ".join(words)
    return Drawing(to_svg(axes), text, _LEGEND)


def _panel(axis: Any, scene: Scene) -> str:
    time = scene.figure("overfitting", "time")[0]
    means = {}
    for name, colour in (("clean", MEASURED), ("robust", ALARM)):
        curves = scene.figure("overfitting", name)
        without = scene.figure("overfitting", f"{name}_without_search")
        axis.plot(time, curves[:_MOST_SPLITS].T, lw=0.5, alpha=0.3, color=colour)
        means[name] = curves.mean(0)
        axis.plot(time, means[name], lw=2, color=colour)
        axis.plot([time[-1]], [without.mean()], "D", ms=5, color=PREDICTED, zorder=5)
    best = scene.figure("overfitting", "best_time")
    early, middle, late = np.quantile(best, [0.25, 0.5, 0.75])
    axis.axvspan(early, late, color=ASIDE, alpha=0.3, lw=0)
    axis.axvline(middle, ls=":", color=FITTED, lw=1.2)
    axis.set_xscale("log")
    plain_log_labels(axis.xaxis)
    axis.set_ylim(0, 1)
    axis.set_xlabel("t · mean Θ(x_i, x_i) (pure number)")
    axis.set_ylabel("accuracy on test images")
    robust = means["robust"]
    title(
        axis,
        f"{scene.label}, {len(scene.rows)} splits\n"
        f"robust: {robust.max():.2f} at best, {robust[-1]:.2f} at last",
    )
    return (
        f"{scene.label}: mean robust accuracy {robust[0]:.2f} at first, at most "
        f"{robust.max():.2f}, {robust[-1]:.2f} at last."
    )
