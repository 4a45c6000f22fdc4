r"""Whether a kernel matrix can be solved with: one judgement, used wherever one is.

A Gram matrix is known to m eps times its largest eigenvalue, eps of the dtype that it was *computed* in,
whatever it was converted to since: an eigenvalue below that may as well be 0 or negative, and what is
divided by it is arbitrary.  A Cholesky factorisation that does not fail proves nothing: rounding makes the
pivots of a singular matrix small numbers, positive or not.
Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, SIAM 2002, chapter 10.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

# Up to this size all eigenvalues are computed; a larger matrix is factored, which takes a tenth of the time.
_DENSE = 1000
# Of the two extreme eigenvalues of a large matrix: the bound is a matter of orders of magnitude.
_PRECISION = 1e-2

Matrix = Float[Array, "m m"] | Float[np.ndarray, "m m"]
Columns = Float[Array, "m c"] | Float[np.ndarray, "m c"]


class Definiteness(NamedTuple):
    """The smallest eigenvalue, and the bound that it must exceed; NaN where entries are not finite.

    Where not even a matrix shifted by twice the bound can be factored, `smallest` is minus that.
    """

    smallest: float
    bound: float

    @property
    def definite(self) -> bool:
        """Whether the matrix can be solved with."""
        return self.smallest > self.bound

    @property
    def words(self) -> str:
        """What is said instead of an answer."""
        if math.isnan(self.smallest):
            return "kernel not finite"
        return (
            "kernel singular to working precision "
            f"(smallest eigenvalue {self.smallest:.2g}, bound {self.bound:.2g})"
        )


class Solved(NamedTuple):
    """Theta^{-1} y in double precision, NaN where Theta is not definite to working precision."""

    weights: Float[np.ndarray, "m c"]
    judged: Definiteness


def bound(size: int, largest: Any, dtype: Any) -> Any:
    """m eps times the largest eigenvalue, of numbers or of traced arrays; eps that of `dtype`."""
    return size * float(jnp.finfo(dtype).eps) * largest


def solved(theta: Matrix, y: Columns, computed_in: Any = None) -> Solved:
    """Solve with a symmetric matrix, if it is definite to working precision.

    Args:
      theta: (m, m), symmetric up to rounding; it is left as it is.
      y: right-hand sides (m, c).
      computed_in: the dtype that theta was computed in, if it has been converted since.
    """
    dtype = theta.dtype if computed_in is None else computed_in
    here = np.asarray(theta)
    nothing = np.full(y.shape, np.nan)
    if not np.isfinite(here).all():
        return Solved(nothing, Definiteness(math.nan, math.nan))
    judged = None
    if len(here) <= _DENSE:
        values = scipy.linalg.eigvalsh(here.astype(np.float64), overwrite_a=True, check_finite=False)
        judged = Definiteness(float(values[0]), bound(len(here), float(values[-1]), dtype))
        if not judged.definite:
            return Solved(nothing, judged)
    factor = _factored(here)
    if judged is None:
        limit = bound(len(here), _largest(here), dtype)
        judged = Definiteness(_smallest(here, factor, limit), limit)
    if factor is None or not judged.definite:
        return Solved(nothing, judged)
    return Solved(scipy.linalg.cho_solve(factor, np.asarray(y, np.float64)), judged)


def _factored(theta: np.ndarray, shift: float = 0.0) -> tuple[np.ndarray, bool] | None:
    """Cholesky factor of Theta + shift I in double precision; None where there is none."""
    # A copy, since a view of an array in double precision would be overwritten with its factor; in LAPACK's
    # order, since SciPy would make another one.
    wide = np.array(theta, np.float64, order="F")
    wide[np.diag_indices(len(wide))] += shift
    try:
        factor, lower = scipy.linalg.cho_factor(wide, overwrite_a=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        return None
    # Newer versions of SciPy return an array of no dimensions.
    return factor, bool(lower)


def _largest(theta: np.ndarray) -> float:
    """The largest eigenvalue of a large matrix, or its trace, which is no less for a Gram matrix."""
    try:
        return _extreme(theta)
    except ArpackError:
        return float(np.trace(theta, dtype=np.float64))


def _smallest(theta: np.ndarray, factor: tuple[np.ndarray, bool] | None, limit: float) -> float:
    """The smallest eigenvalue of a large matrix, from its factor or from that of a shifted one."""
    shift = 0.0
    if factor is None:
        shift = 2 * limit
        factor = _factored(theta, shift)
        if factor is None:
            return -shift
    found = factor

    def inverse(x: np.ndarray) -> np.ndarray:
        return scipy.linalg.cho_solve(found, x, check_finite=False)

    try:
        return 1 / _extreme(LinearOperator(theta.shape, inverse, dtype=np.float64)) - shift
    except ArpackError:
        return float(np.linalg.eigvalsh(theta.astype(np.float64))[0])


def _extreme(operator: Any) -> float:
    # A start of its own, so that the same matrix is always judged in the same way.
    start = np.random.default_rng(0).standard_normal(operator.shape[0]).astype(operator.dtype)
    return float(eigsh(operator, k=1, which="LA", tol=_PRECISION, v0=start, return_eigenvectors=False)[0])
