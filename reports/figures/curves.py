"""Any curves along a common x: their medians over seeds with their spread, a panel per scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from advntk.reports.figures.style import (
    ALARM,
    ASIDE,
    BAND,
    FITTED,
    MEASURED,
    MOST_PANELS,
    PREDICTED,
    Drawing,
    Key,
    few_ticks,
    panels,
    plain_log_labels,
    title,
    to_svg,
)
from advntk.reports.formatting import words
from advntk.reports.scenes import Scene

_COLOURS = (MEASURED, ALARM, BAND, PREDICTED, ASIDE, FITTED)
_MOST_POINTS = 200  # of one curve; more cannot be told apart in a panel
_WIDE = 50  # a ratio of positive values that asks for a log axis


def are_curves(kept: Mapping[str, Any]) -> bool:
    """Whether a trial kept curves: finite arrays of one axis and one length, "x" and others."""
    try:
        arrays = {name: np.asarray(values, dtype=float) for name, values in kept.items()}
    except (TypeError, ValueError):
        return False
    x = arrays.get("x")
    if x is None or x.ndim != 1 or x.size == 0 or len(arrays) < 2:
        return False
    return all(array.shape == x.shape and np.isfinite(array).all() for array in arrays.values())


def curves_figure(scenes: list[Scene], kind: str = "curves") -> Drawing:
    """A panel per scenario; of a sweep, its last point.  All rows keep curves under `kind`."""
    shown = scenes[:MOST_PANELS]
    every = list(dict.fromkeys(name for scene in shown for name in scene.rows[0].figures[kind]))
    every.remove("x")
    names = every[: len(_COLOURS)]
    axes = panels(len(shown))
    found = [_panel(axis, scene, kind, names) for axis, scene in zip(axes, shown, strict=True)]
    hidden, more = len(scenes) - len(shown), len(every) - len(names)
    left_out = (f" {hidden} more scenarios are not drawn." if hidden else "") + (
        f" {more} more curves are not drawn." if more else ""
    )
    text = f"{words(kind).capitalize()}: {', '.join(map(words, names))}. {' '.join(found)}{left_out}"
    legend = [Key("line", _COLOURS[i], words(name)) for i, name in enumerate(names)]
    return Drawing(to_svg(axes), text, (*legend, Key("band", ASIDE, "middle 90 % of seeds, in its colour")))


def _panel(axis: Any, scene: Scene, kind: str, names: list[str]) -> str:
    last = scene.points[-1]
    kept = [row.figures[kind] for row in scene.at(last)]
    # Seeds whose curves are of another length cannot be put beside the others.
    kept = [one for one in kept if len(one["x"]) == len(kept[0]["x"]) and one.keys() == kept[0].keys()]
    every = -(-len(kept[0]["x"]) // _MOST_POINTS)
    x = np.median([one["x"] for one in kept], axis=0)[::every]
    drawn, ends = [], []
    for name, colour in zip(names, _COLOURS, strict=False):
        if name not in kept[0]:
            continue
        values = np.array([one[name] for one in kept], dtype=float)[:, ::every]
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=0)
        axis.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
        axis.plot(x, middle, color=colour, lw=1.6)
        drawn.append(values)
        ends.append(f"{words(name)} {middle[-1]:.3g} at last".replace("-", "−"))
    _scale(axis.set_xscale, axis.xaxis, x)
    _scale(axis.set_yscale, axis.yaxis, np.concatenate([values.ravel() for values in drawn]))
    axis.set_xlabel("x")
    where = f"{scene.label}, {scene.swept.at(last)}" if scene.swept.axis else scene.label
    title(axis, f"{where}\n{len(kept)} seeds")
    return f"{where}: {', '.join(ends)}."


def _scale(set_scale: Any, axis: Any, values: np.ndarray) -> None:
    if values.min() > 0 and values.max() > _WIDE * values.min():
        set_scale("log")
        plain_log_labels(axis)
    else:
        few_ticks(axis)
