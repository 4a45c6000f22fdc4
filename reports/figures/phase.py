"""Phase diagram of an error over width and eta S: where it vanishes, and where it stays."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LogNorm

from reports.figures.contrast import Ladders
from reports.figures.style import new_figure, plain_log_labels, to_svg

_MOST_ROWS = 24


def phase_figure(statistic: str, joint: Ladders, fixed: Ladders) -> tuple[str, str]:
    """SVG and text alternative: medians over seeds, a row per scenario, in the order of eta S."""
    parts = [(_table(statistic, ladders), title) for ladders, title in (
        (joint, "joint limit, d = n"), (fixed, "input width d fixed"))]  # fmt: skip
    cells = np.concatenate([table[2].ravel() for table, _ in parts])
    norm = LogNorm(np.nanmin(cells), np.nanmax(cells))
    tallest = max(len(table[1]) for table, _ in parts)
    figure = new_figure(9.2, 0.34 * tallest + 1.4)
    axes = figure.subplots(1, 2)
    for axis, ((widths, names, medians), title) in zip(axes, parts, strict=True):
        image = axis.imshow(medians, cmap="cividis", norm=norm, aspect="auto", interpolation="nearest")
        for (row, column), value in np.ndenumerate(medians):
            if np.isfinite(value):
                colour = "white" if norm(value) < 0.5 else "black"
                axis.text(column, row, f"{value:.2g}", ha="center", va="center", fontsize=6.5, color=colour)
        axis.set_xticks(range(len(widths)), [str(width) for width in widths])
        axis.set_yticks(range(len(names)), names, fontsize=7)
        axis.set_xlabel("width n")
        axis.set_title(title)
    axes[0].set_ylabel("η·S (activation, depth)")
    bar = figure.colorbar(image, ax=list(axes), label=statistic.replace("_", " ") + ", median")
    plain_log_labels(bar.ax.yaxis)
    (_, _, wide), (_, _, narrow) = (table for table, _ in parts)
    return to_svg(figure), (
        f"Median {statistic.replace('_', ' ')} gap over width and η·S. Largest over smallest width, it is "
        f"{_ratio(wide)} in the joint limit, and {_ratio(narrow)} with the input width fixed."
    )


def _ratio(medians: np.ndarray) -> str:
    ratios = medians[:, -1] / medians[:, 0]
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios):
        return "not known"
    low, high = f"{ratios.min():.2g}", f"{ratios.max():.2g}"
    return low if low == high else f"{low} to {high}"


def _table(statistic: str, ladders: Ladders) -> tuple[list[int], list[str], np.ndarray]:
    """Widths, names of scenarios, and medians; NaN where a scenario has no such width."""
    ladders = sorted(ladders, key=lambda one: one[1][0].scenario["strength"])[:_MOST_ROWS]
    widths = sorted({row.width for _, rows in ladders for row in rows})
    medians = np.full((len(ladders), len(widths)), np.nan)
    names = []
    for place, (_, rows) in enumerate(ladders):
        scenario = rows[0].scenario
        names.append(f"{scenario['strength']:.2f} ({scenario['activation']}, {scenario['depth']})")
        for column, width in enumerate(widths):
            found = [row.numbers[statistic] for row in rows if row.width == width]
            medians[place, column] = np.median(found) if found else np.nan
    return widths, names, medians
