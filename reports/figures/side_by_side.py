"""The same error with the input width growing and with it fixed, side by side on one scale."""

from __future__ import annotations

from advntk.checks.evidence import TrialRow
from advntk.reports.figures.style import Drawing, panels, to_svg
from advntk.reports.figures.sweep import LEGEND, slope, sweep_panel

Sweep = tuple[dict, list[TrialRow]]


def side_by_side_figure(joint: Sweep, fixed: Sweep) -> Drawing:
    """Two panels of (decision, rows) each: joint limit on the left, fixed input width on the right."""
    left, right = axes = panels(2)
    sweep_panel(left, *joint)
    sweep_panel(right, *fixed)
    limits = [axis.get_ylim() for axis in axes]
    for axis in axes:
        axis.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    name = str(joint[0]["statistic"]).replace("_", " ")
    text = (
        f"{name.capitalize()} against width as the input width d grows with the hidden widths (left), and "
        f"with d fixed (right), on one scale: {slope(joint[0])} jointly, {slope(fixed[0])} with d fixed. The "
        "scenario nearest to failing of each."
    )
    return Drawing(to_svg(axes), text, LEGEND)
