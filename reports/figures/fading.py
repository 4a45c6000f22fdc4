"""Fading of the search's effect: V(t) against its bound, and the distance to the predictor without it."""

from __future__ import annotations

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import ALARM, MEASURED, PREDICTED, panels, plain_log_labels, to_svg


def fading_figure(trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative: one curve per network, time in units of 1 / lambda_min."""
    figure, (left, right) = panels(2, width=4.6, height=3.2)
    over, total = 0, 0
    for rows in trials:
        for row in rows:
            time, v, bound, distance, reach = (
                np.array(row.numbers[name], dtype=float)
                for name in ("curve_time", "curve_v", "curve_bound", "curve_distance", "curve_distance_bound")
            )
            # Below, the integration error is what would be seen.
            floor = float(row.numbers["integration_error"])
            beyond = bool(np.any(v > bound + floor))
            over, total = over + beyond, total + 1
            kept = v > floor
            left.plot(time[kept], v[kept], lw=0.6, alpha=0.5, color=ALARM if beyond else MEASURED)
            # Relative to its own bound at time 0, so that networks share one line.
            kept = distance > np.sqrt(floor)
            right.plot(time[kept], (distance / reach[0])[kept], lw=0.6, alpha=0.5, color=MEASURED)
    span = np.linspace(0, left.get_xlim()[1], 50)
    left.plot(span, np.exp(-2 * span), "--", color=PREDICTED, lw=1.4, label="bound exp(−2 λ_min t)")
    span = np.linspace(0, right.get_xlim()[1], 50)
    right.plot(span, np.exp(-span), "--", color=PREDICTED, lw=1.4, label="bound exp(−λ_min t)")
    for axis in (left, right):
        axis.set_yscale("log")
        axis.set_ylim(1e-12, 3)
        plain_log_labels(axis.yaxis)
        axis.set_xlabel("λ_min(Θ) · t")
        axis.legend(frameon=False, fontsize=7, loc="upper right")
    left.set_ylabel("V(t) / V(0)")
    left.set_title(f"{total} networks in {len(trials)} scenarios, {over} beyond the bound")
    right.set_ylabel("distance at unseen points / its bound at t = 0")
    right.set_title("AT predictor to the predictor without a search")
    words = (
        f"V(t) of {total} networks against exp(-2 lambda_min t): {over} lie beyond it. "
        "Distance of the predictor at unseen points to that of training without a search, against its bound."
    )
    return to_svg(figure), words
