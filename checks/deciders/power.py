r"""How small an effect a decider could have seen, and how many seeds it would have needed.

HOLDS needs evidence: without enough seeds a true claim stays INCONCLUSIVE.  Every statistical assertion
therefore says which test it is, the smallest effect at which it reaches HOLDS with probability at least
1 - miss, and the fewest seeds that would do for the effect it measured.  All of it is of one look, at
the share of the error rates which that look may spend.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from advntk.checks.deciders.decision import ErrorRates


@dataclass(frozen=True)
class Power:
    """The test, the smallest effect that it detects, and the seeds that the measured effect needs.

    `smallest_effect` is in the unit of the decider's quantity (infinite: none is large enough), and
    `effect` says in words of what it is.  `seeds_needed` is None where no number of seeds would do.
    """

    test: str
    smallest_effect: float
    effect: str
    seeds_needed: int | None


def power_of_rate(slopes: np.ndarray, threshold: float, seeds: int, rates: ErrorRates) -> Power:
    """Power to see the median slope above `threshold`; of `seeds`, those without a slope speak against it."""
    return _sign_test(slopes - threshold, seeds, rates, "exponent", f"above {threshold:g}")


def power_of_median(
    values: np.ndarray, threshold: float, side: Literal["above", "below"], seeds: int, rates: ErrorRates
) -> Power:
    """Power to see the median of `values` beyond `threshold`."""
    beyond = values - threshold if side == "above" else threshold - values
    return _sign_test(beyond, seeds, rates, "value", f"{side} {threshold:g}")


def power_of_level(
    intercepts: np.ndarray, margin: float, seeds: int, rates: ErrorRates, safety: float, least: int
) -> Power:
    r"""Power to see the mean of `intercepts`, one per batch, inside [1/margin, margin].

    With normal intercepts of standard error s, a limit at distance d from an edge clears it with the
    probability that a noncentral Student variable of noncentrality d / s exceeds the quantile used.
    Each of two edges may be missed with half of the miss rate.  s^2 falls as 1 / seeds, and seeds come
    in whole batches, `least` at the fewest.
    """
    batches = intercepts.size
    estimate = float(intercepts.mean())
    error = float(intercepts.std(ddof=1) / np.sqrt(batches))
    reach = student_quantile(rates.miss / safety, batches - 1)
    smallest = student_distance(rates.miss / safety, rates.miss / 2, batches - 1) * error
    room = min(estimate - 1 / margin, margin - estimate)
    # Seeds beyond whole batches were not used.
    more = (smallest / room) ** 2 * (seeds // batches) if room > 0 else np.inf
    return Power(
        f"Student interval over {batches} batches",
        smallest,
        f"distance of the limit from the nearer edge of [{1 / margin:.3g}, {margin:.3g}]; the interval "
        f"reaches {reach * error:.2g} to either side of its middle",
        max(least, batches * int(np.ceil(more))) if np.isfinite(more) else None,
    )


def _sign_test(beyond: np.ndarray, seeds: int, rates: ErrorRates, unit: str, where: str) -> Power:
    r"""Power of the interval between order statistics, from the distances `beyond` the threshold.

    Let a share p of all seeds be needed.  If the law of the measured values is shifted by d without
    changing its shape, the share beyond the threshold is that of the values above median - d; so the
    median must lie d = median - quantile_{1-p} beyond the threshold.  The quantile is the order
    statistic that has at least p n values at or above it, where lost seeds lie below all others.
    """
    share = smallest_share(seeds, rates.miss, rates.miss)
    test, rank = "sign test between order statistics", int(np.ceil(share * seeds)) if share <= 1 else seeds
    if share > 1 or rank > beyond.size:
        smallest = np.inf
    else:
        smallest = float(np.median(beyond) - np.partition(beyond, beyond.size - rank)[beyond.size - rank])
    need = fewest_seeds(int((beyond > 0).sum()) / seeds, rates.miss, rates.miss)
    words = f"a share of {share:.3g} of the seeds" if share <= 1 else "more than all seeds"
    return Power(test, smallest, f"distance of the median {unit} {where}; {words} beyond it", need)


@lru_cache(maxsize=4096)
def allowed(seeds: int, error: float) -> int:
    """How many values may fail to lie beyond the threshold: the largest j, P(Bin(seeds, 1/2) <= j) <= error.

    -1 where not even none may.  If the median is not beyond the threshold, each value is with chance
    1/2 at most, so that so few failures come with a chance of at most `error`.
    """
    from scipy.special import bdtr

    return bisect_right(range(seeds), error, key=lambda j: bdtr(j, seeds, 0.5)) - 1


def power(seeds: int, share: float, error: float) -> float:
    """Probability that at most the allowed number of seeds fails, if each is beyond with chance `share`."""
    from scipy.special import bdtr

    j = allowed(seeds, error)
    return float(bdtr(j, seeds, 1 - share)) if j >= 0 else 0.0


@lru_cache(maxsize=4096)
def smallest_share(seeds: int, error: float, missed: float) -> float:
    r"""Smallest share beyond the threshold at which HOLDS comes with probability 1 - missed.

    With j failures allowed, that probability is P(Bin(n, 1-p) <= j) = I_p(n - j, j + 1), a regularised
    incomplete beta function that grows with p, so p is its inverse.  Infinite where no share would do.
    """
    from scipy.special import betainccinv

    j = allowed(seeds, error)
    return float(betainccinv(seeds - j, j + 1, missed)) if j >= 0 else np.inf


@lru_cache(maxsize=4096)
def fewest_seeds(share: float, error: float, missed: float) -> int | None:
    """Fewest seeds with which a share beyond the threshold gives HOLDS with probability 1 - missed.

    The power is a saw tooth in the number of seeds.  The same test, randomised where it would spend less
    than `error`, is the most powerful one and so only gains with more seeds: below the number where it
    suffices no test does, and the saw is followed from there.  None if the share is no more than half.
    """
    if share <= 0.5:
        return None
    most = 1
    while _randomised(most, share, error) < 1 - missed:
        most *= 2
    seeds = bisect_left(range(most), 1 - missed, lo=1, key=lambda n: _randomised(n, share, error))
    while power(seeds, share, error) < 1 - missed:
        seeds += 1
    return seeds


def _randomised(seeds: int, share: float, error: float) -> float:
    """Power if one failure more than allowed counts with just the chance that uses `error` up."""
    from scipy.special import bdtr

    j = allowed(seeds, error)
    spent = bdtr(j, seeds, 0.5) if j >= 0 else 0.0
    chance = (error - spent) / (bdtr(j + 1, seeds, 0.5) - spent)
    one_more = bdtr(j + 1, seeds, 1 - share)
    reached = bdtr(j, seeds, 1 - share) if j >= 0 else 0.0
    return float(reached + chance * (one_more - reached))


@lru_cache(maxsize=256)
def student_quantile(error: float, freedom: int) -> float:
    """What a Student variable exceeds with probability `error`."""
    from scipy.special import stdtrit

    return float(-stdtrit(freedom, error))


@lru_cache(maxsize=256)
def student_distance(error: float, missed: float, freedom: int) -> float:
    """Distance in standard errors from which a Student bound at rate `error` is cleared, save for `missed`.

    A normal estimate at distance d, over its measured standard error, is a noncentral Student variable
    of noncentrality d; the larger d, the less often it stays below the quantile.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct

    quantile, most = student_quantile(error, freedom), 8.0
    while nct.cdf(quantile, freedom, most) > missed:
        most *= 2
    return float(brentq(lambda distance: nct.cdf(quantile, freedom, distance) - missed, 0, most))
