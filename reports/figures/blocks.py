"""Blocks of a kernel along a sweep: one network's, beside how far all networks are from their limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from advntk.reports.figures.style import (
    FITTED,
    MEASURED,
    MOST_PANELS,
    Drawing,
    Key,
    panels,
    title,
    to_svg,
)
from advntk.reports.formatting import number
from advntk.reports.scenes import Scene

_LEGEND = (Key("band", MEASURED, "entry of one network's block; the stronger the colour, the larger"),)
_FULL = 1.2  # an entry of full shade


def blocks_figure(scenes: list[Scene], statistics: Sequence[str] = ()) -> Drawing:
    """Heat maps of the first scenario, a panel per point; of the first statistic, or of the only array."""
    scene = scenes[0]
    name = next(iter(statistics or scene.rows[0].figures["blocks"]))
    points = scene.points[-MOST_PANELS:]
    axes = panels(len(points))
    words = []
    for axis, point in zip(axes, points, strict=True):
        blocks = scene.only(scene.at(point)).figure("blocks", name)
        off = float(np.sqrt(((blocks - np.eye(blocks.shape[-1])) ** 2).mean()))
        _cells(axis, blocks[0])
        at = f" at {scene.swept.at(point)}" if scene.swept.axis else ""
        title(axis, f"one network{at}\nentries off by {number(off)} (r.m.s., {len(blocks)} networks)")
        words.append(f"{number(off)}{at}")
    more = f" ({len(scenes) - 1} more scenarios are not drawn)" if len(scenes) > 1 else ""
    text = (
        "Block at one input, output against output, in units of its limit, which is the identity; "
        f"{scene.label}. Root mean square distance of an entry: {', '.join(words)}{more}."
    )
    return Drawing(to_svg(axes), text, _LEGEND)


def _cells(axis: Any, values: np.ndarray) -> None:
    for (a, b), value in np.ndenumerate(values):
        shade = float(np.clip(abs(value) / _FULL, 0, 1))
        axis.broken_barh(
            [(b - 0.48, 0.96)], (a - 0.48, 0.96), facecolor=MEASURED, alpha=0.05 + 0.6 * shade, lw=0
        )
        text = f"{round(float(value), 2) + 0.0:.2f}".replace("-", "−")  # no zero with a sign
        axis.text(b, a, text, ha="center", va="center", fontsize=7.5, color=FITTED)
    outputs = len(values)
    axis.set_xlim(-0.5, outputs - 0.5)
    axis.set_ylim(outputs - 0.5, -0.5)
    axis.set_aspect("equal")
    axis.set_xticks(range(outputs), [str(i + 1) for i in range(outputs)])
    axis.set_yticks(range(outputs), [str(i + 1) for i in range(outputs)])
    axis.tick_params(length=0)
    axis.set_xlabel("output b")
    axis.set_ylabel("output a")
