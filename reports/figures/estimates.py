"""The estimates of many scenarios together, each with its interval, in order of size."""

from __future__ import annotations

from typing import Any

import numpy as np

from reports.figures.style import (
    ALARM,
    ASIDE,
    FITTED,
    MEASURED,
    PREDICTED,
    Drawing,
    Key,
    dots,
    few_ticks,
    panels,
    title,
    to_svg,
)

_LEGEND = (
    Key("dot", MEASURED, "HOLDS, with its interval"),
    Key("dot", ALARM, "REFUTED"),
    Key("dot", ASIDE, "INCONCLUSIVE"),
    Key("dashed", PREDICTED, "predicted"),
    Key("dotted", FITTED, "what decides"),
)
_COLOURS = {"HOLDS": MEASURED, "REFUTED": ALARM}


def estimates_figure(decisions: list[dict]) -> Drawing:
    """One panel per statistic, from its smallest to its largest estimate."""
    names = list(dict.fromkeys(decision["statistic"] for decision in decisions))
    axes = panels(len(names))
    words = [
        _panel(axis, [d for d in decisions if d["statistic"] == name])
        for axis, name in zip(axes, names, strict=True)
    ]
    return Drawing(to_svg(axes), f"Estimates of all scenarios, by size. {' '.join(words)}", _LEGEND)


def _panel(axis: Any, decisions: list[dict]) -> str:
    ordered = sorted((d for d in decisions if np.isfinite(d["estimate"])), key=lambda d: d["estimate"])
    finite = [v for d in ordered for v in (d["low"], d["estimate"], d["high"]) if np.isfinite(v)]
    least, most = (min(finite), max(finite)) if finite else (0.0, 1.0)
    for verdict in dict.fromkeys(d["verdict"] for d in ordered):
        chosen = [(i, d) for i, d in enumerate(ordered) if d["verdict"] == verdict]
        colour = _COLOURS.get(verdict, ASIDE)
        places = np.array([i for i, _ in chosen])
        ends = np.array(
            [[np.clip(d["low"], least, most), np.clip(d["high"], least, most)] for _, d in chosen]
        )
        axis.vlines(places, *ends.T, color=colour, lw=1, alpha=0.5)
        dots(axis, places, np.array([d["estimate"] for _, d in chosen]), size=4, alpha=1, colour=colour)
    for key, style, colour in (("predicted", "--", PREDICTED), ("threshold", ":", FITTED)):
        for value in {d["detail"][key] for d in decisions if d["detail"].get(key) is not None}:
            axis.axhline(value, ls=style, color=colour, lw=1.4)
    axis.autoscale_view()
    few_ticks(axis.yaxis)
    axis.set_xticks([])
    axis.set_xlabel(f"{len(ordered)} scenarios, by estimate")
    name = str(decisions[0]["statistic"]).replace("_", " ")
    axis.set_ylabel(str(decisions[0]["quantity"]))
    held = sum(d["verdict"] == "HOLDS" for d in decisions)
    title(axis, f"{name}\n{held} of {len(decisions)} scenarios HOLD")
    return f"{name}: {held} of {len(decisions)} scenarios hold, estimates from {least:.3g} to {most:.3g}."
