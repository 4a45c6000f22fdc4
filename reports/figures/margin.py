"""Margin of the transformed kernel over eta S and architecture, with certified and critical scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.evidence import TrialRow
from advntk.reports.figures.style import (
    ALARM,
    FITTED,
    MEASURED,
    MOST_ROWS,
    PREDICTED,
    Drawing,
    Key,
    panels,
    plain_log_labels,
    title,
    to_svg,
)

# Classes of the margin: upper ends, with colour and strength of the classes below them.
_CLASSES = (
    (-0.1, ALARM, 0.85),
    (0.0, ALARM, 0.45),
    (0.001, MEASURED, 0.2),
    (0.01, MEASURED, 0.4),
    (0.1, MEASURED, 0.65),
    (np.inf, MEASURED, 0.95),
)
_LEGEND = (
    Key("band", MEASURED, "positive definite; darker: margin over 0.001, 0.01, 0.1"),
    Key("band", ALARM, "not positive; darker: below −0.1"),
    Key("line", FITTED, "measured critical η·S"),
    Key("dotted", FITTED, "certified critical η·S"),
    Key("dashed", PREDICTED, "certified = critical"),
)
_MOST_CRITICAL = 400


def margin_figure(trials: list[list[TrialRow]]) -> Drawing:
    """A row per scenario and a colour per margin, and certified against critical scale."""
    rows = [row for found in trials for row in found[:1]]
    usable = [row for row in rows if _usable(row)]
    known = [row for row in usable if np.isfinite(row.numbers["critical_scale"])]
    known = [row for row in known if np.isfinite(row.numbers["certified_scale"])]
    shown = sorted(usable, key=lambda row: row.numbers["critical_scale"])[:MOST_ROWS]
    height = max(2.75, 1.2 + 0.13 * len(shown))
    # Names of architectures need room.
    (map_axis,) = panels(1, height, left=1.25)
    (scatter,) = panels(1, height)
    _map(map_axis, shown)
    title(
        map_axis,
        f"λ_min(sym(Θ A)) / λ_max(Θ) of {len(shown)} scenarios;\n"
        f"{len(rows) - len(shown)} others are not drawn",
    )
    critical = [float(row.numbers["critical_scale"]) for row in known]
    certified = [float(row.numbers["certified_scale"]) for row in known]
    if known:
        scatter.plot(certified[:_MOST_CRITICAL], critical[:_MOST_CRITICAL], "o", ms=4, color=MEASURED)
        ends = np.array([min(certified), max(critical)])
        scatter.plot(ends, ends, "--", color=PREDICTED, lw=1.6)
        scatter.set_xscale("log")
        scatter.set_yscale("log")
        plain_log_labels(scatter.xaxis)
        plain_log_labels(scatter.yaxis)
    scatter.set_xlabel("certified critical η·S (pure number)")
    scatter.set_ylabel("measured critical η·S")
    title(scatter, f"{len(known)} scenarios with a critical scale;\nthe certificate must stay below")
    words = (
        f"Margin of sym(Θ A) against η·S for {len(rows)} scenarios; "
        f"{len(critical)} have a finite critical scale"
    )
    if critical:
        words += f", between {min(critical):.3g} and {max(critical):.3g}"
    return Drawing(to_svg([map_axis, scatter]), words + ".", _LEGEND)


def _usable(row: TrialRow) -> bool:
    scale = row.numbers["certified_scale"]
    return scale is not None and scale > 0


def _map(axis: Any, rows: list[TrialRow]) -> None:
    """Runs of one class as bars: vector graphics of few bytes where a grid would have thousands."""
    names = []
    for height, row in enumerate(rows):
        scale = np.array(row.numbers["curve_scale"], dtype=float)
        margin = np.array(row.numbers["curve_margin"], dtype=float)
        scale, margin = scale[scale > 0], margin[scale > 0]
        classes = np.searchsorted([end for end, _, _ in _CLASSES], margin, side="left")
        edges = np.concatenate([scale[:1], np.sqrt(scale[:-1] * scale[1:]), scale[-1:]])
        starts = np.flatnonzero(np.diff(classes, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(classes)], strict=True):
            _, colour, strength = _CLASSES[classes[start]]
            axis.broken_barh(
                [(edges[start], edges[end] - edges[start])],
                (height - 0.45, 0.9),
                facecolor=colour,
                alpha=strength,
                lw=0,
            )
        for name, style in (("critical_scale", "-"), ("certified_scale", ":")):
            # Where nothing is lost there is no critical scale.
            if np.isfinite(row.numbers[name]):
                axis.plot(
                    [row.numbers[name]] * 2, [height - 0.45, height + 0.45], style, color=FITTED, lw=1.4
                )
        scenario = row.scenario
        names.append(f"{scenario['family']} L={scenario['depth']} {scenario['activation']}")
    axis.set_xscale("log")
    plain_log_labels(axis.xaxis)
    axis.set_yticks(range(len(rows)), names, fontsize=7)
    axis.set_ylim(-0.7, max(len(rows), 2) - 0.3)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("η·S (pure number)")
