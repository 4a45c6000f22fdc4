"""An exact claim: every measured value against its bound, one row per scenario."""

from __future__ import annotations

import numpy as np

from checks.evidence import TrialRow
from reports.figures.style import ALARM, FITTED, MEASURED, panels, plain_log_labels, to_svg

_LEAST = 1e-6  # ratios below (exact zeros, mostly) are drawn at the edge


def bound_figure(decisions: list[dict], trials: list[list[TrialRow]]) -> tuple[str, str]:
    """SVG and text alternative; `trials[i]` are the rows that `decisions[i]` was decided on."""
    pairs = [(d, rows) for d, rows in zip(decisions, trials, strict=True) if "against" in d["detail"]]
    names = list(dict.fromkeys(decision["statistic"] for decision, _ in pairs))
    if not names:
        return "", "No trial gave a finite value."
    figure, axes = panels(len(names), width=4.4, height=2.6)
    words = []
    for axis, name in zip(axes, names, strict=True):
        words.append(_panel(axis, name, [pair for pair in pairs if pair[0]["statistic"] == name]))
    return to_svg(figure), " ".join(words)


def _panel(axis, name: str, pairs: list[tuple[dict, list[TrialRow]]]) -> str:
    side = pairs[0][0]["detail"]["side"]
    violations, total = 0, 0
    for height, (decision, rows) in enumerate(pairs):
        ratio = np.array([_ratio(row, name, decision["detail"]["against"]) for row in rows])
        wrong = ratio > 1 if side == "at most" else ratio <= 1
        drawn = np.maximum(ratio, _LEAST)
        inside = decision["verdict"] != "OUT_OF_SCOPE"
        violations += int(wrong.sum()) if inside else 0
        total += ratio.size if inside else 0
        for chosen, colour in ((~wrong, MEASURED), (wrong, ALARM)):
            axis.scatter(
                drawn[chosen],
                np.full(int(chosen.sum()), height),
                s=12,
                color=colour if inside else "none",
                edgecolor=colour,
                lw=0.8,
            )
    axis.axvline(1, color=FITTED, lw=1.2)
    axis.set_xscale("log")
    plain_log_labels(axis.xaxis)
    axis.set_yticks([])
    axis.set_ylabel(f"{len(pairs)} scenarios")
    word = "must stay left of 1" if side == "at most" else "must stay right of 1"
    axis.set_xlabel(f"{name.replace('_', ' ')} / bound  ({word})")
    axis.set_title(f"{violations} of {total} trials beyond; hollow: out of scope", fontsize=8)
    return f"{name.replace('_', ' ')}: {violations} of {total} trials in scope beyond the bound."


def _ratio(row: TrialRow, name: str, bound: str) -> float:
    value, limit = row.numbers[name], row.numbers[bound]
    return value / limit if limit else (np.inf if value > 0 else 0.0)
