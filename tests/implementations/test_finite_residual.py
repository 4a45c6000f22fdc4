"""Finite residual networks: against a plain loop and neural-tangents, and their kernels at a finite width."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain_passes import residual_passed

from advntk.implementations.kernels.infinite import infinite_kernels
from advntk.implementations.kernels.sample_means import sample_means
from advntk.implementations.networks.finite import fan_in, initialize_seeds, parameter_count
from advntk.implementations.networks.finite_residual import residual_forward_pass, strides_of
from advntk.implementations.networks.residual import Residual, residual, residual_triple

EPS = float(np.finfo(np.float64).eps)
WIDTH, OUTPUTS = 3, 2
# One stage alone, a stage that halves, blocks that do not beside it, and two halvings.
STAGES = [(1,), (1, 1), (1, 2), (2, 1, 1)]
# Even and odd sides are padded differently where the stride is 2; a single row is halved to itself.
IMAGES = [(4, 4, 2), (5, 4, 1), (1, 7, 1)]


def drawn(network: Residual, shape, seed: int = 0, samples: int = 2):
    parameters = network.init(jax.random.key(seed), shape, WIDTH, OUTPUTS)
    return parameters, jax.random.normal(jax.random.key(seed + 1), (samples, *shape))


def rounding(network: Residual, shape) -> float:
    """Layer by layer sums of fan-in products; errors grow at most like the values, by sigma_w in a layer.

    A block adds its two convolutions to what it is given: (1 + sigma_w^2) at most, as root mean squares.
    """
    shapes = network.weight_shapes(shape, WIDTH, OUTPUTS)
    growth = (1 + network.sigma_w) ** 2 * (1 + network.sigma_w**2 + network.sigma_w) ** sum(network.stages)
    return 8 * EPS * sum(fan_in(one) for one in shapes) * growth


@pytest.mark.parametrize("stages", STAGES, ids=str)
@pytest.mark.parametrize("shape", IMAGES, ids=str)
@pytest.mark.parametrize(("activation", "readout"), [("relu", "flatten"), ("erf", "pool")])
def test_every_layer_is_that_of_a_plain_loop(stages, shape, activation, readout):
    network = residual(stages, 1.4, 0.3, activation, readout)
    parameters, x = drawn(network, shape)
    forward = residual_forward_pass(network, network.weight_shapes(shape, WIDTH, OUTPUTS))
    together, maps = forward(parameters, x), forward.linear_maps(parameters, x)
    allowed = rounding(network, shape)
    for i, x_i in enumerate(x):
        *layers, last = residual_passed(network, parameters, x_i)
        np.testing.assert_allclose(network.apply(parameters, x_i), last.outputs, rtol=0, atol=allowed)
        np.testing.assert_allclose(together[i], last.outputs, rtol=0, atol=allowed)
        assert len(maps) == len(layers) == len(strides_of(network))
        for got, wanted in zip(maps, layers, strict=True):
            np.testing.assert_allclose(got.inputs[i], wanted.inputs, rtol=0, atol=allowed)
            np.testing.assert_allclose(got.outputs[i], wanted.outputs, rtol=0, atol=allowed)


@pytest.mark.parametrize("stages", STAGES, ids=str)
@pytest.mark.parametrize("readout", ["flatten", "pool"])
def test_forward_pass_and_shapes_are_those_of_neural_tangents(stages, readout):
    """Their parameters are nested as the network is, in the order in which ours are a list."""
    network, shape = residual(stages, 1.4, 0.3, "tanh", readout), (4, 4, 2)
    parameters, x = drawn(network, shape)
    init_fn, apply_fn, _ = residual_triple(network, WIDTH, OUTPUTS)
    template = jax.eval_shape(lambda key: init_fn(key, x.shape)[1], jax.random.key(0))
    theirs, tree = jax.tree.flatten(template)
    ours = [leaf for w, b in parameters for leaf in (w.T if w.ndim == 2 else w, b)]
    assert [leaf.size for leaf in ours] == [leaf.size for leaf in theirs]
    filled = [leaf.reshape(like.shape) for leaf, like in zip(ours, theirs, strict=True)]
    expected = apply_fn(jax.tree.unflatten(tree, filled), x)
    got = jnp.stack([network.apply(parameters, x_i) for x_i in x])
    np.testing.assert_allclose(got, expected, rtol=0, atol=rounding(network, shape))


def test_shapes_layer_by_layer():
    network = residual((1, 2), readout="flatten")
    convolution = (3, 3, 7, 7)
    shapes = [
        (3, 3, 2, 7),  # the stem
        *[convolution] * 2,
        *[convolution] * 2,
        (1, 1, 7, 7),  # the shortcut of the block that halves
        *[convolution] * 2,
        (4, 7 * 3 * 2),  # 5 rows are halved to 3
    ]
    assert network.weight_shapes((5, 4, 2), 7, 4) == shapes
    assert strides_of(network) == (1, 1, 1, 2, 1, 2, 1, 1)
    pooled = replace(network, readout="pool").weight_shapes((5, 4, 2), 7, 4)
    assert pooled == [*shapes[:-1], (4, 7)]
    assert [w.shape for w, _ in network.init(jax.random.key(0), (5, 4, 2), 7, 4)] == shapes
    assert parameter_count(shapes) == 9 * 14 + 7 + 6 * (9 * 49 + 7) + 49 + 7 + 4 * 42 + 4


def test_only_images_are_taken():
    for shape in ((16,), (4, 4)):
        with pytest.raises(ValueError, match=r"must be \(height, columns, channels\)"):
            residual((1,)).weight_shapes(shape, 4, 2)


def test_parameters_are_standard_normal_and_the_scales_sit_in_the_forward_pass(assert_mean):
    """What the scales do is scaling weights and biases; so these are not drawn with them."""
    network, shape = residual((1, 1), 1.7, 0.4, "erf"), (4, 4, 1)
    keys = jax.random.split(jax.random.key(3), 400)
    of_seeds = initialize_seeds(network, keys, shape, WIDTH, OUTPUTS)
    squares = np.stack(
        [(np.asarray(leaf).reshape(400, -1) ** 2).mean(1) for layer in of_seeds for leaf in layer], axis=1
    )
    assert_mean(squares, np.ones(squares.shape[1]), resolves=0.5)
    for one, other in zip(
        jax.tree.leaves([(w[0], b[0]) for w, b in of_seeds]),
        jax.tree.leaves(network.init(keys[0], shape, WIDTH, OUTPUTS)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    parameters, x = drawn(network, shape)
    scaled = [(1.7 * w, 0.4 * b) for w, b in parameters]
    np.testing.assert_allclose(
        network.apply(parameters, x[0]),
        network.with_scales(1.0, 1.0).apply(scaled, x[0]),
        rtol=0,
        atol=rounding(network, shape),
    )


@pytest.mark.evidence
@pytest.mark.parametrize(("activation", "readout"), [("relu", "flatten"), ("erf", "pool")])
def test_mean_empirical_ntk_extrapolates_to_the_infinite_kernel(assert_mean, activation, readout):
    """The mean over networks is the limit plus b/n + O(1/n^2); 2 mean(2n) - mean(n) cancels b/n."""
    network, x = (
        residual((1, 1), 1.4, 0.3, activation, readout),
        jax.random.normal(jax.random.key(3), (2, 4, 4, 1)),
    )
    narrow, wide = (
        np.asarray(sample_means(network, jax.random.split(jax.random.key(width), 500), x, width, 4).ntk)
        for width in (8, 16)
    )
    assert_mean(2 * wide - narrow, np.asarray(infinite_kernels(network, x).ntk), resolves=0.2)
