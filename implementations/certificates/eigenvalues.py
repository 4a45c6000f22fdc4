r"""Extreme eigenvalues of symmetric matrices of balls, enclosed without any assumption on their spectrum.

A - mu I = L D L' with D > 0 verified in balls proves lambda_min(A) > mu for every matrix in the ball, and a
pivot that is verified to be negative, after positive ones, proves lambda_min(A) < mu (its column is a vector
v with v'(A - mu I)v = D_kk).  So mu is moved away from an approximate eigenvalue, to both sides, until both
are proved; clustered or multiple eigenvalues make no difference.
Source: S. M. Rump, Verification of positive definiteness, BIT Numerical Mathematics 46 (2006).
"""

from __future__ import annotations

import flint
from flint import acb_mat, arb, arb_mat

from advntk.implementations.certificates.balls import between, largest, smallest


def smallest_eigenvalue(a: arb_mat) -> arb:
    """A ball around the smallest eigenvalue of every symmetric matrix in `a`.

    Args:
      a: balls around a symmetric matrix, (n, n); only the lower triangle is read.

    Returns:
      An enclosure, unbounded where the balls of `a` are.
    """
    size = a.nrows()
    middle = arb_mat([[a[max(i, j), min(i, j)].mid() for j in range(size)] for i in range(size)])
    radius = arb_mat([[a[max(i, j), min(i, j)].rad() for j in range(size)] for i in range(size)])
    scale, spread = _row_sum(middle), _row_sum(radius)
    if not (scale.is_finite() and spread.is_finite()):
        return arb.nan()
    if scale == 0:
        return between(-spread, spread)
    near = _approximation(middle, scale)
    # What the working precision can tell apart at all.
    least = scale * arb(2) ** (4 - flint.ctx.prec) * size
    low = _moved(middle, near, -least, scale, positive=True)
    high = _moved(middle, near, least, scale, positive=False)
    # Weyl: no eigenvalue moves by more than the norm of what is added to the middle.
    return between(low - spread, high + spread)


def largest_eigenvalue(a: arb_mat) -> arb:
    """A ball around the largest eigenvalue of every symmetric matrix in `a`."""
    return -smallest_eigenvalue(-a)


def definite(a: arb_mat) -> bool | None:
    """Whether every symmetric matrix in `a` is positive definite, or none is; None where neither is known."""
    size = a.nrows()
    left = [[a[i, j] for j in range(i + 1)] for i in range(size)]
    for k in range(size):
        pivot = left[k][k]
        if pivot <= 0:
            return False
        if not pivot > 0:
            return None
        for i in range(k + 1, size):
            factor = left[i][k] / pivot
            for j in range(k + 1, i + 1):
                left[i][j] -= factor * left[j][k]
    return True


def _row_sum(a: arb_mat) -> arb:
    """The largest row sum of absolute values: no eigenvalue is larger."""
    return largest([sum((abs(value).upper() for value in row), arb(0)).upper() for row in a.tolist()])


def _moved(a: arb_mat, near: arb, step: arb, scale: arb, positive: bool) -> arb:
    """A mu away from `near`, to the side of `step`, with A - mu I proved definite, or proved not to be."""
    identity = arb_mat([[int(i == j) for j in range(a.nrows())] for i in range(a.nrows())])

    def proved(at: arb) -> bool:
        return definite(a - (near + at).mid() * identity) is positive

    if proved(step):
        return (near + step).mid()
    while not proved(far := 8 * step):
        step = far
        if abs(step) > 4 * scale:
            # Balls as wide as the matrix: Gershgorin's bound is all that is left.
            return (-1 if positive else 1) * scale
    # Between a step that was too short and one eight times as long, to within a fifth.
    for power in (4, 2, 1):
        middle = step * (arb(2) ** (arb(3 * power) / 8)).mid()
        if proved(middle):
            far = middle
        else:
            step = middle
    return (near + far).mid()


def _approximation(middle: arb_mat, scale: arb) -> arb:
    """The smallest eigenvalue of the middle, without any bound of its error."""
    if middle.nrows() == 1:
        return middle[0, 0].mid()
    found = acb_mat(middle).eig(algorithm="approx")
    values = [value.real.mid() for value in found if value.real.is_finite()]
    return smallest(values).mid() if len(values) == middle.nrows() else -scale
