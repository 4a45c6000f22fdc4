"""The mutation score by theorem: which planted falsehoods were refuted, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from advntk.reports.figures.style import (
    ALARM,
    MEASURED,
    Drawing,
    Key,
    dots,
    panels,
    plain_log_labels,
    title,
    to_svg,
)


def mutation_score_figure(falsehoods: Sequence[dict]) -> Drawing:
    """A row per theorem, a dot per falsehood at the seconds that the claim took to refute it."""
    theorems = sorted({fault["claim"].split(".")[0] for fault in falsehoods}, reverse=True)
    (axis,) = axes = panels(1, height=1.24 + 0.3 * len(theorems), left=1.75)
    names, words = [], []
    for height, theorem in enumerate(theorems):
        here = [fault for fault in falsehoods if fault["claim"].split(".")[0] == theorem]
        refuted = sum(fault["verdict"] == "REFUTED" for fault in here)
        names.append(f"{theorem.replace('_', ' ')}: {refuted} of {len(here)}")
        words.append(f"{theorem.replace('_', ' ')} {refuted} of {len(here)}")
        for colour, wanted in ((MEASURED, True), (ALARM, False)):
            seconds = [f["seconds"] for f in here if (f["verdict"] == "REFUTED") is wanted]
            shift = 0.25 * np.sin(2.4 * np.arange(len(seconds)))  # so that none hides another
            dots(axis, np.array(seconds), height + shift, size=5, alpha=0.7, colour=colour)
    axis.set_xscale("log")
    axis.autoscale_view()
    plain_log_labels(axis.xaxis)
    axis.set_ylim(-0.6, len(theorems) - 0.4)
    axis.set_yticks(range(len(theorems)), names, fontsize=7)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("time to the verdict (s)")
    total = sum(fault["verdict"] == "REFUTED" for fault in falsehoods)
    title(axis, f"{total} of {len(falsehoods)} planted falsehoods refuted,\nby theorem")
    legend = (Key("dot", MEASURED, "refuted"), Key("dot", ALARM, "missed"))
    return Drawing(
        to_svg(axes),
        f"Planted falsehoods refuted, by theorem: {', '.join(words)}.",
        legend if total < len(falsehoods) else legend[:1],
    )
