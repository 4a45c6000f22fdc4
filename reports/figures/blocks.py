"""Blocks of Xi at growing width: one network's, and how far those of all networks are from their limit."""

from __future__ import annotations

from typing import Any

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import new_figure, to_svg
from reports.wording import number

_MOST_WIDTHS = 6


def blocks_figure(trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative: heat maps of the first scenario, widths side by side."""
    rows = trials[0]
    widths = sorted({row.width for row in rows})[-_MOST_WIDTHS:]
    figure = new_figure(1.75 * len(widths) + 0.9, 4.1)
    axes = figure.subplots(2, len(widths), squeeze=False)
    blocks = [
        np.array([row.numbers["curve_xi_block"] for row in rows if row.width == width], dtype=float)
        for width in widths
    ]
    away = [np.sqrt(((found - np.eye(found.shape[-1])) ** 2).mean(0)) for found in blocks]
    farthest = float(np.max(away)) or 1.0
    for place, width in enumerate(widths):
        one = _cells(axes[0, place], blocks[place][0], "cividis", 1.2)
        all_off = _cells(axes[1, place], away[place], "magma", farthest)
        axes[0, place].set_title(f"width n = {width}\none network")
        axes[1, place].set_title(f"r.m.s. off, {len(blocks[place])} networks")
    for axis, image in zip(axes[:, -1], (one, all_off), strict=True):
        figure.colorbar(image, ax=axis, fraction=0.05)
    off = [float(np.sqrt((found**2).mean())) for found in away]
    axes[0, 0].set_ylabel("output a")
    axes[1, 0].set_ylabel("output a")
    for axis in axes[1]:
        axis.set_xlabel("output b")
    more = f" ({len(trials) - 1} more scenarios not drawn)" if len(trials) > 1 else ""
    scenario = rows[0].scenario
    return to_svg(figure), (
        f"Block of Ξ at one input, in units of its limit, which is the identity: {scenario['activation']}, "
        f"L = {scenario['depth']}. Root mean square distance of an entry from it: "
        + ", ".join(f"{number(one)} at n = {width}" for one, width in zip(off, widths, strict=True))
        + f"{more}."
    )


def _cells(axis: Any, values: np.ndarray, colours: str, end: float) -> Any:
    image = axis.imshow(values, cmap=colours, vmin=0, vmax=end)
    for (a, b), value in np.ndenumerate(values):
        colour = "white" if value < end / 2 else "black"
        axis.text(b, a, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=colour)
    axis.set_xticks([])
    axis.set_yticks([])
    return image
