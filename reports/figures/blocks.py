"""Blocks of Xi at growing width: one network's, beside how far all networks are from their limit."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.evidence import TrialRow
from advntk.reports.figures.style import (
    FITTED,
    MEASURED,
    MOST_PANELS,
    Drawing,
    Key,
    panels,
    setting,
    title,
    to_svg,
)
from advntk.reports.formatting import number

_LEGEND = (Key("band", MEASURED, "entry of one network's block; the darker, the larger"),)
_FULL = 1.2  # an entry drawn at full strength


def blocks_figure(trials: list[list[TrialRow]]) -> Drawing:
    """Heat maps of the first scenario, a panel per width."""
    rows = trials[0]
    widths = sorted({row.width for row in rows})[-MOST_PANELS:]
    axes = panels(len(widths))
    words = []
    for axis, width in zip(axes, widths, strict=True):
        blocks = np.array([row.numbers["curve_xi_block"] for row in rows if row.width == width], dtype=float)
        off = float(np.sqrt(((blocks - np.eye(blocks.shape[-1])) ** 2).mean()))
        _cells(axis, blocks[0])
        title(axis, f"width n = {width}\nentries off by {number(off)} (r.m.s., {len(blocks)} networks)")
        words.append(f"{number(off)} at n = {width}")
    more = f" ({len(trials) - 1} more scenarios are not drawn)" if len(trials) > 1 else ""
    text = (
        "Block of Ξ at one input, output against output, in units of its limit, which is the identity; "
        f"{setting(rows[0].scenario)}. Root mean square distance of an entry: {', '.join(words)}{more}."
    )
    return Drawing(to_svg(axes), text, _LEGEND)


def _cells(axis: Any, values: np.ndarray) -> None:
    for (a, b), value in np.ndenumerate(values):
        strength = float(np.clip(abs(value) / _FULL, 0, 1))
        axis.broken_barh(
            [(b - 0.48, 0.96)], (a - 0.48, 0.96), facecolor=MEASURED, alpha=0.05 + 0.6 * strength, lw=0
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
