"""A zero image without biases: kernel and gradient are 0, as in the limit, for that image alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.definiteness import solved
from advntk.implementations.kernels.closed_form_ntk import mlp_ntk
from advntk.implementations.kernels.empirical import empirical_kernels
from advntk.implementations.kernels.infinite import ark_product, infinite_kernels, mlp_limits
from advntk.implementations.kernels.ntk import ClosedFormNTK, StaxNTK
from advntk.implementations.networks.architecture import architecture

RNG = np.random.default_rng(0)
SHAPE = (4, 3, 3, 1)
X, X_TRAIN = RNG.normal(size=SHAPE), RNG.normal(size=SHAPE)
ZERO, ZERO_TRAIN = 2, 1
SMALL = 1e-4


def with_scaled(x, at, scale):
    return np.concatenate([x[:at], scale * x[at : at + 1], x[at + 1 :]])


MLPS = {name: architecture("mlp", 2, name, 1.5, 0.0) for name in ("relu", "leaky_relu")}
CNNS = {name: architecture("cnn", 1, name, 1.5, 0.0) for name in ("relu", "leaky_relu")}
CASES = [
    *((ClosedFormNTK(arch), dtype) for arch in MLPS.values() for dtype in ("float32", "float64")),
    (StaxNTK(MLPS["relu"]), "float32"),
    (StaxNTK(MLPS["leaky_relu"]), "float64"),
    (StaxNTK(CNNS["relu"]), "float64"),
    (StaxNTK(CNNS["leaky_relu"]), "float32"),
]


@pytest.mark.parametrize(("kernel", "dtype"), CASES)
def test_kernel_and_gradient_are_0_at_a_zero_image_and_nothing_else_changes(kernel, dtype):
    whole, x, small = (jnp.asarray(with_scaled(X, ZERO, scale), dtype) for scale in (1.0, 0.0, SMALL))
    train, x_train = (jnp.asarray(with_scaled(X_TRAIN, ZERO_TRAIN, scale), dtype) for scale in (1.0, 0.0))
    y, weights = (jnp.asarray(RNG.normal(size=(4, 2)), dtype) for _ in range(2))
    others = np.delete(np.arange(4), ZERO)

    gram, before = np.asarray(kernel.gram(x)), np.asarray(kernel.gram(whole))
    assert (gram[ZERO] == 0).all() and (gram[:, ZERO] == 0).all()
    # The kernel is homogeneous of degree 1 in each input.
    assert 0 < np.abs(np.asarray(kernel.gram(small))[ZERO]).max() <= 2 * SMALL * before.max()
    np.testing.assert_array_equal(gram[np.ix_(others, others)], before[np.ix_(others, others)])

    gradient = np.asarray(kernel.loss_gradient(x, y, x_train, weights))
    assert (gradient[ZERO] == 0).all()
    # A zero training image is one without a weight.
    alone = np.asarray(kernel.loss_gradient(whole, y, train, weights.at[ZERO_TRAIN].set(0)))
    eps = 1000 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(gradient[others], alone[others], rtol=0, atol=eps * np.abs(alone).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_between_two_sets_a_zero_image_has_a_kernel_of_0(dtype):
    x, x_train = (jnp.asarray(with_scaled(*of, 0.0), dtype) for of in ((X, ZERO), (X_TRAIN, ZERO_TRAIN)))
    cross = np.asarray(ClosedFormNTK(MLPS["relu"]).cross(x, x_train))
    assert (cross[ZERO] == 0).all() and (cross[:, ZERO_TRAIN] == 0).all() and np.isfinite(cross).all()


@pytest.mark.parametrize(
    ("activation", "dtype"), [("relu", "float32"), ("relu", "float64"), ("leaky_relu", "float64")]
)
def test_all_limits_are_those_of_finite_networks_at_a_zero_image(activation, dtype):
    """NNGP and NTK are 0; derivatives are the finite network's own, in which phi' at 0 is the lower slope."""
    arch = architecture("mlp", 2, activation, 1.5, 0.0)
    x = jnp.asarray(with_scaled(X, ZERO, 0.0).reshape(4, -1), dtype)
    limits = mlp_limits(arch, x @ x.T / x.shape[1])
    reference = infinite_kernels(arch, x)
    for found in (*limits, *reference, ark_product(arch, x)):
        assert np.isfinite(found).all()
    for found in (limits.nngp, limits.ntk, reference.nngp, reference.ntk):
        assert (np.asarray(found[ZERO]) == 0).all()
    parameters = arch.init(jax.random.key(0), (x.shape[1],), 1000, 1, x.dtype)
    gradients = jax.vmap(jax.grad(lambda x: arch.apply(parameters, x)[0]))(x)
    finite = np.asarray(gradients @ gradients.T)
    largest = np.abs(limits.ark).max()
    # One wide network with 9 inputs: a spread near 1/sqrt(9) of the largest entry.
    np.testing.assert_allclose(finite, limits.ark, rtol=0, atol=1.5 * largest)
    if activation == "relu":
        assert (finite[ZERO] == 0).all() and (np.asarray(limits.ark[ZERO]) == 0).all()
    if activation == "leaky_relu":
        slopes = (0.1**2, 0.1 * 1.1 / 2)
        expected = [1.5**6 * slopes[0 if k == ZERO else 1] ** 2 for k in range(4)]
        np.testing.assert_allclose(limits.ark[ZERO], expected, rtol=1e-5)


def test_the_empirical_kernel_agrees_that_a_zero_image_has_none():
    arch, x = MLPS["relu"], jnp.asarray(with_scaled(X, ZERO, 0.0).reshape(4, -1))
    parameters = arch.init(jax.random.key(1), (9,), 64, 1)
    found = empirical_kernels(arch, parameters, x)
    assert (np.asarray(found.ntk)[ZERO] == 0).all() and (np.asarray(found.ark)[ZERO] == 0).all()


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_derivatives_through_the_closed_form_are_finite(activation):
    arch = architecture("mlp", 2, activation, 1.5, 0.0)
    x = jnp.asarray(with_scaled(X, ZERO, 0.0).reshape(4, -1))
    gradient = jax.grad(lambda x: mlp_ntk(arch, x, jnp.asarray(X_TRAIN.reshape(4, -1))).sum())(x)
    assert np.isfinite(gradient).all()


def test_a_kernel_with_a_zero_image_is_singular_and_says_so():
    x = jnp.asarray(with_scaled(X, ZERO, 0.0))
    found = solved(ClosedFormNTK(MLPS["relu"]).gram(x), jnp.ones((4, 1)))
    assert not found.judged.definite and "singular to working precision" in found.judged.words
