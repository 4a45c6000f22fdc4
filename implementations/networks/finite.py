"""Finite networks: initialization and forward pass of one input.

Parameters are a list with one (W, b) per layer, output layer last.  MLP weights have shape
(n_out, n_in), convolution kernels (3, 3, channels_in, channels_out).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from advntk.implementations.networks.activations import activation, choice_of, chosen
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.protocol import Network, Parameters

_WINDOW = (3, 3)


def weight_shapes(
    arch: Architecture, input_shape: tuple[int, ...], width: int, outputs: int
) -> list[tuple[int, ...]]:
    """Shapes of the weights of every layer; `input_shape` is (d,) or (height, columns, channels).

    Args:
      arch: the architecture.
      input_shape: of one input, (d,) or (height, columns, channels).
      width: units, or channels, of every hidden layer.
      outputs: number of outputs.

    Returns:
      One shape per layer, the readout last.
    """
    if arch.family == "mlp":
        sizes = [math.prod(input_shape)] + [width] * arch.depth + [outputs]
        return [(n_out, n_in) for n_in, n_out in pairwise(sizes)]
    height, columns, channels = input_shape
    sizes = [channels] + [width] * arch.depth
    convolutions = [(*_WINDOW, n_in, n_out) for n_in, n_out in pairwise(sizes)]
    features = width * (1 if arch.readout == "pool" else height * columns)
    return [*convolutions, (outputs, features)]


def fan_in(shape: tuple[int, ...]) -> int:
    """Number of inputs that one unit of a layer with weights of this shape sums over."""
    return shape[1] if len(shape) == 2 else math.prod(shape[:3])


def parameter_count(shapes: list[tuple[int, ...]]) -> int:
    """Number of weights and biases of layers with weights of these shapes."""
    return sum(math.prod(shape) + _units(shape) for shape in shapes)


@partial(jax.jit, static_argnames=("count", "dtype"))
def standard_normals(
    keys: Key[Array, " seeds"], count: int, dtype: jnp.dtype | type = jnp.float64
) -> Float[Array, "seeds count"]:
    """`count` iid N(0, 1) numbers per key.

    Compiled on its own: drawing is the slowest part to compile, and this way it is compiled once
    per parameter count, whatever the activation and the scales.
    """
    return jax.vmap(lambda key: jax.random.normal(key, (count,), dtype))(keys)


def parameters_from(
    arch: Network, normals: Float[Array, " count"], shapes: list[tuple[int, ...]]
) -> Parameters:
    """The parameters of one network out of standard normal numbers.

    In the NTK parameterization all entries are iid N(0, 1); in the standard one weights are
    N(0, sigma_w^2 / fan_in) and biases N(0, sigma_b^2).
    """
    parameters, start = [], 0
    for shape in shapes:
        middle = start + math.prod(shape)
        end = middle + _units(shape)
        w, b = normals[start:middle].reshape(shape), normals[middle:end]
        if arch.parameterization == "standard":
            w, b = arch.sigma_w / math.sqrt(fan_in(shape)) * w, arch.sigma_b * b
        parameters.append((w, b))
        start = end
    return parameters


def initialize(
    arch: Network,
    key: Key[Array, ""],
    input_shape: tuple[int, ...],
    width: int,
    outputs: int,
    dtype: jnp.dtype | type = jnp.float64,
) -> Parameters:
    """Draw the parameters of one network (distribution: see `parameters_from`).

    Args:
      arch: the architecture.
      key: random key.
      input_shape: of one input, (d,) or (height, columns, channels).
      width: units, or channels, of every hidden layer.
      outputs: number of outputs.
      dtype: floating type of the result.

    Returns:
      One (W, b) per layer, the readout last.
    """
    shapes = arch.weight_shapes(input_shape, width, outputs)
    normals = standard_normals(key[None], parameter_count(shapes), dtype)[0]
    return parameters_from(arch, normals, shapes)


def initialize_seeds(
    arch: Network,
    keys: Key[Array, " seeds"],
    input_shape: tuple[int, ...],
    width: int,
    outputs: int,
    dtype: jnp.dtype | type = jnp.float64,
) -> Parameters:
    """Parameters of one network per key, with a leading seed axis.

    Args:
      arch: the architecture.
      keys: one random key per network.
      input_shape: of one input, (d,) or (height, columns, channels).
      width: units, or channels, of every hidden layer.
      outputs: number of outputs.
      dtype: floating type of the result.

    Returns:
      One (W, b) per layer, with a leading seed axis.
    """
    shapes = arch.weight_shapes(input_shape, width, outputs)
    return _shaped(arch, standard_normals(keys, parameter_count(shapes), dtype), tuple(shapes))


@partial(jax.jit, static_argnames=("shapes",))
def _shaped(arch: Network, normals: Array, shapes: tuple[tuple[int, ...], ...]) -> Parameters:
    return jax.vmap(lambda row: parameters_from(arch, row, list(shapes)))(normals)


def _units(shape: tuple[int, ...]) -> int:
    return shape[0] if len(shape) == 2 else shape[3]


def layer_scales(arch: Network, shape: tuple[int, ...]) -> tuple:
    """Factors in front of W and b in the forward pass: (sigma_w/sqrt(fan_in), sigma_b), or 1, 1."""
    if arch.parameterization == "standard":
        return 1.0, 1.0
    return arch.sigma_w / math.sqrt(fan_in(shape)), arch.sigma_b


def apply(arch: Architecture, parameters: Parameters, x: Float[Array, "..."]) -> Float[Array, " c"]:
    """Outputs f(x) in R^c for one input, of shape (d,) for an MLP, (height, columns, channels) for a CNN."""
    scales = [layer_scales(arch, w.shape) for w, _ in parameters]
    return _passed(activation(arch.activation).phi, scales, arch.readout, parameters, x)[0]


class LinearMap(NamedTuple):
    """What goes into a linear layer and what comes out; with a leading axis for several inputs x."""

    inputs: Float[Array, "..."]
    outputs: Float[Array, "..."]


@dataclass(frozen=True)
class Forward:
    """A forward pass whose activation and scales are data: same outputs as `apply`.

    One compiled program per shape then serves every activation, scale and parameterization, which is
    what makes programs affordable that take seconds to compile.
    """

    choice: Int[Array, ""] | int
    scales: list[tuple[Float[Array, ""], Float[Array, ""]]]
    readout: str

    def __call__(self, parameters: Parameters, x: Float[Array, "m ..."]) -> Float[Array, "m c"]:
        """Outputs at several inputs."""
        return self._passed(parameters, x)[0]

    def linear_maps(self, parameters: Parameters, x: Float[Array, "m ..."]) -> list[LinearMap]:
        """What goes into every linear layer but the readout, and what comes out, at several inputs."""
        return self._passed(parameters, x)[1]

    def _passed(self, parameters: Parameters, x: Array) -> tuple[Array, list[LinearMap]]:
        phi = partial(chosen, self.choice)
        return jax.vmap(partial(_passed, phi, self.scales, self.readout, parameters))(x)


jax.tree_util.register_dataclass(Forward, data_fields=["choice", "scales"], meta_fields=["readout"])


def forward_pass(arch: Architecture, shapes: list[tuple[int, ...]], dtype: Any = jnp.float64) -> Forward:
    """The forward pass of `arch` for weights of these shapes (see `weight_shapes`)."""
    scales = [layer_scales(arch, shape) for shape in shapes]
    as_data = [(jnp.asarray(w, dtype), jnp.asarray(b, dtype)) for w, b in scales]
    return Forward(jnp.asarray(choice_of(arch.activation)), as_data, arch.readout)


def _passed(
    phi: Callable, scales: Sequence[tuple], readout: str, parameters: Parameters, x: Array
) -> tuple[Array, list[LinearMap]]:
    """Outputs at one input, and the linear layers on the way."""
    maps = []
    for layer, scale in zip(parameters[:-1], scales[:-1], strict=True):
        maps.append(LinearMap(x, linear(layer, scale, x)))
        x = phi(maps[-1].outputs)
    return read_out(parameters[-1], scales[-1], readout, x), maps


def linear(layer: tuple[Array, Array], scale: tuple, x: Array, stride: int = 1) -> Array:
    """A fully connected layer on a vector, or a convolution with zero padding on an image."""
    (w, b), (w_scale, b_scale) = layer, scale
    if x.ndim == 3:
        return w_scale * _convolve(x, w, stride) + b_scale * b[None, None, :]
    return w_scale * (w @ x) + b_scale * b


def read_out(layer: tuple[Array, Array], scale: tuple, readout: str, x: Array) -> Array:
    """The last layer, on the mean over pixels ("pool") or on all of them ("flatten")."""
    if x.ndim == 3:
        x = x.mean(axis=(0, 1)) if readout == "pool" else x.reshape(-1)
    return linear(layer, scale, x)


def _convolve(image: Array, kernel: Array, stride: int) -> Array:
    return jax.lax.conv_general_dilated(
        image[None], kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]
