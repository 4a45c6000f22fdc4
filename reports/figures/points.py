"""Points of a sweep on an axis: logarithmic where all of them are positive."""

from __future__ import annotations

from typing import Any

import numpy as np

_MOST_TICKS = 7
_REACH = 0.15  # of seeds beside their point, in distances to the next


def show_points(axis: Any, points: np.ndarray, label: str) -> None:
    """Scale, ticks and label of a horizontal axis with a sweep's points."""
    if (points > 0).all():
        axis.set_xscale("log", base=2)
    ticks = points[:: -(-len(points) // _MOST_TICKS)]
    axis.set_xticks(ticks, [f"{point:g}".replace("-", "−") for point in ticks])
    axis.set_xticks([], minor=True)
    axis.set_xlabel(label)


def beside(points: np.ndarray, point: float, count: int) -> np.ndarray:
    """`count` places around a point, so that seeds stand side by side."""
    return _around(points, point, np.linspace(-_REACH, _REACH, count))


def around(points: np.ndarray, point: float) -> np.ndarray:
    """Both ends of a bar over a point, a little wider than its seeds."""
    return _around(points, point, np.array([-_REACH, _REACH]) * 1.2)


def _around(points: np.ndarray, point: float, shares: np.ndarray) -> np.ndarray:
    if (points > 0).all():
        steps = np.diff(np.log(points))
        return point * np.exp(shares * (steps.min() if steps.size else np.log(2)))
    steps = np.diff(points)
    return point + shares * (steps.min() if steps.size else 1.0)
