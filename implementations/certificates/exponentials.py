r"""Exponentials of matrices of balls, and the closed form of the linearized dynamics for constant strengths.

    E = blockdiag_i exp(eta_i S Theta_x(x_i, x_i)),   Xi(t) = int_0^t E = t E,
    residual  r(t) = exp(-Theta Xi) r(0),   weights  p(t) = Xi phi_1(-Theta Xi) r(0),
    phi_1(z) = (e^z - 1)/z.

phi_1 is a block of the exponential of a matrix twice as large, so that nothing is divided by:
exp([[M, I], [0, 0]]) = [[e^M, phi_1(M)], [0, I]].
Sources: Fu & Wang, ICLR 2024 (arXiv 2310.06112), theorem 3; N. J. Higham, Functions of Matrices, SIAM 2008,
section 10.7.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flint import arb, arb_mat

from advntk.implementations.certificates.balls import root
from advntk.implementations.certificates.eigenvalues import largest_eigenvalue


class BallClosedForm(NamedTuple):
    """Residual r(t) and weights p, columns of n balls; f_t(x) = f_0(x) - Theta(x, X) p."""

    residual: arb_mat
    weights: arb_mat


def identity(size: int) -> arb_mat:
    """The identity matrix."""
    return arb_mat([[int(i == j) for j in range(size)] for i in range(size)])


def block_diagonal(blocks: Sequence[arb_mat]) -> arb_mat:
    """Square blocks along the diagonal, zeros elsewhere."""
    size = sum(block.nrows() for block in blocks)
    found, start = arb_mat(size, size), 0
    for block in blocks:
        for i, row in enumerate(block.tolist()):
            for j, value in enumerate(row):
                found[start + i, start + j] = value
        start += block.nrows()
    return found


def phi1(m: arb_mat) -> tuple[arb_mat, arb_mat]:
    """e^M and phi_1(M), singular matrices included."""
    size = m.nrows()
    doubled = arb_mat(2 * size, 2 * size)
    for i in range(size):
        for j in range(size):
            doubled[i, j] = m[i, j]
        doubled[i, size + i] = arb(1)
    found = doubled.exp().tolist()[:size]
    return arb_mat([row[:size] for row in found]), arb_mat([row[size:] for row in found])


def constant_growth(ark_blocks: Sequence[arb_mat], strengths: Sequence[arb]) -> list[arb_mat]:
    """The blocks of E for constant strengths."""
    return [(block * strength).exp() for block, strength in zip(ark_blocks, strengths, strict=True)]


def constant_xi(ark_blocks: Sequence[arb_mat], strengths: Sequence[arb], time: arb | float) -> list[arb_mat]:
    """The blocks of Xi(t), the integral of constant growths.

    Args:
      ark_blocks: Theta_x(x_i, x_i), symmetric, (c, c) balls each.
      strengths: eta_i S.
      time: t.

    Returns:
      One (c, c) matrix of balls per sample.
    """
    return [growth * arb(time) for growth in constant_growth(ark_blocks, strengths)]


def propagator(theta: arb_mat, xi: Sequence[arb_mat]) -> arb_mat:
    """exp(-Theta Xi), (n, n)."""
    return (-(theta * block_diagonal(xi))).exp()


def ball_closed_form(theta: arb_mat, xi: Sequence[arb_mat], residual: arb_mat) -> BallClosedForm:
    """Residual and weights at the time that the blocks `xi` belong to; `residual` is a column."""
    whole = block_diagonal(xi)
    moved, integral = phi1(-(theta * whole))
    return BallClosedForm(moved * residual, whole * (integral * residual))


def spectral_norm(m: arb_mat) -> arb:
    """A ball around the largest singular value."""
    return root(largest_eigenvalue(m.transpose() * m))
