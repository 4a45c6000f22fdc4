"""Margin of the transformed kernel over eta S and architecture, with certified and critical scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.reports.figures.style import (
    ALARM,
    FITTED,
    MEASURED,
    MOST_ROWS,
    PREDICTED,
    Drawing,
    Key,
    brief,
    panels,
    plain_log_labels,
    title,
    to_svg,
)
from advntk.reports.formatting import counted
from advntk.reports.scenes import Scene

# Classes of the margin: upper ends, with colour and shade of the classes below them.
_CLASSES = (
    (-0.1, ALARM, 0.85),
    (0.0, ALARM, 0.45),
    (0.001, MEASURED, 0.2),
    (0.01, MEASURED, 0.4),
    (0.1, MEASURED, 0.65),
    (np.inf, MEASURED, 0.95),
)
_LEGEND = (
    Key("band", MEASURED, "positive definite; stronger: margin over 0.001, 0.01, 0.1"),
    Key("band", ALARM, "not positive; stronger: below −0.1"),
    Key("line", FITTED, "measured critical η·S"),
    Key("dotted", FITTED, "certified critical η·S"),
    Key("dashed", PREDICTED, "certified = critical"),
)
_MOST_CRITICAL = 400
_SCALES = ("certified_scale", "critical_scale")
_LETTERS = 21  # of a label, that fit in the margin


def margin_figure(scenes: list[Scene]) -> Drawing:
    """A row per scenario and a colour per margin, and certified against critical scale."""
    rows = [(scene.label, scene.rows[0].figures["margin"]) for scene in scenes]
    usable = [row for row in rows if row[1]["certified_scale"] > 0]
    known = [kept for _, kept in usable if np.isfinite([kept[name] for name in _SCALES]).all()]
    shown = sorted(usable, key=lambda row: row[1]["critical_scale"])[:MOST_ROWS]
    height = max(2.89, 1.34 + 0.13 * len(shown))
    # Names of architectures need room.
    (map_axis,) = panels(1, height, left=1.25)
    (scatter,) = panels(1, height)
    _map(map_axis, shown)
    title(
        map_axis,
        f"λ_min(sym(Θ A)) / λ_max(Θ) of {counted(len(shown), 'scenario')}"
        + (f";\n{counted(left_out, 'other')} not drawn" if (left_out := len(rows) - len(shown)) else ""),
    )
    critical = [float(kept["critical_scale"]) for kept in known]
    certified = [float(kept["certified_scale"]) for kept in known]
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
    title(
        scatter, f"{counted(len(known), 'scenario')} with a critical scale;\nthe certificate must stay below"
    )
    words = (
        f"Margin of sym(Θ A) against η·S for {counted(len(rows), 'scenario')}; "
        f"{len(critical)} with a finite critical scale"
    )
    if critical:
        words += f", between {min(critical):.3g} and {max(critical):.3g}"
    return Drawing(to_svg([map_axis, scatter]), words + ".", _LEGEND)


def _map(axis: Any, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """Runs of one class as bars: vector graphics of few bytes where a grid would have thousands."""
    names = []
    for height, (label, kept) in enumerate(rows):
        scale = np.array(kept["scale"], dtype=float)
        margin = np.array(kept["margin"], dtype=float)
        scale, margin = scale[scale > 0], margin[scale > 0]
        classes = np.searchsorted([end for end, _, _ in _CLASSES], margin, side="left")
        edges = np.concatenate([scale[:1], np.sqrt(scale[:-1] * scale[1:]), scale[-1:]])
        starts = np.flatnonzero(np.diff(classes, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(classes)], strict=True):
            _, colour, shade = _CLASSES[classes[start]]
            axis.broken_barh(
                [(edges[start], edges[end] - edges[start])],
                (height - 0.45, 0.9),
                facecolor=colour,
                alpha=shade,
                lw=0,
            )
        for name, style in (("critical_scale", "-"), ("certified_scale", ":")):
            # Where nothing is lost there is no critical scale.
            if np.isfinite(kept[name]):
                axis.plot([kept[name]] * 2, [height - 0.45, height + 0.45], style, color=FITTED, lw=1.4)
        names.append(brief(label, _LETTERS))
    axis.set_xscale("log")
    plain_log_labels(axis.xaxis)
    axis.set_yticks(range(len(rows)), names, fontsize=7)
    axis.set_ylim(-0.7, max(len(rows), 2) - 0.3)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("η·S (pure number)")
