"""Phase diagram of the linearisation gap: a row per strength of the search, a column per width."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.evidence import TrialRow
from advntk.reports.figures.style import (
    FITTED,
    MEASURED,
    MOST_ROWS,
    Drawing,
    Key,
    panels,
    short,
    title,
    to_svg,
)
from advntk.reports.formatting import number


def phase_figure(trials: list[list[TrialRow]], statistics: list[str]) -> Drawing:
    """One panel per statistic; a cell is the median over seeds, larger gaps darker, on a log scale."""
    ordered = sorted(trials, key=lambda rows: rows[0].scenario["strength"])
    ordered = ordered[:: -(-len(ordered) // MOST_ROWS)]
    axes = panels(len(statistics), height=1.2 + 0.28 * max(3, len(ordered)), left=1.25)
    words = []
    for axis, name in zip(axes, statistics, strict=True):
        words.append(_panel(axis, ordered, name))
    legend = (Key("band", MEASURED, "median gap over seeds; the darker, the larger"),)
    text = f"Gap between network and linearisation over width and strength of the search. {' '.join(words)}"
    return Drawing(to_svg(axes), text, legend)


def _panel(axis: Any, trials: list[list[TrialRow]], name: str) -> str:
    widths = sorted({row.width for rows in trials for row in rows})
    gaps = {}
    for height, rows in enumerate(trials):
        for column, width in enumerate(widths):
            found = [row.numbers.get(name) for row in rows if row.width == width]
            usable = [v for v in found if v is not None and np.isfinite(v) and v > 0]
            if usable:
                gaps[height, column] = float(np.median(usable))
    low, high = (np.log(extreme(gaps.values(), default=1.0)) for extreme in (min, max))
    for (height, column), gap in gaps.items():
        shade = (np.log(gap) - low) / (high - low) if high > low else 0.5
        axis.broken_barh(
            [(column - 0.49, 0.98)], (height - 0.47, 0.94), facecolor=MEASURED, alpha=0.08 + 0.5 * shade, lw=0
        )
        percent = short(float(f"{100 * gap:.2g}"))
        axis.text(column, height, percent, ha="center", va="center", fontsize=7, color=FITTED)
    axis.set_xlim(-0.5, len(widths) - 0.5)
    axis.set_ylim(-0.5, len(trials) - 0.5)
    axis.set_xticks(range(len(widths)), [str(w) for w in widths])
    names = [f"η·S = {rows[0].scenario['strength']:g}\n{rows[0].scenario['activation']}" for rows in trials]
    axis.set_yticks(range(len(trials)), names, fontsize=7)
    axis.tick_params(length=0)
    joint = trials[0][0].scenario["input_growth"] == "joint"
    axis.set_xlabel("width n = d (neurons, inputs)" if joint else "hidden width n (neurons)")
    seeds = min(len(rows) // max(1, len({row.width for row in rows})) for rows in trials)
    shown = name.replace("_", " ")
    title(axis, f"{shown}, relative gap in %\nmedians of {seeds} seeds or more")
    smallest, largest = (number(extreme(gaps.values(), default=np.nan)) for extreme in (min, max))
    return f"{shown}: between {smallest} and {largest}."
