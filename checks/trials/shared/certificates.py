r"""Linearized systems in balls: the closed form as it was evaluated, and its norm, against exact values.

Theta and the blocks of the ARK are the floats that a trial found, made symmetric in exact arithmetic.  Of
constant strengths Xi(t) = t exp(eta S Theta_x) is computed in balls too; of others Xi is given by floats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from flint import arb, arb_mat
from jaxtyping import Array, Float

from advntk.checks.deciders.enclosure import enclosed
from advntk.checks.trials.shared.linear_systems import LinearSystem
from advntk.implementations.certificates.balls import (
    Enclosure,
    doubled,
    enclosure,
    frobenius,
    largest,
    matrix,
    root,
    smallest,
    symmetric,
    vector,
)
from advntk.implementations.certificates.bounds import propagator_norm
from advntk.implementations.certificates.eigenvalues import largest_eigenvalue, smallest_eigenvalue
from advntk.implementations.certificates.exponentials import ball_closed_form, constant_xi
from advntk.implementations.dynamics.closed_form import ClosedForm
from advntk.implementations.dynamics.schedules import SHAPES, Schedule

_EPS = float(np.finfo(np.float64).eps)
_UNKNOWN = Enclosure(-np.inf, np.inf, 0)


def norm_over_bound(
    system: LinearSystem, xi: Float[Array, "s m c c"], schedule: Schedule, time: Array | float
) -> dict[str, np.ndarray]:
    """||exp(-Theta Xi)||_2 over sqrt(cond Xi) e^{-lambda_min(Theta) lambda_min(Xi)}, per seed."""

    def ratio(theta: arb_mat, blocks: Sequence[arb_mat]) -> arb:
        norm = propagator_norm(theta, blocks)
        return norm.value / norm.bound

    return enclosed(
        "norm_over_bound",
        (
            _decided(lambda s=one: enclosure(ratio(s.theta(), s.xi())))
            for one in _systems(system, xi, schedule, time)
        ),
    )


def evaluation_errors(
    system: LinearSystem,
    xi: Float[Array, "s m c c"],
    schedule: Schedule,
    time: Array,
    start: Float[Array, "s m c"],
    closed: ClosedForm,
) -> dict[str, np.ndarray]:
    """Errors of residual and outputs of the closed form as evaluated, over what rounding explains, per seed.

    exp(-S), S = Xi^{1/2} Theta Xi^{1/2}, changes by at most the norm of what is added to S, and a solver for
    symmetric eigenvalues adds n eps ||S|| (Higham, Accuracy and Stability of Numerical Algorithms, section
    3.5; Functions of Matrices, theorem 10.17).  Products, the eigenvectors of S and both roots of Xi cost n
    eps each, and Xi^{-1/2} . Xi^{1/2} around it magnifies all by the root of Xi's condition number.
    """
    found: dict[str, list[Enclosure]] = {"residual_off_over_rounding": [], "output_off_over_rounding": []}
    results = zip(np.asarray(start), np.asarray(closed.residual), np.asarray(closed.weights), strict=True)
    for one, (begun, left, weights) in zip(_systems(system, xi, schedule, time), results, strict=True):
        for name, value in zip(found, (left, weights), strict=True):
            found[name].append(
                _decided(lambda s=one, n=name, v=value, r=begun: _error(s, n.startswith("output"), r, v))
            )
    return {key: value for name, each in found.items() for key, value in enclosed(name, each).items()}


class _System:
    """One seed's system; its balls are made anew in every precision."""

    def __init__(self, ntk: Any, ark: Any, xi: Any, schedule: Schedule, time: float) -> None:
        self._theta, self._ark, self._xi, self._time = ntk, ark, xi, time
        self._strengths = np.asarray(schedule.strengths(0.0))
        self._constant = SHAPES[int(schedule.choice)] == "constant"
        self.known = bool(np.isfinite(ntk).all() and np.isfinite(xi).all())

    def theta(self) -> arb_mat:
        return symmetric(matrix(self._theta))

    def xi(self) -> list[arb_mat]:
        if self._constant:
            blocks = [symmetric(matrix(block)) for block in self._ark]
            return constant_xi(blocks, vector(self._strengths), self._time)
        return [symmetric(matrix(block)) for block in self._xi]


def _systems(system: LinearSystem, xi: Any, schedule: Schedule, time: Any) -> Iterator[_System]:
    ntk, ark, blocks = np.asarray(system.ntk), np.asarray(system.ark), np.asarray(xi)
    times = np.broadcast_to(np.asarray(time, float), len(ntk))
    for theta, one_ark, one_xi, t in zip(ntk, ark, blocks, times, strict=True):
        size = one_xi.shape[0] * one_xi.shape[1]
        yield _System(theta.reshape(size, size), one_ark, one_xi, schedule, float(t))


def _decided(compute: Any) -> Enclosure:
    try:
        return doubled(compute, lambda found: found.high <= 1 + 2 * _EPS or found.low > 1)
    except ValueError:  # numbers that are not finite have no balls
        return _UNKNOWN


def _error(system: _System, of_outputs: bool, start: np.ndarray, computed: np.ndarray) -> Enclosure:
    theta, xi = system.theta(), system.xi()
    begun, given = (matrix(value.reshape(-1, 1)) for value in (start, computed))
    exact = ball_closed_form(theta, xi, begun)
    # Outputs are Theta(x, X) times the weights; at the samples, Theta times them.
    off = theta * (given - exact.weights) if of_outputs else given - exact.residual
    low, high = (ends(blocks) for ends, blocks in ((_least, xi), (_most, xi)))
    size = theta.nrows()
    allowed = arb(size * _EPS) * root(high / low) * (4 + largest_eigenvalue(theta) * high) * frobenius(begun)
    return enclosure(frobenius(off) / allowed)


def _least(blocks: Sequence[arb_mat]) -> arb:
    return smallest([smallest_eigenvalue(block) for block in blocks])


def _most(blocks: Sequence[arb_mat]) -> arb:
    return largest([largest_eigenvalue(block) for block in blocks])
