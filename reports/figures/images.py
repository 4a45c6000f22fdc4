"""Images before and after an attack, what moved them, and what is seen in them then."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from advntk.reports.figures.style import ALARM, BAND, MOST_PANELS, Drawing, Key, to_svg
from advntk.reports.scenes import Scene

_LEGEND = (Key("band", BAND, "classified rightly"), Key("band", ALARM, "fooled"))
# Inches of one panel: three images over two perturbations.
_WIDTH, _HEIGHT, _SIDE = 3.5, 2.75, 0.92


def images_figure(scenes: list[Scene]) -> Drawing:
    """A panel per image that the first split of the first scenario kept."""
    kept = scenes[0].rows[0].figures["images"]
    clean, regression, ours = (_images(kept[name]) for name in ("clean", "moved_regression", "moved"))
    labels = [int(label) for label in kept["label"]]
    said, theirs = ([int(label) for label in kept[f"class{name}"]] for name in ("", "_regression"))
    largest = max(float(np.abs(moved - clean).max()) for moved in (regression, ours)) or 1.0
    axes = [
        _panel(clean[i], label, ((regression[i], theirs[i]), (ours[i], said[i])), largest)
        for i, label in enumerate(labels[:MOST_PANELS])
    ]
    fooled, withstood = (sum(a != b for a, b in zip(one, labels, strict=True)) for one in (theirs, said))
    words = (
        f"The first {len(labels)} test images of one split that both classify rightly until attacked; below, "
        f"what the attack adds, at most {largest:.2g} of the range of pixels (orange less, purple more). NTK "
        f"regression is fooled on {fooled}, Adv-NTK on {withstood}{_over_all(scenes)}."
    )
    return Drawing(to_svg(axes), words, _LEGEND)


def _over_all(scenes: list[Scene]) -> str:
    """What share of all test images withstands, where the trials keep their gain as well."""
    gains = [row.figures["gain"] for scene in scenes for row in scene.rows if "gain" in row.figures]
    if not gains:
        return ""
    before, after = (np.mean([gain[name] for gain in gains]) for name in ("robust_regression", "robust"))
    return f"; over all {len(gains)} splits {before:.1%} and {after:.1%} of the test images withstand"


def _panel(clean: np.ndarray, label: int, moved: tuple[tuple[np.ndarray, int], ...], largest: float) -> Any:
    """Clean image, and for each predictor the attacked one with its class over the perturbation."""
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    first = _place(figure, 0, 0)
    _show(first, clean, "gray", 0.5)
    first.set_title(f"clean: {label}", fontsize=8)
    for column, ((image, said), name) in enumerate(
        zip(moved, ("NTK regression", "Adv-NTK"), strict=True), start=1
    ):
        axis = _place(figure, column, 0)
        _show(axis, image, "gray", 0.5)
        right = said == label
        axis.set_title(f"{name}:\n{said} {'✓' if right else '✗'}", fontsize=8)
        _frame(axis, BAND if right else ALARM)
        _show(_place(figure, column, 1), image - clean, "PuOr", largest)
    return first


def _place(figure: Figure, column: int, row: int) -> Any:
    left, bottom = 0.12 + column * (_SIDE + 0.22), _HEIGHT - 0.5 - (row + 1) * _SIDE - row * 0.12
    return figure.add_axes((left / _WIDTH, bottom / _HEIGHT, _SIDE / _WIDTH, _SIDE / _HEIGHT))


def _show(axis: Any, image: np.ndarray, colours: str, end: float) -> None:
    axis.imshow(image, cmap=colours, vmin=-end, vmax=end, interpolation="nearest")
    axis.set_axis_off()


def _frame(axis: Any, colour: str) -> None:
    """The colour around the image: as a text it would be too faint to read."""
    axis.set_axis_on()
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set(visible=True, color=colour, linewidth=2.5)


def _images(flat: list) -> np.ndarray:
    values = np.asarray(flat, dtype=float)
    side = math.isqrt(values.shape[1])
    return values.reshape(len(values), side, -1)
