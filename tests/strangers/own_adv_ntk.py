"""An implementation of Adv-NTK of one's own, and a broken one: `--implementation own_adv_ntk:Own`."""

import numpy as np
from scipy.linalg import expm

from advntk.adv_ntk import Implementation, Krylov, Solution


class Own(Implementation):
    """Weights and gradient from one block exponential per class; needs no inverse and no eigenvectors."""

    dtype = "float64"

    def solve(self, ntk, strengths, y):
        columns = [self._integral(ntk, d) @ y[:, c] for c, d in enumerate(self._columns(strengths, y))]
        return Solution(np.stack(columns, axis=1))

    def vjp(self, ntk, strengths, y, cotangent):
        found = np.zeros(y.shape)
        for c, d in enumerate(self._columns(strengths, y)):
            # r(s) q(1-s)' = e^{sA} Y G' e^{(1-s)A'}, whose integral is the corner of another exponential.
            m, a = len(d), -np.asarray(ntk) * d
            corner = np.block([[a, np.outer(y[:, c], cotangent[:, c])], [np.zeros((m, m)), a.T]])
            found[:, c] = np.diag(expm(corner)[:m, m:])
        sign = np.where(np.asarray(strengths) < 0, -1.0, 1.0)
        return Solution(sign * (found if strengths.ndim == 2 else found.sum(axis=1)))

    def _columns(self, strengths, y):
        d = np.abs(np.asarray(strengths))
        return d.T if d.ndim == 2 else [d] * y.shape[1]

    def _integral(self, ntk, d):
        """D int_0^1 exp(-s Theta D) ds, which times Y is p."""
        m = len(d)
        corner = np.block([[-np.asarray(ntk) * d, np.eye(m)], [np.zeros((m, 2 * m))]])
        return d[:, None] * expm(corner)[:m, m:]


class Broken(Own):
    """Forgets what the strengths are for."""

    def solve(self, ntk, strengths, y):
        return super().solve(ntk, 0 * strengths + 1, y)


class Partial:
    dtype = "float32"


class Half(Krylov):
    def __init__(self):
        super().__init__("float16")


FLOAT16 = Half()
