"""Trained finite networks against the band of the Gaussian process that they tend to."""

from __future__ import annotations

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import BAND, FITTED, MEASURED, PANELS_PER_ROW, dots, panels, to_svg

_SPREAD = 0.28  # of the dots of one point, in distances between points


def band_figure(trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative: a panel per scenario, the networks of its largest width."""
    shown = trials[: 2 * PANELS_PER_ROW]
    figure, axes = panels(len(shown))
    inside, total = 0, 0
    for axis, rows in zip(axes, shown, strict=True):
        within = _panel(axis, rows)
        inside, total = inside + int(within.sum()), total + within.size
    axes[0].legend(frameon=False, fontsize=7, loc="best")
    hidden = len(trials) - len(shown)
    more = f" ({hidden} more scenarios not drawn)" if hidden else ""
    return to_svg(figure), (
        "Outputs of trained networks, each from its own start, at the largest width, against mean ± 2 "
        f"standard deviations of the Gaussian process: {inside / total:.1%} of {total} lie within; "
        f"95.4% are expected{more}."
    )


def _panel(axis, rows: list[TrialRow]) -> np.ndarray:
    width = max(row.width for row in rows)
    rows = [row for row in rows if row.width == width]
    output, mean, deviation = (
        np.array([row.numbers[f"curve_{name}"] for row in rows], dtype=float)
        for name in ("output", "band_mean", "band_deviation")
    )
    networks, points = output.shape
    place = np.arange(points)
    ends = 2 * deviation[0]
    axis.bar(
        place, 2 * ends, 0.75, mean[0] - ends, color=BAND, alpha=0.25, label="Gaussian process, ± 2 s.d."
    )
    axis.plot(place, mean[0], "_", ms=22, mew=1.6, color=FITTED, label="its mean")
    offset = np.linspace(-_SPREAD, _SPREAD, networks)
    dots(axis, (place[None, :] + offset[:, None]).ravel(), output.ravel(), alpha=0.3)
    axis.plot([], [], "o", ms=3, color=MEASURED, label="a trained network")
    axis.autoscale_view()
    samples = rows[0].scenario["samples"]
    axis.set_xticks(place, [f"x{i + 1}" if i < samples else "new" for i in range(points)])
    axis.set_xlabel("training inputs, and unseen ones")
    axis.set_ylabel("first output after training")
    scenario = rows[0].scenario
    axis.set_title(
        f"{scenario['activation']}, L = {scenario['depth']}, n = {width}\n{networks} networks, "
        f"η·S = {scenario['strength']:.2g}"
    )
    return np.abs(output - mean) <= 2 * deviation
