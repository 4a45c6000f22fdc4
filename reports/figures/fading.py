"""Fading of the search's effect: V(t) against its bound, and the distance to the predictor without it."""

from __future__ import annotations

import numpy as np

from advntk.reports.figures.style import (
    ALARM,
    MEASURED,
    MOST_CURVES,
    PREDICTED,
    Drawing,
    Key,
    panels,
    plain_log_labels,
    title,
    to_svg,
)
from advntk.reports.scenes import Scene

_LEAST = 1e-12


def fading_figure(scenes: list[Scene]) -> Drawing:
    """One curve per network, time in units of 1 / lambda_min; those beyond the bound are always drawn."""
    left, right = axes = panels(2)
    over, drawn = 0, 0
    every = [row for scene in scenes for row in scene.rows]
    stride = -(-len(every) // MOST_CURVES)
    for index, row in enumerate(every):
        drawn_of = row.figures["fading"]
        time, v, bound, distance, reach = (
            np.array(drawn_of[name], dtype=float)
            for name in ("time", "v", "bound", "distance", "distance_bound")
        )
        # Below, the integration error is what would be seen.
        floor = float(drawn_of["integration_error"])
        beyond = bool(np.any(v > bound + floor))
        over += beyond
        if index % stride and not (beyond and over <= MOST_CURVES):
            continue
        drawn += 1
        kept = v > max(floor, _LEAST)
        left.plot(time[kept], v[kept], lw=0.6, alpha=0.5, color=ALARM if beyond else MEASURED)
        # Relative to its own bound at time 0, so that networks share one line.
        kept = distance > np.sqrt(floor)
        right.plot(time[kept], (distance / reach[0])[kept], lw=0.6, alpha=0.5, color=MEASURED)
    for axis, rate in ((left, 2), (right, 1)):
        span = np.linspace(0, axis.get_xlim()[1], 50)
        axis.plot(span, np.exp(-rate * span), "--", color=PREDICTED, lw=1.6)
        axis.set_yscale("log")
        axis.set_ylim(_LEAST, 3)
        plain_log_labels(axis.yaxis)
        axis.set_xlabel("λ_min(Θ) · t")
    some = f" ({drawn} drawn)" if drawn < len(every) else ""
    left.set_ylabel("V(t) / V(0)")
    title(left, f"{len(every)} networks in {len(scenes)} scenarios{some},\n{over} beyond the bound")
    right.set_ylabel("distance / its bound at t = 0")
    title(right, "AT predictor to the one trained without\na search, at unseen points")
    words = (
        f"V(t) of {len(every)} networks against exp(−2 λ_min t): {over} lie beyond it. "
        "Distance of the predictor at unseen points to that of training without a search, against its bound."
    )
    legend = (
        Key("line", MEASURED, "a network"),
        Key("dashed", PREDICTED, "bound: exp(−2 λ_min t), exp(−λ_min t)"),
    )
    return Drawing(to_svg(axes), words, (*legend, Key("line", ALARM, "beyond its bound")) if over else legend)
