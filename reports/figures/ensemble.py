"""Trained networks against the Gaussian process that theory gives: their mean, and their deviation."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.evidence import TrialRow
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
    setting,
    thinned,
    title,
    to_svg,
)

_LEGEND = (
    Key("small", ASIDE, "every network"),
    Key("band", BAND, "middle 90 % of networks"),
    Key("dot", MEASURED, "ensemble, ± 2 standard errors"),
    Key("dashed", PREDICTED, "the Gaussian process"),
)


def ensemble_figure(trials: list[list[TrialRow]]) -> Drawing:
    """Two panels per scenario, against width: outputs along the predicted mean, and their deviation."""
    shown = trials[: MOST_PANELS // 2]
    axes = panels(2 * len(shown))
    words = []
    for rows, left, right in zip(shown, axes[::2], axes[1::2], strict=True):
        widths = np.array([row.width for row in rows], dtype=float)
        points = np.unique(widths)
        seeds = len(widths) // len(points)
        where = setting(rows[0].scenario, f"{seeds} networks")
        mean = _against_width(left, points, [_values(rows, "mean", r) for r in points], False)
        deviation = _against_width(right, points, [_values(rows, "variance", r) for r in points], True)
        left.set_ylabel("outputs along predicted mean")
        right.set_ylabel("deviation / predicted")
        widest = int(points[-1])
        title(left, f"{where}\nmean {mean:.2f} of the predicted at n = {widest}")
        title(right, f"{where}\ndeviation {deviation:.2f} of the predicted at n = {widest}")
        words.append(
            f"At width {widest} the ensemble's mean is {mean:.3f} and its deviation {deviation:.3f} of the "
            "Gaussian process's."
        )
    text = "Outputs of trained networks against the Gaussian process in the limit. " + " ".join(words)
    return Drawing(to_svg(axes), text, _LEGEND)


def _values(rows: list[TrialRow], key: str, width: float) -> np.ndarray:
    return np.array([row.numbers[key] for row in rows if row.width == width], dtype=float)


def _against_width(axis: Any, points: np.ndarray, values: list[np.ndarray], squared: bool) -> float:
    """Draw networks and ensemble at each width, roots of what is `squared`; the last ensemble's value."""
    size = np.nan
    for point, found in zip(points, values, strict=True):
        each = np.sqrt(np.maximum(found, 0.0)) if squared else found
        drawn = each[thinned(each)]
        dots(axis, point * np.linspace(0.9, 1.11, len(drawn)), drawn, colour=ASIDE)
        low, high = np.quantile(each, [0.05, 0.95])
        axis.fill_between(point * np.array([0.88, 1.13]), [low] * 2, [high] * 2, color=BAND, alpha=0.2, lw=0)
        error = found.std(ddof=1) / np.sqrt(found.size) if found.size > 1 else 0.0
        size = float(np.sqrt(max(found.mean(), 0.0)) if squared else found.mean())
        # To first order the error of a root is that of its square over twice the root.
        reach = 2 * error / (2 * size if squared and size else 1.0)
        axis.errorbar([point], [size], [reach], fmt="o", ms=4.5, color=MEASURED)
    axis.axhline(1, ls="--", color=PREDICTED, lw=1.6)
    axis.set_xscale("log", base=2)
    axis.set_xticks(points, [f"{int(r)}" for r in points])
    axis.set_xticks([], minor=True)
    few_ticks(axis.yaxis)
    axis.set_xlabel("width n = d (neurons, inputs)")
    return size
