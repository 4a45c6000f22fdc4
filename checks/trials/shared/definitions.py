r"""Activations and their Gaussian expectations by definition, in NumPy: nothing of the program under test.

An expectation over two correlated normal numbers is an integral over the plane in polar coordinates: with
u = arccos(correlation), z = r (cos t, sin t),

    E[f(u) g(v)] = 1/(2 pi) int int r e^{-r^2/2} f(sqrt(p) r cos t) g(sqrt(p') r cos(t - u)) dr dt.

Nothing is singular at correlation 1 or -1, and kinks at 0 lie on four rays, where panels begin and end.
Every panel has Gauss-Legendre nodes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.special
from jaxtyping import Float

Numbers = Float[np.ndarray, "*shape"]
Function = Callable[[np.ndarray], np.ndarray]

LEAKY_SLOPE = 0.1
_REACH = 12.0  # e^{-72} is left beyond


def _density(x: np.ndarray) -> np.ndarray:
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def _sech2(x: np.ndarray) -> np.ndarray:
    return 1 - np.tanh(x) ** 2


def _bell(x: np.ndarray) -> np.ndarray:
    return scipy.special.expit(x) * scipy.special.expit(-x)


# Name |-> the function, its first and its second derivative; at a kink the derivative from the left.
DEFINITIONS: dict[str, tuple[Function, Function, Function]] = {
    "erf": (
        scipy.special.erf,
        lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2)),
        lambda x: -4 / np.sqrt(np.pi) * x * np.exp(-(x**2)),
    ),
    "gelu": (
        lambda x: x * scipy.special.ndtr(x),
        lambda x: scipy.special.ndtr(x) + x * _density(x),
        lambda x: (2 - x**2) * _density(x),
    ),
    "tanh": (np.tanh, _sech2, lambda x: -2 * np.tanh(x) * _sech2(x)),
    "softplus": (lambda x: np.logaddexp(0, x), scipy.special.expit, _bell),
    "sigmoid": (scipy.special.expit, _bell, lambda x: -_bell(x) * np.tanh(x / 2)),
    "relu": (lambda x: np.where(x > 0, x, 0.0), lambda x: np.where(x > 0, 1.0, 0.0), np.zeros_like),
    "leaky_relu": (
        lambda x: np.where(x > 0, x, LEAKY_SLOPE * x),
        lambda x: np.where(x > 0, 1.0, LEAKY_SLOPE),
        np.zeros_like,
    ),
}


def expectation(
    f: Function,
    g: Function,
    covariance: Numbers,
    variance: Numbers,
    other: Numbers,
    nodes: int = 32,
    panels: int = 8,
) -> Numbers:
    """E[f(u) g(v)] for normal u, v of these covariances and variances, all of one shape.

    Args:
      f: of the first number.
      g: of the second.
      covariance: Cov(u, v), at most the root of the product of variances up to rounding.
      variance: Var(u), positive.
      other: Var(v), positive.
      nodes: of each panel.
      panels: of the radius.

    Returns:
      Expectations, of the shape of the arguments.
    """
    roots = np.sqrt(variance).ravel(), np.sqrt(other).ravel()
    # The root of a product: of a covariance that is the variance the cosine is 1 to the last digit.
    angle = np.arccos(np.clip(covariance / np.sqrt(variance * other), -1, 1)).ravel()
    x, w = np.polynomial.legendre.leggauss(nodes)
    ends = np.linspace(0, _REACH, panels + 1)
    radius = ((ends[:-1, None] + ends[1:, None]) / 2 + x * np.diff(ends)[:, None] / 2).ravel()
    weight = (np.diff(ends)[:, None] / 2 * w).ravel() * radius * np.exp(-(radius**2) / 2) / (2 * np.pi)
    found = np.empty(angle.shape)
    quarter = np.pi / 2
    for place, (one, two, u) in enumerate(zip(*roots, angle, strict=True)):
        # Half a turn at a time, so that panels stay short where kinks are far apart.
        rays = np.sort(np.concatenate([np.arange(-2, 3) * quarter, (u + np.arange(-3, 3) * quarter)]))
        rays = np.clip(rays, -np.pi, np.pi)
        middle, half = (rays[:-1] + rays[1:]) / 2, np.diff(rays) / 2
        turn = (middle[:, None] + half[:, None] * x).ravel()
        values = f(one * radius[:, None] * np.cos(turn)) * g(two * radius[:, None] * np.cos(turn - u))
        found[place] = weight @ values @ (half[:, None] * w).ravel()
    return found.reshape(covariance.shape)


def resolved(
    f: Function, g: Function, covariance: Numbers, variance: Numbers, other: Numbers, nodes: int = 32
) -> tuple[Numbers, Numbers]:
    """`expectation`, and by how much half as many nodes again change it: its own error.

    Args:
      f: of the first number.
      g: of the second.
      covariance: Cov(u, v).
      variance: Var(u).
      other: Var(v).
      nodes: of each panel, of the coarser of the two.

    Returns:
      The finer expectations and the differences.
    """
    coarse, fine = (
        expectation(f, g, covariance, variance, other, nodes=n) for n in (nodes, nodes + nodes // 2)
    )
    return fine, np.abs(fine - coarse)
