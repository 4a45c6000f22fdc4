"""A claim decided from enclosures: the end of each that decides, against the bound, one row per scenario."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from advntk.checks.evidence.rows import DecisionRow
from advntk.reports.figures.style import (
    ALARM,
    ASIDE,
    BAND,
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

_LEAST, _MOST = 1e-18, 1e12  # beyond, and where the deciding end is not positive, dots are at the edge


def enclosure_figure(decisions: list[DecisionRow], scenes: list[Scene]) -> Drawing | None:
    """One panel per statistic; `scenes[i]` is that of `decisions[i]`.  None without a finite end."""
    pairs = [pair for pair in zip(decisions, scenes, strict=True) if "threshold" in pair[0].decision.detail]
    names = list(dict.fromkeys(row.decision.statistic for row, _ in pairs))
    if not names:
        return None
    axes = panels(len(names), height=2.24, left=0.3)
    found = [
        _panel(axis, name, [pair for pair in pairs if pair[0].decision.statistic == name])
        for axis, name in zip(axes, names, strict=True)
    ]
    legend = [
        Key("dot", MEASURED, "end of an enclosure, in balls"),
        Key("dot", BAND, "the same, floats with a bound of their rounding"),
        Key("line", FITTED, "the bound"),
    ]
    if any(row.decision.verdict is Verdict.OUT_OF_SCOPE for row, _ in pairs):
        legend.append(Key("dot", ASIDE, "outside the assumptions"))
    if any(row.decision.verdict in (Verdict.REFUTED, Verdict.INCONCLUSIVE) for row, _ in pairs):
        legend.append(Key("dot", ALARM, "not on its side of the bound"))
    return Drawing(to_svg(axes), " ".join(found), tuple(legend))


def _panel(axis: Any, name: str, pairs: list[tuple[DecisionRow, Scene]]) -> str:
    side, bound = (pairs[0][0].decision.detail[key] for key in ("side", "threshold"))
    chosen = nearest_to_failing([row for row, _ in pairs], MOST_ROWS)
    rows_of = {i: height for height, i in enumerate(sorted(chosen))}
    places: dict[str, list[tuple[float, float]]] = {MEASURED: [], BAND: [], ALARM: [], ASIDE: []}
    wrong, total = 0, 0
    for i, (decided, scene) in enumerate(pairs):
        ends = scene.statistic(f"{name}_{'high' if side == 'at most' else 'low'}")
        off = ends > bound if side == "at most" else ends <= bound
        in_balls = scene.statistic(f"{name}_bits") > 0
        inside = decided.decision.verdict is not Verdict.OUT_OF_SCOPE
        wrong += int(off.sum()) if inside else 0
        total += ends.size if inside else 0
        if i in rows_of:
            for k in thinned(ends):
                colour = ALARM if off[k] else MEASURED if in_balls[k] else BAND
                place = (float(np.clip(ends[k], _LEAST, _MOST)), rows_of[i])
                places[colour if inside else ASIDE].append(place)
    for colour, found in places.items():
        if found:
            x, y = np.array(found).T
            dots(axis, x, y, size=4, alpha=0.75, colour=colour)
    drawn = [x for found in places.values() for x, _ in found] + ([bound] if bound > 0 else [])
    axis.axvline(bound if bound > 0 else _LEAST, color=FITTED, lw=1.2)
    axis.set_xscale("log")
    low, high = min(drawn), max(drawn)
    margin = max(2.0, (high / low) ** (1 / 12))
    axis.set_xlim(low / margin, high * margin)
    axis.set_ylim(-0.8, max(len(rows_of) - 1, 1) + 0.8)
    plain_log_labels(axis.xaxis)
    axis.xaxis.set_major_formatter(FuncFormatter(_label))
    axis.set_yticks([])
    hidden = f" of {len(pairs)}, nearest to failing" if len(rows_of) < len(pairs) else ""
    axis.set_ylabel(f"{len(rows_of)}{hidden} scenarios" if len(pairs) > 1 else "1 scenario")
    shown, wanted = words(name), f"{'at most' if side == 'at most' else 'more than'} {bound:g}"
    axis.set_xlabel(f"{'high' if side == 'at most' else 'low'} end, {wanted}")
    title(axis, f"{shown}\n{total - wrong} of {total} enclosures on their side of the bound")
    return f"{shown}: {total - wrong} of {total} enclosures in scope are on their side of the bound."


def _label(value: float, _: int) -> str:
    return f"≤{short(value)}" if abs(value / _LEAST - 1) < 1e-9 else short(value)
