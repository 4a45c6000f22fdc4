"""The look that all figures share: colours that colour-blind readers can tell apart, vector output."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

# Okabe & Ito's palette.
MEASURED, FITTED, PREDICTED, ALARM, BAND = "#0072B2", "#000000", "#E69F00", "#D55E00", "#009E73"

_RC: Any = {
    "svg.fonttype": "none",  # text stays text: searchable, and small files
    "svg.hashsalt": "advntk",  # same evidence, same bytes
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"],
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8,
}

PANELS_PER_ROW = 3
MOST_PANELS = 12


def figure_style() -> AbstractContextManager:
    """The context in which figures are drawn and written; leaves matplotlib as it was."""
    return matplotlib.rc_context(_RC)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches; nothing overlaps in it."""
    return Figure(figsize=(width, height), layout="constrained")


def panels(count: int, width: float = 3.4, height: float = 2.9) -> tuple[Figure, list]:
    """A figure with `count` axes in rows of three."""
    columns = min(count, PANELS_PER_ROW)
    rows = -(-count // PANELS_PER_ROW)
    figure = new_figure(width * columns, height * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for unused in axes[count:]:
        unused.set_visible(False)
    return figure, axes[:count]


def dots(axis: Any, x: np.ndarray, y: np.ndarray, size: float = 2.2, alpha: float = 0.4) -> None:
    """Many small dots as one path (zero-length strokes with round ends): a tenth of the bytes."""
    points = np.repeat(np.column_stack([x, y]), 2, axis=0)
    path = Path(points, np.tile([Path.MOVETO, Path.LINETO], len(x)))
    path.should_simplify = False
    axis.add_patch(PathPatch(path, lw=size, edgecolor=MEASURED, alpha=alpha, fill=False, capstyle="round"))


def plain_log_labels(axis: Any) -> None:
    """Label a log axis 0.1, 0.2, 0.5, 1, ... (1e-06 where that is shorter): no superscripts to typeset."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
    low, high = sorted(axis.get_view_interval())
    if high < 100 * low:  # fewer than two decades: powers of ten alone would leave the axis bare
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    if high > 1000 * low:  # over many decades small ticks say nothing, and take longest of all to draw
        axis.set_minor_locator(NullLocator())


def to_svg(figure: Figure) -> str:
    """The <svg> element alone, without XML prologue."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
