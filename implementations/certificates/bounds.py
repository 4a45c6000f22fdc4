r"""What theory promises of the linearized dynamics, as enclosures at given matrices.

Of the Lyapunov function V = r' Theta^{-1} r, the propagator, the time of extinction, the transformed kernel:

    V(t) <= V(0) e^{-2 lambda_min(Theta) t}                                     (strengths >= 0),
    ||exp(-Theta Xi)||_2 <= sqrt(cond Xi) e^{-lambda_min(Theta) lambda_min(Xi)},
    T* <= ln(1 + sqrt(lambda V(0)) / (rho sqrt a)) / lambda, after which a search to distance rho that is
        linear in x has left no residual, lambda = lambda_min(Theta), a = min_i lambda_min(Theta_x(x_i, x_i)),
    sym(Theta A) > 0 while eta S (max a_i - min a_i) < 2 ln((sqrt k + 1)/(sqrt k - 1)), k = cond Theta.

The first two and the last: claims of `advntk.theorems`, `xi_fading` and `ark_positive_definiteness`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flint import arb, arb_mat

from advntk.implementations.certificates.balls import largest, root, smallest
from advntk.implementations.certificates.eigenvalues import largest_eigenvalue, smallest_eigenvalue
from advntk.implementations.certificates.exponentials import block_diagonal, propagator, spectral_norm


class Compared(NamedTuple):
    """Balls around a value, and around what bounds it."""

    value: arb
    bound: arb


def lyapunov_value(theta: arb_mat, residual: arb_mat) -> arb:
    """V = r' Theta^{-1} r; unbounded where Theta is not proved to be invertible."""
    try:
        return (residual.transpose() * theta.solve(residual))[0, 0]
    except ZeroDivisionError:
        return arb.nan()


def lyapunov_decay(
    theta: arb_mat, growth: Sequence[arb_mat], residual: arb_mat, times: Sequence[float]
) -> list[Compared]:
    """V(t) along constant growths E, r(t) = exp(-Theta E t) r(0), and its bound, at every time.

    Args:
      theta: Theta(X, X), (n, n), symmetric.
      growth: the blocks of E.
      residual: r(0), a column of n.
      times: t, not negative.
    """
    start, slowest = lyapunov_value(theta, residual), smallest_eigenvalue(theta)
    found = []
    for time in times:
        moved = propagator(theta, [block * arb(time) for block in growth]) * residual
        bound = start * (-2 * slowest * arb(time)).exp()
        found.append(Compared(lyapunov_value(theta, moved), bound))
    return found


def propagator_norm(theta: arb_mat, xi: Sequence[arb_mat]) -> Compared:
    """||exp(-Theta Xi)||_2 and its bound; Theta and the blocks of Xi symmetric."""
    low = smallest([smallest_eigenvalue(block) for block in xi])
    high = largest([largest_eigenvalue(block) for block in xi])
    bound = root(high / low) * (-smallest_eigenvalue(theta) * low).exp()
    return Compared(spectral_norm(propagator(theta, xi)), bound)


def extinction_time(
    theta: arb_mat, ark_blocks: Sequence[arb_mat], residual: arb_mat, radius: arb | float
) -> arb:
    """The bound of T*, the time after which a search to distance `radius` has left no residual.

    Args:
      theta: Theta(X, X), (n, n), symmetric.
      ark_blocks: Theta_x(x_i, x_i), symmetric, one per sample.
      residual: r(0), a column of n.
      radius: rho > 0.

    Returns:
      A ball around the bound; unbounded where Theta or a block is not proved to be definite.
    """
    slowest = smallest_eigenvalue(theta)
    least = smallest([smallest_eigenvalue(block) for block in ark_blocks])
    if not (slowest > 0 and least > 0):
        return arb.nan()
    start = root(slowest * lyapunov_value(theta, residual))
    return (start / (arb(radius) * root(least))).log1p() / slowest


def certified_scale(ntk: arb_mat, ark_diagonal: Sequence[arb]) -> arb:
    """eta S below which sym(Theta A) is definite, by the condition number of Theta alone.

    Unbounded where Theta is not proved to be definite, and where the diagonal may be constant: then every
    scale will do.
    """
    low = smallest_eigenvalue(ntk)
    spread = largest(list(ark_diagonal)) - smallest(list(ark_diagonal))
    if not (low > 0 and spread > 0):
        return arb.nan()
    condition = root(largest_eigenvalue(ntk) / low)
    return 2 * ((condition + 1) / (condition - 1)).log() / spread


def transformed_margin(ntk: arb_mat, ark_diagonal: Sequence[arb], scale: arb | float) -> arb:
    """lambda_min(sym(Theta A)) / lambda_max(Theta) at eta S = `scale`; positive: definite."""
    top = largest(list(ark_diagonal))
    a = block_diagonal([arb_mat([[((value - top) * arb(scale)).exp()]]) for value in ark_diagonal])
    product = ntk * a
    return smallest_eigenvalue((product + product.transpose()) * arb(0.5)) / largest_eigenvalue(ntk)
