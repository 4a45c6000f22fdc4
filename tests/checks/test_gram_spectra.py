"""Negative parts of large Gram matrices: shown by elimination, and by eigenvalues where that does not do."""

from __future__ import annotations

import numpy as np
import pytest

from advntk.checks.trials.ark_positive_definiteness import spectra

D = 6
EPS = np.finfo(np.float64).eps


def gram(size: int) -> np.ndarray:
    jacobian = np.random.default_rng(size).standard_normal((size, D))
    return jacobian @ jacobian.T


@pytest.mark.parametrize("size", [spectra.LARGE, spectra.LARGE + 1])
def test_computed_gram_matrices_stay_within_rounding_by_either_way(size):
    found = spectra._negative_part(gram(size), D)
    assert 0 <= found.low <= found.high < 1
    assert (found.high == 1 / 64) is (size > spectra.LARGE)


@pytest.mark.parametrize("share", [0.5, 3.0])
def test_a_negative_eigenvalue_is_told_from_rounding(share):
    size = spectra.LARGE + 4
    vectors, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((size, size)))
    values = np.linspace(1, 2, size)
    rounding = D * EPS / 2 * values[1:].sum()
    # Large beside what the product below is rounded by, some size * eps.
    values[0] = -share * rounding * 1e6
    matrix = (vectors * values) @ vectors.T
    found = spectra._negative_part((matrix + matrix.T) / 2, D)
    assert found.low == pytest.approx(share * 1e6, rel=1e-3) and found.high >= found.low


def test_a_share_between_the_two_is_within_rounding():
    """Diagonal matrices are exact: half of the rounding is not within a sixty-fourth, and is within all."""
    values = np.ones(spectra.LARGE + 1)
    values[0] = -0.5 * D * EPS / 2 * (len(values) - 1)
    found = spectra._negative_part(np.diag(values), D)
    assert (found.low, found.high) == (0.0, 1.0)
