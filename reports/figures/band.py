"""Trained finite networks against the band of the Gaussian process that they tend to."""

from __future__ import annotations

from typing import Any

import numpy as np

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
    title,
    to_svg,
)
from advntk.reports.scenes import Scene

_SPREAD = 0.28  # of the dots of one input, in distances between inputs
_LEGEND = (
    Key("small", MEASURED, "a trained network"),
    Key("band", BAND, "Gaussian process, ± 2 standard deviations"),
    Key("line", FITTED, "its mean"),
)


def band_figure(scenes: list[Scene]) -> Drawing:
    """A panel per scenario: first outputs of the networks at the last point of its sweep, at every input."""
    shown = scenes[:MOST_PANELS]
    axes = panels(len(shown))
    within = [_panel(axis, scene) for axis, scene in zip(axes, shown, strict=True)]
    inside, total = sum(int(one.sum()) for one in within), sum(one.size for one in within)
    hidden = len(scenes) - len(shown)
    more = f" ({hidden} more scenarios are not drawn)" if hidden else ""
    text = (
        "Outputs of trained networks, each from its own start, at the last point of the sweep, against the "
        f"Gaussian process: {inside / total:.1%} of {total} lie within two standard deviations of its mean; "
        f"95.4% are expected{more}."
    )
    return Drawing(to_svg(axes), text, _LEGEND)


def _panel(axis: Any, scene: Scene) -> np.ndarray:
    last = scene.points[-1]
    drawn_of = scene.only(scene.at(last))
    output, mean, deviation = (
        drawn_of.figure("band", name) for name in ("output", "band_mean", "band_deviation")
    )
    networks, inputs = output.shape
    place = np.arange(inputs)
    for here, middle, reach in zip(place, mean[0], 2 * deviation[0], strict=True):
        sides = here + np.array([-0.38, 0.38])
        axis.fill_between(sides, [middle - reach] * 2, [middle + reach] * 2, color=BAND, alpha=0.25, lw=0)
        axis.plot(sides, [middle] * 2, color=FITTED, lw=1.4)
    drawn = output[:MOST_DOTS]
    offset = np.linspace(-_SPREAD, _SPREAD, len(drawn))
    dots(axis, (place[None, :] + offset[:, None]).ravel(), drawn.ravel(), alpha=0.35)
    axis.autoscale_view()
    few_ticks(axis.yaxis)
    axis.set_xticks(place, [f"x{i + 1}" for i in range(inputs)])
    axis.set_xlabel("training inputs, then unseen ones")
    axis.set_ylabel("first output after training")
    within = np.abs(output - mean) <= 2 * deviation
    where = f"{scene.label}, {scene.swept.at(last)}" if scene.swept.axis else scene.label
    title(axis, f"{where}\n{networks} networks, {within.mean():.1%} of outputs in the band")
    return within
