"""A spread against 1/width, extrapolated to infinite width and held against its prediction."""

from __future__ import annotations

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import BAND, FITTED, MEASURED, MOST_PANELS, PREDICTED, panels, to_svg
from reports.wording import number


def level_figure(decisions: list[dict], trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative; `trials[i]` are the rows that `decisions[i]` was decided on."""
    shown = list(zip(decisions, trials, strict=True))[:MOST_PANELS]
    figure, axes = panels(len(shown))
    words = []
    for axis, (decision, rows) in zip(axes, shown, strict=True):
        _panel(axis, decision, rows)
        words.append(
            f"{decision['statistic']}: ratio {number(decision['estimate'])} "
            f"[{number(decision['low'])}, {number(decision['high'])}] of the prediction"
        )
    axes[0].legend(frameon=False, fontsize=7, loc="upper left")
    return to_svg(figure), f"Measured over predicted, against 1/width. {'; '.join(words)}"


def _panel(axis, decision: dict, rows: list[TrialRow]) -> None:
    margin = decision["detail"].get("margin")
    widths = np.array([row.width for row in rows], dtype=float)
    values = np.array([row.numbers[decision["statistic"]] for row in rows], dtype=float)
    rungs = np.unique(widths)
    means = np.array([values[widths == r].mean() for r in rungs])
    errors = np.array([values[widths == r].std(ddof=1) / np.sqrt(np.sum(widths == r)) for r in rungs])
    axis.axhline(1, ls="--", color=PREDICTED, lw=1.4, label="predicted")
    axis.errorbar(
        1 / rungs, means, 2 * errors, fmt="o", ms=4, color=MEASURED, label="mean, ± 2 standard errors"
    )
    estimate = decision["estimate"]
    if margin is not None:
        axis.axhspan(1 / margin, margin, color=BAND, alpha=0.12, lw=0, label="equivalence margin")
        ends = np.array([0, 1 / rungs[0]])
        axis.plot(ends, estimate + decision["detail"]["slope"] * ends, color=FITTED, lw=1.2, label="fit")
        reach = [[estimate - decision["low"]], [decision["high"] - estimate]]
        axis.errorbar([0], [estimate], reach, fmt="s", ms=4, color=FITTED, capsize=3)
    ticks = [0.0, *(1 / rungs)]
    axis.set_xticks(ticks, ["n = ∞", *(f"{int(r)}" for r in rungs)], rotation=45)
    axis.set_xlabel("hidden width n (spaced by 1/n)")
    name = decision["statistic"].replace("_", " ")
    # Spreads are compared as squares.
    axis.set_ylabel(name + ("²" if name.endswith("spread") else "") + "\nmeasured / predicted")
    scenario = rows[0].scenario
    inputs = "d = n" if scenario["input_growth"] == "joint" else f"d = {scenario['input_width']} fixed"
    axis.set_title(
        f"{scenario['activation']}, L = {scenario['depth']}, {inputs}\n"
        f"limit {estimate:.2f} [{decision['low']:.2f}, {decision['high']:.2f}], "
        f"{len(values) // len(rungs)} seeds"
    )
