"""One protocol for networks: what computes with one asks it, and not of which class it is."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.experiments.baselines import FINITE, INFINITE, checked_names
from advntk.implementations.experiments.presets import preset
from advntk.implementations.kernels.described import described, kernel_from
from advntk.implementations.kernels.infinite import infinite_kernels
from advntk.implementations.kernels.ntk import kernel_of
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.finite import apply, initialize, weight_shapes
from advntk.implementations.networks.protocol import Network
from advntk.implementations.networks.residual import residual

MLP, CNN = architecture("mlp", 2, "erf"), architecture("cnn", 1, "relu", readout="pool")
RESIDUAL = residual((1, 1))


@pytest.mark.parametrize("network", [MLP, CNN, RESIDUAL], ids=["mlp", "cnn", "resnet"])
def test_every_network_keeps_the_protocol_and_survives_a_file(network):
    assert isinstance(network, Network)
    scaled = network.with_scales(1.1, 0.2)
    assert (scaled.sigma_w, scaled.sigma_b) == (1.1, 0.2) and scaled == replace(
        network, sigma_w=1.1, sigma_b=0.2
    )
    kernel = kernel_of(network)
    assert kernel_from(json.loads(json.dumps(described(kernel)))) == kernel


@pytest.mark.parametrize(("network", "shape"), [(MLP, (5,)), (CNN, (3, 4, 1))], ids=["mlp", "cnn"])
def test_methods_of_an_architecture_are_the_functions(network, shape):
    key = jax.random.key(0)
    parameters = network.init(key, shape, 7, 2)
    for one, other in zip(
        jax.tree.leaves(parameters), jax.tree.leaves(initialize(network, key, shape, 7, 2)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert network.weight_shapes(shape, 7, 2) == weight_shapes(network, shape, 7, 2)
    assert [w.shape for w, _ in parameters] == network.weight_shapes(shape, 7, 2)
    x = jnp.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    np.testing.assert_array_equal(network.apply(parameters, x), apply(network, parameters, x))
    found = network.limit_kernel()(x[None], None, "ntk")
    np.testing.assert_allclose(found, infinite_kernels(network, x[None]).ntk, rtol=1e-12)


def test_covariances_per_pair_of_inputs():
    assert MLP.covariances_per_pair((8, 8, 1)) == (1, 3)
    # Pooling needs all pairs of pixels.
    assert CNN.covariances_per_pair((3, 4, 1)) == (144, 144)
    assert replace(CNN, readout="flatten", depth=2).covariances_per_pair((3, 4, 1)) == (12, 24)
    # The stem, then three maps per block: 16 pixels in the first stage, 4 in the second.
    assert RESIDUAL.covariances_per_pair((4, 4, 3)) == (16, 16 + 3 * 16 + 3 * 4)


def test_a_residual_network_takes_images_only():
    with pytest.raises(ValueError, match=r"input_shape = \(48,\) must be \(height, columns, channels\)"):
        RESIDUAL.init(jax.random.key(0), (48,), 8, 2)


@pytest.mark.parametrize("name", FINITE)
def test_baselines_train_no_residual_network(name):
    """There are finite ones; what is missing is a recipe."""
    published, residual_one = preset("cifar10-cnn5-r4"), preset("cifar10-resnet18-r4")
    assert checked_names([name], published) == (name,)
    with pytest.raises(ValueError, match="a finite resnet18 is not trained; choose an MLP or a CNN"):
        checked_names([name], residual_one)
    assert checked_names(INFINITE, residual_one) == INFINITE
