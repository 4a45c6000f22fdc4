"""Kernels averaged over outputs, and their controls: against explicit Jacobians of explicit networks."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain_passes import SLOPE, passed, residual_passed

from advntk.implementations.kernels.empirical import layers_of
from advntk.implementations.kernels.sample_means import (
    output_covariances,
    sample_means,
    sample_means_memory,
)
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.finite import (
    LinearMap,
    fan_in,
    forward_pass,
    initialize,
    initialize_seeds,
    parameter_count,
)
from advntk.implementations.networks.finite_residual import strides_of
from advntk.implementations.networks.innovations import controls_of_layer, innovations
from advntk.implementations.networks.law import Law
from advntk.implementations.networks.residual import residual

EPS = float(np.finfo(np.float64).eps)
WIDTH, OUTPUTS, GROUP = 6, 4, 2
MLPS = {
    "mlp": architecture("mlp", 2, "erf", 1.4, 0.3),
    "mlp, standard": architecture("mlp", 3, "tanh", 1.4, 0.3, "standard"),
    "mlp, one layer": architecture("mlp", 1, "relu", 1.4, 0.3),
}
IMAGES = {
    "cnn": architecture("cnn", 2, "erf", 1.4, 0.3),
    "cnn, pooled": architecture("cnn", 1, "relu", 1.4, 0.3, readout="pool"),
    "cnn, standard": architecture("cnn", 2, "tanh", 1.4, 0.3, "standard", "pool"),
    "resnet": residual((1, 1), 1.4, 0.3, "erf"),
    "resnet, pooled": residual((2,), 1.4, 0.3, "relu", "pool"),
}
NETWORKS = {**MLPS, **IMAGES}
KEYS = jax.random.split(jax.random.key(7), 2)


def inputs(network, samples: int = 2):
    shape = (5,) if network.family == "mlp" else (3, 4, 1)
    return jax.random.normal(jax.random.key(3), (samples, *shape))


def found_and_parameters(network, samples: int = 2):
    """What is found for two keys, and the parameters of these networks."""
    x = inputs(network, samples)
    found = sample_means(network, KEYS, x, WIDTH, OUTPUTS, GROUP)
    return found, [initialize(network, key, x.shape[1:], WIDTH, OUTPUTS) for key in KEYS], x


def variances_of(network, shape) -> tuple[float, float]:
    """Of weights and biases, as they are drawn."""
    if network.parameterization == "standard":
        return network.sigma_w**2 / fan_in(shape), network.sigma_b**2
    return 1.0, 1.0


def rounding(network, x, reference: np.ndarray) -> float:
    """Sums over all parameters of products, each amplified O(1) layer by layer; relative to the largest."""
    shapes = network.weight_shapes(x.shape[1:], WIDTH, OUTPUTS)
    return 8 * EPS * parameter_count(shapes) * float(np.abs(reference).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_kernels_are_averages_of_products_of_gradients(name):
    network = NETWORKS[name]
    found, networks, x = found_and_parameters(network)
    m, gradients = len(x), jax.jit(jax.jacrev(network.apply, argnums=(0, 1)))
    for seed, parameters in enumerate(networks):
        jacobians = [gradients(parameters, x_i) for x_i in x]
        layers = [[[np.asarray(leaf) for leaf in layer] for layer in of_theta] for of_theta, _ in jacobians]
        in_x = [np.asarray(of_x) for _, of_x in jacobians]
        ntk, ark, nngp = np.zeros((3, m, m))
        blocks = np.zeros((OUTPUTS // GROUP, m, GROUP, GROUP))
        variances = variances_of(network, parameters[-1][0].shape)
        for i in range(m):
            for j in range(m):
                for a in range(OUTPUTS):
                    for one, other in zip(layers[i], layers[j], strict=True):
                        ntk[i, j] += (
                            sum((g[a] * h[a]).sum() for g, h in zip(one, other, strict=True)) / OUTPUTS
                        )
                    ark[i, j] += (in_x[i][a] * in_x[j][a]).sum() / OUTPUTS
                # Outputs are linear in the parameters of the readout: of one output, whichever.
                for variance, g, h in zip(variances, layers[i][-1], layers[j][-1], strict=True):
                    nngp[i, j] += variance * (g[0] * h[0]).sum()
            for g in range(OUTPUTS // GROUP):
                for a in range(GROUP):
                    for b in range(GROUP):
                        blocks[g, i, a, b] = (in_x[i][g * GROUP + a] * in_x[i][g * GROUP + b]).sum()
        for got, wanted in ((found.ntk, ntk), (found.ark, ark), (found.nngp, nngp), (found.blocks, blocks)):
            np.testing.assert_allclose(got[seed], wanted, rtol=0, atol=rounding(network, x, wanted))
    # Another key, another network.
    assert np.abs(found.ntk[0] - found.ntk[1]).max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_nngp_is_the_covariance_of_an_output_given_the_hidden_layers(name):
    """sigma_w^2 / fan-in times the product of what goes into the readout, which a plain loop finds."""
    network = NETWORKS[name]
    found, networks, x = found_and_parameters(network)
    way = residual_passed if network.family == "resnet" else passed
    for seed, parameters in enumerate(networks):
        last = np.array([way(network, parameters, x_i)[-1].inputs for x_i in x])
        wanted = network.sigma_w**2 / last.shape[1] * last @ last.T + network.sigma_b**2
        np.testing.assert_allclose(found.nngp[seed], wanted, rtol=0, atol=rounding(network, x, wanted))


@pytest.mark.parametrize("name", MLPS)
def test_output_covariances_are_those_of_given_networks(name):
    network = MLPS[name]
    found, _, x = found_and_parameters(network)
    parameters = initialize_seeds(network, KEYS, x.shape[1:], WIDTH, OUTPUTS)
    forward = forward_pass(network, network.weight_shapes(x.shape[1:], WIDTH, OUTPUTS))
    covariances = np.asarray(output_covariances(network, forward, parameters, x))
    np.testing.assert_allclose(covariances, found.nngp, rtol=0, atol=rounding(network, x, covariances))
    # The readout that a network has does not matter; its hidden layers do.
    *hidden, (w, b) = parameters
    other = output_covariances(network, forward, [*hidden, (w + 1, b - 1)], x)
    np.testing.assert_array_equal(other, covariances)


@pytest.mark.parametrize("name", MLPS)
def test_layers_of_an_mlp_are_a_plain_pass_and_the_gradients_of_its_outputs(name):
    network, x = MLPS[name], inputs(MLPS[name], 3)
    parameters = initialize(network, KEYS[0], x.shape[1:], WIDTH, OUTPUTS)
    forward = forward_pass(network, [w.shape for w, _ in parameters])
    found = layers_of(forward, parameters, x)
    assert len(found.inputs) == len(found.outputs) == len(found.slopes) == len(parameters)
    assert len(found.derivatives) == len(parameters) - 1

    def moved(by, x_i):
        """The outputs, each layer's moved by something."""
        h = x_i
        for layer, ((w, b), (w_scale, b_scale)) in enumerate(zip(parameters, forward.scales, strict=True)):
            h = w_scale * (w @ h) + b_scale * b + by[layer]
            if layer < len(parameters) - 1:
                h = {"erf": jax.scipy.special.erf, "tanh": jnp.tanh, "relu": jax.nn.relu}[network.activation](
                    h
                )
        return h

    by = [jnp.zeros(len(b)) for _, b in parameters]
    allowed = (
        8 * EPS * parameter_count([w.shape for w, _ in parameters]) * (1 + network.sigma_w) ** len(parameters)
    )
    for i, x_i in enumerate(x):
        plain = passed(network, parameters, x_i)
        slopes, of_input = jax.jacrev(moved, argnums=(0, 1))(by, x_i)
        np.testing.assert_allclose(found.of_inputs[i], of_input, rtol=0, atol=allowed)
        for layer, (a, u) in enumerate(plain):
            np.testing.assert_allclose(found.inputs[layer][i], a, rtol=0, atol=allowed)
            np.testing.assert_allclose(found.outputs[layer][i], u, rtol=0, atol=allowed)
            np.testing.assert_allclose(found.slopes[layer][i], slopes[layer], rtol=0, atol=allowed)
            if layer < len(plain) - 1:
                slope = SLOPE[network.activation](u)
                np.testing.assert_allclose(found.derivatives[layer][i], slope, rtol=0, atol=allowed)


def plain_gradient_controls(network, parameters, x, maps, slopes) -> list[float]:
    """What weights do to gradients on their way back, by projections, and the squares of the readout's."""
    m, found = len(x), []
    for layer, (w, _) in enumerate(parameters):
        a = np.array([of_x[layer].inputs for of_x in maps])
        free = a.shape[1] - m
        if free <= 0:
            continue
        basis, _ = np.linalg.qr(a.T)
        across = np.eye(a.shape[1]) - basis @ basis.T
        unit = np.asarray(w) / math.sqrt(variances_of(network, w.shape)[0])
        excess = np.zeros((m, m))
        for i in range(m):
            for j in range(m):
                for s, t in zip(slopes[layer][i], slopes[layer][j], strict=True):
                    excess[i, j] += ((across @ (unit.T @ s)) @ (unit.T @ t) / free - s @ t) / len(
                        slopes[layer][i]
                    )
        found += [np.mean(np.diag(excess)), off_diagonal(excess, a)]
    w = np.asarray(parameters[-1][0]) / math.sqrt(variances_of(network, parameters[-1][0].shape)[0])
    derivative = [SLOPE[network.activation](of_x[-2].outputs) for of_x in maps]
    met = np.array(
        [[np.mean(one * other * ((w**2).mean(0) - 1)) for other in derivative] for one in derivative]
    )
    last = np.array([of_x[-1].inputs for of_x in maps])
    return [*found, np.mean(np.diag(met)), off_diagonal(met, last)]


def off_diagonal(of_pairs: np.ndarray, a: np.ndarray) -> float:
    """Sum over pairs of different inputs, weighted by their cosine, over the number of all pairs."""
    total = 0.0
    for i in range(len(a)):
        for j in range(len(a)):
            if i != j:
                total += of_pairs[i, j] * (a[i] @ a[j]) / np.linalg.norm(a[i]) / np.linalg.norm(a[j])
    return total / len(a) ** 2


def plain_weight_controls(network, parameters) -> list[float]:
    """Of each convolution: mean excess of squares, of the central pixel's, and of their variance."""
    found = []
    for w, _ in parameters[:-1]:
        square = np.asarray(w) ** 2 / variances_of(network, w.shape)[0]
        centre = square[w.shape[0] // 2, w.shape[1] // 2]
        by_unit = [square[..., u].mean() - 1 for u in range(w.shape[3])]
        # The mean of f squares of N(0, 1) has the variance 2/f.
        found += [square.mean() - 1, centre.mean() - 1, np.mean(np.square(by_unit)) - 2 / fan_in(w.shape)]
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_controls_and_the_variance_of_innovations_by_plain_loops(name):
    """First those of the layers one after the other, then those of gradients, or of convolutions' weights."""
    network = NETWORKS[name]
    found, networks, x = found_and_parameters(network)
    way = residual_passed if network.family == "resnet" else passed
    strides = strides_of(network) if network.family == "resnet" else [1] * 9
    for seed, parameters in enumerate(networks):
        maps = [way(network, parameters, x_i) for x_i in x]
        wanted, squares = [], []
        for layer, (w, _) in enumerate(parameters[:-1]):
            of_all = [np.array([of_x[layer][side] for of_x in maps]) for side in (0, 1)]
            z, correlation = innovations(
                Law.of(network), LinearMap(*map(jnp.asarray, of_all)), w.shape, strides[layer]
            )
            wanted += controls_of_layer(z, correlation).tolist()
            squares.append(np.asarray(z).ravel() ** 2)
        if network.family == "mlp":
            forward = forward_pass(network, [w.shape for w, _ in parameters])
            slopes = [np.asarray(one) for one in layers_of(forward, parameters, x).slopes]
            wanted += plain_gradient_controls(network, parameters, x, maps, slopes)
        else:
            wanted += plain_weight_controls(network, parameters)
        # Fourth powers of z and squares of weights, all O(10), and projections along inputs at an angle.
        largest = max(float(np.max(np.concatenate(squares)) ** 2), 10.0)
        allowed = 64 * EPS * parameter_count([w.shape for w, _ in parameters]) * largest
        np.testing.assert_allclose(found.controls[seed], wanted, rtol=0, atol=allowed)
        np.testing.assert_allclose(found.variance[seed], np.concatenate(squares).mean(), rtol=0, atol=allowed)


@pytest.mark.parametrize("name", ["mlp", "mlp, standard", "cnn, standard", "resnet"])
def test_controls_of_narrow_networks_have_the_mean_zero(assert_mean, name):
    """At width 6, those of gradients and weights too: they look at each layer given the layers before it."""
    network = NETWORKS[name]
    seeds = 4000 if name in MLPS else 1000
    x = inputs(network) + 0.5 * inputs(network, 1)
    found = sample_means(network, jax.random.split(jax.random.key(11), seeds), x, WIDTH, OUTPUTS, GROUP)
    assert_mean(1 + found.controls, np.ones(found.controls.shape[1]), resolves=0.5)
    assert_mean(found.variance, np.ones(()), resolves=0.05)


def test_outputs_must_fill_their_groups():
    with pytest.raises(ValueError, match="outputs = 6 must be a multiple of group = 4"):
        sample_means(MLPS["mlp"], KEYS, inputs(MLPS["mlp"]), WIDTH, 6)


@pytest.mark.parametrize("name", ["mlp", "mlp, standard", "cnn", "resnet"])
def test_the_memory_estimate_covers_the_compiled_program(name):
    network, seeds, samples = NETWORKS[name], 8, 4
    x = inputs(network, samples)
    program = jax.jit(lambda keys: sample_means(network, keys, x, 16, 8)).lower(
        jax.random.split(KEYS[0], seeds)
    )
    taken = program.compile().memory_analysis()
    size = taken.argument_size_in_bytes + taken.output_size_in_bytes + taken.temp_size_in_bytes
    assert size <= seeds * sample_means_memory(network, x.shape[1:], 16, samples, 8)
