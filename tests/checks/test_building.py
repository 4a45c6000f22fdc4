"""What scenarios stand for: residual networks and their images, and inputs that are arranged in pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from advntk.checks.spaces import BadAxis
from advntk.checks.trials.shared.building import build, input_shape, network_of
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.implementations.kernels.infinite import infinite_kernels
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.residual import Residual

EPS = float(np.finfo(float).eps)
ARRANGEMENTS = ADVERSARIAL_TRAINING["arrangement"].values


def scenario(**values):
    return ADVERSARIAL_TRAINING.scenario(**values)


@pytest.mark.parametrize("readout", ["flatten", "pool"])
@pytest.mark.parametrize("depth", [1, 3])
def test_a_resnet_has_as_many_blocks_as_it_is_deep_each_at_half_the_resolution(depth, readout):
    found = network_of(
        scenario(family="resnet", depth=depth, activation="relu", readout=readout, sigma_w=1.3, sigma_b=0.2)
    )
    assert found == Residual((1,) * depth, 1.3, 0.2, "relu", readout)
    shapes = found.weight_shapes((8, 8, 1), 5, 2)
    # The stem, two convolutions a block, a shortcut for all blocks but the first, and the readout.
    assert len(shapes) == 1 + 2 * depth + (depth - 1) + 1
    pixels = (8 // 2 ** (depth - 1)) ** 2
    assert shapes[-1] == (2, 5 if readout == "pool" else 5 * pixels)


@pytest.mark.parametrize("family", ["mlp", "cnn"])
def test_other_families_are_architectures(family):
    found = network_of(
        scenario(family=family, depth=2, activation="tanh", parameterization="standard", readout="pool")
    )
    assert found == Architecture(family, 2, "tanh", 1.5, 0.1, "standard", "pool")


@pytest.mark.parametrize("family", ["mlp", "cnn", "resnet"])
@pytest.mark.parametrize("input_width", [16, 12])
def test_inputs_have_the_shape_that_the_network_takes(family, input_width):
    """Images of one channel for what convolves; the same numbers row by row."""
    asked = scenario(family=family, input_width=input_width, data="gaussian", samples=3)
    arch, x, y = build(asked, unseen=2)
    flat = build(scenario(family="mlp", input_width=input_width, data="gaussian", samples=3), unseen=2).x
    assert arch == network_of(asked) and y.shape == (5, 2)
    shape = {"mlp": (input_width,)}.get(family, (4, 4, 1) if input_width == 16 else (3, 4, 1))
    assert x.shape == (5, *shape) and input_shape(asked) == shape
    np.testing.assert_array_equal(np.asarray(x).reshape(5, -1), flat)
    kernels = infinite_kernels(arch, x)
    assert kernels.ntk.shape == (5, 5) and np.linalg.eigvalsh(np.asarray(kernels.ntk))[0] > 0


def inputs(arrangement, data="gaussian", samples=7, width=16, unseen=0, **values):
    made = scenario(arrangement=arrangement, data=data, samples=samples, input_width=width, **values)
    return np.asarray(build(made, unseen).x)


@pytest.mark.parametrize("samples", [1, 2, 4, 7])
def test_correlated_inputs_are_sums_of_neighbours_with_signs_in_turn(samples):
    """Odd ones are mixed with the one before, which stays as it is; so does a last one without a partner."""
    plain, mixed = inputs("generic", samples=samples), inputs("correlated", samples=samples)
    for i in range(samples):
        if i % 2 == 0:
            np.testing.assert_array_equal(mixed[i], plain[i])
        else:
            sign = 1 if (i // 2) % 2 == 0 else -1
            expected = 0.6 * plain[i] + sign * 0.8 * plain[i - 1]
            np.testing.assert_allclose(mixed[i], expected, rtol=0, atol=4 * EPS * np.abs(plain).max())


def test_pairs_have_cosines_of_eight_tenths_with_signs_in_turn():
    r"""Of points on a sphere in many dimensions, whose own cosines c are N(0, 1/d) and below 6/sqrt(d).

    cos(x, 0.6 y + s 0.8 x) = (0.6 c + 0.8 s) / sqrt(1 + 0.96 s c), off 0.8 s by 0.984 |c| + O(c^2) at most.
    """
    d = 4096
    x = inputs("correlated", "sphere", samples=8, width=d)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = x @ x.T
    c = 6 / math.sqrt(d)
    for pair, wanted in enumerate((0.8, -0.8, 0.8, -0.8)):
        assert abs(cosines[2 * pair, 2 * pair + 1] - wanted) <= 0.984 * c + 2 * c**2
    # Different pairs stay about orthogonal: 0.6 and 0.8 times four such cosines.
    for i in range(8):
        for j in range(8):
            if i // 2 != j // 2:
                assert abs(cosines[i, j]) <= (0.6 + 0.8) ** 2 * c * (1 + c)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_arrangements_change_neither_targets_nor_unseen_points(arrangement):
    plain = build(scenario(data="gaussian", samples=4, input_width=16), 3)
    made = build(scenario(data="gaussian", samples=4, input_width=16, arrangement=arrangement), 3)
    np.testing.assert_array_equal(made.y, plain.y)
    np.testing.assert_array_equal(made.x[4:], plain.x[4:])
    np.testing.assert_array_equal(made.x[0], plain.x[0])
    assert np.array_equal(made.x, plain.x) == (arrangement == "generic")


def test_correlated_images_are_the_correlated_inputs():
    flat = inputs("correlated", samples=4)
    images = inputs("correlated", samples=4, family="resnet")
    np.testing.assert_array_equal(images, flat.reshape(4, 4, 4, 1))


def test_other_words_are_refused():
    for name in ("family", "arrangement"):
        with pytest.raises(BadAxis, match=f"{name}.*must be one of"):
            scenario(**{name: "other"})
