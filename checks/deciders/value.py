r"""Decides a value: is the limit of a mean the predicted number, or is it off by one per cent?

The statistic is given per seed as a ratio to its prediction, its mean at a point n being

    1 + off + a/n (+ b/n^2),

`off` what the prediction is off by.  Means over seeds are extrapolated to 1/n = 0 by weighted least squares,
with the term in 1/n alone or with both, of those that a chi-square test of what they leave over does not
reject; where it rejects both the claim stays undecided.  What has no bias at any point is averaged over them.
The first power that is left out may move the limit: as far as it would if coefficients went on like a, a^2,
a^3, the interval is widened, and of two models the one with the narrower interval is taken.

Control variates, statistics of the same seed whose mean is exactly zero, take away the noise that they share
with the statistic: their coefficients come from all other folds of the seeds, so that what is subtracted
from a seed does not depend on it and the mean stays what it is.

The two alternatives are "equal", off by at most a quarter of `off`, which is left to the bias model, and
"off by `off`" or more; of several values of `off` the finest counts that the noise allows, whatever the mean
is.  REFUTED where the first is excluded at the false-alarm rate, HOLDS where it is not and the second is
excluded at the miss rate.  The interval is Student's.  Its first correction for skewed noise,
exp(|skewness| t^3 / 6) with the measured skewness of the estimate, must stay below the factor that the rates
are divided by, or more seeds are asked for (P. Hall, The Bootstrap and Edgeworth Expansion, 1992, section
2.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from advntk.checks.deciders.decision import LEAST_POINTS, Decision, ErrorRates, Observations, undecidable
from advntk.checks.deciders.extrapolation import Extrapolation, Mean, adjusted, extrapolated
from advntk.checks.deciders.power import Power, student_distance, student_quantile
from advntk.theorems.vocabulary import Kind, Verdict

LEAST_SEEDS = 64
# Rates are divided by this; the correction for skewness may use it up.
SKEWNESS_SAFETY = 4
QUANTITY = "relative error of the limit"
# What counts as equal, as a share of the error that is to be seen.
EQUAL = 0.25


@dataclass(frozen=True)
class ValueDecider:
    """HOLDS if the extrapolated ratio is not off by `off` at the miss rate; REFUTED if it is not 1, to a
    quarter of `off`, at the false-alarm rate.

    Args:
      statistic: name of a ratio to its prediction, one number per seed.
      off: relative errors to be told from none, from the coarsest to the finest.
      controls: name of an array of control variates per seed, whose means are zero; "" for none.
      terms: powers of 1/point that the bias has at least, 0 or 1; another one is added where they do not fit.

    Raises:
      ValueError: an `off` that is no falling sequence of numbers between 0 and 1.

    Example: `ValueDecider("ntk_ratio", off=(0.01,), controls="controls")`.
    """

    statistic: str
    off: tuple[float, ...] = (0.01,)
    controls: str = ""
    terms: int = 1
    name: str = "value"
    kind: ClassVar[Kind] = Kind.LEVEL
    statistical: ClassVar[bool] = True
    sweeps: ClassVar[bool] = True
    exponent: ClassVar[None] = None

    def __post_init__(self) -> None:
        falling = isinstance(self.off, tuple) and list(self.off) == sorted(set(self.off), reverse=True)
        if not (falling and self.off and self.off[-1] > 0 and self.off[0] < 1):
            raise ValueError(
                f"off = {self.off!r}: give falling relative errors below 1, such as (0.01, 0.003)"
            )

    def decide(self, observations: Observations, rates: ErrorRates) -> Decision:
        """Relative error of the extrapolated mean, with its Student interval at confidence 1 - 2 miss."""
        points = np.array(sorted(observations), dtype=float)
        values = [np.asarray(observations[p][self.statistic], dtype=float) for p in sorted(observations)]
        seeds = min((v.size for v in values), default=0)
        if len(points) < LEAST_POINTS or seeds < LEAST_SEEDS:
            return undecidable(
                self,
                QUANTITY,
                f"{len(points)} points and {seeds} seeds measured; a value needs {LEAST_POINTS} points and "
                f"{LEAST_SEEDS} seeds",
            )
        if points[0] <= 0:
            return undecidable(self, QUANTITY, f"a value needs points above 0; one is {points[0]:g}")
        controls = [
            self._controls(observations[p], v.size) for p, v in zip(sorted(observations), values, strict=True)
        ]
        lost = sum(int((~np.isfinite(v)).sum()) for v in (*values, *controls))
        if lost:
            return undecidable(self, QUANTITY, f"{lost} values are not finite")
        means = [Mean.of(adjusted(v, c)) for v, c in zip(values, controls, strict=True)]
        found = extrapolated(points, means, self.terms)
        if found is None:
            return undecidable(self, QUANTITY, "neither 1/point nor its square describes how means change")
        return self._decided(found, means, points, seeds, rates)

    def _controls(self, here: Mapping[str, np.ndarray], seeds: int) -> np.ndarray:
        if not self.controls:
            return np.zeros((seeds, 0))
        found = np.asarray(here[self.controls], dtype=float)
        return found.reshape(seeds, -1)

    def _decided(
        self, found: Extrapolation, means: list[Mean], points: np.ndarray, seeds: int, rates: ErrorRates
    ) -> Decision:
        freedom = seeds - 1
        alarm, miss = (
            student_quantile(rate / SKEWNESS_SAFETY, freedom) for rate in (rates.false_alarm, rates.miss)
        )
        reach = found.left_out + miss * found.error
        estimate = found.value - 1
        apart = abs(estimate)
        clear = (
            found.left_out + student_distance(rates.miss / SKEWNESS_SAFETY, rates.miss, freedom) * found.error
        )
        off = next((one for one in reversed(self.off) if clear < one), self.off[0])
        equal = EQUAL * off
        skewed = abs(found.skewness) * max(alarm, miss) ** 3 / 6 > np.log(SKEWNESS_SAFETY)
        if skewed:
            verdict = Verdict.INCONCLUSIVE
            reason = f"the noise is too skewed for {seeds} seeds: more seeds"
        elif apart - found.left_out - alarm * found.error > equal:
            verdict, reason = (
                Verdict.REFUTED,
                f"off by {estimate:+.2%}, not equal to within {equal:.2%}",
            )
        elif apart + reach < off:
            verdict, reason = Verdict.HOLDS, f"not off by {off:.1%}"
        else:
            verdict = Verdict.INCONCLUSIVE
            reason = f"seeds do not tell equal from off by {off:.1%}: more seeds"
        detail = {
            "off": off,
            "equal": equal,
            "slope": found.slope,
            "curvature": found.curvature,
            "left_out": found.left_out,
            "fit": {"terms": found.terms, "chance": found.chance},
            "means": {f"{p:g}": mean.value for p, mean in zip(points, means, strict=True)},
            "errors": {f"{p:g}": mean.error for p, mean in zip(points, means, strict=True)},
            "variance_left": [round(mean.left, 4) for mean in means],
            "seeds": seeds,
            "power": asdict(_power(found, off, seeds, rates)),
        }
        return Decision(
            verdict,
            self.statistic,
            QUANTITY,
            estimate,
            estimate - reach,
            estimate + reach,
            1 - 2 * rates.miss,
            reason,
            severity=apart + reach,
            can_improve=verdict is Verdict.INCONCLUSIVE,
            detail=detail,
        )


def _power(found: Extrapolation, off: float, seeds: int, rates: ErrorRates) -> Power:
    """The smallest error of the limit that would be refuted, and the seeds that HOLDS needs."""
    false_alarm, miss = rates.false_alarm / SKEWNESS_SAFETY, rates.miss / SKEWNESS_SAFETY
    seen = EQUAL * off + found.left_out + student_distance(false_alarm, rates.miss, seeds - 1) * found.error
    room = off - abs(found.value - 1) - found.left_out
    clear = student_distance(miss, rates.miss, seeds - 1) * found.error
    reach = found.left_out + student_quantile(miss, seeds - 1) * found.error
    return Power(
        f"Student interval of a limit extrapolated in 1/point over {seeds} seeds a point",
        seen,
        "relative error of the limit that would be refuted; "
        f"the interval reaches {reach:.2g} to either side of its middle",
        max(LEAST_SEEDS, int(np.ceil(seeds * (clear / room) ** 2))) if room > 0 else None,
    )
