"""Which figures the evidence of a claim calls for.

A figure is chosen by what was decided and by what the trials kept, never by a claim's name: a theorem of a
user's own gets the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from advntk.checks.evidence import RunRecord, TrialRow
from advntk.reports.figures.band import band_figure
from advntk.reports.figures.blocks import blocks_figure
from advntk.reports.figures.bound import bound_figure
from advntk.reports.figures.defect import defect_figure
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
from advntk.reports.figures.style import MOST_PANELS, Drawing, nearest_to_failing
from advntk.reports.figures.sweep import sweep_figure
from advntk.theorems.vocabulary import AS_MEASURED

_OF_DECIDER: dict[str, Callable[[list[dict], list[list[TrialRow]]], Drawing | None]] = {
    "rate": sweep_figure,
    "level": level_figure,
    "bound": bound_figure,
    "median": median_figure,
}
# Trials whose rows have these numbers get the figure.
_OF_NUMBERS: tuple[tuple[tuple[str, ...], Callable[[list[list[TrialRow]]], Drawing]], ...] = (
    (("curve_scale", "curve_margin", "certified_scale", "critical_scale"), margin_figure),
    (("curve_time", "curve_defect", "curve_predicted"), defect_figure),
    (
        (
            "curve_time",
            "curve_v",
            "curve_bound",
            "curve_distance",
            "curve_distance_bound",
            "integration_error",
        ),
        fading_figure,
    ),
    (
        (
            "curve_time",
            "curve_robust",
            "curve_clean",
            "best_time",
            "robust_without_search",
            "clean_without_search",
        ),
        overfitting_figure,
    ),
    (("robust", "robust_regression", "clean", "clean_regression"), gain_figure),
    (("curve_learning_loss", "curve_learning_clean", "curve_learning_robust"), learning_figure),
    (("curve_shown_clean", "curve_shown_moved", "curve_shown_moved_regression"), images_figure),
    (("mean", "variance", "characteristic"), ensemble_figure),
    (("curve_output", "curve_band_mean", "curve_band_deviation"), band_figure),
)
# Those that belong to one statistic only, of several that the same trials decide.
_OF_STATISTIC: dict[str, tuple[str, Callable[[list[list[TrialRow]]], Drawing]]] = {
    "xi_gap": ("curve_xi_block", blocks_figure),
}
_OF_SEARCH = ("searched_training", "searched_unseen")


@dataclass
class FigureSelector:
    """Draws the figures of one theorem after another; a drawing that two claims call for is made once."""

    record: RunRecord
    _drawn: dict[tuple, str] = field(default_factory=dict)

    def of_claim(self, claim: str, decisions: list[dict]) -> tuple[list[Drawing], list[str]]:
        """The claim's figures, and the claims that have others which belong to it too."""
        figures: list[Drawing | None] = []
        measured = [d for d in decisions if d["verdict"] != "ERROR"]
        # What lies outside the assumptions speaks only for a claim that has nothing else.
        inside = [d for d in measured if d["verdict"] != "OUT_OF_SCOPE"] or measured
        for decider, draw in _OF_DECIDER.items():
            # A bound's figure shows what lies outside, too.
            among = measured if decider == "bound" else inside
            chosen = [d for d in among if d["decider"] == decider and self._rows(d)]
            if chosen and decider in ("rate", "level") and len(chosen) > MOST_PANELS:
                figures.append(estimates_figure(chosen))
            if chosen:
                figures.append(draw(chosen, [self._rows(d) for d in chosen]))
        elsewhere = []
        for key, draw_rows, trials in self._by_numbers(inside):
            if key in self._drawn:
                elsewhere.append(self._drawn[key])
            else:
                self._drawn[key] = claim
                figures.append(draw_rows(trials))
        return [figure for figure in figures if figure is not None], list(dict.fromkeys(elsewhere))

    def of_theorem(self, decisions: list[dict]) -> list[Drawing]:
        """Sweeps of the same error with joint and with fixed input width, side by side."""
        sweeps = [d for d in decisions if d["decider"] == "rate" and d["verdict"] != "ERROR"]
        sweeps = [d for d in sweeps if d["verdict"] != "OUT_OF_SCOPE" and self._rows(d)]
        # What was not decided, or claims nothing, shows no contrast.
        claiming = [d for d in sweeps if not self._as_measured(d.get("claim"))] or sweeps
        sweeps = [d for d in claiming if d["verdict"] != "INCONCLUSIVE"] or claiming
        figures = []
        for name in dict.fromkeys(d["statistic"] for d in sweeps):
            both = [
                [d for d in sweeps if d["statistic"] == name and d["scenario"]["input_growth"] == growth]
                for growth in ("joint", "fixed")
            ]
            if all(both):
                joint, fixed = (found[nearest_to_failing(found, 1)[0]] for found in both)
                figures.append(side_by_side_figure((joint, self._rows(joint)), (fixed, self._rows(fixed))))
        return figures

    def _as_measured(self, claim: str | None) -> bool:
        """Whether theory predicts nothing of the claim."""
        return self.record.request.get("claims", {}).get(claim, {}).get("expected") == AS_MEASURED

    def _by_numbers(self, decisions: list[dict]) -> Iterable[tuple[tuple, Callable, list]]:
        families = list(dict.fromkeys((d["trial"], d["family"]) for d in decisions))
        for needs, draw in _OF_NUMBERS:
            found = {family: rows_with(self.record.trials.get(family, []), needs) for family in families}
            found = {family: rows for family, rows in found.items() if rows}
            if found:
                yield (draw, frozenset(found)), draw, list(found.values())
        for name, (curve, draw) in _OF_STATISTIC.items():
            told = dict.fromkeys((d["trial"], d["family"]) for d in decisions if d["statistic"] == name)
            trials = [rows_with(self.record.trials.get(family, []), (curve,)) for family in told]
            if any(trials):
                yield (draw, frozenset(told)), draw, [rows for rows in trials if rows]
        searched = {
            (d["trial"], d["family"]): self.record.trials.get((d["trial"], d["family"]), [])
            for d in decisions
            if d["decider"] == "rate" and d["statistic"] in _OF_SEARCH
        }
        searched = {family: rows for family, rows in searched.items() if rows}
        strengths = {rows[0].scenario["strength"] for rows in searched.values()}
        if len(strengths) > 1:
            names = list(dict.fromkeys(d["statistic"] for d in decisions if d["statistic"] in _OF_SEARCH))

            def draw_phase(trials: list[list[TrialRow]]) -> Drawing:
                return phase_figure(trials, names)

            yield (phase_figure, frozenset(searched), tuple(names)), draw_phase, list(searched.values())

    def _rows(self, decision: dict) -> list[TrialRow]:
        """The rows that can be drawn: of a sweep, seeds with a positive number at every point."""
        rows = self.record.trials.get((decision["trial"], decision["family"]), [])
        name = decision["statistic"]
        if decision["decider"] != "rate":
            good = all(_is_finite(row.numbers.get(name)) for row in rows)
            return rows if good else []
        lost = {row.seed for row in rows if not _is_positive(row.numbers.get(name))}
        return [row for row in rows if row.seed not in lost]


def rows_with(rows: list[TrialRow], needs: tuple[str, ...]) -> list[TrialRow]:
    """Rows that hold all these numbers: curves finite and of one length, the others no NaN."""
    return [row for row in rows if _has(row.numbers, needs)]


def _has(numbers: dict[str, Any], needs: tuple[str, ...]) -> bool:
    if any(numbers.get(name) is None for name in needs):
        return False
    curves = [np.asarray(numbers[name], dtype=float) for name in needs if name.startswith("curve_")]
    others = np.array([numbers[name] for name in needs if not name.startswith("curve_")], dtype=float)
    alike = len({curve.shape for curve in curves}) <= 1 and all(curve.size for curve in curves)
    return alike and not np.isnan(others).any() and all(np.isfinite(curve).all() for curve in curves)


def _is_finite(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


def _is_positive(value: Any) -> bool:
    return _is_finite(value) and value > 0
