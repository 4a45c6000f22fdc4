"""An exact claim: every measured value against its bound, one row per scenario."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from advntk.checks.evidence.rows import DecisionRow
from advntk.reports.figures.style import (
    ALARM,
    ASIDE,
    FITTED,
    MEASURED,
    MOST_ROWS,
    Drawing,
    Key,
    dots,
    nearest_to_failing,
    panels,
    plain_log_labels,
    short,
    thinned,
    title,
    to_svg,
)
from advntk.reports.formatting import words
from advntk.reports.scenes import Scene
from advntk.theorems.vocabulary import Verdict

_LEAST, _MOST = 1e-6, 1e12  # ratios beyond (exact zeros, mostly; bounds of zero) are drawn at the edge


def bound_figure(decisions: list[DecisionRow], scenes: list[Scene]) -> Drawing | None:
    """One panel per statistic; `scenes[i]` is that of `decisions[i]`.  None without a finite value."""
    pairs = [pair for pair in zip(decisions, scenes, strict=True) if "against" in pair[0].decision.detail]
    names = list(dict.fromkeys(row.decision.statistic for row, _ in pairs))
    if not names:
        return None
    axes = panels(len(names), height=2.24, left=0.3)
    found = []
    for axis, name in zip(axes, names, strict=True):
        found.append(_panel(axis, name, [pair for pair in pairs if pair[0].decision.statistic == name]))
    legend = [Key("dot", MEASURED, "a trial"), Key("line", FITTED, "the bound")]
    if any(row.decision.verdict is Verdict.OUT_OF_SCOPE for row, _ in pairs):
        legend.append(Key("dot", ASIDE, "outside the assumptions"))
    if any(row.decision.verdict is Verdict.REFUTED for row, _ in pairs):
        legend.append(Key("dot", ALARM, "beyond the bound"))
    return Drawing(to_svg(axes), " ".join(found), tuple(legend))


def _panel(axis: Any, name: str, pairs: list[tuple[DecisionRow, Scene]]) -> str:
    side = pairs[0][0].decision.detail["side"]
    violations, total = 0, 0
    # Where there are too many scenarios for a row each, those nearest to failing have one.
    chosen = nearest_to_failing([row for row, _ in pairs], MOST_ROWS)
    rows_of = {i: height for height, i in enumerate(sorted(chosen))}
    places: dict[str, list[tuple[float, float]]] = {MEASURED: [], ALARM: [], ASIDE: []}
    for i, (decided, scene) in enumerate(pairs):
        ratio = _ratios(scene, name, decided.decision.detail["against"])
        wrong = ratio > 1 if side == "at most" else ratio <= 1
        inside = decided.decision.verdict is not Verdict.OUT_OF_SCOPE
        violations += int(wrong.sum()) if inside else 0
        total += ratio.size if inside else 0
        if i in rows_of:
            for k in thinned(ratio):
                colour = (ALARM if wrong[k] else MEASURED) if inside else ASIDE
                places[colour].append((float(np.clip(ratio[k], _LEAST, _MOST)), rows_of[i]))
    for colour, found in places.items():
        if found:
            x, y = np.array(found).T
            dots(axis, x, y, size=4, alpha=0.75, colour=colour)
    axis.axvline(1, color=FITTED, lw=1.2)
    axis.set_xscale("log")
    drawn = [x for found in places.values() for x, _ in found]
    low, high = min(0.5, *drawn), max(2.0, *drawn)
    # A label at the edge needs a twelfth of the axis beside it.
    margin = max(2.0, (high / low) ** (1 / 12))
    axis.set_xlim(low / margin, high * margin)
    axis.set_ylim(-0.8, max(len(rows_of) - 1, 1) + 0.8)
    plain_log_labels(axis.xaxis)
    axis.xaxis.set_major_formatter(FuncFormatter(_ratio_label))
    axis.set_yticks([])
    hidden = f" of {len(pairs)}, nearest to failing" if len(rows_of) < len(pairs) else ""
    axis.set_ylabel(f"{len(rows_of)}{hidden} scenarios" if len(pairs) > 1 else "1 scenario")
    shown = words(name)
    axis.set_xlabel(f"value / bound, {'at most' if side == 'at most' else 'more than'} 1")
    title(axis, f"{shown}\n{violations} of {total} trials beyond the bound")
    return f"{shown}: {violations} of {total} trials in scope beyond the bound."


def _ratio_label(value: float, _: int) -> str:
    """A tick; those at the edges stand for everything beyond, exact zeros and bounds of zero included."""
    if np.isclose(value, _LEAST, rtol=1e-9):
        return f"≤{short(value)}"
    if np.isclose(value, _MOST, rtol=1e-9):
        return f"≥{short(value)}"
    return short(value)


def _ratios(scene: Scene, name: str, bound: str) -> np.ndarray:
    """Every value over its bound; a trial may give several of each."""
    value, limit = (np.ravel(scene.statistic(statistic)) for statistic in (name, bound))
    with np.errstate(over="ignore"):  # a bound far below the value
        return np.divide(value, limit, out=np.where(value > 0, np.inf, 0.0), where=limit != 0)
