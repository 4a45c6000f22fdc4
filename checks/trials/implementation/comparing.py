"""How what a program gives is held against what it should give: the error that strains its bound most."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

# Programs of a few small arrays take longer to optimize than to run.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

EPS = float(np.finfo(np.float64).eps)

One = Float[np.ndarray, "1"]


def worst(*pairs: tuple[Any, Any]) -> tuple[One, One]:
    """Of arrays of errors, each with its bounds, the one entry that strains its bound most, and that bound.

    Args:
      pairs: errors and bounds that broadcast against each other; an error that is not finite is infinite.

    Returns:
      Error and bound, as values of one seed.
    """
    errors, bounds = [], []
    for error, bound in pairs:
        one, two = np.broadcast_arrays(np.abs(np.asarray(error, np.float64)), np.asarray(bound, np.float64))
        errors.append(np.where(np.isfinite(one), one, np.finfo(np.float64).max).ravel())
        bounds.append(two.ravel())
    error, bound = np.concatenate(errors), np.concatenate(bounds)
    strain = np.divide(error, bound, out=np.where(error > 0, np.inf, 0.0), where=bound > 0)
    place = int(np.argmax(strain))
    return error[place : place + 1], bound[place : place + 1]


def gap(found: Any, wanted: Any, roundings: float = 64.0) -> tuple[np.ndarray, np.ndarray]:
    """Differences, and `roundings` rounding errors of the largest entry that is wanted.

    Args:
      found: what a program gives.
      wanted: what it should give, of the same shape.
      roundings: how many errors of size eps times the largest entry may add up.

    Returns:
      A pair for `worst`; another shape is an infinite difference.
    """
    one, two = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    if one.shape != two.shape:
        return np.array([np.inf]), np.array([1.0])
    scale = float(np.abs(two).max(initial=0.0)) or 1.0
    return one - two, np.full(one.shape, roundings * EPS * scale)


def unequal(found: Any, wanted: Any) -> int:
    """How many entries differ in any bit; all, and one, where shapes or dtypes do."""
    one, two = np.asarray(found), np.asarray(wanted)
    if (one.shape, one.dtype) != (two.shape, two.dtype):
        return max(one.size, two.size) + 1
    return (
        int((one != two).sum())
        if one.dtype.kind not in "fc"
        else int((np.ascontiguousarray(one).view(np.uint8) != np.ascontiguousarray(two).view(np.uint8)).sum())
    )


def count(*numbers: int) -> np.ndarray:
    """How many there are in all, as a value of one seed whose bound may be the integer 0."""
    return np.array([sum(numbers)], np.int64)


NONE = np.zeros(1, np.int64)
