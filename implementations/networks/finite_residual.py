r"""Finite residual networks: the network whose infinite-width limit `residual` describes.

Parameters are a list with one (W, b) per layer in the order in which they are computed: the stem; for each
block its two convolutions and, where it halves the image, its shortcut; the readout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from advntk.implementations.networks.activations import activation, choice_of, chosen
from advntk.implementations.networks.finite import LinearMap, layer_scales, linear, read_out
from advntk.implementations.networks.protocol import Parameters
from advntk.implementations.networks.residual import Residual, resolutions

_WINDOW = (3, 3)


def residual_weight_shapes(
    net: Residual, input_shape: tuple[int, ...], width: int, outputs: int
) -> list[tuple[int, ...]]:
    """Shapes of the weights of every layer.

    Args:
      net: the network.
      input_shape: of one input, (height, columns, channels).
      width: channels of every hidden layer.
      outputs: number of outputs.

    Returns:
      One shape per layer, the readout last.

    Raises:
      ValueError: an input that is no image.
    """
    if len(input_shape) != 3:
        raise ValueError(f"input_shape = {input_shape} must be (height, columns, channels)")
    height, columns, channels = input_shape
    shapes: list[tuple[int, ...]] = [(*_WINDOW, channels, width)]
    for halving in _halvings(net.stages):
        shapes += [(*_WINDOW, width, width)] * 2
        if halving:
            shapes.append((1, 1, width, width))
    last_height, last_columns = resolutions(net.stages, height, columns)[-1]
    features = width * (1 if net.readout == "pool" else last_height * last_columns)
    return [*shapes, (outputs, features)]


def strides_of(net: Residual) -> tuple[int, ...]:
    """Stride of every convolution, in the order of the parameters."""
    strides = [1]
    for halving in _halvings(net.stages):
        strides += [2, 1, 2] if halving else [1, 1]
    return tuple(strides)


def residual_apply(net: Residual, parameters: Parameters, x: Float[Array, "h w c"]) -> Float[Array, " o"]:
    """Outputs at one image."""
    scales = [layer_scales(net, w.shape) for w, _ in parameters]
    return _passed(activation(net.activation).phi, scales, net.stages, net.readout, parameters, x)[0]


@dataclass(frozen=True)
class ResidualForward:
    """A forward pass whose activation and scales are data (see `finite.Forward`)."""

    choice: Int[Array, ""] | int
    scales: list[tuple[Float[Array, ""], Float[Array, ""]]]
    stages: tuple[int, ...]
    readout: str

    def __call__(self, parameters: Parameters, x: Float[Array, "m h w c"]) -> Float[Array, "m o"]:
        """Outputs at several images."""
        return self._passed(parameters, x)[0]

    def linear_maps(self, parameters: Parameters, x: Float[Array, "m h w c"]) -> list[LinearMap]:
        """What goes into every convolution, and what comes out, at several images."""
        return self._passed(parameters, x)[1]

    def _passed(self, parameters: Parameters, x: Array) -> tuple[Array, list[LinearMap]]:
        phi = partial(chosen, self.choice)
        return jax.vmap(partial(_passed, phi, self.scales, self.stages, self.readout, parameters))(x)


jax.tree_util.register_dataclass(
    ResidualForward, data_fields=["choice", "scales"], meta_fields=["stages", "readout"]
)


def residual_forward_pass(
    net: Residual, shapes: list[tuple[int, ...]], dtype: Any = jnp.float64
) -> ResidualForward:
    """The forward pass of `net` for weights of these shapes (see `residual_weight_shapes`)."""
    scales = [layer_scales(net, shape) for shape in shapes]
    as_data = [(jnp.asarray(w, dtype), jnp.asarray(b, dtype)) for w, b in scales]
    return ResidualForward(jnp.asarray(choice_of(net.activation)), as_data, net.stages, net.readout)


def _halvings(stages: tuple[int, ...]) -> Iterator[bool]:
    """Block by block, whether it halves the image."""
    for stage, blocks in enumerate(stages):
        for block in range(blocks):
            yield stage > 0 and block == 0


def _passed(
    phi: Any, scales: list[tuple], stages: tuple[int, ...], readout: str, parameters: Parameters, x: Array
) -> tuple[Array, list[LinearMap]]:
    """Outputs at one image, and the convolutions on the way."""
    layers = iter(zip(parameters, scales, strict=True))
    maps: list[LinearMap] = []

    def convolved(image: Array, stride: int = 1) -> Array:
        maps.append(LinearMap(image, linear(*next(layers), image, stride)))
        return maps[-1].outputs

    h = convolved(x)
    for halving in _halvings(stages):
        stride = 2 if halving else 1
        inner = convolved(phi(convolved(phi(h), stride)))
        h = inner + (convolved(h, stride) if halving else h)
    return read_out(*next(layers), readout, phi(h)), maps
