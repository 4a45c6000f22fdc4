"""From a scenario to a network of the program, and to the plain description that it is held against."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from advntk.checks.scenario import Scenario
from advntk.checks.trials.implementation.plain_networks import Layer, Plain
from advntk.implementations.networks.architecture import Architecture, architecture


class Sizes(NamedTuple):
    """Shape of one input, and widths: all different, so that none can be taken for another."""

    input_shape: tuple[int, ...]
    width: int
    outputs: int


def arch_of(scenario: Scenario) -> Architecture:
    """The scenario's MLP or convolutional network."""
    return architecture(
        "mlp" if scenario.structure == "mlp" else "cnn",
        scenario.depth,
        scenario.activation,
        scenario.sigma_w,
        scenario.sigma_b,
        scenario.parameterization,
        "pool" if scenario.structure == "cnn_pool" else "flatten",
    )


def plain_of(scenario: Scenario) -> Plain:
    """The same in words and numbers."""
    return Plain(
        scenario.structure != "mlp",
        scenario.activation,
        scenario.sigma_w,
        scenario.sigma_b,
        scenario.parameterization == "standard",
        scenario.structure == "cnn_pool",
    )


def shapes_by_hand(scenario: Scenario, sizes: Sizes) -> list[tuple[int, ...]]:
    """Shapes of the weights, layer by layer."""
    width, outputs = sizes.width, sizes.outputs
    if scenario.structure == "mlp":
        (d,) = sizes.input_shape
        return [(width, d), *[(width, width)] * (scenario.depth - 1), (outputs, width)]
    height, columns, channels = sizes.input_shape
    hidden = [(3, 3, channels, width), *[(3, 3, width, width)] * (scenario.depth - 1)]
    features = width if scenario.structure == "cnn_pool" else height * columns * width
    return [*hidden, (outputs, features)]


def numbers(parameters: Any) -> list[Layer]:
    """Parameters of the program as NumPy arrays."""
    return [(np.asarray(w), np.asarray(b)) for w, b in parameters]
