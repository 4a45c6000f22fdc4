"""What a decider says, and the error rates it must keep to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from advntk.theorems.vocabulary import Kind, Verdict

# Point of the sweep (None where nothing sweeps) |-> name of the statistic |-> one value per seed (or a row).
Observations = Mapping[Any, Mapping[str, np.ndarray]]


# A rate or a limit is never read off fewer points of a sweep.
LEAST_POINTS = 4


@dataclass(frozen=True)
class ErrorRates:
    """`false_alarm`: chance of REFUTED for a true claim; `miss`: chance of HOLDS for a false one."""

    false_alarm: float
    miss: float


@dataclass(frozen=True)
class Decision:
    """A verdict on one statistic of one scenario, with what a figure needs to show it.

    `estimate` and the interval [low, high] are of `quantity`; `confidence` is that of the interval.
    `severity` orders decisions with the same verdict: the larger, the nearer to failing.
    `can_improve` says of an INCONCLUSIVE one whether more seeds could decide.
    """

    verdict: Verdict
    statistic: str
    quantity: str
    estimate: float
    low: float
    high: float
    confidence: float | None
    reason: str
    severity: float = 0.0
    can_improve: bool = False
    detail: dict[str, Any] = field(default_factory=dict)


class Decider(Protocol):
    """Decides one statistic from all its observations.

    `kind` is the sort of claim that it decides.  A `statistical` one can be wrong by chance: it spends the
    error budget of the run.  One that `sweeps` reads several points of a sweep.  `exponent` is what a decider
    of rates tests; others have none.
    """

    @property
    def statistic(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def statistical(self) -> bool: ...
    @property
    def sweeps(self) -> bool: ...
    @property
    def exponent(self) -> float | None: ...
    def decide(self, observations: Observations, rates: ErrorRates) -> Decision: ...


def undecidable(decider: Decider, quantity: str, reason: str) -> Decision:
    """INCONCLUSIVE for lack of usable numbers."""
    nan = float("nan")
    return Decision(Verdict.INCONCLUSIVE, decider.statistic, quantity, nan, nan, nan, None, reason)
