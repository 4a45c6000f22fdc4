"""Finite networks passed in numpy, unit by unit and pixel by pixel: slow, and nothing but the definition.

A pass is a list of `Map`s, one per linear layer in the order of the parameters, readout last: what goes into
it and what comes out, at one input.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import erf

PHI = {"erf": erf, "tanh": np.tanh, "relu": lambda u: np.maximum(u, 0)}
SLOPE = {
    "erf": lambda u: 2 / math.sqrt(math.pi) * np.exp(-(u**2)),
    "tanh": lambda u: 1 - np.tanh(u) ** 2,
    "relu": lambda u: (u > 0).astype(float),
}


class Map(NamedTuple):
    """What goes into a linear layer, and what comes out."""

    inputs: np.ndarray
    outputs: np.ndarray


def fan_in(weights: np.ndarray) -> int:
    """Inputs of one unit: columns of a matrix, or the window of a convolution times its channels."""
    return weights.shape[1] if weights.ndim == 2 else weights[..., 0].size


def dense(network, layer, v) -> Map:
    """(sigma_w / sqrt(fan-in)) W v + sigma_b b, or W v + b where the scales sit in the weights."""
    w, b = map(np.asarray, layer)
    out = np.array([sum(w[u, k] * v[k] for k in range(len(v))) for u in range(len(w))])
    if network.parameterization == "standard":
        return Map(v, out + b)
    return Map(v, network.sigma_w / math.sqrt(fan_in(w)) * out + network.sigma_b * b)


def patches(image, side, stride):
    """((row, column) of every output, [(row, column of the window, pixel) of what it sees]).

    An image of h rows has ceil(h / stride) rows of outputs; what the windows miss is padded with zeros, the
    odd row below and the odd column to the right.
    """
    found = []
    size = [math.ceil(n / stride) for n in image.shape[:2]]
    before = [max((m - 1) * stride + side - n, 0) // 2 for m, n in zip(size, image.shape[:2], strict=True)]
    for r in range(size[0]):
        for s in range(size[1]):
            seen = []
            for i in range(side):
                for j in range(side):
                    row, column = r * stride + i - before[0], s * stride + j - before[1]
                    if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                        seen.append((i, j, image[row, column]))
            found.append(((r, s), seen))
    return size, found


def convolution(network, layer, image, stride=1) -> Map:
    """A convolution, window by window."""
    w, b = map(np.asarray, layer)
    size, seen_at = patches(image, w.shape[0], stride)
    out = np.zeros((*size, w.shape[3]))
    for (r, s), seen in seen_at:
        for i, j, pixel in seen:
            out[r, s] += pixel @ w[i, j]
    if network.parameterization == "standard":
        return Map(image, out + b)
    return Map(image, network.sigma_w / math.sqrt(fan_in(w)) * out + network.sigma_b * b)


def readout(network, layer, h) -> Map:
    """The last layer, on a vector, on the mean over pixels, or on all of them row by row."""
    if h.ndim == 3:
        h = h.mean((0, 1)) if network.readout == "pool" else h.ravel()
    return dense(network, layer, h)


def passed(network, parameters, x) -> list[Map]:
    """The pass of an MLP or a CNN; the outputs are `passed(...)[-1].outputs`."""
    phi, h, maps = PHI[network.activation], np.asarray(x), []
    for layer in parameters[:-1]:
        maps.append((dense if h.ndim == 1 else convolution)(network, layer, h))
        h = phi(maps[-1].outputs)
    return [*maps, readout(network, parameters[-1], h)]


def residual_passed(network, parameters, x) -> list[Map]:
    """The pass of a residual network: h <- shortcut(h) + conv(phi(conv(phi(h)))), block by block."""
    phi, layers = PHI[network.activation], iter(parameters)
    maps = [convolution(network, next(layers), np.asarray(x))]
    h = maps[0].outputs
    for stage, blocks in enumerate(network.stages):
        for block in range(blocks):
            halving = stage > 0 and block == 0
            maps.append(convolution(network, next(layers), phi(h), 2 if halving else 1))
            maps.append(convolution(network, next(layers), phi(maps[-1].outputs)))
            inner = maps[-1].outputs
            if halving:
                maps.append(convolution(network, next(layers), h, 2))
                h = maps[-1].outputs
            h = h + inner
    return [*maps, readout(network, next(layers), phi(h))]
