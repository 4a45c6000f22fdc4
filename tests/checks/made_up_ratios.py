"""Synthetic ratios of known limit and noise."""

from __future__ import annotations

from math import sqrt

import numpy as np

from advntk.checks.deciders.decision import ErrorRates
from advntk.theorems.vocabulary import Verdict

POINTS = np.array([16.0, 32.0, 64.0, 128.0])
# Different on the two sides, so that a mix-up of them shows.
RATES = ErrorRates(false_alarm=0.02, miss=0.05)
STRICT = ErrorRates(false_alarm=1e-6 / 18, miss=1e-3)

# Noise of mean 1 and of a deviation that is known.
NOISE = {
    "normal": (lambda rng, shape: 1 + 0.25 * rng.standard_normal(shape), 0.25),
    "chi-square 8": (lambda rng, shape: rng.chisquare(8, shape) / 8, 0.5),
    "log-normal 0.5": (lambda rng, shape: rng.lognormal(-0.125, 0.5, shape), sqrt(np.exp(0.25) - 1)),
    # Its fifth moment is infinite.
    "Student 5": (lambda rng, shape: 1 + 0.2 * rng.standard_t(5, shape), 0.2 * sqrt(5 / 3)),
}
# Coefficients of 1/n and 1/n^2, the latter at most the square of the former.
BIASES = {"none": (0.0, 0.0), "first": (0.5, 0.0), "series": (0.5, 0.25), "alternating": (0.5, -0.25)}


def means(off: float, a: float = 0.0, b: float = 0.0, points: np.ndarray = POINTS) -> np.ndarray:
    return 1 + off + a / points + b / points**2


def observed(values: np.ndarray, points: np.ndarray = POINTS, controls: np.ndarray | None = None) -> dict:
    found = {int(p): {"ratio": row} for p, row in zip(points, values, strict=True)}
    if controls is not None:
        for here, of_point in zip(found.values(), controls, strict=True):
            here["controls"] = of_point
    return found


def alternating(curve: np.ndarray, deviation: float, seeds: int) -> dict:
    """Observations whose means are `curve` exactly, and whose standard errors are equal and known."""
    return observed(curve[:, None] + deviation * np.resize([1.0, -1.0], seeds))


def error_of(deviation: float, seeds: int) -> float:
    """Standard error of each mean of `alternating`."""
    return float(deviation / np.sqrt(seeds - 1))


def noisy(noise: str, curve: np.ndarray, seeds: int, rng) -> dict:
    return observed(curve[:, None] * NOISE[noise][0](rng, (len(curve), seeds)))


def verdicts(decider, rates, repetitions, draw) -> dict[Verdict, int]:
    said = [decider.decide(draw(), rates).verdict for _ in range(repetitions)]
    return {verdict: said.count(verdict) for verdict in Verdict}


def with_controls(noise: str, curve: np.ndarray, seeds: int, rng) -> dict:
    """Most of the noise is that of controls: skewed ones, and their squares, which regression leaves."""
    shape = (len(curve), seeds)
    shared = rng.chisquare(8, shape) / 8 - 1
    other = rng.standard_normal(shape)
    values = curve[:, None] * (
        NOISE[noise][0](rng, shape) + 1.5 * shared + 0.7 * other + 0.5 * (other**2 - 1)
    )
    useless = rng.standard_normal((*shape, 2))
    return observed(values, controls=np.concatenate([shared[..., None], other[..., None], useless], -1))
