"""A kernel is solved with where it is definite to the precision that it was computed in, and nowhere else."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from advntk.implementations import definiteness
from advntk.implementations.adv_ntk.contract import KernelPredictor
from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.baselines.infinite import ridge, ridge_selected
from advntk.implementations.data.images import digits
from advntk.implementations.definiteness import solved
from advntk.implementations.dynamics.linearized import lyapunov
from advntk.implementations.dynamics.predictor import ntk_regression
from advntk.implementations.experiments.adv_ntk import accuracy, regressed
from advntk.implementations.experiments.robust_overfitting import robust_overfitting, split
from advntk.implementations.kernels.described import network
from advntk.implementations.kernels.ntk import kernel_of
from advntk.implementations.networks.architecture import architecture

M, EPS = 60, np.finfo(np.float64).eps


@pytest.fixture(params=["all eigenvalues", "factor"])
def way(request, monkeypatch):
    """Small matrices and large ones are judged in two ways."""
    monkeypatch.setattr(definiteness, "_DENSE", M if request.param == "all eigenvalues" else 0)


def with_smallest(smallest, seed=0):
    turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((M, M)))
    matrix = (turn * np.concatenate([[smallest], np.linspace(1, 100, M - 1)])) @ turn.T
    return (matrix + matrix.T) / 2


def drawn(seed, twice, count=100):
    """Digits of two classes and more; if asked for, one of them twice, under another label."""
    rng = np.random.default_rng(seed)
    images, labels = digits()
    chosen = rng.permutation(len(images))[: count + 40]
    x = (images[chosen].reshape(-1, 8, 8, 1) / 16 - 0.5).astype(np.float32)
    y = np.eye(10)[labels[chosen]] - 0.1
    if twice:
        first, second = rng.permutation(count)[:2]
        x[first], y[first] = x[second], np.roll(y[second], 1)
    return x[:count], y[:count], x[count:], labels[chosen[count:]]


def test_the_smallest_eigenvalue_is_held_against_m_eps_times_the_largest(way):
    for factor, definite in ((0.0, False), (0.3, False), (3.0, True), (1e9, True), (-1e6, False)):
        limit = M * EPS * 100
        found = solved(with_smallest(factor * limit), np.ones((M, 2)))
        assert found.judged.definite is definite and found.judged.bound == pytest.approx(limit, rel=0.02)
        assert np.isfinite(found.weights).all() == definite
        # Known to the bound, and to the precision that large matrices ask for.
        assert found.judged.smallest == pytest.approx(factor * limit, abs=limit, rel=0.02) or factor < 0
        assert (found.judged.smallest < 0) or factor >= 0


def test_the_precision_is_that_of_the_computation_whatever_came_after(way):
    theta, y = with_smallest(1e-5), np.ones((M, 1))
    assert solved(theta, y).judged.definite
    for given, computed_in in ((theta.astype(np.float32), None), (theta, np.float32)):
        found = solved(given, y, computed_in)
        assert not found.judged.definite and np.isnan(found.weights).all()
        assert found.judged.bound == pytest.approx(M * np.finfo(np.float32).eps * 100, rel=0.02)


def test_what_is_definite_is_solved_and_left_as_it_was(way):
    theta, y = with_smallest(0.5), np.random.default_rng(1).standard_normal((M, 3))
    before = theta.copy()
    found = solved(jnp.asarray(theta), y)
    # The residual of a Cholesky solve, relative to |Theta| |p|.
    scale = 100 * np.linalg.norm(found.weights)
    assert np.linalg.norm(theta @ found.weights - y) <= 10 * M * EPS * scale
    np.testing.assert_array_equal(theta, before)


def test_words_give_both_numbers_and_entries_that_are_not_finite_are_no_kernel(way):
    judged = solved(with_smallest(0.0), np.ones((M, 1))).judged
    assert judged.words == (
        "kernel singular to working precision "
        f"(smallest eigenvalue {judged.smallest:.2g}, bound {judged.bound:.2g})"
    )
    found = solved(np.full((M, M), np.nan), np.ones((M, 1)))
    assert not found.judged.definite and found.judged.words == "kernel not finite"


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["mlp5", "mlp3"])
def test_one_image_twice_among_a_hundred_leaves_no_regression(way, seed, name):
    x, y, there, labels = drawn(seed, True)
    kernel = kernel_of(network(name, "relu", 1.76, 0.18))
    trained = KernelPredictor(kernel, jnp.asarray(x), jnp.zeros(y.shape, jnp.float32))
    machine, judged = regressed(trained, y)
    assert not judged.definite and np.isnan(machine.weights).all()
    found = accuracy(machine, there, labels, Settings(0.15, attack_steps=2))
    assert np.isnan(found.clean) and np.isnan(found.robust)


def test_cholesky_alone_would_have_passed_some_of_them():
    """So that the test above is about more than a factorisation that fails."""
    kernel, passed = kernel_of(network("mlp5", "relu", 1.76, 0.18)), 0
    for seed in range(12):
        theta = np.asarray(kernel.gram(jnp.asarray(drawn(seed, True)[0], jnp.float64)))
        try:
            scipy.linalg.cho_factor(theta)
        except scipy.linalg.LinAlgError:
            continue
        passed += 1
    assert passed > 0


@pytest.mark.parametrize("seed", range(3))
def test_different_images_are_regressed_as_before(way, seed):
    x, y, there, labels = drawn(seed, False)
    kernel = kernel_of(network("mlp5", "relu", 1.76, 0.18))
    trained = KernelPredictor(kernel, jnp.asarray(x), jnp.zeros(y.shape, jnp.float32))
    machine, judged = regressed(trained, y)
    assert judged.definite and machine.weights.dtype == jnp.float64
    wide, far = jnp.asarray(x, jnp.float64), jnp.asarray(there, jnp.float64)
    wanted = np.argmax(np.asarray(kernel.cross(far, wide) @ np.linalg.solve(kernel.gram(wide), y)), axis=1)
    found = accuracy(machine, there, labels, Settings(0.15, attack_steps=2))
    assert found.clean == np.mean(wanted == labels) and 0 <= found.robust <= found.clean


def test_every_other_solver_judges_alike():
    good, bad, y = with_smallest(0.5), with_smallest(0.0), np.ones((M, 2))
    blocks = jnp.asarray(y)
    for theta, known in ((good, True), (bad, False)):
        at = jnp.asarray(theta)
        assert np.isfinite(ntk_regression(at, blocks)).all() == known
        assert np.isfinite(lyapunov(at.reshape(M // 2, 2, M // 2, 2), blocks[: M // 2])) == known


def test_a_ridge_is_sufficient_or_no_answer():
    theta, y = with_smallest(0.0), np.ones((M, 1))
    limit = M * EPS * 100
    assert np.isfinite(ridge(theta, y, 4 * limit)).all() and np.isfinite(ridge(theta, y, 1.0)).all()
    assert np.isnan(ridge(theta, y, limit / 4)).all()
    assert np.isnan(ridge(theta.astype(np.float32), y, 4 * limit)).all()
    # What has no answer is never the best one.
    chosen = ridge_selected(theta, y, [limit / 4, 1.0], lambda weights: -float(jnp.abs(weights).max()))
    assert chosen.setting == 1.0


def test_the_course_of_training_on_an_image_twice_has_no_figures_without_training():
    arch = architecture("mlp", 5, "relu", 1.76, 0.18)
    made = split(0, 40, 20, 20, 0.0)
    x = made.x.copy()
    x[1] = x[0]
    for inputs, known in ((made.x, True), (x, False)):
        given = made._replace(x=inputs)
        found = robust_overfitting(arch, given, jnp.asarray([0.1, 1.0]), jnp.zeros(40), _key(), steps=2)
        for course in found:
            assert np.isfinite(course.clean).all() and np.isfinite(course.robust).all()
            assert np.isfinite(course.distance).all() == known
            without = (course.clean_without_at, course.robust_without_at)
            assert np.isfinite(np.asarray(without)).all() == known


def _key():
    import jax

    return jax.random.key(0)
