"""Accuracy of Adv-NTK beside that of NTK regression on the same split: robust, and clean."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

from advntk.reports.figures.style import (
    FITTED,
    MEASURED,
    PREDICTED,
    Drawing,
    Key,
    panels,
    thinned,
    title,
    to_svg,
)
from advntk.reports.scenes import Scene

_LEGEND = (
    Key("dot", MEASURED, "a split of the data"),
    Key("diamond", FITTED, "mean over splits"),
    Key("dashed", PREDICTED, "equally accurate"),
)


def gain_figure(scenes: list[Scene]) -> Drawing:
    """Two panels, a dot per split; dots over the diagonal are gains."""
    rows = [row for scene in scenes for row in scene.rows]
    axes = panels(2)
    words = []
    where = "; ".join(dict.fromkeys(scene.label for scene in scenes))
    for axis, name, what in zip(
        axes, ("robust", "clean"), ("robust accuracy", "clean accuracy"), strict=True
    ):
        before, after = (
            np.array([row.figures["gain"][key] for row in rows], dtype=float)
            for key in (f"{name}_regression", name)
        )
        kept = thinned(after - before, 400)
        axis.plot(before[kept], after[kept], "o", ms=4.5, mew=0, color=MEASURED, alpha=0.65)
        axis.plot([before.mean()], [after.mean()], "D", ms=6, color=FITTED)
        low, high = min(before.min(), after.min()) - 0.03, max(before.max(), after.max()) + 0.03
        axis.plot([low, high], [low, high], "--", color=PREDICTED, lw=1.6)
        axis.set_xlim(low, high)
        axis.set_ylim(low, high)
        # The last label would stand out of the drawing.
        axis.xaxis.set_major_locator(MaxNLocator(5, prune="upper"))
        axis.set_xlabel(f"{what} of NTK regression")
        axis.set_ylabel(f"{what} of Adv-NTK")
        better = int((after > before).sum())
        gain = f"{100 * (after - before).mean():+.1f} points on average".replace("-", "−")
        title(axis, f"{where}, {len(rows)} splits\nbetter on {better}, {gain}")
        words.append(f"{what}: better on {better} of {len(rows)} splits, {gain}")
    text = f"Adv-NTK against NTK regression on the same splits, test images; {where}. {'; '.join(words)}."
    return Drawing(to_svg(axes), text, _LEGEND)
