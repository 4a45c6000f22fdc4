"""The same error with the input width growing and with it fixed, side by side on one scale."""

from __future__ import annotations

from checks.evidence import TrialRow
from reports.figures.ladder import LEGEND, ladder_panel, slope
from reports.figures.style import Drawing, panels, to_svg

Ladder = tuple[dict, list[TrialRow]]


def beside_figure(pairs: list[tuple[Ladder, Ladder]]) -> Drawing:
    """Two panels per pair of (decision, rows): joint limit on the left, fixed input width on the right."""
    axes = panels(2 * len(pairs))
    words = []
    for (joint, fixed), left, right in zip(pairs, axes[::2], axes[1::2], strict=True):
        ladder_panel(left, *joint)
        ladder_panel(right, *fixed)
        limits = [axis.get_ylim() for axis in (left, right)]
        for axis in (left, right):
            axis.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        name = str(joint[0]["statistic"]).replace("_", " ")
        words.append(f"{name}: {slope(joint[0])} jointly, {slope(fixed[0])} with d fixed")
    text = (
        "Relative error against width as the input width d grows with the hidden widths (left), and with d "
        f"fixed (right), on one scale. {'; '.join(words)}. The scenario nearest to failing of each."
    )
    return Drawing(to_svg(axes), text, LEGEND)
