"""The same error where it is claimed to vanish and in a control where it must not, on one scale."""

from __future__ import annotations

from advntk.checks.evidence.rows import DecisionRow
from advntk.reports.figures.style import Drawing, panels, to_svg
from advntk.reports.figures.sweep import LEGEND, slope, sweep_panel
from advntk.reports.formatting import words
from advntk.reports.scenes import Scene

Sweep = tuple[DecisionRow, Scene]


def side_by_side_figure(claimed: Sweep, control: Sweep) -> Drawing:
    """Two panels of (decision, scene) each: on the left what is claimed, on the right its control."""
    left, right = axes = panels(2)
    for axis, (row, scene) in ((left, claimed), (right, control)):
        sweep_panel(axis, row.decision, scene)
    limits = [axis.get_ylim() for axis in axes]
    for axis in axes:
        axis.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    (one, at_left), (other, at_right) = claimed, control
    text = (
        f"{words(one.decision.statistic).capitalize()} as {one.claim} claims it (left) and in the control "
        f"{other.claim} (right), on one scale: {slope(one.decision)} in {at_left.label}; "
        f"{slope(other.decision)} in {at_right.label}. The scenario nearest to failing of each."
    )
    return Drawing(to_svg(axes), text, LEGEND)
