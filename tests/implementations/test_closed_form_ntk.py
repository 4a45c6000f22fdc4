"""The NTK in closed form and its input gradient: against the general path, quotients and themselves."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.implementations.kernels import closed_form_ntk
from advntk.implementations.kernels.closed_form_ntk import (
    ACTIVATIONS,
    loss_gradient,
    mlp_ntk,
    mlp_ntk_gram,
    rows_at_once,
)
from advntk.implementations.kernels.infinite import infinite_kernels
from advntk.implementations.networks.architecture import Architecture, architecture

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=15)
SEEDS = st.integers(0, 2**31)
DEPTHS = st.sampled_from((1, 3))
# Programs this small take longer to optimize than to run.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
# An entry of a kernel is O(100) operations on numbers of its own size.
ROUNDING = 100 * EPS
MLP_5 = architecture("mlp", 5, "relu", 1.76, 0.18)

fast_ntk = compiled(mlp_ntk)
fast_gram = compiled(mlp_ntk_gram)
gradient_of_loss = compiled(loss_gradient)


@compiled
def slow_ntk(arch: Architecture, x: jax.Array, other: jax.Array | None = None) -> jax.Array:
    return infinite_kernels(arch, x, other).ntk


def gaussian(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@EXACT
@given(seed=SEEDS, depth=DEPTHS, sigma_w=st.floats(0.5, 2), sigma_b=st.floats(0, 1))
def test_fused_ntk_is_that_of_the_general_path(activation, seed, depth, sigma_w, sigma_b):
    arch = architecture("mlp", depth, activation, sigma_w, sigma_b)
    x, other = gaussian(seed, 3, 4), gaussian(seed + 1, 2, 4)
    cross, own = slow_ntk(arch, x, other), slow_ntk(arch, x)
    scale = np.sqrt(np.outer(np.diag(own), np.diag(own))).max()
    # An angle is known to eps over its sine; distinct Gaussian inputs keep away from 0.
    np.testing.assert_allclose(fast_ntk(arch, x, other), cross, rtol=0, atol=10 * ROUNDING * scale)
    np.testing.assert_allclose(fast_gram(arch, x), own, rtol=0, atol=10 * ROUNDING * scale)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gram_is_exact_where_inputs_coincide(activation):
    arch, x = replace(MLP_5, activation=activation), gaussian(3, 4, 5)
    own = slow_ntk(arch, x)
    np.testing.assert_allclose(np.diag(fast_gram(arch, x)), np.diag(own), rtol=ROUNDING)
    # Elsewhere a vanishing angle is known to the square root of rounding only, layer by layer.
    rounding = 5 * np.sqrt(ROUNDING) if "relu" in activation else 10 * ROUNDING
    np.testing.assert_allclose(np.diag(fast_ntk(arch, x, x)), np.diag(own), rtol=rounding, atol=0)


@pytest.mark.parametrize(
    "changed", [{"family": "cnn"}, {"activation": "gelu"}, {"parameterization": "standard"}]
)
@pytest.mark.parametrize("function", [mlp_ntk, mlp_ntk_gram, loss_gradient])
def test_other_networks_are_refused(changed, function):
    x, y = jnp.ones((1, 2)), jnp.ones((1, 1))
    given_arguments = {mlp_ntk: (x, x), mlp_ntk_gram: (x,), loss_gradient: (x, y, x, y)}[function]
    with pytest.raises(ValueError, match=next(iter(changed.values()))):
        function(replace(MLP_5, **changed), *given_arguments)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@EXACT
@given(seed=SEEDS, depth=DEPTHS)
def test_gradient_of_the_loss_is_its_difference_quotient(activation, seed, depth):
    arch = replace(MLP_5, depth=depth, activation=activation)
    x, training, direction = gaussian(seed, 2, 4), gaussian(seed + 1, 5, 4), gaussian(seed + 2, 2, 4)
    weights, targets = gaussian(seed + 3, 5, 3), gaussian(seed + 4, 2, 3)

    def losses(at):
        return ((np.asarray(fast_ntk(arch, at, training) @ weights) - targets) ** 2).sum(1) / 2

    found = (np.asarray(gradient_of_loss(arch, x, targets, training, weights)) * direction).sum(1)
    step = 1e-5
    quotient = (losses(x + step * direction) - losses(x - step * direction)) / (2 * step)
    # Truncation step^2 and rounding eps/step, both on the scale of the loss; the third derivative grows
    # with the inverse square of the distance to a training input, O(1) here and at least 0.1.
    scale = 1 + np.abs(losses(x)).max()
    np.testing.assert_allclose(found, quotient, rtol=0, atol=(100 * step**2 + 100 * EPS / step) * scale)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_in_groups_of_rows_is_that_of_each_row_alone(monkeypatch, activation):
    monkeypatch.setattr(closed_form_ntk, "_ENTRIES", 40)
    arch = replace(MLP_5, activation=activation, depth=2)
    # Two groups, and a third that is not full.
    x, training = gaussian(1, 19, 4), gaussian(2, 5, 4)
    assert rows_at_once(len(x), len(training)) == 8
    weights, targets = gaussian(3, 5, 2), gaussian(4, len(x), 2)
    together = gradient_of_loss(arch, x, targets, training, weights)
    alone = jnp.concatenate(
        [gradient_of_loss(arch, x[i : i + 1], targets[i : i + 1], training, weights) for i in range(len(x))]
    )
    np.testing.assert_allclose(together, alone, rtol=0, atol=ROUNDING * np.abs(alone).max())


def test_gradient_is_finite_where_inputs_coincide():
    training, weights = gaussian(5, 4, 6), gaussian(6, 4, 2)
    x = jnp.concatenate([training[:2], 2 * training[2:3], -training[3:]])
    found = np.asarray(gradient_of_loss(MLP_5, x, jnp.zeros((4, 2)), training, weights))
    assert np.isfinite(found).all() and (np.abs(found).max(1) > 0).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_single_precision_stays_single_and_is_as_good_as_that(activation):
    arch = replace(MLP_5, activation=activation)
    x, training, weights = gaussian(1, 3, 8), gaussian(2, 6, 8), gaussian(3, 6, 2)
    targets = jnp.zeros((3, 2))
    exact = np.asarray(gradient_of_loss(arch, x, targets, training, weights))
    single = jax.tree.map(lambda v: v.astype(jnp.float32), (x, targets, training, weights))
    found = gradient_of_loss(arch, *single)
    assert found.dtype == jnp.float32 and mlp_ntk(arch, single[0], single[2]).dtype == jnp.float32
    # A slope is known to eps over the sine of the angle, 0.1 at least here, in each of six layers.
    rounding = 60 * 100 * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(found, exact, rtol=0, atol=rounding * np.abs(exact).max())
