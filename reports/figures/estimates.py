"""The estimates of many scenarios together, each with its interval, in order of size."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence.rows import DecisionRow
from advntk.reports.figures.style import (
    FITTED,
    PALETTE,
    PREDICTED,
    Drawing,
    Key,
    dots,
    few_ticks,
    panels,
    title,
    to_svg,
)
from advntk.reports.formatting import words
from advntk.reports.verdict_style import STYLES
from advntk.theorems.vocabulary import Verdict


def estimates_figure(rows: list[DecisionRow]) -> Drawing:
    """One panel per statistic, from its smallest to its largest estimate."""
    decisions = [row.decision for row in rows]
    names = list(dict.fromkeys(decision.statistic for decision in decisions))
    axes = panels(len(names))
    found = [
        _panel(axis, [d for d in decisions if d.statistic == name])
        for axis, name in zip(axes, names, strict=True)
    ]
    text = f"Estimates of all scenarios, by size. {' '.join(found)}"
    return Drawing(to_svg(axes), text, _legend(decisions))


def _predicted(detail: dict) -> tuple[float, ...]:
    """The exponent, of a ratio to a prediction 1, of a relative error 0."""
    if "off" in detail:
        return (0.0,)
    return (1.0,) if "margin" in detail else _known(detail, "predicted")


def _deciding(detail: dict) -> tuple[float, ...]:
    """The exponent above which a claim holds, or what a ratio or an error must stay within, both ways."""
    if "off" in detail:
        return (-detail["off"], detail["off"])
    margins = _known(detail, "margin")
    return (*margins, *(1 / m for m in margins), *_known(detail, "threshold"))


def _known(detail: dict, key: str) -> tuple[float, ...]:
    return () if detail.get(key) is None else (detail[key],)


def _legend(decisions: list[Decision]) -> tuple[Key, ...]:
    """What is drawn, and nothing else."""
    seen = {d.verdict for d in decisions}
    keys = [
        Key(
            "dot",
            PALETTE[style.palette],
            f"{verdict}, with its interval" if verdict == Verdict.HOLDS else verdict,
        )
        for verdict, style in STYLES.items()
        if verdict in seen
    ]
    if any(_predicted(d.detail) for d in decisions):
        keys.append(Key("dashed", PREDICTED, "predicted"))
    if any(_deciding(d.detail) for d in decisions):
        keys.append(Key("dotted", FITTED, "what decides"))
    return tuple(keys)


def _panel(axis: Any, decisions: list[Decision]) -> str:
    ordered = sorted((d for d in decisions if np.isfinite(d.estimate)), key=lambda d: d.estimate)
    finite = [v for d in ordered for v in (d.low, d.estimate, d.high) if np.isfinite(v)]
    least, most = (min(finite), max(finite)) if finite else (0.0, 1.0)
    for verdict in dict.fromkeys(d.verdict for d in ordered):
        chosen = [(i, d) for i, d in enumerate(ordered) if d.verdict == verdict]
        colour = PALETTE[STYLES[verdict].palette]
        places = np.array([i for i, _ in chosen])
        ends = np.array([[np.clip(d.low, least, most), np.clip(d.high, least, most)] for _, d in chosen])
        axis.vlines(places, *ends.T, color=colour, lw=1, alpha=0.5)
        dots(axis, places, np.array([d.estimate for _, d in chosen]), size=4, alpha=1, colour=colour)
    for style, colour, values in (("--", PREDICTED, _predicted), (":", FITTED, _deciding)):
        for value in {value for d in decisions for value in values(d.detail)}:
            axis.axhline(value, ls=style, color=colour, lw=1.4)
    axis.autoscale_view()
    few_ticks(axis.yaxis)
    axis.set_xticks([])
    axis.set_xlabel(f"{len(ordered)} scenarios, by estimate")
    name = words(decisions[0].statistic)
    axis.set_ylabel(decisions[0].quantity)
    held = sum(d.verdict is Verdict.HOLDS for d in decisions)
    title(axis, f"{name}\n{held} of {len(decisions)} scenarios HOLD")
    found = [d.estimate for d in ordered]
    range_ = f", estimates from {found[0]:.3g} to {found[-1]:.3g}" if found else ""
    return f"{name}: {held} of {len(decisions)} scenarios hold{range_}."
