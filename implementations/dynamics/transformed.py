r"""The transformed kernel sym(Theta A), A = lim Xi(t)/lambda_max(Xi(t)), and its critical scale.

For constant strengths Xi(t) = t E, so A = Diag_i exp(-eta S (max_j a_j - a_i)) with a_i the limit ARK
at x_i.  Whether sym(Theta A) stays positive definite depends on eta S times the spread of the a_i.
A certificate needs only cond(Theta) = k: the largest angle between v and Bv for B positive definite
has sine (k - 1)/(k + 1), and v' Theta A v = (Theta v).(A v) is positive while the two largest angles
add up to less than a right angle, which is cond(A) < ((sqrt k + 1)/(sqrt k - 1))^2.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Vector = Float[np.ndarray, " m"]
Matrix = Float[np.ndarray, "m m"]
Scales = Float[np.ndarray, " scales"]


def margins(ntk: Matrix, ark_diagonal: Vector, scales: Scales) -> Scales:
    """lambda_min(sym(Theta A)) / lambda_max(Theta) at each scale eta S; positive: definite."""
    exponent = ark_diagonal - ark_diagonal.max()
    a = np.exp(scales[:, None] * exponent[None, :])
    product = ntk[None] * a[:, None, :]
    symmetric = (product + product.swapaxes(1, 2)) / 2
    return np.linalg.eigvalsh(symmetric)[:, 0] / np.linalg.eigvalsh(ntk)[-1]


def critical_scale(ntk: Matrix, ark_diagonal: Vector) -> float:
    """The smallest eta S at which sym(Theta A) stops being positive definite; infinite if none.

    Scans eta S times the spread of the ARK's diagonal from 1e-6 to 40 (beyond, entries of A vanish
    in double precision), then bisects to a relative width of 1e-12.
    """
    spread = float(ark_diagonal.max() - ark_diagonal.min())
    if spread <= 0:
        return float("inf")
    scan = np.concatenate([[0.0], np.geomspace(1e-6, 40, 2000)]) / spread
    failed = np.flatnonzero(margins(ntk, ark_diagonal, scan) <= 0)
    if failed.size == 0:
        return float("inf")
    if failed[0] == 0:
        return 0.0
    low, high = scan[failed[0] - 1], scan[failed[0]]
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if margins(ntk, ark_diagonal, np.array([middle]))[0] > 0:
            low = middle
        else:
            high = middle
    return float(high)


def certified_spread(ntk: Matrix) -> float:
    """2 ln((sqrt k + 1)/(sqrt k - 1)), k = cond(Theta): below it sym(Theta A) is positive definite.

    The spread is eta S (max a_i - min a_i).  Zero if Theta is singular to working precision.
    """
    values = np.linalg.eigvalsh(ntk)
    if values[0] <= len(ntk) * np.finfo(ntk.dtype).eps * values[-1]:
        return 0.0
    root = float(np.sqrt(values[-1] / values[0]))
    return 2 * float(np.log((root + 1) / (root - 1))) if root > 1 else float("inf")
