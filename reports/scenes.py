"""A scenario as figures see it: its label, its trials, and the axis that they were swept over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from advntk.checks.evidence.rows import DecisionRow, RunRecord, StatedAxis, TrialRow
from advntk.reports.formatting import words


@dataclass(frozen=True)
class Swept:
    """How a sweep is written: the axis on plots, and one of its points in a text.

    Args:
      axis: with symbol and unit, "width n = d (neurons, inputs)".
      symbol: what stands before a value, "n".
    """

    axis: str = ""
    symbol: str = ""

    def at(self, point: float) -> str:
        """'n = 64'; only the number where nothing says of what."""
        return f"{self.symbol} = {point:g}" if self.symbol else f"{point:g}"


@dataclass(frozen=True)
class Scene:
    """One scenario of one trial."""

    label: str
    rows: list[TrialRow]
    swept: Swept = field(default_factory=Swept)

    @property
    def points(self) -> np.ndarray:
        """The points of the sweep, rising; one that is 0 where nothing sweeps."""
        return np.unique(self.places)

    @property
    def places(self) -> np.ndarray:
        """The point of every row."""
        return np.array([0.0 if row.point is None else float(row.point) for row in self.rows])

    @property
    def seeds(self) -> int:
        """Seeds per point, at least on average."""
        return len(self.rows) // max(1, len(self.points))

    def at(self, point: float) -> list[TrialRow]:
        """The rows at one point."""
        return [row for row, place in zip(self.rows, self.places, strict=True) if place == point]

    def only(self, rows: list[TrialRow]) -> Scene:
        """The same with these rows alone."""
        return replace(self, rows=rows)

    def statistic(self, name: str) -> np.ndarray:
        """One number per row."""
        return np.array([row.numbers[name] for row in self.rows], dtype=float)

    def figure(self, kind: str, name: str) -> np.ndarray:
        """What every row keeps for a figure, shape (rows, ...)."""
        return np.array([row.figures[kind][name] for row in self.rows], dtype=float)


def scene_of(record: RunRecord, row: DecisionRow) -> Scene:
    """The scenario of a decision with all its rows."""
    rows = record.trials.get((row.trial, row.scenario_id), [])
    return Scene(row.label, rows, _swept(record, row, rows))


def _swept(record: RunRecord, row: DecisionRow, rows: Iterable[TrialRow]) -> Swept:
    name = next((found.axis for found in rows if found.axis is not None), None)
    if name is None:
        return Swept()
    check = record.request.checks.get(row.trial)
    if check is None:
        return Swept(words(name), words(name))
    followers = [other for other in check.swept.get(row.scenario_id, ()) if other != name]
    axis, others = check.axis(name), [check.axis(other) for other in followers]
    return Swept(_axis_label(axis, others), " = ".join(map(_symbol, (axis, *others))))


def _symbol(axis: StatedAxis) -> str:
    return " ".join((axis.symbol or words(axis.name)).split())


def _axis_label(axis: StatedAxis, others: list[StatedAxis]) -> str:
    """'width n = d (neurons, inputs)', 'alpha', 'time t (s)'."""
    symbols = " = ".join(map(_symbol, (axis, *others)))
    named = words(axis.name) if symbols == words(axis.name) else f"{words(axis.name)} {symbols}"
    units = ", ".join(dict.fromkeys(other.unit for other in (axis, *others) if other.unit))
    return " ".join((f"{named} ({units})" if units else named).split())


def is_finite(value: Any) -> bool:
    """Whether a statistic is there, made of numbers, and every one of them finite."""
    try:
        return value is not None and bool(np.isfinite(np.asarray(value, dtype=float)).all())
    except (ValueError, TypeError, OverflowError):  # text, lists of several lengths, mappings
        return False
