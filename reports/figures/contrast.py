"""The same error on a joint ladder and on one whose input width is fixed, side by side."""

from __future__ import annotations

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import FITTED, MEASURED, PREDICTED, dots, panels, plain_log_labels, to_svg
from reports.wording import number

Ladders = list[tuple[dict, list[TrialRow]]]
_QUARTILES = (25, 75)


def contrast_figure(statistic: str, joint: Ladders, fixed: Ladders) -> tuple[str, str]:
    """SVG and text alternative; each ladder is a decision with the rows that it was decided on."""
    figure, axes = panels(2, width=4.6, height=3.4)
    words = []
    for axis, ladders, title in (
        (axes[0], joint, "joint limit, d = n"), (axes[1], fixed, "input width d fixed")
    ):  # fmt: skip
        chosen = _middle(ladders)
        for one in ladders:
            if one is not chosen:
                widths, medians, *_ = _by_width(*one)
                axis.plot(widths, medians, color="0.75", lw=0.8, zorder=0)
        words.append(f"{title}: {_detailed(axis, *chosen)}")
        axis.set_title(f"{title}\n{_about(*chosen)}")
        axis.set_xlabel("width n")
        axis.legend(frameon=False, fontsize=7, loc="lower left")
    axes[0].set_ylabel(statistic.replace("_", " ") + " (relative)")
    low, high = (f(axis.get_ylim()[i] for axis in axes) for i, f in ((0, min), (1, max)))
    for axis in axes:
        axis.set_ylim(low, high)
        plain_log_labels(axis.yaxis)
    others = len(joint) + len(fixed) - 2
    return to_svg(figure), (
        f"{statistic.replace('_', ' ').capitalize()} against width, log-log. {'; '.join(words)}. "
        f"Shown is the scenario of the middle exponent of each kind, with every seed; grey: medians of the "
        f"other {others}."
    )


def _middle(ladders: Ladders) -> tuple[dict, list[TrialRow]]:
    return sorted(ladders, key=lambda one: one[0]["estimate"])[len(ladders) // 2]


def _by_width(decision: dict, rows: list[TrialRow]) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    widths = np.array(sorted({row.width for row in rows}), dtype=float)
    errors = [np.array([r.numbers[decision["statistic"]] for r in rows if r.width == w]) for w in widths]
    return widths, np.array([np.median(one) for one in errors]), errors


def _detailed(axis, decision: dict, rows: list[TrialRow]) -> str:
    widths, medians, errors = _by_width(decision, rows)
    for width, found in zip(widths, errors, strict=True):
        dots(axis, width * np.linspace(0.94, 1.06, len(found)), found)
    reach = np.abs(np.array([np.percentile(one, _QUARTILES) for one in errors]).T - medians)
    axis.errorbar(
        widths,
        medians,
        reach,
        fmt="o",
        ms=4,
        color=MEASURED,
        capsize=3,
        label="median and quartiles over seeds",
    )
    exponent, detail = decision["estimate"], decision["detail"]
    fitted = np.exp(detail["intercept"]) * widths**-exponent
    axis.plot(widths, fitted, color=FITTED, lw=1.2, label=f"fitted slope {number(-exponent)}")
    anchor = fitted[0] * (widths / widths[0]) ** -detail["predicted"]
    axis.plot(widths, anchor, "--", color=PREDICTED, lw=1.4, label=f"slope −{detail['predicted']:g}")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(widths, [f"{int(width)}" for width in widths])
    return f"exponent {number(exponent)} [{number(decision['low'])}, {number(decision['high'])}]"


def _about(decision: dict, rows: list[TrialRow]) -> str:
    scenario, seeds = rows[0].scenario, len({row.seed for row in rows})
    return (
        f"{scenario['activation']}, L = {scenario['depth']}: exponent {number(decision['estimate'])} "
        f"[{number(decision['low'])}, {number(decision['high'])}], {seeds} seeds"
    )
