"""Error against width, every seed, with fitted and predicted slope: one panel per scenario."""

from __future__ import annotations

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import (
    FITTED,
    MEASURED,
    MOST_PANELS,
    PREDICTED,
    dots,
    panels,
    plain_log_labels,
    to_svg,
)
from reports.wording import number


def ladder_figure(decisions: list[dict], trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative; `trials[i]` are the rows that `decisions[i]` was decided on."""
    shown = list(zip(decisions, trials, strict=True))[:MOST_PANELS]
    figure, axes = panels(len(shown))
    words = []
    for axis, (decision, rows) in zip(axes, shown, strict=True):
        _panel(axis, decision, rows)
        words.append(
            f"{decision['statistic']}: exponent {number(decision['estimate'])} "
            f"[{number(decision['low'])}, {number(decision['high'])}]"
        )
    axes[0].legend(frameon=False, fontsize=7, loc="lower left")
    hidden = len(decisions) - len(shown)
    more = f" ({hidden} more scenarios not drawn)" if hidden else ""
    return to_svg(figure), f"Relative error against width, log-log. {'; '.join(words)}{more}"


def _panel(axis, decision: dict, rows: list[TrialRow]) -> None:
    widths = np.array([row.width for row in rows], dtype=float)
    errors = np.array([row.numbers[decision["statistic"]] for row in rows], dtype=float)
    rungs = np.unique(widths)
    seeds = len(errors) // len(rungs)
    # Seeds side by side within their rung, in order, so that none hides another.
    offset = np.concatenate([np.linspace(0.93, 1.07, np.sum(widths == r)) for r in rungs])
    order = np.argsort(widths, kind="stable")
    dots(axis, widths[order] * offset, errors[order])
    medians = np.array([np.median(errors[widths == r]) for r in rungs])
    axis.plot(rungs, medians, "o", ms=4, color=MEASURED, label="median (small dots: every seed)")
    exponent, intercept = decision["estimate"], decision["detail"].get("intercept")
    if intercept is not None:
        fitted = np.exp(intercept) * rungs**-exponent
        axis.plot(rungs, fitted, color=FITTED, lw=1.2, label=f"fitted slope −{exponent:.2f}")
        predicted = decision["detail"]["predicted"]
        anchor = fitted[0] * (rungs / rungs[0]) ** -predicted
        axis.plot(rungs, anchor, "--", color=PREDICTED, lw=1.4, label=f"predicted −{predicted:g}")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(rungs, [f"{int(r)}" for r in rungs])
    plain_log_labels(axis.yaxis)
    axis.set_xlabel("width n" + (" = d" if rows[0].scenario["input_growth"] == "joint" else ""))
    axis.set_ylabel(decision["statistic"].replace("_", " ") + " (relative)")
    scenario = rows[0].scenario
    inputs = "d = n" if scenario["input_growth"] == "joint" else f"d = {scenario['input_width']}"
    axis.set_title(
        f"{scenario['activation']}, L = {scenario['depth']}, σ_w = {scenario['sigma_w']:g}, {inputs}\n"
        f"exponent {exponent:.2f} [{decision['low']:.2f}, {decision['high']:.2f}], {seeds} seeds"
    )
