"""Phase diagram of a gap: a row per strength, a column per point of the sweep."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.reports.figures.style import (
    FITTED,
    MEASURED,
    MOST_ROWS,
    Drawing,
    Key,
    brief,
    panels,
    short,
    title,
    to_svg,
)
from advntk.reports.formatting import number, words
from advntk.reports.scenes import Scene

_LETTERS = 21  # of a label, that fit in the margin


def phase_figure(scenes: list[Scene], statistics: list[str]) -> Drawing | None:
    """One panel per statistic; a cell is the median over seeds, on a log scale of strength of colour.

    None where all scenarios have one strength.
    """
    if len({_strength(scene) for scene in scenes}) < 2:
        return None
    ordered = sorted(scenes, key=_strength)
    ordered = ordered[:: -(-len(ordered) // MOST_ROWS)]
    axes = panels(len(statistics), height=1.34 + 0.28 * max(3, len(ordered)), left=1.25)
    found = [_panel(axis, ordered, name) for axis, name in zip(axes, statistics, strict=True)]
    legend = (Key("band", MEASURED, "median gap over seeds; the stronger the colour, the larger"),)
    over = " or ".join(dict.fromkeys(scene.swept.axis for scene in ordered)) or "strength"
    return Drawing(to_svg(axes), f"Gap over {over}, by strength of the search. {' '.join(found)}", legend)


def _strength(scene: Scene) -> float:
    return float(scene.rows[0].figures["phase"]["strength"])


def _panel(axis: Any, scenes: list[Scene], name: str) -> str:
    points = sorted({float(point) for scene in scenes for point in scene.points})
    gaps = {}
    for height, scene in enumerate(scenes):
        values = scene.figure("phase", name)
        for column, point in enumerate(points):
            here = values[scene.places == point]
            usable = here[np.isfinite(here) & (here > 0)]
            if usable.size:
                gaps[height, column] = float(np.median(usable))
    low, high = (np.log(extreme(gaps.values(), default=1.0)) for extreme in (min, max))
    for (height, column), gap in gaps.items():
        shade = (np.log(gap) - low) / (high - low) if high > low else 0.5
        axis.broken_barh(
            [(column - 0.49, 0.98)], (height - 0.47, 0.94), facecolor=MEASURED, alpha=0.08 + 0.5 * shade, lw=0
        )
        percent = short(float(f"{100 * gap:.2g}"))
        axis.text(column, height, percent, ha="center", va="center", fontsize=7, color=FITTED)
    axis.set_xlim(-0.5, len(points) - 0.5)
    axis.set_ylim(-0.5, len(scenes) - 0.5)
    axis.set_xticks(range(len(points)), [f"{point:g}" for point in points])
    names = [f"η·S = {_strength(scene):g}\n{brief(scene.label, _LETTERS)}" for scene in scenes]
    axis.set_yticks(range(len(scenes)), names, fontsize=7)
    axis.tick_params(length=0)
    axis.set_xlabel(scenes[0].swept.axis)
    shown = words(name)
    title(axis, f"{shown}, gap in %\nmedians of {min(scene.seeds for scene in scenes)} seeds or more")
    smallest, largest = (number(extreme(gaps.values(), default=np.nan)) for extreme in (min, max))
    return f"{shown}: between {smallest} and {largest}."
