"""Adv-NTK's training: loss and accuracies along its iterations, and the strengths that it ends with."""

from __future__ import annotations

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import ALARM, FITTED, MEASURED, MOST_PANELS, panels, to_svg

_BINS = 30


def learning_figure(trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative: for each scenario the courses of all splits, and a histogram of varpi."""
    shown = trials[: MOST_PANELS // 3]
    figure, axes = panels(3 * len(shown), width=3.3, height=2.9)
    words = []
    for place, rows in enumerate(shown):
        loss, course, strengths = axes[3 * place : 3 * place + 3]
        noise = rows[0].scenario["label_noise"]
        _courses(loss, rows, {"loss": (FITTED, "loss")})
        loss.set_ylabel("½‖f − y‖² at attacked images")
        loss.set_title(f"{noise:.0%} wrong labels, {len(rows)} splits")
        _courses(course, rows, {"clean": (MEASURED, "clean"), "robust": (ALARM, "robust (PGD-10)")})
        course.set_ylim(0, 1)
        course.set_ylabel("accuracy on validation images")
        course.legend(frameon=False, fontsize=7, loc="lower right")
        words.append(f"{noise:.0%} wrong labels: " + _strengths(strengths, rows))
    return to_svg(figure), "Training of Adv-NTK, and the ϖ it ends with. " + " ".join(words)


def _courses(axis, rows: list[TrialRow], curves: dict[str, tuple[str, str]]) -> None:
    for name, (colour, label) in curves.items():
        values = np.array([row.numbers[f"curve_learning_{name}"] for row in rows], dtype=float)
        iterations = np.arange(values.shape[1])
        axis.plot(iterations, values.T, lw=0.5, alpha=0.3, color=colour)
        axis.plot(iterations, values.mean(0), lw=2, color=colour, label=label)
    axis.set_xlabel("iteration")


def _strengths(axis, rows: list[TrialRow]) -> str:
    varpi = np.concatenate([np.asarray(row.numbers["curve_varpi"], dtype=float) for row in rows])
    wrong = np.concatenate([np.asarray(row.numbers["curve_wrong_label"], dtype=bool) for row in rows])
    bins = np.linspace(varpi.min(), max(varpi.max(), varpi.min() + 1e-9), _BINS)
    words = []
    for chosen, colour, label in ((~wrong, MEASURED, "right"), (wrong, ALARM, "wrong")):
        if not chosen.any():
            continue
        values = varpi[chosen]
        axis.hist(
            values, bins, density=True, histtype="stepfilled", alpha=0.35, color=colour,
            label=f"{label} label ({len(values)})",
        )  # fmt: skip
        axis.axvline(np.median(values), color=colour, lw=1.6)
        words.append(f"median ϖ {np.median(values):.2g} on {len(values)} samples with the {label} label")
    axis.set_yticks([])
    axis.set_xlabel("ϖ after training")
    axis.set_ylabel("density")
    axis.set_title("vertical lines: medians")
    axis.legend(frameon=False, fontsize=7)
    return ", ".join(words) + "."
