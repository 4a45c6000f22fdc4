r"""Residual convolutional networks, and their infinite-width limit built from neural-tangents layers.

    h_0 = conv(x),    h_{b+1} = s(h_b) + conv(phi(conv(phi(h_b)))),    f = dense(readout(phi(h_B))),

every convolution 3x3 with zero padding, scaled as in `Architecture` (NTK parameterization).  The first block
of every stage but the first halves the image: its first convolution has stride 2, and its shortcut s is a
1x1 convolution of stride 2; all other shortcuts are the identity.

These are the blocks of He et al. with the activation before the convolution, for two reasons.  What a
shortcut adds must be Gaussian with mean zero: the kernel of a sum is then the sum of the kernels, and
neural-tangents has no other.  And there is no batch normalization: it couples the samples of a batch, and a
kernel between two inputs cannot depend on the others.  The variance therefore grows from block to block.
Source: He et al., CVPR 2016 (stages, projections) and ECCV 2016 (order within a block).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from advntk.implementations.networks.activations import activation
from advntk.implementations.networks.architecture import Readout, Scale
from advntk.implementations.networks.protocol import Parameters
from advntk.implementations.neural_tangents_adapter import stax

RESNET_18 = (2, 2, 2, 2)
RESNET_34 = (3, 4, 6, 3)


@dataclass(frozen=True)
class Residual:
    """A residual network: `stages[i]` blocks of two convolutions at resolution 1 / 2^i.

    `RESNET_18` and `RESNET_34` are stages; both count the stem, two convolutions per block and the output.
    `readout` "pool" needs covariances between all pairs of pixels, "flatten" of equal pixels only.
    `sigma_w` and `sigma_b` may be traced by JAX; everything else is static.
    """

    stages: tuple[int, ...] = RESNET_18
    sigma_w: Scale = 1.76
    sigma_b: Scale = 0.18
    activation: str = "relu"
    readout: Readout = "flatten"

    kind: ClassVar[str] = "residual"
    family: ClassVar[str] = "resnet"
    parameterization: ClassVar[str] = "ntk"
    flattens_inputs: ClassVar[bool] = False

    def with_scales(self, sigma_w: Scale, sigma_b: Scale) -> Residual:
        """The same structure with other initialization scales."""
        return replace(self, sigma_w=sigma_w, sigma_b=sigma_b)

    # What follows is imported where it is needed, since it is built on this class.

    def init(
        self,
        key: Key[Array, ""],
        input_shape: tuple[int, ...],
        width: int,
        outputs: int,
        dtype: Any = jnp.float64,
    ) -> Parameters:
        """Parameters of one finite network (`finite.initialize`)."""
        from advntk.implementations.networks.finite import initialize

        return initialize(self, key, input_shape, width, outputs, dtype)

    def apply(self, parameters: Parameters, x: Float[Array, "..."]) -> Float[Array, " c"]:
        """Outputs at one image (`finite_residual.residual_apply`)."""
        from advntk.implementations.networks.finite_residual import residual_apply

        return residual_apply(self, parameters, x)

    def weight_shapes(self, input_shape: tuple[int, ...], width: int, outputs: int) -> list[tuple[int, ...]]:
        """Shapes of the weights, layer by layer (`finite_residual.residual_weight_shapes`)."""
        from advntk.implementations.networks.finite_residual import residual_weight_shapes

        return residual_weight_shapes(self, input_shape, width, outputs)

    def limit_kernel(self, width: int = 1, outputs: int = 1) -> Any:
        """neural-tangents' kernel function (`residual_triple`)."""
        return residual_triple(self, width, outputs)[2]

    def covariances_per_pair(self, input_shape: tuple[int, ...]) -> tuple[int, int]:
        """In the largest layer, and in all: two convolutions and a shortcut per block, and the stem."""
        power = 2 if self.readout == "pool" else 1
        sizes = [(h * w) ** power for h, w in resolutions(self.stages, input_shape[0], input_shape[1])]
        pixels = (input_shape[0] * input_shape[1]) ** power
        return pixels, pixels + sum(3 * n * size for n, size in zip(self.stages, sizes, strict=True))


jax.tree_util.register_dataclass(
    Residual, data_fields=["sigma_w", "sigma_b"], meta_fields=["stages", "activation", "readout"]
)


def residual(
    stages: tuple[int, ...] = RESNET_18,
    sigma_w: float = 1.76,
    sigma_b: float = 0.18,
    activation_name: str = "relu",
    readout: Readout = "flatten",
) -> Residual:
    """A `Residual` from checked values.

    Args:
      stages: numbers of blocks, each at least 1.
      sigma_w: scale of the weights, positive.
      sigma_b: scale of the biases, not negative.
      activation_name: name in `activations.ACTIVATIONS`.
      readout: "flatten" or "pool" (convolutional networks).

    Returns:
      The description.

    Raises:
      ValueError: naming the argument, the value and the fix.
    """
    if not stages or min(stages) < 1:
        raise ValueError(f"stages = {stages} must hold at least one number of blocks, each at least 1")
    if readout not in ("flatten", "pool"):
        raise ValueError(f"readout = {readout!r} is unknown; choose one of: flatten, pool")
    activation(activation_name)
    if not sigma_w > 0:
        raise ValueError(f"sigma_w = {sigma_w} must be positive")
    if not sigma_b >= 0:
        raise ValueError(f"sigma_b = {sigma_b} must not be negative")
    return Residual(tuple(stages), sigma_w, sigma_b, activation_name, readout)


def residual_triple(net: Residual, width: int = 1, outputs: int = 1) -> Any:
    """neural-tangents' (init_fn, apply_fn, kernel_fn); the kernel does not depend on `width`, `outputs`."""
    nt, phi = stax(), activation(net.activation).layer()
    layers = [_convolution(net, width)]
    for stage, blocks in enumerate(net.stages):
        for block in range(blocks):
            layers.append(_block(net, width, halving=stage > 0 and block == 0))
    layers.append(phi)
    layers.append(nt.GlobalAvgPool() if net.readout == "pool" else nt.Flatten())
    return nt.serial(*layers, nt.Dense(outputs, net.sigma_w, net.sigma_b))


def resolutions(stages: tuple[int, ...], height: int, columns: int) -> list[tuple[int, int]]:
    """Height and width in pixels of the feature maps of every stage."""
    return [(math.ceil(height / 2**i), math.ceil(columns / 2**i)) for i in range(len(stages))]


def _block(net: Residual, width: int, halving: bool) -> Any:
    nt, phi = stax(), activation(net.activation).layer()
    stride = 2 if halving else 1
    main = nt.serial(phi, _convolution(net, width, stride), phi, _convolution(net, width))
    shortcut = _convolution(net, width, stride, side=1) if halving else nt.Identity()
    return nt.serial(nt.FanOut(2), nt.parallel(main, shortcut), nt.FanInSum())


def _convolution(net: Residual, width: int, stride: int = 1, side: int = 3) -> Any:
    return stax().Conv(
        width,
        (side, side),
        strides=(stride, stride),
        padding="SAME",
        W_std=net.sigma_w,
        b_std=net.sigma_b,
        parameterization="ntk",
    )
