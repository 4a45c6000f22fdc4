r"""Decides a rate: does an error fall like point^-exponent along a sweep, or does it stay on a plateau?

Every seed gives one slope of log error against log point over the whole sweep.  The slopes are
independent and identically distributed whatever the noise looks like, so an interval for their
median needs no model: it runs between two order statistics, and its coverage is a binomial sum
(heavy tails do not hurt it).  The two alternatives, the predicted exponent and a plateau (exponent
0, or little on a short sweep), are told apart at 0.7 of the predicted exponent.  A negative exponent
is an error that grows like point^|exponent|: it falls as the point does, and is told from a plateau likewise.
A slope beyond the threshold is not enough: where the error shows a floor, no longer falls at the last point,
or falls more slowly than predicted (`fit`), it does not HOLD; larger points would tell.
What the sweep cannot see it cannot decide: a floor far below the last value is not found, nor is one that
the noise hides, which is why the floor's interval is part of the decision; and a true rate whose
correction (1 - a/point) flattens it down to small points looks like a plateau.
Noise that is alike at all points leaves the median slope where it is if their ratios are equal; on
another sweep skewed noise shifts it by a part of its spread.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from advntk.checks.deciders.decision import LEAST_POINTS, Decision, ErrorRates, Observations, undecidable
from advntk.checks.deciders.fit import Median, fit_of_rate, median_bounds
from advntk.checks.deciders.power import power_of_rate
from advntk.theorems.vocabulary import Kind, Verdict

# A floor that shows only late on the sweep still lets an error fall at some lower rate: the threshold
# lies nearer to the prediction than to the plateau.
MARGIN = 0.7
# A lack of fit that is not there costs a true claim its verdict: it is looked for at so much less than the
# miss rate.
CAUTION = 10


@dataclass(frozen=True)
class RateDecider:
    """HOLDS if the median slope lies beyond 0.7 of `exponent` at the miss rate and a power law fits the
    errors; REFUTED if it does not lie beyond at the false-alarm rate.

    Args:
      statistic: name of the error, a positive number per seed and point.
      exponent: predicted: error ~ point^-exponent; negative for an error that grows.

    Raises:
      ValueError: an exponent of 0, which no plateau can be told from.
    """

    statistic: str
    exponent: float
    name: str = "rate"
    kind: ClassVar[Kind] = Kind.LIMIT
    statistical: ClassVar[bool] = True
    sweeps: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (np.isfinite(self.exponent) and self.exponent):
            raise ValueError(f"exponent = {self.exponent!r}: give a finite number that is not 0")

    @property
    def threshold(self) -> float:
        """The exponent that separates the two alternatives."""
        return MARGIN * self.exponent

    def decide(self, observations: Observations, rates: ErrorRates) -> Decision:
        """Median exponent over seeds, with its order-statistic interval at confidence 1 - 2 miss."""
        quantity = "exponent"
        points = np.array(sorted(observations), dtype=float)
        if len(points) < LEAST_POINTS:
            return undecidable(self, quantity, f"{len(points)} points measured; a rate needs {LEAST_POINTS}")
        if points[0] <= 0:
            return undecidable(self, quantity, f"a rate needs points above 0; one is {points[0]:g}")
        errors = np.stack([np.asarray(observations[p][self.statistic]) for p in sorted(observations)])
        if errors.shape[1] == 0:
            return undecidable(self, quantity, "nothing was measured")
        # Below the smallest normal number an error has lost its digits to underflow.
        usable = np.isfinite(errors).all(0) & (errors >= np.finfo(np.float64).tiny).all(0)
        lost = int((~usable).sum())
        if not usable.any():
            return undecidable(self, quantity, f"{lost} of {lost} seeds gave no usable error")
        # An error that grows with the point falls with its inverse: both are the same question.
        sign = float(np.sign(self.exponent))
        slopes = sign * slopes_of(points, errors[:, usable])
        estimate = float(np.median(slopes))
        # Failed trials could be exactly the ones that speak against a verdict: each counts as the worst.
        low, _ = median_bounds(np.sort(np.append(slopes, np.full(lost, -np.inf))), rates.miss)
        against = np.sort(np.append(slopes, np.full(lost, np.inf)))
        _, high = median_bounds(against, rates.miss)
        _, at_alarm = median_bounds(against, rates.false_alarm)
        # Read from the end where errors are small, so that they fall along the points.
        order, along = (slice(None), points) if sign > 0 else (slice(None, None, -1), 1 / points[::-1])
        fit = fit_of_rate(
            along,
            errors[order][:, usable],
            abs(self.exponent),
            Median(estimate, low, high),
            abs(self.threshold),
            rates.miss / CAUTION,
        )
        word = "above" if sign > 0 else "below"
        without = f", {lost} of them without a usable error," if lost else ""
        counted = f" ({lost} of {usable.size} seeds without a usable error count against it)" if lost else ""
        if low > abs(self.threshold) and not fit.found:
            verdict, reason = Verdict.HOLDS, f"exponent {word} {self.threshold:g}{counted}"
        elif low > abs(self.threshold):
            verdict = Verdict.INCONCLUSIVE
            reason = (
                f"exponent {word} {self.threshold:g}, but no power law: {fit.found}; measure larger points"
            )
        elif at_alarm < abs(self.threshold):
            verdict = Verdict.REFUTED
            reason = f"exponent not {word} {self.threshold:g}: a plateau{counted}"
        else:
            need = seeds_needed(rates)
            verdict = Verdict.INCONCLUSIVE
            reason = (
                f"{usable.size} seeds{without} do not separate exponent {self.exponent:g} from a plateau "
                f"(at least {need.miss_side} seeds for HOLDS, {need.alarm_side} for REFUTED)"
            )
        logs = np.median(np.log(errors[:, usable]), 1)
        detail = {
            "predicted": self.exponent,
            "threshold": self.threshold,
            "side": word,
            "intercept": float(np.mean(logs + sign * estimate * np.log(points))),
            "seeds": int(usable.size),
            "lost": lost,
            "fit": asdict(fit),
            "power": asdict(power_of_rate(slopes, abs(self.threshold), int(usable.size), rates)),
        }
        confidence = 1 - 2 * rates.miss
        return Decision(
            verdict,
            self.statistic,
            quantity,
            sign * estimate,
            min(sign * low, sign * high),
            max(sign * low, sign * high),
            confidence,
            reason,
            severity=-low,
            can_improve=verdict is Verdict.INCONCLUSIVE
            and low <= abs(self.threshold)
            and _hopeful(slopes, abs(self.threshold), lost),
            detail=detail,
        )


def _hopeful(slopes: np.ndarray, threshold: float, lost: int) -> bool:
    """Whether more seeds may decide: either side must be able to get beyond half of all seeds.

    Lost seeds count for neither side.  Two standard deviations of a binomial share are left for luck;
    giving up early costs no trust, only a verdict.
    """
    seeds = slopes.size + lost
    sides = max((slopes > threshold).sum(), (slopes < threshold).sum())
    return bool(sides > seeds / 2 - np.sqrt(seeds))


def slopes_of(points: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Least-squares exponent of each column of `errors` (points x seeds): error ~ point^-exponent."""
    centred = np.log(points) - np.log(points).mean()
    slopes: np.ndarray = -(centred @ np.log(errors)) / (centred @ centred)
    return slopes


@dataclass(frozen=True)
class SeedsNeeded:
    """The fewest seeds at which either verdict becomes possible at all."""

    miss_side: int
    alarm_side: int


def seeds_needed(rates: ErrorRates) -> SeedsNeeded:
    """Fewest seeds with which the extreme order statistics reach the error rates: 2^-n <= rate."""
    return SeedsNeeded(int(np.ceil(-np.log2(rates.miss))), int(np.ceil(-np.log2(rates.false_alarm))))
