"""One description of an architecture, from which the finite network and its limit are both built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import jax
from jaxtyping import Array, Float

from advntk.implementations.networks.activations import activation

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
