"""Adv-NTK's training: loss and accuracies along its iterations, and the strengths that it ends with."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.reports.figures.style import (
    ALARM,
    FITTED,
    MEASURED,
    MOST_PANELS,
    Drawing,
    Key,
    few_ticks,
    panels,
    title,
    to_svg,
)
from advntk.reports.scenes import Scene

_BINS = 30
_LEGEND = (
    Key("line", FITTED, "loss at attacked images"),
    Key("line", MEASURED, "clean accuracy; ϖ of samples with the right label"),
    Key("line", ALARM, "robust accuracy (PGD-10); ϖ of samples with a wrong label"),
)


def learning_figure(scenes: list[Scene]) -> Drawing:
    """For each scenario the learning curves of all splits with their means, and a histogram of varpi."""
    shown = scenes[: MOST_PANELS // 3]
    axes = panels(3 * len(shown))
    words = []
    for place, scene in enumerate(shown):
        loss, accuracy, strengths = axes[3 * place : 3 * place + 3]
        where = f"{scene.label}, {len(scene.rows)} splits"
        last = _learning_curves(loss, scene, {"loss": FITTED})
        loss.set_ylabel("½‖f − y‖²")
        title(loss, f"{where}\nloss {last['loss']:.3f} at last, mean over splits")
        last = _learning_curves(accuracy, scene, {"clean": MEASURED, "robust": ALARM})
        accuracy.set_ylim(0, 1)
        accuracy.set_ylabel("accuracy on validation images")
        title(accuracy, f"{where}\n{last['clean']:.1%} clean, {last['robust']:.1%} robust at last")
        said = _strengths(strengths, scene)
        title(strengths, f"{where}\nvertical lines: medians")
        words.append(f"{where}: {last['robust']:.1%} robust on validation at last; {said}")
    return Drawing(to_svg(axes), "Training of Adv-NTK, and the ϖ it ends with. " + " ".join(words), _LEGEND)


def _learning_curves(axis: Any, scene: Scene, curves: dict[str, str]) -> dict[str, float]:
    """Draw these curves of all splits; their means at the last iteration."""
    last = {}
    for name, colour in curves.items():
        values = scene.figure("learning", name)
        iterations = np.arange(values.shape[1])
        axis.plot(iterations, values.T, lw=0.5, alpha=0.3, color=colour)
        axis.plot(iterations, values.mean(0), lw=2, color=colour)
        last[name] = float(values[:, -1].mean())
    few_ticks(axis.yaxis)
    axis.set_xlabel("iteration")
    return last


def _strengths(axis: Any, scene: Scene) -> str:
    varpi = scene.figure("learning", "varpi").ravel()
    wrong = scene.figure("learning", "wrong_label").ravel() > 0
    bins = np.linspace(varpi.min(), max(varpi.max(), varpi.min() + 1e-9), _BINS)
    words = []
    for chosen, colour, label in ((~wrong, MEASURED, "the right label"), (wrong, ALARM, "a wrong label")):
        if chosen.any():
            middle = float(np.median(varpi[chosen]))
            axis.hist(varpi[chosen], bins, density=True, histtype="stepfilled", alpha=0.35, color=colour)
            axis.axvline(middle, color=colour, lw=1.6)
            words.append(f"median ϖ {middle:.2g} on {chosen.sum()} samples with {label}".replace("-", "−"))
    axis.set_yticks([])
    axis.set_xlabel("ϖ after training")
    axis.set_ylabel("density")
    return ", ".join(words) + "."
