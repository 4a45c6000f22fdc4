"""Ridge and early stopping against formulas of their own; selection on validation."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from advntk.implementations.baselines.infinite import (
    clean_accuracy,
    early_stopped,
    early_stopped_path,
    ridge,
    ridge_path,
    ridge_selected,
    select,
)
from advntk.implementations.data.splits import adversarial_split
from advntk.implementations.definiteness import solved
from advntk.implementations.kernels.closed_form_ntk import mlp_ntk, mlp_ntk_gram
from advntk.implementations.networks.architecture import architecture

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=10)
SEEDS = st.integers(0, 2**31)
M, C, D, V = 12, 3, 5, 7


def with_spectrum(seed: int, values) -> tuple[np.ndarray, np.ndarray]:
    """A symmetric matrix of these eigenvalues, and targets."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((len(values), len(values))))[0]
    matrix = (basis * np.asarray(values)) @ basis.T
    return (matrix + matrix.T) / 2, rng.standard_normal((len(values), C))


def close(found, expected, condition: float = 1.0) -> bool:
    """Equal but for m eps times the condition, relative to the norm; ten such operations."""
    found, expected = np.asarray(found), np.asarray(expected)
    return np.linalg.norm(found - expected) <= 10 * M * EPS * condition * np.linalg.norm(expected)


@EXACT
@given(SEEDS, st.floats(0.01, 100))
def test_ridge_is_the_solution_of_the_normal_equations_in_feature_space(seed, strength):
    rng = np.random.default_rng(seed)
    # Fewer features than samples: Theta is singular, ridge is not.
    features, other, y = (rng.standard_normal(shape) for shape in ((M, D), (V, D), (M, C)))
    weights = ridge(features @ features.T, y, strength)
    primal = np.linalg.solve(features.T @ features + strength * np.eye(D), features.T @ y)
    largest = np.linalg.norm(features, 2) ** 2
    assert close(other @ features.T @ weights, other @ primal, (largest + strength) / strength)
    path = ridge_path(features @ features.T, y, [1.0, strength])
    assert path.shape == (2, M, C) and close(path[1], weights)


def test_ridge_tends_to_regression_and_to_nothing():
    ntk, y = with_spectrum(2, np.logspace(0, 2, M))
    assert np.allclose(ridge(ntk, y, 1e-10), np.linalg.solve(ntk, y), rtol=0, atol=1e-9)
    assert np.allclose(ridge(ntk, y, 1e8), y / 1e8, rtol=1e-5)


@EXACT
@given(SEEDS, st.booleans())
def test_early_stopping_is_the_integral_of_the_flow(seed, singular):
    values = np.linspace(0.5, 4, M)
    if singular:
        values[: M // 2] = 0
    ntk, y = with_spectrum(seed, values)
    times = np.array([0.0, 1e-3, 0.3, 2.0, 20.0])
    path = early_stopped_path(ntk, y, times)
    for t, weights in zip(times, path, strict=True):
        # d/dt (p, 1) = (-Theta p + y, 0): no inverse.
        augmented = np.block([[-ntk, y], [np.zeros((C, M + C))]])
        # The exponential squares its way to a norm of 80: 7 squarings, each doubles the error.
        assert close(weights, expm(t * augmented)[:M, M:], 2**7)
        if not singular:
            kept = np.eye(M) - expm(-t * ntk)
            assert close(weights, np.linalg.solve(ntk, kept @ y), 2**7 * 8)


def test_early_stopping_starts_along_the_targets_and_ends_at_regression():
    ntk, y = with_spectrum(3, np.logspace(0, 2, M))
    start, early, late = early_stopped_path(ntk, y, [0.0, 1e-7, 40.0])
    assert not np.asarray(start).any()
    # The next term is t^2 Theta y/2.
    assert np.allclose(early, 1e-7 * y, rtol=0, atol=1e-7 * 1e-7 * 100 * np.linalg.norm(y))
    # e^{-40} is 4e-18.
    assert close(late, np.linalg.solve(ntk, y), 100)


def test_the_first_of_the_best_is_chosen_and_nan_never():
    path = jnp.arange(5.0)[:, None, None] * jnp.ones((5, 2, 1))
    scores = [np.nan, 0.5, 0.75, 0.75, 0.1]
    found = select([1, 2, 4, 8, 16], path, lambda weights: scores[int(weights[0, 0])])
    assert (found.chosen, found.setting) == (2, 4.0) and float(found.weights[0, 0]) == 2
    np.testing.assert_array_equal(found.scores, scores)


def test_clean_accuracy_counts_the_first_largest_output():
    cross = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    weights = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    # The third input has equal outputs: the first class is its own.
    assert float(clean_accuracy(cross, np.array([0, 1, 0, 1]))(weights)) == 0.75
    assert float(clean_accuracy(cross, np.array([0, 1, 1, 1]))(weights)) == 0.5


def test_on_noisy_digits_stopping_and_ridge_beat_regression():
    split = adversarial_split("digits", 300, 200, 400, 0, 0.3)
    arch = architecture("mlp", 3, "relu", 1.76, 0.18)
    x = jnp.asarray(split.x, jnp.float64)
    ntk, y = mlp_ntk_gram(arch, x), jnp.asarray(split.y, jnp.float64)
    scale = float(jnp.mean(jnp.diagonal(ntk)))
    validation, test = (
        clean_accuracy(mlp_ntk(arch, jnp.asarray(there, jnp.float64), x), labels)
        for there, labels in (
            (split.validation_x, split.validation_labels), (split.test_x, split.test_labels)
        )
    )  # fmt: skip
    full = solved(ntk, y)
    assert full.judged.definite
    times, strengths = np.logspace(-2, 3, 11) / scale, scale * np.logspace(2, -4, 13)
    stopped, shrunk = early_stopped(ntk, y, times, validation), ridge_selected(ntk, y, strengths, validation)
    for chosen, grid in ((stopped, times), (shrunk, strengths)):
        assert chosen.setting == grid[chosen.chosen] and 0 < chosen.chosen < len(grid) - 1
        assert chosen.scores[chosen.chosen] == chosen.scores.max() == float(validation(chosen.weights))
        assert (chosen.scores[: chosen.chosen] < chosen.scores.max()).all()
        # 400 test images: the standard error of a difference is below 0.03.
        assert float(test(chosen.weights)) > float(test(full.weights)) + 0.05


def test_the_score_may_be_anything_of_the_weights():
    ntk, y = with_spectrum(4, np.logspace(0, 2, M))
    times = [0.01, 0.1, 1.0]
    assert early_stopped(ntk, y, times, lambda weights: -jnp.linalg.norm(weights)).chosen == 0
    assert early_stopped(ntk, y, times, lambda weights: float(jnp.linalg.norm(weights))).chosen == 2


NTK, Y = with_spectrum(5, np.ones(M))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: ridge(NTK[:-1], Y, 1.0), "ntk"),
        (lambda: early_stopped_path(NTK, Y, [0.1, 0.1]), "times"),
        (lambda: early_stopped_path(NTK, Y, [-0.1, 0.1]), "times"),
        (lambda: early_stopped_path(NTK, Y, [0.0, np.inf]), "times"),
        (lambda: early_stopped_path(NTK, Y, []), "times"),
        (lambda: ridge(NTK, Y, 0.0), "strengths"),
        (lambda: ridge(NTK, Y, np.nan), "strengths"),
        (lambda: select([1.0], jnp.zeros((2, M, C)), float), "settings has 1 entries, path 2"),
        (lambda: early_stopped(NTK, Y, [1.0], lambda _: float("nan")), "score is NaN"),
        (lambda: clean_accuracy(NTK[:3], np.zeros(4, int)), "labels"),
        (lambda: clean_accuracy(NTK[:0], np.zeros(0, int)), "labels"),
    ],
)
def test_bad_arguments_are_named(call, named):
    # Shapes are annotated too: whichever check comes first names the argument.
    with pytest.raises(Exception, match=named):
        call()
