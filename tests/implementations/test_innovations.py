"""Innovations of linear layers: against plain loops, exact covariances over the weights, and their law."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain_passes import patches

from advntk.implementations.kernels.sample_means import layer_controls
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.finite import (
    LinearMap,
    forward_pass,
    initialize_seeds,
    layer_scales,
    linear,
)
from advntk.implementations.networks.finite_residual import residual_forward_pass, strides_of
from advntk.implementations.networks.innovations import (
    conditional_covariance,
    controls_of_layer,
    innovations,
)
from advntk.implementations.networks.law import Law
from advntk.implementations.networks.residual import residual

EPS = float(np.finfo(np.float64).eps)
NTK = architecture("mlp", 1, sigma_w=1.4, sigma_b=0.3)
STANDARD = architecture("mlp", 1, sigma_w=1.4, sigma_b=0.3, parameterization="standard")
UNITS = 3
# Shape of an input, of the weights, and the stride: convolutions of residual networks among them.
LAYERS = [
    ((5,), (UNITS, 5), 1),
    ((4, 3, 2), (3, 3, 2, UNITS), 1),
    ((4, 6, 2), (3, 3, 2, UNITS), 2),
    ((5, 3, 1), (3, 3, 1, UNITS), 2),
    ((5, 4, 2), (1, 1, 2, UNITS), 2),
]


def inputs(shape, samples: int = 3):
    return jax.random.normal(jax.random.key(len(shape)), (samples, *shape))


def rounding(network, x, shape) -> float:
    """Of a sum of fan-in products, some of which may cancel: relative to the squares of the largest."""
    terms = math.prod(shape[:-1]) if len(shape) == 4 else shape[1]
    return 8 * terms * EPS * (network.sigma_w**2 * float((x**2).max()) + network.sigma_b**2)


@pytest.mark.parametrize(("of_input", "shape", "stride"), LAYERS, ids=str)
def test_the_covariance_is_a_sum_over_what_a_unit_sees(of_input, shape, stride):
    x = np.asarray(inputs(of_input))
    found = np.asarray(conditional_covariance(Law.of(NTK), jnp.asarray(x), shape, stride))
    fan_in = shape[1] if len(shape) == 2 else math.prod(shape[:3])
    for i in range(len(x)):
        for j in range(len(x)):
            if len(of_input) == 1:
                expected = NTK.sigma_w**2 / fan_in * sum(x[i] * x[j]) + NTK.sigma_b**2
            else:
                size, seen = patches(x[i], shape[0], stride)
                _, seen_there = patches(x[j], shape[0], stride)
                expected = np.zeros(size)
                for (at, mine), (_, theirs) in zip(seen, seen_there, strict=True):
                    products = [u @ v for (*_, u), (*_, v) in zip(mine, theirs, strict=True)]
                    expected[at] = NTK.sigma_w**2 / fan_in * sum(products) + NTK.sigma_b**2
            np.testing.assert_allclose(found[i, j], expected, rtol=0, atol=rounding(NTK, x, shape))


@pytest.mark.parametrize("network", [NTK, STANDARD], ids=["ntk", "standard"])
@pytest.mark.parametrize(("of_input", "shape", "stride"), LAYERS, ids=str)
def test_the_covariance_is_that_of_the_layer_over_its_parameters(network, of_input, shape, stride):
    """A layer is linear in its parameters: with J its Jacobian and V their variances, Cov u = J V J'."""
    x = inputs(of_input)
    fan_in = shape[1] if len(shape) == 2 else math.prod(shape[:3])
    variances = (1.0, 1.0)
    if network.parameterization == "standard":
        variances = network.sigma_w**2 / fan_in, network.sigma_b**2
    scales = layer_scales(network, shape)

    def outputs(layer):
        return jnp.stack([linear(layer, scales, x_i, stride) for x_i in x])

    zero = jnp.zeros(shape), jnp.zeros(UNITS)
    size = math.prod(jax.eval_shape(outputs, zero).shape)
    jacobians = [np.asarray(leaf).reshape(size, -1) for leaf in jax.jacrev(outputs)(zero)]
    exact = sum(v * j @ j.T for v, j in zip(variances, jacobians, strict=True))
    # Input, pixel, unit; on both sides.
    exact = exact.reshape(len(x), -1, UNITS, len(x), size // len(x) // UNITS, UNITS)
    found = np.asarray(conditional_covariance(Law.of(network), x, shape, stride)).reshape(len(x), len(x), -1)
    for u in range(UNITS):
        for v in range(UNITS):
            # Pixel by pixel; units are alike, and independent of each other.
            expected = np.einsum("ipjp->ijp", exact[:, :, u, :, :, v])
            np.testing.assert_allclose(
                expected, found if u == v else 0 * found, rtol=0, atol=rounding(network, x, shape)
            )


@pytest.mark.parametrize(("of_input", "shape", "stride"), LAYERS, ids=str)
def test_innovations_are_outputs_over_their_deviation(of_input, shape, stride):
    x = inputs(of_input)
    layer = jax.random.normal(jax.random.key(1), shape), jax.random.normal(jax.random.key(2), (UNITS,))
    outputs = jnp.stack([linear(layer, layer_scales(NTK, shape), x_i, stride) for x_i in x])
    z, correlation = innovations(Law.of(NTK), LinearMap(x, outputs), shape, stride)
    covariance = np.asarray(conditional_covariance(Law.of(NTK), x, shape, stride))
    assert z.shape == outputs.shape and correlation.shape == (*covariance.shape, 1)
    for i in range(len(x)):
        deviation = np.sqrt(covariance[i, i])
        np.testing.assert_allclose(z[i], np.asarray(outputs[i]) / deviation[..., None], rtol=8 * EPS)
        np.testing.assert_allclose(correlation[i, i], 1, rtol=8 * EPS)
        for j in range(len(x)):
            expected = covariance[i, j] / (deviation * np.sqrt(covariance[j, j]))
            np.testing.assert_allclose(correlation[i, j, ..., 0], expected, rtol=8 * EPS, atol=8 * EPS)
    assert float(jnp.abs(correlation).max()) <= 1


def test_a_correlation_never_leaves_its_range_by_rounding():
    """Equal inputs, whose correlation is 1: beyond it an arc sine is NaN."""
    x = jnp.tile(inputs((5,), 1) * 0.1, (40, 1)) * jnp.linspace(0.1, 30, 40)[:, None]
    network = NTK.with_scales(1.3, 0.0)
    _, correlation = innovations(Law.of(network), LinearMap(x, x[:, :UNITS]), (UNITS, 5))
    assert float(correlation.max()) <= 1 and float(correlation.min()) >= 1 - 8 * EPS
    assert jnp.isfinite(jnp.arcsin(correlation)).all()


def plain_controls(z: np.ndarray, correlation: np.ndarray) -> list[float]:
    """The averages term by term: z of input, place; correlations of input, input, place."""
    single = [
        lambda u: u**2 - 1,
        lambda u: u**4 - 3,
        lambda u: u,
        lambda u: u * abs(u),
        lambda u: abs(u) - math.sqrt(2 / math.pi),
        np.sign,
    ]
    pairs = [
        lambda u, v, r: u * v - r,
        lambda u, v, r: (u**3 * v - 3 * r + u * v**3 - 3 * r) / 2,
        lambda u, v, r: np.sign(u) * np.sign(v) - 2 / math.pi * math.asin(r),
        lambda u, v, r: abs(u * v) - 2 / math.pi * (math.sqrt(1 - r**2) + r * math.asin(r)),
        lambda u, v, r: r * (u**2 * v**2 - (1 + 2 * r**2)),
        lambda u, v, r: r * ((u**2 - 1) + (v**2 - 1)),
    ]
    found = [np.mean([f(u) for u in z.ravel()]) for f in single]
    for f in pairs:
        terms = []
        for i in range(len(z)):
            for j in range(i + 1, len(z)):
                for u, v, r in zip(z[i], z[j], correlation[i, j], strict=True):
                    terms.append(r * f(u, v, r))
        found += [np.mean(terms)] if terms else []
    return found


@pytest.mark.parametrize("samples", [1, 2, 4])
@pytest.mark.parametrize("of_input", [(5,), (3, 4, 2)], ids=str)
def test_controls_are_the_averages_that_they_are_said_to_be(samples, of_input):
    x = inputs(of_input, samples)
    shape = (UNITS, 5) if len(of_input) == 1 else (3, 3, 2, UNITS)
    layer = jax.random.normal(jax.random.key(1), shape), jax.random.normal(jax.random.key(2), (UNITS,))
    outputs = jnp.stack([linear(layer, layer_scales(NTK, shape), x_i) for x_i in x])
    z, correlation = innovations(Law.of(NTK), LinearMap(x, outputs), shape)
    found = np.asarray(controls_of_layer(z, correlation))
    plain = np.asarray(z).reshape(samples, -1)
    by_place = np.broadcast_to(correlation, (samples, *z.shape)).reshape(samples, samples, -1)
    expected = plain_controls(plain, by_place)
    assert len(found) == len(expected) == (6 if samples == 1 else 12)
    # Means of at most size terms, of fourth powers.
    allowed = 16 * z.size * EPS * float((z**4).max() + 3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)


NETWORKS = {
    "mlp": architecture("mlp", 3, "relu", 1.4, 0.3),
    "mlp, standard": architecture("mlp", 2, "erf", 1.4, 0.3, "standard"),
    "cnn": architecture("cnn", 2, "tanh", 1.4, 0.3, readout="pool"),
    "cnn, standard": architecture("cnn", 2, "relu", 1.4, 0.3, "standard"),
    "resnet": residual((1, 1), 1.4, 0.3, "relu"),
}


def controls_over_networks(network, described, seeds: int):
    """Controls and the mean square of z of networks four units wide, by the law that `described` has."""
    of_input = (3,) if network.family == "mlp" else (3, 4, 1)
    # Correlated inputs: products of pairs are weighted by their correlation.
    x = inputs(of_input, 2) + 0.7 * inputs(of_input, 1)
    shapes = network.weight_shapes(of_input, 4, 2)
    parameters = initialize_seeds(network, jax.random.split(jax.random.key(5), seeds), of_input, 4, 2)
    if network.family == "resnet":
        forward, strides = residual_forward_pass(network, shapes), strides_of(network)
    else:
        forward, strides = forward_pass(network, shapes), (1,) * (len(shapes) - 1)

    def one(theta):
        return layer_controls(Law.of(described), forward.linear_maps(theta, x), tuple(shapes), strides)

    return jax.jit(lambda of_seeds: jax.lax.map(one, of_seeds))(parameters)


@pytest.mark.parametrize("name", NETWORKS)
def test_controls_of_narrow_networks_have_the_mean_zero(assert_mean, name):
    """At width 4, far from any limit: layers are Gaussian given those before at every width."""
    network = NETWORKS[name]
    controls, variance = controls_over_networks(network, network, 8000)
    # Of |z|^4, whose mean is 3, the declared resolution is a third; of all others it is more than enough.
    assert_mean(1 + controls, np.ones(controls.shape[1]), resolves=0.3)
    assert_mean(variance, np.ones(()), resolves=0.05)


@pytest.mark.parametrize("name", ["mlp", "cnn, standard", "resnet"])
def test_controls_tell_networks_of_another_law(assert_mean, name):
    network = NETWORKS[name]
    controls, variance = controls_over_networks(network, network.with_scales(1.4 * 1.1, 0.3), 8000)
    with pytest.raises(AssertionError, match="standard errors"):
        assert_mean(1 + controls, np.ones(controls.shape[1]), resolves=0.3)
    with pytest.raises(AssertionError, match="standard errors"):
        assert_mean(variance, np.ones(()), resolves=0.05)
