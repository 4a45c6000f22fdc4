"""Images before and after an attack, what moved them, and what is seen in them then."""

from __future__ import annotations

import math

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import ALARM, BAND, new_figure, to_svg

_COLUMNS = ("clean", "attack on\nNTK regression", "perturbation", "attack on\nAdv-NTK", "perturbation")


def images_figure(trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative: the images that the first split of the first scenario kept, one per row."""
    numbers = trials[0][0].numbers
    clean, regression, ours = (
        _images(numbers[f"curve_shown_{name}"]) for name in ("clean", "moved_regression", "moved")
    )
    labels = numbers["curve_shown_label"]
    said = [numbers["curve_shown_class_regression"], numbers["curve_shown_class"]]
    figure = new_figure(1.25 * len(_COLUMNS), 1.35 * len(labels) + 0.5)
    axes = figure.subplots(len(labels), len(_COLUMNS), squeeze=False)
    moves = (regression - clean, ours - clean)
    largest = max(float(np.abs(move).max()) for move in moves) or 1.0
    for row, label in enumerate(labels):
        cells = (
            (clean[row], "gray", 0.5, f"{label}", "black"),
            (regression[row], "gray", 0.5, *_answer(said[0][row], label)),
            (moves[0][row], "PuOr", largest, "", "black"),
            (ours[row], "gray", 0.5, *_answer(said[1][row], label)),
            (moves[1][row], "PuOr", largest, "", "black"),
        )
        for axis, (image, colours, end, text, colour) in zip(axes[row], cells, strict=True):
            axis.imshow(image, cmap=colours, vmin=-end, vmax=end, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_xlabel(text, color=colour, fontsize=8, labelpad=2)
    for axis, title in zip(axes[0], _COLUMNS, strict=True):
        axis.set_title(title)
    fooled, withstood = (
        sum(int(a) != int(b) for a, b in zip(one, labels, strict=True)) for one in (said[0], said[1])
    )
    robust, regression_robust = (
        np.mean([row.numbers[name] for rows in trials for row in rows])
        for name in ("robust", "robust_regression")
    )
    return to_svg(figure), (
        f"The first {len(labels)} test images of one split that both classify rightly until attacked "
        f"(perturbations of at most {largest:.2g} of the range of pixels): NTK regression is fooled on "
        f"{fooled}, Adv-NTK on {withstood}. Over all {sum(map(len, trials))} splits {regression_robust:.1%} "
        f"and {robust:.1%} of the images withstand. Below each image its class, or the class predicted; "
        f"perturbations from −{largest:.2g} (orange) to {largest:.2g} (purple)."
    )


def _answer(said: int, label: int) -> tuple[str, str]:
    return (f"{said} ✓", BAND) if int(said) == int(label) else (f"{said} ✗", ALARM)


def _images(flat: list) -> np.ndarray:
    values = np.asarray(flat, dtype=float)
    side = math.isqrt(values.shape[1])
    return values.reshape(len(values), side, -1)
