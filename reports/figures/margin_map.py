"""Margin of the transformed kernel over eta S and architecture, with the critical line."""

from __future__ import annotations

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import ALARM, FITTED, PREDICTED, new_figure, plain_log_labels, to_svg

_GRID = 80
_MOST_ROWS = 40


def margin_map_figure(trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative: one row per scenario, those that lose definiteness first at the bottom."""
    numbers = [rows[0].numbers for rows in trials]
    critical = np.array([found["critical_scale"] for found in numbers], dtype=float)
    certified = np.array([found["certified_scale"] for found in numbers], dtype=float)
    order = np.argsort(np.where(np.isfinite(critical), critical, np.inf), kind="stable")[:_MOST_ROWS]
    least = np.nanmin(np.where(certified > 0, certified, np.nan)) / 10
    most = max(float(np.max(found["curve_scale"])) for found in numbers)
    scales = np.geomspace(least, most, _GRID)
    margins = np.array([_on_grid(numbers[i], scales) for i in order])
    figure = new_figure(7.2, 0.19 * len(order) + 1.3)
    axis = figure.subplots()
    end = float(np.nanmax(np.abs(margins)))
    rows = np.arange(len(order))
    image = axis.pcolormesh(
        scales, rows, margins, cmap="PuOr", vmin=-end, vmax=end, shading="nearest", rasterized=True
    )
    figure.colorbar(image, ax=axis, label="λ_min(sym(Θ A)) / λ_max(Θ)")
    finite = np.isfinite(critical[order])
    axis.plot(
        critical[order][finite], rows[finite], color=ALARM, lw=1.4, marker="o", ms=2.5, label="critical"
    )
    axis.plot(
        certified[order], rows, ls="none", marker="|", ms=7, mew=1.5, color=PREDICTED, label="certified"
    )
    axis.set_xscale("log")
    axis.set_xlim(scales[0], scales[-1])
    plain_log_labels(axis.xaxis)
    axis.set_xlabel("η·S")
    axis.set_yticks(rows, [_name(trials[i][0].scenario) for i in order], fontsize=6.5)
    axis.legend(fontsize=7, loc="lower right", framealpha=0.8, edgecolor=FITTED)
    hidden = len(trials) - len(order)
    more = f" ({hidden} more not drawn)" if hidden else ""
    return to_svg(figure), (
        f"Margin of sym(ΘA) over η·S for {len(order)} architectures and data sets{more}: purple is definite, "
        "orange is not, blank was not measured. Where it turns is the critical scale; ticks are the "
        "certified one, which must lie to its left."
    )


def _on_grid(numbers: dict, scales: np.ndarray) -> np.ndarray:
    """The curve of one scenario at these scales, NaN outside of what was measured."""
    measured = np.asarray(numbers["curve_scale"], dtype=float)
    known = measured > 0
    return np.interp(
        np.log(scales), np.log(measured[known]), np.asarray(numbers["curve_margin"], dtype=float)[known],
        left=np.nan, right=np.nan,
    )  # fmt: skip


def _name(scenario: dict) -> str:
    return f"{scenario['activation']}, L = {scenario['depth']}, M = {scenario['samples']}"
