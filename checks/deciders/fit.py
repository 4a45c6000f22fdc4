r"""Does a power law fit an error along a sweep?  Its floor, its curvature, and the exponent where it ends.

Three numbers per seed, each with an interval for its median between order statistics, as for the slope:

- the floor F of error^2 = A point^{-2 exponent} + F, by least squares weighted for equal relative errors and
  given as a share of the squared error at the last point.  F is linear in the squared errors.  Noise of
  squares leans to the right, at the last point most of all: that moves the median down, and a floor is
  overlooked rather than imagined;
- the curvature of log error against log point, positive where the error falls ever more slowly;
- the exponent at the last point, that of the same parabola.

A sweep over a negative exponent is read from its far end: the error falls as the point does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from advntk.checks.deciders.power import allowed

# A true rate has corrections of its own: an exponent this much below the predicted one is no lack of fit.
SLACK = 0.05
# A floor of one per cent of the squared error would show in a hundred times the points.
LEAST_FLOOR = 0.01
_LARGEST = 1e150  # its square is a number


@dataclass(frozen=True)
class Median:
    """A median over seeds and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Fit:
    """`floor` is a share of the squared error at the last point; `found` says in words what does not fit."""

    floor: Median
    curvature: Median
    last_exponent: Median
    found: str


def fit_of_rate(
    points: np.ndarray, errors: np.ndarray, exponent: float, slope: Median, threshold: float, error: float
) -> Fit:
    """What a straight line through the logs leaves.

    Args:
      points: (p,), rising, positive.
      errors: (p, seeds), positive.
      exponent: predicted, positive; errors fall with the point.
      slope: median of the exponents measured over the whole sweep, with its interval.
      threshold: an exponent that counts as falling.
      error: chance with which each end of an interval may miss its median.

    Returns:
      The numbers, and the first lack of fit that is beyond chance; "" where there is none.
    """
    size = np.median(errors, axis=1)
    relative = np.minimum(errors / size[:, None], _LARGEST) ** 2
    # In units of the last squared error, A and F are of the size of one.
    falling = (points / points[-1]) ** (-2 * exponent)
    design = np.stack([falling, np.ones(len(points))], axis=1) * (size[-1] / size[:, None]) ** 2
    floor = median_of(np.linalg.pinv(design)[1] @ relative, error)
    logs = np.log(points) - np.log(points[-1])
    parabola = np.linalg.pinv(np.polynomial.polynomial.polyvander(logs, 2)) @ np.log(errors)
    curvature, last = median_of(parabola[2], error), median_of(-parabola[1], error)
    found = ""
    if floor.low > LEAST_FLOOR:
        found = (
            f"a floor: {floor.value:.0%} of the squared error at the last point does not fall "
            f"(at least {floor.low:.0%})"
        )
    elif last.high < threshold:
        found = f"the exponent at the last point is {last.value:.3g} (at most {last.high:.3g})"
    elif slope.high < (1 - SLACK) * exponent:
        found = f"the exponent is at most {slope.high:.3g}, below {exponent:g}"
    return Fit(floor, curvature, last, found)


def median_of(values: np.ndarray, error: float) -> Median:
    """Median with its interval between order statistics, each end missed with chance `error` at most."""
    return Median(float(np.median(values)), *median_bounds(np.sort(values), error))


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
