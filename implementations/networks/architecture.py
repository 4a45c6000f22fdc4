"""One description of an architecture, from which the finite network and its limit are both built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from advntk.implementations.networks.activations import activation
from advntk.implementations.networks.protocol import Parameters

Family = Literal["mlp", "cnn"]
Parameterization = Literal["ntk", "standard"]
Readout = Literal["flatten", "pool"]

Scale = float | Float[Array, ""]


@dataclass(frozen=True)
class Architecture:
    r"""A fully connected or convolutional network with `depth` hidden layers.

    MLP: h^(1) = (sigma_w/sqrt(n_0)) W x + sigma_b b, then phi and the next layer, `depth` hidden
    layers of equal width and a linear output (theory: section 0).  CNN: `depth` convolutions
    3x3 with zero padding, phi after each, then flattening or global average pooling and a linear
    output.  In the `standard` parameterization the scales sit in the variance of the initial
    weights instead of in the forward pass: the same function at initialization, another NTK.

    `sigma_w` and `sigma_b` may be traced by JAX; everything else is static.
    """

    family: Family = "mlp"
    depth: int = 2
    activation: str = "erf"
    sigma_w: Scale = 1.5
    sigma_b: Scale = 0.1
    parameterization: Parameterization = "ntk"
    readout: Readout = "flatten"

    kind: ClassVar[str] = "architecture"

    # The protocol `Network`; what it takes is imported where it is needed, since it is built on this class.

    @property
    def flattens_inputs(self) -> bool:
        """Whether inputs are taken as vectors, images among them."""
        return self.family == "mlp"

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
        """Outputs at one input (`finite.apply`)."""
        from advntk.implementations.networks.finite import apply

        return apply(self, parameters, x)

    def weight_shapes(self, input_shape: tuple[int, ...], width: int, outputs: int) -> list[tuple[int, ...]]:
        """Shapes of the weights, layer by layer (`finite.weight_shapes`)."""
        from advntk.implementations.networks.finite import weight_shapes

        return weight_shapes(self, input_shape, width, outputs)

    def limit_kernel(self, width: int = 1, outputs: int = 1) -> Any:
        """neural-tangents' kernel function (`infinite.triple`)."""
        from advntk.implementations.networks.infinite import triple

        return triple(self, width, outputs)[2]

    def covariances_per_pair(self, input_shape: tuple[int, ...]) -> tuple[int, int]:
        """In the largest layer, and in all: one per pair of pixels that are kept apart."""
        if self.family == "mlp":
            return 1, self.depth + 1
        pixels = (input_shape[0] * input_shape[1]) ** (2 if self.readout == "pool" else 1)
        return pixels, pixels * self.depth

    def with_scales(self, sigma_w: Scale, sigma_b: Scale) -> Architecture:
        """The same structure with other initialization scales."""
        return replace(self, sigma_w=sigma_w, sigma_b=sigma_b)


jax.tree_util.register_dataclass(
    Architecture,
    data_fields=["sigma_w", "sigma_b"],
    meta_fields=["family", "depth", "activation", "parameterization", "readout"],
)


def architecture(
    family: Family = "mlp",
    depth: int = 2,
    activation_name: str = "erf",
    sigma_w: float = 1.5,
    sigma_b: float = 0.1,
    parameterization: Parameterization = "ntk",
    readout: Readout = "flatten",
) -> Architecture:
    """An `Architecture` from checked values.

    Args:
      family: "mlp" or "cnn".
      depth: number of hidden layers, at least 1.
      activation_name: name in `activations.ACTIVATIONS`.
      sigma_w: scale of the weights, positive.
      sigma_b: scale of the biases, not negative.
      parameterization: "ntk" or "standard".
      readout: "flatten" or "pool" (convolutional networks).

    Returns:
      The description.

    Raises:
      ValueError: naming the argument, the value and the fix.
    """
    for name, value, allowed in (
        ("family", family, ("mlp", "cnn")),
        ("parameterization", parameterization, ("ntk", "standard")),
        ("readout", readout, ("flatten", "pool")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} = {value!r} is unknown; choose one of: {', '.join(allowed)}")
    activation(activation_name)
    if depth < 1:
        raise ValueError(f"depth = {depth} must be at least 1 (one hidden layer)")
    if not sigma_w > 0:
        raise ValueError(f"sigma_w = {sigma_w} must be positive")
    if not sigma_b >= 0:
        raise ValueError(f"sigma_b = {sigma_b} must not be negative")
    return Architecture(family, depth, activation_name, sigma_w, sigma_b, parameterization, readout)
