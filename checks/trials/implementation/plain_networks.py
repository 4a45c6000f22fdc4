"""Finite networks in NumPy, one plain loop over layers: values and all derivatives, the slow way.

Derivatives are carried forward beside the values, one direction at a time: as many directions as there are
inputs and parameters.  A convolution is a sum over its nine offsets on an image with a border of zeros.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from advntk.checks.trials.shared.definitions import DEFINITIONS

Layer = tuple[Float[np.ndarray, "..."], Float[np.ndarray, " n"]]


class Plain(NamedTuple):
    """What a network is, in words and numbers."""

    convolutional: bool
    activation: str
    sigma_w: float
    sigma_b: float
    standard: bool
    pooled: bool


class Outputs(NamedTuple):
    """f(x), and its derivatives along every input coordinate and every parameter, in their order."""

    value: Float[np.ndarray, " c"]
    in_x: Float[np.ndarray, "c d"]
    in_parameters: Float[np.ndarray, "c n"]


def scales(network: Plain, fan_in: int) -> tuple[float, float]:
    """Factors of W and b in a layer's forward pass."""
    return (1.0, 1.0) if network.standard else (network.sigma_w / math.sqrt(fan_in), network.sigma_b)


def outputs(
    network: Plain, parameters: Sequence[Layer], x: Float[np.ndarray, "..."], derivatives: bool = True
) -> Outputs:
    """The network at one input.

    Args:
      network: what it is.
      parameters: one (W, b) per layer: W (n_out, n_in), or (3, 3, channels_in, channels_out), readout last.
      x: (d,), or (height, columns, channels).
      derivatives: whether they are wanted.

    Returns:
      Value and derivatives; those are empty where they are not wanted.
    """
    phi, slope, _ = DEFINITIONS[network.activation]
    count = sum(w.size + b.size for w, b in parameters)
    directions = x.size + count if derivatives else 0
    # along[k] is the derivative of the layer's values along direction k.
    along = np.zeros((directions, *x.shape))
    if derivatives:
        along[np.arange(x.size), *np.unravel_index(np.arange(x.size), x.shape)] = 1
    first = x.size
    for number, (w, b) in enumerate(parameters):
        last = number == len(parameters) - 1
        if last and network.convolutional:
            x, along = _read_out(network, x, along)
        linear = _convolved if network.convolutional and not last else _multiplied
        by_w, by_b = scales(network, _fan_in(w))
        value = by_w * linear(w, x) + by_b * b
        moved = by_w * np.array([linear(w, one) for one in along]).reshape(directions, *value.shape)
        for place in range(w.size if derivatives else 0):
            unit = np.zeros(w.size)
            unit[place] = 1
            moved[first + place] += by_w * linear(unit.reshape(w.shape), x)
        first += w.size
        for place in range(b.size if derivatives else 0):
            moved[first + place, ..., place] += by_b
        first += b.size
        x, along = (value, moved) if last else (phi(value), slope(value) * moved)
    split = along.T
    d = directions - count if derivatives else 0
    return Outputs(x, split[:, :d], split[:, d:])


def squared_loss_step(
    network: Plain,
    parameters: Sequence[Layer],
    x: Float[np.ndarray, "m ..."],
    y: Float[np.ndarray, "m c"],
    rate: float,
) -> list[Layer]:
    """Parameters after one step of gradient descent on sum_i 1/2 |f(x_i) - y_i|^2.

    Args:
      network: what it is.
      parameters: one (W, b) per layer.
      x: inputs.
      y: targets.
      rate: learning rate.

    Returns:
      The next parameters.
    """
    found = [outputs(network, parameters, one) for one in x]
    return moved_by(
        parameters,
        [-rate * sum(one.in_parameters.T @ (one.value - t) for one, t in zip(found, y, strict=True))],
    )


def moved_by(parameters: Sequence[Layer], steps: Sequence[Float[np.ndarray, " n"]]) -> list[Layer]:
    """Parameters plus steps, each of which holds all numbers in their order."""
    total, start, found = np.sum(steps, axis=0), 0, []
    for w, b in parameters:
        middle, end = start + w.size, start + w.size + b.size
        found.append((w + total[start:middle].reshape(w.shape), b + total[middle:end]))
        start = end
    return found


def flat(parameters: Sequence[Layer]) -> Float[np.ndarray, " n"]:
    """All numbers in their order: W, then b, layer by layer."""
    return np.concatenate([np.ravel(part) for layer in parameters for part in layer])


def _read_out(network: Plain, x: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, columns, channels = x.shape
    if network.pooled:
        return x.sum((0, 1)) / (height * columns), along.sum((1, 2)) / (height * columns)
    # Row by row, column by column, channel by channel.
    order = [(i, j, k) for i in range(height) for j in range(columns) for k in range(channels)]
    return np.array([x[i] for i in order]), np.array([[one[i] for i in order] for one in along])


def _fan_in(w: np.ndarray) -> int:
    return w.shape[1] if w.ndim == 2 else 9 * w.shape[2]


def _multiplied(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    return w @ x


def _convolved(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    height, columns, _ = x.shape
    bordered = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    return sum(bordered[i : i + height, j : j + columns] @ w[i, j] for i in range(3) for j in range(3))
