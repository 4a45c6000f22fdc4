"""Kernel AT against brute force in function space, its searches, and what it remembers to first order."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.dynamics.first_order_memory import first_order_memory
from advntk.implementations.dynamics.kernel_search import FlowSearch, NormalizedSearch, ProjectedSearch
from advntk.implementations.dynamics.kernel_training import KernelFunction, train_kernel
from advntk.implementations.dynamics.predictor import weights_along_time
from advntk.implementations.dynamics.schedules import Schedule
from advntk.implementations.kernels.ntk import kernel_of
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.results import Result

SIGMA_W, SIGMA_B = 1.5, 0.3
ARCH = architecture("mlp", 1, "erf", SIGMA_W, SIGMA_B)
KERNEL = kernel_of(ARCH)
# One set of sizes, so that the tests share compiled programs.
M, UNSEEN, D, C = 3, 2, 3, 2
TIMES = np.array([0.0, 0.3, 1.0])


def data():
    g = np.random.default_rng(0)
    x = g.standard_normal((M + UNSEEN, D))
    return jnp.asarray(x * np.sqrt(D) / np.linalg.norm(x, axis=1, keepdims=True)), jnp.asarray(
        g.standard_normal((M + UNSEEN, C))
    )


def flow_search(strengths, shape="growing"):
    strengths = jnp.broadcast_to(jnp.asarray(strengths, float), (M + UNSEEN,))
    return FlowSearch(Schedule.of(shape, strengths, jnp.ones(M + UNSEEN)), 1e-7)


def trained(search, times=TIMES, tolerance=1e-5, start=None, max_steps=64):
    x, y = data()
    return train_kernel(KERNEL, x, y, search, M, jnp.asarray(times), tolerance, max_steps, start)


def plain_ntk(x, z):
    """The NTK of one hidden layer of erf, in NumPy alone."""
    d = x.shape[1]
    cov = SIGMA_W**2 * x @ z.T / d + SIGMA_B**2
    p, q = (SIGMA_W**2 * (a**2).sum(1) / d + SIGMA_B**2 for a in (x, z))
    root = np.sqrt(np.outer(1 + 2 * p, 1 + 2 * q))
    value = 2 / np.pi * np.arcsin(2 * cov / root)
    slope = 4 / np.pi / np.sqrt(root**2 - 4 * cov**2)
    return SIGMA_W**2 * value + SIGMA_B**2 + SIGMA_W**2 * slope * cov


def plain_kernel_at(strengths, times, steps=120, start=lambda x: 0.0):
    """Midpoint steps in function space, all support kept; searches by small steps with differences."""
    x, y = (np.asarray(part) for part in data())
    support, weights = np.zeros((0, D)), np.zeros((0, C))

    def outputs(at, more=()):
        found = start(at) + plain_ntk(at, support) @ weights
        for z, w in more:
            found = found + plain_ntk(at, z) @ w
        return found

    def searched(at, targets, scale, t, more=()):
        moved, small = at.copy(), 1e-5
        for _ in range(25):

            def slope(here):
                residual = outputs(here, more) - targets
                found = np.zeros_like(here)
                for k in range(D):
                    step = small * np.eye(D)[k]
                    difference = outputs(here + step, more) - outputs(here - step, more)
                    found[:, k] = (difference / (2 * small) * residual).sum(1)
                return scale[:, None] * (1 + t) * found / 25

            moved = moved + slope(moved + slope(moved) / 2)
        return moved

    scale = np.broadcast_to(np.asarray(strengths, float), (M + UNSEEN,))
    kept = []
    for before, end in zip((0.0, *times[:-1]), times, strict=True):
        here = max(1, round(steps * (end - before) / times[-1])) if end > before else 0
        h = (end - before) / max(here, 1)
        for i in range(here):
            t = before + i * h
            z = searched(x[:M], y[:M], scale[:M], t)
            half = [(z, -h / 2 * (outputs(z) - y[:M]))]
            z = searched(x[:M], y[:M], scale[:M], t + h / 2, half)
            w = -h * (outputs(z, half) - y[:M])
            support, weights = np.concatenate([support, z]), np.concatenate([weights, w])
        kept.append([outputs(x), outputs(searched(x, y, scale, end))])
    return np.array(kept)


@pytest.mark.parametrize("strengths", [0.3, (0.1, 0.5, 0.3, 0.2, 0.4)], ids=["equal", "unequal"])
def test_outputs_along_time_are_those_of_brute_force(strengths):
    found = trained(flow_search(strengths))
    assert found.result == 0 and found.error < 1e-3
    expected = plain_kernel_at(strengths, TIMES)
    np.testing.assert_allclose(found.outputs, expected, rtol=0, atol=5e-4)
    # The search matters by far more than that.
    assert np.abs(trained(flow_search(0.0)).outputs - expected).max() > 0.05


def test_without_a_search_it_is_the_closed_form():
    x, y = data()
    found = trained(flow_search(0.0))
    weights = weights_along_time(KERNEL.gram(x[:M]), jnp.ones(M), y[:M], jnp.asarray(TIMES))
    expected = jnp.einsum("km,tmc->tkc", KERNEL.cross(x, x[:M]), weights)
    for part in (0, 1):
        np.testing.assert_allclose(found.outputs[:, part], expected, rtol=0, atol=1e-12)


def test_it_starts_where_it_is_told_and_ends_at_the_targets():
    slope = jnp.asarray(np.random.default_rng(1).standard_normal((D, C)))
    start = jax.tree_util.Partial(lambda w, at: at @ w, slope)
    found = trained(flow_search(0.2, "constant"), np.array([0.0, 1.0, 400.0]), start=start)
    x, y = data()
    assert found.result == 0
    np.testing.assert_allclose(found.outputs[0, 0], x @ slope, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.outputs[-1, 0, :M], y[:M], rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.function(x), found.outputs[-1, 0], rtol=0, atol=1e-12)
    growing = trained(flow_search(0.2), np.array([0.0, 0.5, 1.0]), start=start)
    expected = plain_kernel_at(0.2, np.array([0.0, 0.5, 1.0]), start=lambda at: at @ np.asarray(slope))
    np.testing.assert_allclose(growing.outputs, expected, rtol=0, atol=5e-4)


def test_the_error_is_estimated_from_above_and_falls_with_the_tolerance():
    exact = trained(flow_search(0.4), tolerance=1e-7, max_steps=256)
    errors = []
    for tolerance in (1e-3, 1e-5):
        found = trained(flow_search(0.4), tolerance=tolerance)
        size = jnp.sqrt(((found.outputs - exact.outputs) ** 2).mean((1, 2, 3))).max()
        assert size <= found.error
        errors.append(float(size))
    assert errors[1] < errors[0] / 2


def test_steps_that_do_not_suffice_are_said():
    found = trained(flow_search(0.4), tolerance=1e-7, max_steps=4)
    assert found.result == Result.max_steps_reached


def some_function():
    x, y = data()
    return KernelFunction(KERNEL, None, x[:M], y[:M]), x, y + 1.0


@pytest.mark.parametrize(("norm", "of"), [("l2", 2), ("linf", np.inf)])
def test_searches_in_a_ball(norm, of):
    f, x, y = some_function()
    radius = jnp.linspace(0.1, 0.3, M + UNSEEN)
    before = ((f(x) - y) ** 2).sum(1)
    gone, _ = NormalizedSearch(norm, radius)(f.ascent, x, y, jnp.zeros(()))
    inside, _ = ProjectedSearch(norm, radius)(f.ascent, x, y, jnp.zeros(()))
    for moved in (gone, inside):
        assert (((f(moved) - y) ** 2).sum(1) > before).all()
        assert (np.linalg.norm(moved - x, of, axis=1) <= radius * (1 + 1e-6)).all()
    # Nearly straight: the whole radius is gone, not only allowed.
    assert (np.linalg.norm(gone - x, of, axis=1) > 0.9 * radius).all()
    fitted = f(x)
    for search in (NormalizedSearch(norm, radius), ProjectedSearch(norm, radius)):
        np.testing.assert_array_equal(search(f.ascent, x, fitted, jnp.zeros(()))[0], x)


def test_a_search_in_a_ball_goes_through_training():
    x, y = data()
    radius = jnp.full(M + UNSEEN, 0.2)
    found = train_kernel(KERNEL, x, y, NormalizedSearch("l2", radius), M, jnp.asarray([0.0, 0.5]), 1e-3, 64)
    moved = trained(flow_search(0.0), np.array([0.0, 0.5])).outputs
    assert found.result == 0 and jnp.abs(found.outputs[-1, 0] - moved[-1, 0]).max() > 1e-3


def remembered(strengths, steps=4000):
    """The integral of the first order by the trapezoidal rule, with Jacobians of the kernel."""
    x, y = data()
    x, u, y = x[:M], x[M:], np.asarray(y[:M])
    of_cross = jax.jacfwd(lambda at: KERNEL.cross(at, jnp.concatenate([u, x])))(x)
    # d Theta(x_i, z_j)/d x_i, (m, k + m, d)
    slopes = np.einsum("ijid->ijd", np.asarray(of_cross))
    on_u, on_x = slopes[:, :UNSEEN], slopes[:, UNSEEN:]
    gram = np.asarray(KERNEL.gram(x))
    project = np.linalg.solve(gram, np.asarray(KERNEL.cross(x, u))).T
    kept = on_u - np.einsum("uj,ijd->iud", project, on_x)
    values, vectors = np.linalg.eigh(gram)
    # Substituted t = s/(1 - s), so that all times are covered.
    s = (np.arange(steps) + 0.5) / steps
    total = np.zeros((UNSEEN, C))
    for at in s:
        t = at / (1 - at)
        decay = np.exp(-t * values)
        p = vectors @ ((1 - decay) / values * (vectors.T @ y).T).T
        r = -vectors @ (decay[:, None] * (vectors.T @ y))
        gradient = np.einsum("ijd,jc,ic->id", on_x, p, r)
        weight = 1 / (steps * (1 - at) ** 2)
        total -= weight * np.einsum("i,iud,id,ic->uc", strengths, kept, gradient, r)
    return total


def test_the_first_order_is_the_integral_and_what_training_leaves():
    x, y = data()
    strengths = np.array([0.1, 0.3, 0.2])
    found = first_order_memory(KERNEL, x[:M], y[:M], jnp.asarray(strengths), x[M:])
    np.testing.assert_allclose(found, remembered(strengths), rtol=1e-4, atol=0)
    on_training = first_order_memory(KERNEL, x[:M], y[:M], jnp.asarray(strengths), x[:M])
    np.testing.assert_allclose(on_training, 0, rtol=0, atol=1e-12)
    # Half the strength, a quarter of what the first order leaves out.
    regression = KERNEL.cross(x[M:], x[:M]) @ jnp.linalg.solve(KERNEL.gram(x[:M]), y[:M])
    left = []
    for share in (0.2, 0.1):
        all_of_them = jnp.asarray(share * np.append(strengths, np.zeros(UNSEEN)))
        constant = FlowSearch(Schedule.of("constant", all_of_them, jnp.ones(M + UNSEEN)), 1e-8)
        end = trained(constant, np.array([0.0, 400.0]), tolerance=1e-6, max_steps=256)
        assert end.result == 0
        left.append(np.abs(end.outputs[-1, 0, M:] - regression - share * found).max())
        assert left[-1] < 0.2 * share * np.abs(found).max()
    assert 3 < left[0] / left[1] < 5


def test_a_search_of_the_first_samples_is_that_of_all():
    f, x, y = some_function()
    radius = jnp.linspace(0.1, 0.3, M + UNSEEN)
    for search in (flow_search(radius), NormalizedSearch("l2", radius), ProjectedSearch("linf", radius)):
        whole, part = search, search.take(M)
        t = jnp.asarray(0.5)
        np.testing.assert_allclose(
            part(f.ascent, x[:M], y[:M], t)[0], whole(f.ascent, x, y, t)[0][:M], rtol=0, atol=1e-5
        )
    assert replace(flow_search(0.1), tolerance=1e-3).tolerance == 1e-3
