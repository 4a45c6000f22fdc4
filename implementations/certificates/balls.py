"""Between float64 arrays and balls, and the precision that balls are computed with.

A ball [m +/- r] of python-flint (Arb) contains the exact result of every operation on any numbers in its
operands.  Its working precision belongs to the whole process: whoever computes holds it through `precision`.
Source: F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE
Transactions on Computers 66 (2017).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import flint
import numpy as np
from flint import arb, arb_mat
from jaxtyping import Float

# Precision begins at twice that of floats, and is doubled while an enclosure is too wide.
FIRST_BITS, MOST_BITS = 106, 1024
# One context of python-flint serves all threads.
_CONTEXT = threading.RLock()


class Enclosure(NamedTuple):
    """Floats with low <= value <= high, and the bits of precision they were found with.

    `bits` is 0 where no ball was computed: floats and a derived bound of their rounding stand in.
    """

    low: float
    high: float
    bits: int

    @property
    def width(self) -> float:
        """High less low."""
        return self.high - self.low


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Compute with balls of `bits` bits; threads take turns."""
    with _CONTEXT:
        before = flint.ctx.prec
        flint.ctx.prec = bits
        try:
            yield
        finally:
            flint.ctx.prec = before


def doubled(
    compute: Callable[[], Enclosure],
    enough: Callable[[Enclosure], bool],
    first: int = FIRST_BITS,
    most: int = MOST_BITS,
) -> Enclosure:
    """Compute an enclosure with ever more bits, until it is narrow enough or `most` bits were used.

    Args:
      compute: gives an enclosure in the precision of its context; its `bits` are set here.
      enough: whether an enclosure decides what it is for.
      first: bits to begin with.
      most: bits never exceeded.

    Returns:
      The last enclosure: the first that is enough, or one that is too wide with the most bits.

    Example:
      `doubled(lambda: enclosure(arb(2).sqrt()), lambda e: e.width < 1e-12)`
    """
    bits = first
    while True:
        with precision(bits):
            found = compute()._replace(bits=bits)
        if enough(found) or 2 * bits > most:
            return found
        bits *= 2


def vector(values: Float[np.ndarray, " n"]) -> list[arb]:
    """Balls without radius, equal to the floats."""
    return [arb(float(value)) for value in values]


def matrix(values: Float[np.ndarray, "m k"]) -> arb_mat:
    """A matrix of balls without radius, equal to the floats, whatever the precision.

    Raises:
      ValueError: an entry is not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError("values holds entries that are not finite: no ball has them")
    return arb_mat([[float(value) for value in row] for row in values])


def enclosure(value: arb) -> Enclosure:
    """Floats around a ball, rounded outwards; infinite where the ball is unbounded or undefined."""
    with _CONTEXT:
        bits = int(flint.ctx.prec)
        # Ends of a ball are rounded to the working precision: to more than that of floats.
        with precision(max(bits, FIRST_BITS)):
            if not value.is_finite():
                return Enclosure(-math.inf, math.inf, bits)
            return Enclosure(_below(value.lower()), -_below((-value).lower()), bits)


def least(found: Sequence[Enclosure]) -> Enclosure:
    """Around the smallest of several values."""
    return Enclosure(min(e.low for e in found), min(e.high for e in found), min(e.bits for e in found))


def greatest(found: Sequence[Enclosure]) -> Enclosure:
    """Around the largest of several values."""
    return Enclosure(max(e.low for e in found), max(e.high for e in found), min(e.bits for e in found))


def over_rounding(computed: float, exact: arb, rounded: arb) -> arb:
    """How far a float is off an exact value, over how far it may be: the farthest point of `rounded`.

    Args:
      computed: the float.
      exact: a ball around the exact value.
      rounded: a ball around all that a program may give whose steps are rounded.

    Returns:
      At most 1 where the program is as accurate as `rounded` says; 0 where `rounded` is unbounded.
    """
    if not rounded.is_finite():
        return arb(0)
    off, allowed = abs(arb(float(computed)) - exact), abs(rounded - exact).upper()
    return off / allowed if allowed > 0 else (arb(0) if off == 0 else arb.pos_inf())


def floats(values: arb_mat) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """Low and high ends of a matrix of balls, rounded outwards."""
    ends = [[enclosure(value) for value in row] for row in values.tolist()]
    return np.array([[e.low for e in row] for row in ends]), np.array([[e.high for e in row] for row in ends])


def midpoints(values: arb_mat) -> Float[np.ndarray, "m k"]:
    """The floats nearest to the middle of every ball; no enclosure."""
    return np.array([[float(value.mid()) for value in row] for row in values.tolist()])


def symmetric(values: arb_mat) -> arb_mat:
    """(A + A')/2 of a matrix that is symmetric but for rounding, or whose exact values are symmetric."""
    return (values + values.transpose()) * arb(0.5)


def between(low: arb, high: arb) -> arb:
    """The smallest ball around both."""
    return low.union(high)


def largest(values: list[arb]) -> arb:
    """A ball around the maximum of values anywhere in theirs."""
    found = values[0]
    for value in values[1:]:
        found = found.max(value)
    return found


def smallest(values: list[arb]) -> arb:
    """A ball around the minimum."""
    return -largest([-value for value in values])


def root(value: arb) -> arb:
    """Square root of what is known not to be negative, though its ball may reach below 0."""
    return value.sqrt() if value.lower() > 0 else _root_at_zero(value)


def frobenius(values: arb_mat) -> arb:
    """Frobenius norm."""
    return root(sum((value * value for value in values.entries()), arb(0)))


def _root_at_zero(value: arb) -> arb:
    high = value.upper()
    return arb(0).union(high.sqrt().upper()) if high > 0 else arb(0)


def _below(value: arb) -> float:
    """The largest float that is known to be at most an exact ball."""
    near = float(value.mid())
    if math.isinf(near):
        return math.copysign(math.inf, near) if near < 0 else np.finfo(np.float64).max.item()
    while not arb(near) <= value:
        near = math.nextafter(near, -math.inf)
    return near
