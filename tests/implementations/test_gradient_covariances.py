"""Covariances of input gradients given the hidden layers: against explicit gradients, and their means."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.kernels.empirical import kernels_at_initialization
from advntk.implementations.kernels.gradient_covariances import gradient_covariances
from advntk.implementations.kernels.infinite import ark_trace, input_gradient_covariance
from advntk.implementations.kernels.sample_means import sample_means
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.finite import fan_in, initialize, parameter_count

EPS = float(np.finfo(np.float64).eps)
WIDTH, D = 6, 3
MLPS = {
    "two layers": architecture("mlp", 2, "erf", 1.4, 0.3),
    "three layers, standard": architecture("mlp", 3, "tanh", 1.4, 0.3, "standard"),
    "one layer": architecture("mlp", 1, "relu", 1.4, 0.3),
    "one layer, standard": architecture("mlp", 1, "erf", 1.4, 0.3, "standard"),
}
KEYS = jax.random.split(jax.random.key(5), 3)


def inputs(samples: int = 2):
    return jax.random.normal(jax.random.key(4), (samples, D))


def gradients_of_units(network, parameters, x) -> np.ndarray:
    """d phi_u / d x of each unit of the last hidden layer, (m, units, d), of a network that shows them."""
    size = parameters[-1][0].shape[1]
    # Whatever stands in front of the readout is taken away again.
    front = 1.0 if network.parameterization == "standard" else network.sigma_w / math.sqrt(size)
    shown = [*parameters[:-1], (jnp.eye(size) / front, jnp.zeros(size))]
    return np.asarray(jax.vmap(jax.jacrev(lambda v: network.apply(shown, v)))(x))


def covariance(network, gradients) -> np.ndarray:
    """Cov(d_x f(x_i), d_x f(x_j)) of f = sum_u v_u phi_u + b over v_u of variance sigma_w^2 / units."""
    m, units, d = gradients.shape
    found = np.zeros((m, m, d, d))
    for i in range(m):
        for j in range(m):
            for u in range(units):
                found[i, j] += network.sigma_w**2 / units * np.outer(gradients[i, u], gradients[j, u])
    return found


@pytest.mark.parametrize("name", MLPS)
def test_traces_and_squares_are_those_of_explicit_covariances(name):
    network, x = MLPS[name], inputs()
    found = gradient_covariances(network, KEYS, x, WIDTH)
    terms = parameter_count(network.weight_shapes((D,), WIDTH, 1))
    assert found.traces.shape == (3, 2, 2) and found.squares.shape == (3, 2)
    for seed, key in enumerate(KEYS):
        gradients = gradients_of_units(network, initialize(network, key, (D,), WIDTH, 1), x)
        whole = covariance(network, gradients)
        first, second = (covariance(network, gradients[:, half]) for half in (slice(3), slice(3, 6)))
        traces = [[np.trace(whole[i, j]) for j in range(2)] for i in range(2)]
        squares = [np.trace(first[i, i] @ second[i, i]) for i in range(2)]
        # Each half stands for all units, so that both together are their mean.
        np.testing.assert_allclose((first + second) / 2, whole, rtol=0, atol=32 * EPS * np.abs(whole).max())
        allowed = 8 * EPS * terms * np.abs(traces).max()
        np.testing.assert_allclose(found.traces[seed], traces, rtol=0, atol=allowed)
        np.testing.assert_allclose(found.squares[seed], squares, rtol=0, atol=allowed * np.abs(traces).max())


@pytest.mark.parametrize("name", ["two layers", "one layer, standard"])
def test_gradients_of_drawn_readouts_have_that_covariance(assert_mean, name):
    """One network, its readout drawn 20 000 times."""
    network, x = MLPS[name], inputs()
    parameters = initialize(network, KEYS[0], (D,), WIDTH, 1)
    deviation = network.sigma_w / math.sqrt(WIDTH) if network.parameterization == "standard" else 1.0
    readouts = deviation * jax.random.normal(jax.random.key(8), (20_000, 1, WIDTH))

    @jax.jit
    def products(w):
        last = (w, jnp.zeros(1))
        of_x = jax.vmap(jax.jacrev(lambda v: network.apply([*parameters[:-1], last], v)[0]))(x)
        return of_x @ of_x.T

    samples = jax.lax.map(products, readouts)
    assert_mean(samples, gradient_covariances(network, KEYS[:1], x, WIDTH).traces[0], resolves=0.1)


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_means_of_one_hidden_layer_are_the_limits(assert_mean, parameterization):
    """At any width: S is a mean over independent units there, so that its halves are independent."""
    network, x = architecture("mlp", 1, "erf", 1.4, 0.3, parameterization), inputs()
    found = gradient_covariances(network, jax.random.split(jax.random.key(6), 6000), x, 8)
    assert_mean(found.traces, np.asarray(ark_trace(network, x)), resolves=0.1)
    sigma = [np.asarray(input_gradient_covariance(network, x_i)) for x_i in x]
    squares = np.array([np.trace(one @ one) for one in sigma])
    assert_mean(found.squares, squares, resolves=0.15)
    # With S of the same units twice it would be larger, by their noise: the test can tell the two.
    with pytest.raises(AssertionError, match="standard errors"):
        assert_mean(squares_of_all_units(network, x), squares, resolves=0.2)


def squares_of_all_units(network, x) -> np.ndarray:
    """tr S^2 of 6000 networks eight units wide."""

    @jax.jit
    def one(key):
        parameters = initialize(network, key, (D,), 8, 1)
        front = 1.0 if network.parameterization == "standard" else network.sigma_w / math.sqrt(8)
        shown = [*parameters[:-1], (jnp.eye(8) / front, jnp.zeros(8))]
        of_units = jax.vmap(jax.jacrev(lambda v: network.apply(shown, v)))(x)
        s = network.sigma_w**2 / 8 * jnp.einsum("iau,iav->iuv", of_units, of_units)
        return jnp.einsum("iuv,ivu->i", s, s)

    return np.asarray(jax.lax.map(one, jax.random.split(jax.random.key(6), 6000)))


def test_traces_are_the_ark_of_networks_averaged_over_many_readouts(assert_mean):
    """The same hidden layers with one output each: E ARK = E tr S, to the noise of both."""
    network, x = MLPS["two layers"], inputs()
    keys = jax.random.split(jax.random.key(9), 6000)
    by_value = np.asarray(gradient_covariances(network, keys, x, WIDTH).traces)
    by_networks = np.asarray(kernels_at_initialization(network, keys, x, WIDTH, 1).ark)[:, :, 0, :, 0]
    # Paired by their keys, whose hidden layers are the same.
    size = np.abs(by_value.mean(0))
    assert_mean((by_networks - by_value) / size.max() + 1, np.ones((2, 2)), resolves=0.15)


@pytest.mark.parametrize("name", MLPS)
def test_controls_have_the_mean_zero_at_a_narrow_width(assert_mean, name):
    network = MLPS[name]
    found = gradient_covariances(network, jax.random.split(jax.random.key(10), 6000), inputs(), WIDTH)
    assert_mean(1 + found.controls, np.ones(found.controls.shape[1]), resolves=0.5)
    assert_mean(found.variance, np.ones(()), resolves=0.05)


@pytest.mark.parametrize("name", MLPS)
def test_controls_are_those_of_the_layers_and_of_the_first_weights(name):
    network, x = MLPS[name], inputs()
    found = gradient_covariances(network, KEYS, x, WIDTH)
    of_means = sample_means(network, KEYS, x, WIDTH, 1, group=1)
    layers = 12 * network.depth
    # The same keys draw the same hidden layers, and both look at them in the same way.
    np.testing.assert_allclose(
        found.controls[:, :layers], of_means.controls[:, :layers], rtol=0, atol=1e4 * EPS
    )
    np.testing.assert_allclose(found.variance, of_means.variance, rtol=64 * EPS)
    for seed, key in enumerate(KEYS):
        w = np.asarray(initialize(network, key, (D,), WIDTH, 1)[0][0])
        if network.parameterization == "standard":
            w = w * math.sqrt(fan_in(w.shape)) / network.sigma_w
        gram = w.T @ w / WIDTH - np.eye(D)
        # Of the square of a Wishart matrix over n: (d^2 + d)/n in all, a d-th of which is left.
        expected = [np.trace(gram) / D, np.sum(gram**2) / D - (D + 1) / WIDTH]
        np.testing.assert_allclose(found.controls[seed, -2:], expected, rtol=0, atol=1e3 * EPS)


def test_the_last_layer_is_halved():
    with pytest.raises(ValueError, match="width = 5 must be even: the last layer is halved"):
        gradient_covariances(MLPS["one layer"], KEYS, inputs(), 5)
