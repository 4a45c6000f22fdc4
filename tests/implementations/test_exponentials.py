"""Divided differences of exp against tables with many digits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from advntk.implementations.exponentials import convolved, phi1, phi2

EPS = np.finfo(float).eps

RATES = [0.0, 1e-300, 1e-12, 1e-3, 0.7, 0.99999, 1.0, 1.0 + 1e-9, 3.0, 40.0, 1e4, 1e9]


@pytest.mark.parametrize("a", RATES)
def test_divided_differences_of_exp_against_many_digits(a):
    """Tables of divided differences with 300 digits, equal points moved apart by 1e-40."""

    def difference(*points):
        with mpmath.workdps(300):
            apart = [mpmath.mpf(p) + k * mpmath.mpf(10) ** -40 for k, p in enumerate(points)]
            table = [mpmath.exp(p) for p in apart]
            for order in range(1, len(apart)):
                table = [
                    (table[k + 1] - table[k]) / (apart[k + order] - apart[k]) for k in range(len(table) - 1)
                ]
            return float(table[0])

    # Neither difference of the recursion is below a quarter of its terms: 16 for both, some eps each.
    accuracy = 64 * EPS
    np.testing.assert_allclose(phi1(np.array([a])), difference(0, -a), rtol=accuracy)
    np.testing.assert_allclose(jax.jit(phi1)(jnp.array([a])), difference(0, -a), rtol=accuracy)
    np.testing.assert_allclose(phi2(np.array([a])), difference(0, 0, -a), rtol=accuracy)
    for b in [*RATES, a * (1 + 1e-8)]:
        wanted = difference(0, 0, -a, -b)
        np.testing.assert_allclose(convolved(np.array([a]), np.array([b])), wanted, rtol=accuracy)
