"""Trained finite networks against the band of the Gaussian process that they tend to."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.evidence import TrialRow
from advntk.reports.figures.style import (
    BAND,
    FITTED,
    MEASURED,
    MOST_DOTS,
    MOST_PANELS,
    Drawing,
    Key,
    dots,
    few_ticks,
    panels,
    setting,
    title,
    to_svg,
)

_SPREAD = 0.28  # of the dots of one point, in distances between points
_LEGEND = (
    Key("small", MEASURED, "a trained network"),
    Key("band", BAND, "Gaussian process, ± 2 standard deviations"),
    Key("line", FITTED, "its mean"),
)


def band_figure(trials: list[list[TrialRow]]) -> Drawing:
    """A panel per scenario: first outputs of the networks of its largest width, at every point."""
    shown = trials[:MOST_PANELS]
    axes = panels(len(shown))
    within = [_panel(axis, rows) for axis, rows in zip(axes, shown, strict=True)]
    inside, total = sum(int(one.sum()) for one in within), sum(one.size for one in within)
    hidden = len(trials) - len(shown)
    more = f" ({hidden} more scenarios are not drawn)" if hidden else ""
    text = (
        "Outputs of trained networks, each from its own start, at the largest width, against the Gaussian "
        f"process: {inside / total:.1%} of {total} lie within two standard deviations of its mean; "
        f"95.4% are expected{more}."
    )
    return Drawing(to_svg(axes), text, _LEGEND)


def _panel(axis: Any, rows: list[TrialRow]) -> np.ndarray:
    width = max(row.width for row in rows)
    rows = [row for row in rows if row.width == width]
    output, mean, deviation = (
        np.array([row.numbers[f"curve_{name}"] for row in rows], dtype=float)
        for name in ("output", "band_mean", "band_deviation")
    )
    networks, points = output.shape
    place = np.arange(points)
    for point, middle, reach in zip(place, mean[0], 2 * deviation[0], strict=True):
        sides = point + np.array([-0.38, 0.38])
        axis.fill_between(sides, [middle - reach] * 2, [middle + reach] * 2, color=BAND, alpha=0.25, lw=0)
        axis.plot(sides, [middle] * 2, color=FITTED, lw=1.4)
    drawn = output[:MOST_DOTS]
    offset = np.linspace(-_SPREAD, _SPREAD, len(drawn))
    dots(axis, (place[None, :] + offset[:, None]).ravel(), drawn.ravel(), alpha=0.35)
    axis.autoscale_view()
    few_ticks(axis.yaxis)
    samples = rows[0].scenario["samples"]
    axis.set_xticks(place, [f"x{i + 1}" if i < samples else "new" for i in range(points)])
    axis.set_xlabel("training inputs, and unseen ones")
    axis.set_ylabel("first output after training")
    scenario = rows[0].scenario
    within = np.abs(output - mean) <= 2 * deviation
    title(
        axis,
        f"{setting(scenario)}, n = {width}\n{networks} networks, {within.mean():.1%} of outputs in the band",
    )
    return within
