"""Trained networks against the Gaussian process that theory gives: their mean, and their deviation."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.reports.figures.points import around, beside, show_points
from advntk.reports.figures.style import (
    ASIDE,
    BAND,
    MEASURED,
    MOST_PANELS,
    PREDICTED,
    Drawing,
    Key,
    dots,
    few_ticks,
    panels,
    thinned,
    title,
    to_svg,
)
from advntk.reports.scenes import Scene

_LEGEND = (
    Key("small", ASIDE, "every network"),
    Key("band", BAND, "middle 90 % of networks"),
    Key("dot", MEASURED, "ensemble, ± 2 standard errors"),
    Key("dashed", PREDICTED, "the Gaussian process"),
)


def ensemble_figure(scenes: list[Scene]) -> Drawing:
    """Two panels per scenario, against the sweep: outputs along the predicted mean, and their deviation."""
    shown = scenes[: MOST_PANELS // 2]
    axes = panels(2 * len(shown))
    words = []
    for scene, left, right in zip(shown, axes[::2], axes[1::2], strict=True):
        where = f"{scene.label}, {scene.seeds} networks"
        mean = _against_points(left, scene, "mean", False)
        deviation = _against_points(right, scene, "variance", True)
        left.set_ylabel("outputs along predicted mean")
        right.set_ylabel("deviation / predicted")
        last = scene.swept.at(scene.points[-1])
        title(left, f"{where}\nmean {mean:.2f} of the predicted at {last}")
        title(right, f"{where}\ndeviation {deviation:.2f} of the predicted at {last}")
        words.append(
            f"At {last} the ensemble's mean is {mean:.3f} and its deviation {deviation:.3f} of the Gaussian "
            "process's."
        )
    text = "Outputs of trained networks against the Gaussian process in the limit. " + " ".join(words)
    return Drawing(to_svg(axes), text, _LEGEND)


def _against_points(axis: Any, scene: Scene, name: str, squared: bool) -> float:
    """Draw networks and ensemble at each point, roots of what is `squared`; the last ensemble's value."""
    size = np.nan
    values, points = scene.figure("ensemble", name), scene.points
    for point in points:
        found = values[scene.places == point]
        each = np.sqrt(np.maximum(found, 0.0)) if squared else found
        drawn = each[thinned(each)]
        dots(axis, beside(points, point, len(drawn)), drawn, colour=ASIDE)
        low, high = np.quantile(each, [0.05, 0.95])
        axis.fill_between(around(points, point), [low] * 2, [high] * 2, color=BAND, alpha=0.2, lw=0)
        error = found.std(ddof=1) / np.sqrt(found.size) if found.size > 1 else 0.0
        size = float(np.sqrt(max(found.mean(), 0.0)) if squared else found.mean())
        # To first order the error of a root is that of its square over twice the root.
        reach = 2 * error / (2 * size if squared and size else 1.0)
        axis.errorbar([point], [size], [reach], fmt="o", ms=4.5, color=MEASURED)
    axis.axhline(1, ls="--", color=PREDICTED, lw=1.6)
    show_points(axis, points, scene.swept.axis)
    few_ticks(axis.yaxis)
    return size
