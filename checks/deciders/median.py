r"""Decides an effect: does the median of a statistic over repetitions lie beyond a threshold?

Repetitions are independent and identically distributed, so the interval runs between two order
statistics, with a binomial coverage whatever the noise looks like (as for rates).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

import numpy as np

from advntk.checks.deciders.decision import Decision, ErrorRates, Observations, undecidable
from advntk.checks.deciders.fit import median_bounds
from advntk.checks.deciders.power import power_of_median
from advntk.checks.deciders.rate import seeds_needed
from advntk.theorems.vocabulary import Kind, Verdict


@dataclass(frozen=True)
class MedianDecider:
    """HOLDS if the median of `statistic` lies beyond `threshold` at the miss rate, on the side that the
    claim asks for; REFUTED if it lies on the other at the false-alarm rate.

    Raises:
      ValueError: another side, or a threshold that is not finite.
    """

    statistic: str
    threshold: float
    side: Literal["above", "below"]
    name: str = "median"
    kind: ClassVar[Kind] = Kind.EFFECT
    statistical: ClassVar[bool] = True
    sweeps: ClassVar[bool] = False
    exponent: ClassVar[None] = None

    def __post_init__(self) -> None:
        if self.side not in ("above", "below"):
            raise ValueError(f"side = {self.side!r}: choose 'above' or 'below'")
        if not np.isfinite(self.threshold):
            raise ValueError(f"threshold = {self.threshold!r}: give a finite number")

    def decide(self, observations: Observations, rates: ErrorRates) -> Decision:
        """Median over all repetitions, with its order-statistic interval at confidence 1 - 2 miss."""
        quantity = "median"
        parts = [np.ravel(o[self.statistic]) for o in observations.values()]
        values = np.concatenate(parts) if parts else np.zeros(0)
        if values.size == 0:
            return undecidable(self, quantity, "nothing was measured")
        if not np.isfinite(values).all():
            lost = int((~np.isfinite(values)).sum())
            return undecidable(self, quantity, f"{lost} of {values.size} repetitions gave no finite value")
        # On the side "below" the same question is asked of the negatives.
        sign = 1.0 if self.side == "above" else -1.0
        ordered = np.sort(sign * values)
        low, high = median_bounds(ordered, rates.miss)
        _, at_alarm = median_bounds(ordered, rates.false_alarm)
        level = sign * self.threshold
        if low > level:
            verdict, reason = Verdict.HOLDS, f"{self.side} {self.threshold:g}"
        elif at_alarm < level:
            verdict, reason = Verdict.REFUTED, f"not {self.side} {self.threshold:g}"
        else:
            need = seeds_needed(rates)
            verdict = Verdict.INCONCLUSIVE
            reason = (
                f"{values.size} repetitions do not tell which side of {self.threshold:g} the median is on "
                f"(at least {need.miss_side} for HOLDS, {need.alarm_side} for REFUTED)"
            )
        interval = sorted((sign * low, sign * high))
        return Decision(
            verdict,
            self.statistic,
            quantity,
            float(np.median(values)),
            float(interval[0]),
            float(interval[1]),
            1 - 2 * rates.miss,
            f"median of {self.statistic.replace('_', ' ')}: {reason}",
            severity=float(level - low),
            can_improve=verdict is Verdict.INCONCLUSIVE,
            detail={
                "threshold": self.threshold,
                "side": self.side,
                "seeds": int(values.size),
                "power": asdict(power_of_median(values, self.threshold, self.side, values.size, rates)),
            },
        )
