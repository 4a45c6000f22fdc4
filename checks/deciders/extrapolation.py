"""Means over seeds, freed of noise by control variates, and their limit along a sweep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FOLDS = 16
# A bias model is given up where what it leaves over has a smaller chance than this.
LACK_OF_FIT = 1e-3


@dataclass(frozen=True)
class Mean:
    """A mean over seeds: its value, standard error, third cumulant, and the share of variance left.

    `third` is the third cumulant of the mean; `left` compares with the values before their adjustment.
    `folds` are the means of the folds of the seeds, (k,), and `others` the standard errors that the seeds of
    all other folds give to the whole mean: what a fold counts for must not depend on it.
    """

    value: float
    error: float
    third: float
    left: float
    folds: np.ndarray
    others: np.ndarray

    @staticmethod
    def of(values: Adjusted) -> Mean:
        """From one value per seed."""
        seeds = values.values.size
        mean = values.values.mean()
        away = values.values - mean
        fold = np.arange(seeds) % min(FOLDS, seeds)
        size, total, squares = (np.bincount(fold, weights) for weights in (None, away, away**2))
        # Sums over the other folds, by difference.
        rest, sums, left = seeds - size, -total, squares.sum() - squares
        variance = np.maximum(left - sums**2 / rest, 0) / (rest - 1)
        return Mean(
            float(mean),
            float(values.values.std(ddof=1) / np.sqrt(seeds)),
            float((away**3).mean() / seeds**2),
            values.left,
            mean + total / size,
            np.sqrt(variance / seeds),
        )


@dataclass(frozen=True)
class Adjusted:
    """Values with their controls taken off, and the share of the variance that is left."""

    values: np.ndarray
    left: float


def adjusted(values: np.ndarray, controls: np.ndarray) -> Adjusted:
    """Values less what control variates of mean zero say of their noise.

    Seeds are put into folds; the coefficients that a fold is adjusted with are the least-squares ones of all
    others, so that they are independent of it and leave every mean as it is.

    Args:
      values: (seeds,).
      controls: (seeds, k); columns that are constant at every seed are left out, and so are all of them
        where there are no four seeds for each.

    Returns:
      Values of the same mean.
    """
    spread = controls.std(axis=0)
    controls = controls[:, spread > 0] / spread[spread > 0]
    seeds, count = controls.shape
    if count == 0 or seeds < 4 * count or values.std() == 0:
        return Adjusted(values, 1.0)
    found = np.empty_like(values)
    fold = np.arange(seeds) % FOLDS
    design = np.concatenate([np.ones((seeds, 1)), controls], axis=1)
    # Normal equations of all seeds less those of a fold are those of the others.
    gram, moment = design.T @ design, design.T @ values
    for k in range(FOLDS):
        here = fold == k
        part = design[here]
        coefficients = np.linalg.lstsq(gram - part.T @ part, moment - part.T @ values[here], rcond=None)[0]
        found[here] = values[here] - controls[here] @ coefficients[1:]
    return Adjusted(found, float(found.var() / values.var()))


@dataclass(frozen=True)
class Extrapolation:
    """The limit at 1/point = 0: value, standard error and skewness, with the bias model that fits.

    `left_out` is how far the limit moves if the first power that the model leaves out is as large as a series
    in slope/point has it.  `slope` and `curvature` are the coefficients of 1/point and its square, the latter
    0 where it was not needed; `chance` is the p-value of what `terms` terms beside the limit leave over (1
    where nothing can be left over).
    """

    value: float
    error: float
    skewness: float
    left_out: float
    slope: float
    curvature: float
    terms: int
    chance: float


def extrapolated(points: np.ndarray, means: list[Mean], least: int = 1) -> Extrapolation | None:
    """Weighted least squares in powers of 1/point, one more than `least` where that is better.

    Args:
      points: (p,), rising, positive.
      means: one for each point.
      least: powers at least; 0 where means are alike at all points.

    Returns:
      The limit; None where neither fits.
    """
    models = [_with_terms(points, means, terms) for terms in (least, least + 1)]
    fitting = [model for model in models if model.chance >= LACK_OF_FIT]
    # What a model leaves out counts like noise.
    return min(fitting, key=lambda model: model.left_out + model.error, default=None)


def _with_terms(points: np.ndarray, means: list[Mean], terms: int) -> Extrapolation:
    from scipy.special import chdtrc

    # Scaled to the smallest point, so that the columns are of one size.
    inverse = points[0] / points
    design = np.polynomial.polynomial.polyvander(inverse, terms)
    value = np.array([mean.value for mean in means])
    error = _errors(value, [mean.error for mean in means])
    # Skewed noise makes a mean and its own measured error go up and down together, so that small means would
    # count for more: each fold is weighed by the errors of all others, and the folds are averaged.
    folds, others = (np.array([getattr(mean, name) for mean in means]) for name in ("folds", "others"))
    weights = _weights(design, _errors(value, others.T))
    coefficients = np.einsum("kcp,pk->c", weights, folds) / len(weights)
    whole = _weights(design, error)
    left = (((value - design @ (whole @ value)) / error) ** 2).sum()
    freedom = len(points) - terms - 1
    of_limit = weights[:, 0].mean(0)
    deviation = float(np.sqrt((of_limit**2 * error**2).sum()))
    third = float((of_limit**3 * np.array([mean.third for mean in means])).sum())
    return Extrapolation(
        float(coefficients[0]),
        deviation,
        third / deviation**3 if deviation > 0 else 0.0,
        _left_out(of_limit, inverse, coefficients),
        float(coefficients[1] * points[0]) if terms > 0 else 0.0,
        float(coefficients[2] * points[0] ** 2) if terms > 1 else 0.0,
        terms,
        float(chdtrc(freedom, left)) if freedom > 0 else 1.0,
    )


def _errors(value: np.ndarray, error: list[float] | np.ndarray) -> np.ndarray:
    """Standard errors, (..., points); means without any noise weigh as those whose noise is rounding."""
    found: np.ndarray = np.maximum(error, np.finfo(np.float64).eps * np.abs(value))
    return found


def _weights(design: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Weights of the means in each coefficient of weighted least squares, (..., coefficients, points)."""
    found: np.ndarray = np.linalg.pinv(design / error[..., :, None]) / error[..., None, :]
    return found


def _left_out(of_limit: np.ndarray, inverse: np.ndarray, coefficients: np.ndarray) -> float:
    """Shift of the limit by the next power, its coefficient the product of the last one and the first.

    Coefficients a, a^2, a^3 are those of 1/(1 - a/point).  Without any power there is none to continue.
    """
    if len(coefficients) == 1:
        return 0.0
    following = coefficients[-1] * coefficients[1]
    return float(abs(of_limit @ inverse ** len(coefficients) * following))
