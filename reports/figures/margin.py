"""Margin of the transformed kernel against eta S, with certified and critical scale."""

from __future__ import annotations

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import ALARM, FITTED, MEASURED, PREDICTED, panels, plain_log_labels, to_svg


def margin_figure(trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative: one curve per scenario, eta S in units of its certified scale."""
    figure, (left, right) = panels(2, width=4.6, height=3.2)
    certified, critical = [], []
    for rows in trials:
        numbers = rows[0].numbers
        scale = numbers["certified_scale"]
        if not np.isfinite(scale) or scale <= 0:
            continue
        x = np.array(numbers["curve_scale"]) / scale
        left.plot(x, numbers["curve_margin"], color=MEASURED, lw=0.8, alpha=0.7)
        if np.isfinite(numbers["critical_scale"]):
            certified.append(scale)
            critical.append(numbers["critical_scale"])
            left.plot([critical[-1] / scale], [0], "o", ms=3, color=ALARM)
    left.axhline(0, color=FITTED, lw=0.8)
    left.axvline(1, ls="--", color=PREDICTED, lw=1.4)
    left.set_xscale("log")
    left.set_xlim(1e-2, None)
    plain_log_labels(left.xaxis)
    left.set_xlabel("η·S / certified critical scale")
    left.set_ylabel("λ_min(sym(Θ A)) / λ_max(Θ)")
    left.set_title(f"{len(trials)} scenarios; dots: measured critical scale")
    if certified:
        right.plot(certified, critical, "o", ms=4, color=ALARM)
        ends = np.array([min(certified), max(critical)])
        right.plot(ends, ends, "--", color=PREDICTED, lw=1.4, label="certified = critical")
        right.set_xscale("log")
        right.set_yscale("log")
        plain_log_labels(right.xaxis)
        plain_log_labels(right.yaxis)
        right.legend(frameon=False, fontsize=7)
    right.set_xlabel("certified critical η·S")
    right.set_ylabel("measured critical η·S")
    right.set_title("the certificate must stay below")
    words = (
        f"Margin of sym(Theta A) against eta S for {len(trials)} scenarios; "
        f"{len(critical)} have a finite critical scale"
    )
    if critical:
        words += f", between {min(critical):.3g} and {max(critical):.3g}"
    return to_svg(figure), words + "."
