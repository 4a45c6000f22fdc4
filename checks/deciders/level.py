r"""Decides a level: does the mean of a statistic tend to a predicted positive number?

The statistic is given as a ratio to the prediction, with corrections in powers of 1/point along the sweep
(1/width where networks grow).  Seeds are put into batches; every batch is extrapolated to an infinite point
by a straight line in 1/point, which gives independent, nearly normal intercepts (means over many seeds), and
a Student interval for their mean.  Equivalence is claimed inside [1/margin, margin] only.
A correction that still bends on the sweep, as (a/point)^2 does before point ~ a, is out of its sight: the
line is then extrapolated to another limit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from advntk.checks.deciders.decision import LEAST_POINTS, Decision, ErrorRates, Observations, undecidable
from advntk.checks.deciders.power import power_of_level, student_quantile
from advntk.theorems.vocabulary import Kind, Verdict

BATCHES = 16
LEAST_PER_BATCH = 16
# Skewed noise makes a Student interval miss more often than it says.  Simulated with the worst noise in
# sight (chi-square with one degree of freedom), dividing the rate by this keeps the declared one down to
# 1e-6 from 512 seeds on; with fewer than sixteen seeds to a batch it would not.
SKEWNESS_SAFETY = 4


@dataclass(frozen=True)
class LevelDecider:
    """HOLDS if the limit's interval at the miss rate lies inside [1/margin, margin]; REFUTED if the
    interval at the false-alarm rate lies outside.

    Raises:
      ValueError: a margin that is no factor above 1.
    """

    statistic: str
    margin: float
    name: str = "level"
    kind: ClassVar[Kind] = Kind.LEVEL
    statistical: ClassVar[bool] = True
    sweeps: ClassVar[bool] = True
    exponent: ClassVar[None] = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.margin) and self.margin > 1):
            raise ValueError(f"margin = {self.margin!r}: give a finite factor above 1")

    def decide(self, observations: Observations, rates: ErrorRates) -> Decision:
        """Extrapolated ratio to the prediction, with its Student interval at confidence 1 - 2 miss."""
        quantity = "ratio to prediction"
        points = np.array(sorted(observations))
        values = [np.asarray(observations[p][self.statistic]) for p in points]
        seeds = min((v.size for v in values), default=0)
        least = BATCHES * LEAST_PER_BATCH
        if len(points) < LEAST_POINTS or seeds < least:
            return undecidable(
                self,
                quantity,
                f"{len(points)} points and {seeds} seeds measured; a level needs {LEAST_POINTS} "
                f"points and {least} seeds",
            )
        if not all(np.isfinite(v).all() for v in values):
            return undecidable(self, quantity, "some seeds gave values that are not finite")
        per_batch = seeds // BATCHES
        means = np.stack([v[: per_batch * BATCHES].reshape(BATCHES, -1).mean(1) for v in values])
        intercepts = intercept_weights(points) @ means
        estimate = float(intercepts.mean())
        error = float(intercepts.std(ddof=1) / np.sqrt(BATCHES))

        def interval(rate: float) -> tuple[float, float]:
            reach = student_quantile(rate / SKEWNESS_SAFETY, BATCHES - 1) * error
            return estimate - reach, estimate + reach

        low, high = interval(rates.miss)
        alarm_low, alarm_high = interval(rates.false_alarm)
        if low > 1 / self.margin and high < self.margin:
            verdict, reason = Verdict.HOLDS, f"within a factor {self.margin:.3g} of the prediction"
        elif alarm_high < 1 / self.margin or alarm_low > self.margin:
            verdict = Verdict.REFUTED
            reason = f"off the prediction by more than a factor {self.margin:.3g}"
        else:
            verdict, reason = Verdict.INCONCLUSIVE, "the interval straddles the margin: more seeds"
        detail = {
            "margin": self.margin,
            "slope": float((slope_weights(points) @ means).mean()),
            "means": {str(p): float(v.mean()) for p, v in zip(points.tolist(), values, strict=True)},
            "seeds": seeds,
            "power": asdict(power_of_level(intercepts, self.margin, seeds, rates, SKEWNESS_SAFETY, least)),
        }
        confidence = 1 - 2 * rates.miss
        return Decision(
            verdict,
            self.statistic,
            quantity,
            estimate,
            low,
            high,
            confidence,
            reason,
            severity=max(high, 1 / low) if low > 0 else np.inf,
            can_improve=verdict is Verdict.INCONCLUSIVE,
            detail=detail,
        )


def intercept_weights(points: np.ndarray) -> np.ndarray:
    """Weights of the least-squares intercept at 1/point = 0."""
    weights: np.ndarray = _line_weights(points)[0]
    return weights


def slope_weights(points: np.ndarray) -> np.ndarray:
    """Weights of the least-squares slope in 1/point."""
    weights: np.ndarray = _line_weights(points)[1]
    return weights


def _line_weights(points: np.ndarray) -> np.ndarray:
    return np.linalg.pinv(np.stack([np.ones(len(points)), 1 / points], axis=1))
