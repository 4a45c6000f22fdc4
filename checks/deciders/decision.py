"""What a decider says, and the error rates it must keep to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from advntk.theorems.vocabulary import Verdict

# Width |-> name of the statistic |-> one value per seed (or one row per seed).
Observations = Mapping[int, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class ErrorRates:
    """`false_alarm`: chance of REFUTED for a true claim; `miss`: chance of HOLDS for a false one."""

    false_alarm: float
    miss: float


@dataclass(frozen=True)
class Decision:
    """A verdict on one statistic of one scenario, with what a figure needs to show it.

    `estimate` and the interval [low, high] are of `quantity`; `confidence` is that of the interval.
    `strain` orders decisions with the same verdict: the larger, the nearer to failing.
    `more` says of an INCONCLUSIVE one whether more seeds could decide.
    """

    verdict: Verdict
    statistic: str
    quantity: str
    estimate: float
    low: float
    high: float
    confidence: float | None
    reason: str
    strain: float = 0.0
    more: bool = False
    detail: dict[str, Any] = field(default_factory=dict)


class Decider(Protocol):
    """Decides one statistic from all its observations."""

    @property
    def statistic(self) -> str: ...
    @property
    def name(self) -> str: ...
    def decide(self, observations: Observations, rates: ErrorRates) -> Decision: ...


def undecidable(decider: Decider, quantity: str, reason: str) -> Decision:
    """INCONCLUSIVE for lack of usable numbers."""
    nan = float("nan")
    return Decision(Verdict.INCONCLUSIVE, decider.statistic, quantity, nan, nan, nan, None, reason)
