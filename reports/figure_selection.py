"""Which figures the evidence of a claim calls for.

A figure is chosen by what was decided and by what the trials say that they kept, never by a name of a claim,
a statistic or an axis: a theorem of a user's own gets the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from advntk.checks.evidence.rows import DecisionRow, RunRecord, TrialRow
from advntk.implementations.foreign_code import described
from advntk.reports.figures.band import band_figure
from advntk.reports.figures.blocks import blocks_figure
from advntk.reports.figures.bound import bound_figure
from advntk.reports.figures.curves import are_curves, curves_figure
from advntk.reports.figures.defect import defect_figure
from advntk.reports.figures.enclosure import enclosure_figure
from advntk.reports.figures.ensemble import ensemble_figure
from advntk.reports.figures.estimates import estimates_figure
from advntk.reports.figures.fading import fading_figure
from advntk.reports.figures.gain import gain_figure
from advntk.reports.figures.images import images_figure
from advntk.reports.figures.learning import learning_figure
from advntk.reports.figures.level import level_figure
from advntk.reports.figures.margin import margin_figure
from advntk.reports.figures.median import median_figure
from advntk.reports.figures.overfitting import overfitting_figure
from advntk.reports.figures.phase import phase_figure
from advntk.reports.figures.side_by_side import side_by_side_figure
from advntk.reports.figures.style import MOST_PANELS, Drawing, figure_style, nearest_to_failing
from advntk.reports.figures.sweep import sweep_figure
from advntk.reports.figures.value import value_figure
from advntk.reports.formatting import words
from advntk.reports.scenes import Scene, is_finite, scene_of
from advntk.theorems.vocabulary import Verdict

_OF_DECIDER: dict[str, Callable[[list[DecisionRow], list[Scene]], Drawing | None]] = {
    "rate": sweep_figure,
    "level": level_figure,
    "value": value_figure,
    "bound": bound_figure,
    "enclosure": enclosure_figure,
    "median": median_figure,
}
_SWEEPING = ("rate", "level", "value")
Draw = Callable[[list[Scene]], Drawing | None]


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure, and what a row must have kept for it.

    Args:
      draw: draws it from scenes whose rows have all of it.
      curves: finite arrays of one shape.
      numbers: what may have any shape and may be infinite, but no NaN.
      by_statistic: whether other arrays may be named after statistics of the trial: they belong to the claims
        that decide on these, and `draw` takes their names.
    """

    draw: Callable[..., Drawing | None]
    curves: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    by_statistic: bool = False

    def fits(self, kept: Mapping[str, Any]) -> bool:
        """Whether everything has been kept, whatever its values."""
        return all(name in kept for name in (*self.curves, *self.numbers))

    def usable(self, kept: Mapping[str, Any], statistics: list[str]) -> bool:
        """Whether it can be drawn: curves are finite, numbers known, and these statistics there."""
        if not self.fits(kept) or any(name not in kept for name in statistics):
            return False
        # Of a kind that names nothing, everything is a curve.
        curves = self.curves if self.curves or self.numbers else tuple(kept)
        try:
            numbers = [np.asarray(kept[name], dtype=float) for name in self.numbers]
            return _are_finite([kept[name] for name in curves]) and not any(
                np.isnan(n).any() for n in numbers
            )
        except (TypeError, ValueError):
            return False  # no numbers


_ACCURACIES = ("robust", "robust_regression", "clean", "clean_regression")
_IMAGES = ("clean", "moved", "moved_regression")
KINDS: dict[str, FigureKind] = {
    "margin": FigureKind(margin_figure, ("scale", "margin"), ("certified_scale", "critical_scale")),
    "defect": FigureKind(defect_figure, ("time", "defect", "predicted")),
    "fading": FigureKind(
        fading_figure, ("time", "v", "bound", "distance", "distance_bound"), ("integration_error",)
    ),
    "overfitting": FigureKind(
        overfitting_figure,
        ("time", "robust", "clean"),
        ("best_time", "robust_without_search", "clean_without_search"),
    ),
    "gain": FigureKind(gain_figure, numbers=_ACCURACIES),
    "learning": FigureKind(learning_figure, ("loss", "clean", "robust"), ("varpi", "wrong_label")),
    "images": FigureKind(images_figure, _IMAGES, ("label", "class", "class_regression")),
    "ensemble": FigureKind(ensemble_figure, numbers=("mean", "variance")),
    "band": FigureKind(band_figure, ("output", "band_mean", "band_deviation")),
    "blocks": FigureKind(blocks_figure, by_statistic=True),
    "phase": FigureKind(phase_figure, numbers=("strength",), by_statistic=True),
}


@dataclass(frozen=True)
class Selected:
    """What belongs to a claim: its figures, claims that have others of its trials, and what is not drawn."""

    figures: list[Drawing]
    elsewhere: list[str]
    notes: list[str]


def figures_of(record: RunRecord, claim: str) -> list[Drawing]:
    """All figures of one claim, in the order of its page."""
    with figure_style():
        decisions = [row for row in record.decisions if row.claim == claim]
        return FigureSelector(record).of_claim(claim, decisions).figures


@dataclass
class FigureSelector:
    """Draws the figures of one theorem after another; a drawing that two claims call for is made once."""

    record: RunRecord
    _drawn: dict[tuple, str] = field(default_factory=dict)
    _decided: dict[str, set[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._decided = _decided(self.record)

    def of_claim(self, claim: str, decisions: list[DecisionRow]) -> Selected:
        """The claim's figures, the claims that have others which belong to it too, and what is left out."""
        figures: list[Drawing | None] = []
        elsewhere: list[str] = []
        notes: list[str] = []
        measured = [row for row in decisions if row.decision.verdict is not Verdict.ERROR]
        # What lies outside the assumptions speaks only for a claim that has nothing else.
        inside = [row for row in measured if row.decision.verdict is not Verdict.OUT_OF_SCOPE] or measured
        for decider, draw in _OF_DECIDER.items():
            # The figure of a bound shows what lies outside, too.
            among = measured if decider in ("bound", "enclosure") else inside
            chosen = [
                (row, scene) for row in among if row.decider == decider and (scene := self._scene(row)).rows
            ]
            if not chosen:
                continue
            rows, scenes = [row for row, _ in chosen], [scene for _, scene in chosen]
            if decider in _SWEEPING and len(rows) > MOST_PANELS:
                figures.append(_drawn_or_noted(partial(estimates_figure, rows), "estimates", notes))
            figures.append(_drawn_or_noted(partial(draw, rows, scenes), decider, notes))
        for key, draw_kept, kept in self._kept(inside):
            if draw_kept is None:
                notes.append(f"What the trials kept as {words(key[0])!r} is not drawn: no curves along 'x'.")
            elif key in self._drawn:
                elsewhere.append(self._drawn[key])
            elif (figure := _drawn_or_noted(partial(draw_kept, kept), str(key[0]), notes)) is not None:
                self._drawn[key] = claim
                figures.append(figure)
        return Selected([f for f in figures if f is not None], list(dict.fromkeys(elsewhere)), notes)

    def of_theorem(self, decisions: list[DecisionRow]) -> list[Drawing]:
        """Sweeps of the same error where a claim says that it vanishes and in its control, side by side."""
        sweeps = [(row, self._scene(row)) for row in decisions if row.decider == "rate"]
        bare = (Verdict.ERROR, Verdict.OUT_OF_SCOPE)
        sweeps = [(row, scene) for row, scene in sweeps if scene.rows and row.decision.verdict not in bare]
        # What was not decided shows no contrast.
        decided = [pair for pair in sweeps if pair[0].decision.verdict is not Verdict.INCONCLUSIVE]
        figures = []
        for name in dict.fromkeys(row.decision.statistic for row, _ in decided or sweeps):
            of = [pair for pair in decided or sweeps if pair[0].decision.statistic == name]
            claimed, control = (self._expected(of, verdict) for verdict in (Verdict.HOLDS, Verdict.REFUTED))
            trials = {row.trial for row, _ in claimed}
            control = [pair for pair in control if pair[0].trial not in trials]
            if claimed and control:
                pair = partial(side_by_side_figure, _nearest(claimed), _nearest(control))
                figures.append(_drawn_or_noted(pair, "side by side", []))
        return [figure for figure in figures if figure is not None]

    def _expected(self, pairs: list[tuple[DecisionRow, Scene]], verdict: str) -> list:
        claims = self.record.request.claims
        return [pair for pair in pairs if claims[pair[0].claim].expected == verdict]

    def _kept(self, decisions: list[DecisionRow]) -> Iterator[tuple[tuple, Draw | None, list[Scene]]]:
        """What was kept in these scenarios by kind: a key, what draws it (None: nothing does), and scenes."""
        scenes = {(row.trial, row.scenario_id): scene_of(self.record, row) for row in decisions}
        statistics = list(dict.fromkeys(row.decision.statistic for row in decisions))
        kinds = dict.fromkeys(k for scene in scenes.values() for row in scene.rows for k in row.figures)
        for kind in kinds:
            having = {key: _keeping(scene, kind) for key, scene in scenes.items()}
            known = KINDS.get(kind)
            names: list[str] = []
            if known is None or not any(known.fits(row.figures[kind]) for row in chain(*having.values())):
                usable = {
                    key: [row for row in rows if are_curves(row.figures[kind])]
                    for key, rows in having.items()
                }
                draw: Draw = partial(curves_figure, kind=kind)
                if not any(usable.values()):
                    yield (kind,), None, []
            else:
                draw = known.draw
                if known.by_statistic:
                    kept = {name for row in chain(*having.values()) for name in row.figures[kind]}
                    names = [name for name in statistics if name in kept]
                    if not names and kept & set().union(*(self._decided[trial] for trial, _ in having)):
                        continue  # other claims decide on what it shows
                    draw = partial(known.draw, statistics=names)
                usable = {
                    key: [row for row in rows if known.usable(row.figures[kind], names)]
                    for key, rows in having.items()
                }
            found = {key: scenes[key].only(rows) for key, rows in usable.items() if rows}
            if found:
                yield (kind, frozenset(found), tuple(names)), draw, list(found.values())

    def _scene(self, row: DecisionRow) -> Scene:
        """The rows that can be drawn: of a sweep, seeds with a positive number at every point."""
        scene, name = scene_of(self.record, row), row.decision.statistic
        if row.decider in ("bound", "enclosure"):
            names = [name, row.decision.detail.get("against", name)]
            if row.decider == "enclosure":
                names = [f"{name}_{end}" for end in ("low", "high", "bits")]
            good = all(is_finite(found.numbers.get(n)) for found in scene.rows for n in names)
            return scene if good else scene.only([])
        if row.decider not in _SWEEPING:
            return scene if all(_is_number(r.numbers.get(name)) for r in scene.rows) else scene.only([])
        if not (scene.points > 0).all():
            return scene.only([])
        if row.decider != "rate":
            return scene if all(_is_number(r.numbers.get(name)) for r in scene.rows) else scene.only([])
        lost = {r.seed for r in scene.rows if not _is_positive(r.numbers.get(name))}
        return scene.only([r for r in scene.rows if r.seed not in lost])


def _drawn_or_noted(draw: Callable[[], Drawing | None], name: str, notes: list[str]) -> Drawing | None:
    """A figure; where it cannot be drawn a note instead, and the rest of the page stays."""
    try:
        return draw()
    except Exception as error:  # numbers that nobody foresaw, or a library that draws no more
        notes.append(f"The figure {words(name)!r} could not be drawn ({described(error)}).")
        return None


def _keeping(scene: Scene, kind: str) -> list[TrialRow]:
    return [row for row in scene.rows if kind in row.figures]


def _nearest(pairs: list[tuple[DecisionRow, Scene]]) -> tuple[DecisionRow, Scene]:
    return pairs[nearest_to_failing([row for row, _ in pairs], 1)[0]]


def _decided(record: RunRecord) -> dict[str, set[str]]:
    """Trial |-> the statistics that any claim decides on."""
    found: dict[str, set[str]] = {}
    for row in record.decisions:
        found.setdefault(row.trial, set()).add(row.decision.statistic)
    return found


def _are_finite(curves: list[Any]) -> bool:
    """Whether curves are finite, not empty, and of one shape; numbers that are missing are not."""
    if not all(map(is_finite, curves)):
        return False
    arrays = [np.asarray(curve, dtype=float) for curve in curves]
    return len({array.shape for array in arrays}) <= 1 and all(array.size for array in arrays)


def _is_number(value: Any) -> bool:
    return is_finite(value) and np.ndim(value) == 0


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0
