"""Small figures of estimates with their intervals, over runs or before and now, in the colours of the page.

Whatever is ink here becomes the text colour of the page around it, so that one figure serves light and dark.
"""

from __future__ import annotations

import math
from typing import Any

from advntk.reports.figures import matplotlib
from advntk.reports.figures.style import (
    MEASURED,
    PALETTE,
    PREDICTED,
    Figure,
    MaxNLocator,
    figure_style,
    plain_log_labels,
    to_svg,
    with_ids_of,
)
from advntk.reports.formatting import interval
from advntk.reports.verdict_style import STYLES

_INK = "#010203"  # nobody else's colour: replaced in the SVG
_RC: Any = {
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}

_MANY = 30  # above this many runs marks get smaller
_FLAT = 0.2  # a spread, as a share of the largest value, that fills no axis by itself
_DECADES = 1e3  # a spread of positive values that asks for a log axis


def over_runs(claim: dict, runs: int, key: str) -> str:
    """SVG of the estimates of one claim over `runs` runs, with intervals, verdict marks and the prediction.

    A point whose estimate is not a finite number is marked at the foot of the figure.  `key` tells the ids of
    this figure from those of others on the page.
    """
    points = [{**point, **numbers_of(point["estimate"])} for point in claim["points"]]
    drawn = [point for point in points if math.isfinite(point["value"])]
    with figure_style(), matplotlib.rc_context(_RC):
        figure = Figure(figsize=(3.3, 1.9), layout="constrained")
        axis = figure.subplots()
        values = [end for p in drawn for end in (p["value"], p["low"], p["high"]) if math.isfinite(end)]
        if values and min(values) > 0 and max(values) > _DECADES * min(values):
            axis.set_yscale("log")
        elif values and (most := max(map(abs, values))) * _FLAT > max(values) - min(values):
            # What hardly differs shall not look as if it did.
            middle = (max(values) + min(values)) / 2
            axis.set_ylim(middle - most / 4, middle + most / 4)
        size = 5.5 if runs <= _MANY else 3.5
        for point in drawn:
            low, high = (
                end if math.isfinite(end) else point["value"] for end in (point["low"], point["high"])
            )
            axis.plot([point["run"]] * 2, [low, high], color=_INK, lw=1, alpha=0.7, zorder=1)
            _mark(axis, point, point["value"], size)
        quantities = list(dict.fromkeys(p["estimate"]["quantity"] for p in drawn))
        if "exponent" in quantities and claim["predicted_exponent"] is not None:
            axis.axhline(claim["predicted_exponent"], color=PREDICTED, ls="--", lw=1.2, zorder=0)
        axis.set_ylabel(" or ".join(quantities)[:40], parse_math=False)
        foot = [point for point in points if not math.isfinite(point["value"])]
        for point in foot:
            _mark(axis, point, 0.04, size, axis.get_xaxis_transform())
        if not drawn:
            axis.set_yticks([])
        if axis.get_yscale() == "log":
            plain_log_labels(axis.yaxis)
        axis.set_xlim(0.5, runs + 0.5)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        axis.set_xlabel("run")
        return _embedded(to_svg([axis]), key)


def before_and_now(rows: list[tuple[str, dict, dict]], quantity: str, key: str) -> str:
    """SVG with a row per (label, estimate before, estimate now): hollow before, filled now, with intervals.

    An estimate has `value`, `low` and `high`; all of them are of one `quantity`.
    """
    with figure_style(), matplotlib.rc_context(_RC):
        figure = Figure(figsize=(7.2, 0.8 + 0.34 * len(rows)), layout="constrained")
        axis = figure.subplots()
        for place, (_, before, now) in enumerate(rows):
            for estimate, shift, color, fill in (
                (before, -0.14, _INK, "none"),
                (now, 0.14, MEASURED, MEASURED),
            ):
                if not math.isfinite(estimate["value"]):
                    continue
                ends = [
                    estimate[e] if math.isfinite(estimate[e]) else estimate["value"] for e in ("low", "high")
                ]
                axis.plot(ends, [place + shift] * 2, color=color, lw=1.3)
                axis.plot([estimate["value"]], [place + shift], "o", ms=5, color=color, markerfacecolor=fill)
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.set_yticks(range(len(rows)), [label for label, _, _ in rows], parse_math=False)
        axis.set_xlabel(quantity[:80], parse_math=False)
        axis.grid(axis="x", color=_INK, alpha=0.15, lw=0.6)
        return _embedded(to_svg([axis]), key)


def words_over_runs(claim: dict) -> str:
    """The text alternative of `over_runs`."""
    return f"{claim['claim']}: " + "; ".join(
        f"run {p['run']} {p['verdict']}{'' if p['as_expected'] else ' (unexpected)'} "
        f"{interval(**numbers_of(p['estimate']))}".rstrip()
        for p in claim["points"]
    )


def numbers_of(estimate: dict | None) -> dict[str, float]:
    """An estimate of a summary as `value`, `low` and `high`; nan where there is none."""
    if estimate is None:
        return {"value": math.nan, "low": math.nan, "high": math.nan}
    found = (estimate["value"], *estimate["interval"])
    value, low, high = (math.nan if end is None else float(end) for end in found)
    return {"value": value, "low": low, "high": high}


def _mark(axis: Any, point: dict, height: float, size: float, transform: Any = None) -> None:
    style = STYLES[point["verdict"]]
    more = {} if transform is None else {"transform": transform, "clip_on": False}
    axis.plot([point["run"]], [height], style.marker, ms=size, color=PALETTE[style.palette], zorder=3, **more)
    if not point["as_expected"]:
        axis.plot([point["run"]], [height], "s", ms=size + 5, mfc="none", mec=_INK, mew=1, zorder=2, **more)


def _embedded(svg: str, key: str) -> str:
    return with_ids_of(key, svg).replace(_INK, "currentColor")
