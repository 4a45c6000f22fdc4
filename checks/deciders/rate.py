r"""Decides a rate: does an error fall like width^-exponent, or does it stay on a plateau?

Every seed gives one slope of log error against log width over the whole ladder.  The slopes are
independent and identically distributed whatever the noise looks like, so an interval for their
median needs no model: it runs between two order statistics, and its coverage is a binomial sum
(heavy tails do not hurt it).  The two alternatives, the predicted exponent and a plateau (exponent
0, or little on a short ladder), are told apart at 0.7 of the predicted exponent.
What the ladder cannot see it cannot decide: an error C (1 + a/width) still falls faster than the
threshold on a ladder that ends before width ~ a, as does one with a floor far below its last value; and
a true rate whose correction (1 - a/width) flattens it down to small widths looks like a plateau.
Noise that is alike at all widths leaves the median slope where it is if their ratios are equal; on
another ladder skewed noise shifts it by a part of its spread.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from advntk.checks.deciders.decision import Decision, ErrorRates, Observations, undecidable
from advntk.checks.deciders.power import allowed, power_of_rate
from advntk.theorems.vocabulary import Verdict

LEAST_WIDTHS = 4
# A floor that shows only late on the ladder still lets an error fall at some lower rate: the threshold
# lies nearer to the prediction than to the plateau.
MARGIN = 0.7


@dataclass(frozen=True)
class RateDecider:
    """HOLDS if the median slope lies above 0.7 of `exponent` at the miss rate, REFUTED if below it
    at the false-alarm rate."""

    statistic: str
    exponent: float
    name: str = "rate"

    @property
    def threshold(self) -> float:
        """The exponent that separates the two alternatives."""
        return MARGIN * self.exponent

    def decide(self, observations: Observations, rates: ErrorRates) -> Decision:
        """Median exponent over seeds, with its order-statistic interval at confidence 1 - 2 miss."""
        quantity = "exponent"
        widths = np.array(sorted(observations))
        if len(widths) < LEAST_WIDTHS:
            return undecidable(self, quantity, f"{len(widths)} widths measured; a rate needs {LEAST_WIDTHS}")
        errors = np.stack([np.asarray(observations[w][self.statistic]) for w in widths])
        if errors.shape[1] == 0:
            return undecidable(self, quantity, "nothing was measured")
        usable = np.isfinite(errors).all(0) & (errors > 0).all(0)
        lost = int((~usable).sum())
        if not usable.any():
            return undecidable(self, quantity, f"{lost} of {lost} seeds gave no usable error")
        slopes = slopes_of(widths, errors[:, usable])
        estimate = float(np.median(slopes))
        # Failed trials could be exactly the ones that speak against a verdict: each counts as the worst.
        low, _ = median_bounds(np.sort(np.append(slopes, np.full(lost, -np.inf))), rates.miss)
        against = np.sort(np.append(slopes, np.full(lost, np.inf)))
        _, high = median_bounds(against, rates.miss)
        _, at_alarm = median_bounds(against, rates.false_alarm)
        without = f", {lost} of them without a usable error," if lost else ""
        counted = f" ({lost} of {usable.size} seeds without a usable error count against it)" if lost else ""
        if low > self.threshold:
            verdict, reason = Verdict.HOLDS, f"exponent above {self.threshold:g}{counted}"
        elif at_alarm < self.threshold:
            verdict = Verdict.REFUTED
            reason = f"exponent below {self.threshold:g}: a plateau{counted}"
        else:
            need = seeds_needed(rates)
            verdict = Verdict.INCONCLUSIVE
            reason = (
                f"{usable.size} seeds{without} do not separate exponent {self.exponent:g} from a plateau "
                f"(at least {need.miss_side} seeds for HOLDS, {need.alarm_side} for REFUTED)"
            )
        detail = {
            "predicted": self.exponent,
            "threshold": self.threshold,
            "intercept": float(np.mean(np.median(np.log(errors[:, usable]), 1) + estimate * np.log(widths))),
            "seeds": int(usable.size),
            "lost": lost,
            "power": asdict(power_of_rate(slopes, self.threshold, int(usable.size), rates)),
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
            strain=-low,
            more=verdict is Verdict.INCONCLUSIVE and _hopeful(slopes, self.threshold, lost),
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


def slopes_of(widths: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Least-squares exponent of each column of `errors` (widths x seeds): error ~ width^-exponent."""
    centred = np.log(widths) - np.log(widths).mean()
    return -(centred @ np.log(errors)) / (centred @ centred)


def median_bounds(ordered: np.ndarray, error: float) -> tuple[float, float]:
    """Lower and upper bound of the median, each exceeded with probability at most `error`.

    With n values the k-th smallest lies above the median with probability P(Bin(n, 1/2) < k).
    Infinite where n is too small for `error`.
    """
    n = ordered.size
    # Largest k >= 1 with P(Bin(n, 1/2) <= k - 1) <= error.
    k = allowed(n, error) + 1
    if k == 0:
        return -np.inf, np.inf
    return float(ordered[k - 1]), float(ordered[n - k])


@dataclass(frozen=True)
class SeedsNeeded:
    """The fewest seeds at which either verdict becomes possible at all."""

    miss_side: int
    alarm_side: int


def seeds_needed(rates: ErrorRates) -> SeedsNeeded:
    """Fewest seeds with which the extreme order statistics reach the error rates: 2^-n <= rate."""
    return SeedsNeeded(int(np.ceil(-np.log2(rates.miss))), int(np.ceil(-np.log2(rates.false_alarm))))
