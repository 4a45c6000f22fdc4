"""Derivatives by differences of sixth order, with the error that a lower order puts on them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from advntk.checks.trials.implementation.comparing import EPS

# Offsets and weights of the first derivative in units of the step, of order six and of order four.
_OFFSETS = np.array([-3, -2, -1, 1, 2, 3])
_SIXTH = np.array([-1, 9, -45, 45, -9, 1]) / 60
_FOURTH = np.array([0, 1, -8, 8, -1, 0]) / 12
# Rounding errors of one value of what is differentiated.
_NOISE = 64 * EPS


def slope(function: Callable[[float], float], step: float = 2.0**-6) -> tuple[float, float]:
    """Derivative at 0, and what it may be off by.

    Args:
      function: smooth within three steps of 0.
      step: of the differences.

    Returns:
      The derivative of order six, and the distance to that of order four with rounding added.
    """
    values = np.array([function(offset * step) for offset in _OFFSETS])
    six, four = (float(weights @ values) / step for weights in (_SIXTH, _FOURTH))
    return six, abs(six - four) + _NOISE * float(np.abs(values).max()) / step


def mixed(function: Callable[[float, float], float], step: float = 2.0**-5) -> tuple[float, float]:
    """d^2/ds dt at (0, 0), and what it may be off by.

    Args:
      function: of s and t, smooth within three steps.
      step: of the differences.

    Returns:
      As `slope`.
    """
    values = np.array([[function(s * step, t * step) for t in _OFFSETS] for s in _OFFSETS])
    six, four = (float(weights @ values @ weights) / step**2 for weights in (_SIXTH, _FOURTH))
    return six, abs(six - four) + _NOISE * float(np.abs(values).max()) / step**2
