r"""Extreme eigenvalues of symmetric matrices of balls, enclosed without any assumption on their spectrum.

A - mu I = L D L' with D > 0 verified in balls proves lambda_min(A) > mu for every matrix in the ball, and a
pivot that is verified to be negative, after positive ones, proves lambda_min(A) < mu (its column is a vector
v with v'(A - mu I)v = D_kk).  So mu is moved away from an approximate eigenvalue, to both sides, until both are
proved; clustered or multiple eigenvalues make no difference.
Source: S. M. Rump, Verification of positive definiteness, BIT Numerical Mathematics 46 (2006).
"""

from __future__ import annotations

import flint
from flint import acb_mat, arb, arb_mat

from advntk.implementations.certificates.balls import between, smallest


def smallest_eigenvalue(a: arb_mat) -> arb:
    """A ball around the smallest eigenvalue of every symmetric matrix in `a`.

    Args:
      a: balls around a symmetric matrix, (n, n); only the lower triangle is read.

    Returns:
      An enclosure, unbounded where the balls of `a` are.
    """
    size = a.nrows()
    scale = arb(0)
    for row in a.tolist():
        scale = scale.max(sum((abs(value).upper() for value in row), arb(0)).upper())
    if not scale.is_finite():
        return arb.nan()
    if scale == 0:
        return arb(0)
    near = _approximation(a, scale)
    # What the working precision can tell apart at all.
    least = scale * arb(2) ** (4 - flint.ctx.prec) * size
    low = _moved(a, near, -least, scale, positive=True)
    high = _moved(a, near, least, scale, positive=False)
    return between(low, high)


def largest_eigenvalue(a: arb_mat) -> arb:
    """A ball around the largest eigenvalue of every symmetric matrix in `a`."""
    return -smallest_eigenvalue(-a)


def definite(a: arb_mat) -> bool | None:
    """Whether every symmetric matrix in `a` is positive definite (True), none is (False), or unknown (None)."""
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


def _moved(a: arb_mat, near: arb, step: arb, scale: arb, positive: bool) -> arb:
    """The first mu away from `near`, in steps that grow, with A - mu I proved definite, or not."""
    size = a.nrows()
    identity = arb_mat([[int(i == j) for j in range(size)] for i in range(size)])
    while True:
        mu = (near + step).mid()
        if definite(a - mu * identity) is positive:
            return mu
        if abs(step) > 4 * scale:
            # Balls as wide as the matrix: Gershgorin's bound is all that is left.
            return (-1 if positive else 1) * scale
        step = 8 * step


def _approximation(a: arb_mat, scale: arb) -> arb:
    """The smallest eigenvalue of the middle, without any bound of its error."""
    middle = ((a + a.transpose()) * arb(0.5)).mid()
    if a.nrows() == 1:
        return middle[0, 0].mid()
    found = acb_mat(middle).eig(algorithm="approx")
    values = [value.real.mid() for value in found if value.real.is_finite()]
    return smallest(values).mid() if len(values) == a.nrows() else -scale
