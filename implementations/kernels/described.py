"""Kernels by name and as plain values, so that models can be kept without pickles and asked for in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any

import msgspec

from advntk.implementations.kernels.ntk import Kernel, kernel_of
from advntk.implementations.networks.activations import activation
from advntk.implementations.networks.architecture import (
    Architecture,
    Family,
    Parameterization,
    Readout,
    architecture,
)
from advntk.implementations.networks.protocol import Network
from advntk.implementations.networks.residual import RESNET_18, RESNET_34, Residual

RESNETS = {"resnet18": Residual(RESNET_18), "resnet34": Residual(RESNET_34)}
_KINDS: dict[str, Any] = {one.kind: one for one in (Architecture, Residual)}
_Scale = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
_Layers = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class _PlainArchitecture(msgspec.Struct, forbid_unknown_fields=True):
    family: Family
    depth: _Layers
    activation: str
    sigma_w: _Scale
    sigma_b: _Scale
    parameterization: Parameterization
    readout: Readout


class _PlainResidual(msgspec.Struct, forbid_unknown_fields=True):
    stages: Annotated[tuple[_Layers, ...], msgspec.Meta(min_length=1, max_length=10)]
    sigma_w: _Scale
    sigma_b: _Scale
    activation: str
    readout: Readout


# Kind |-> what stands in files of it.
_PLAIN: dict[str, type[msgspec.Struct]] = {
    Architecture.kind: _PlainArchitecture,
    Residual.kind: _PlainResidual,
}
NETWORKS = "mlpN (N layers in all), cnnN or cnnN-pool (N convolutions), " + ", ".join(RESNETS)


def network(name: str, activation: str, sigma_w: float, sigma_b: float) -> Network:
    """The architecture called `name`: mlp5, cnn3, cnn3-pool, resnet18, ...

    As in the paper's tables: the number counts all linear layers of an MLP, the readout included, and the
    convolutions of a CNN, which is flattened, or averaged with -pool, before its readout.

    Args:
      name: see above.
      activation: of every layer, by name.
      sigma_w: scale of the weights, positive.
      sigma_b: scale of the biases, not negative.

    Returns:
      Its description.

    Raises:
      ValueError: no such network.
    """
    if name in RESNETS:
        return replace(RESNETS[name], activation=activation, sigma_w=sigma_w, sigma_b=sigma_b)
    found = re.fullmatch(r"(mlp|cnn)([1-9]\d?)(-pool)?", name)
    if found is None or (found[1] == "mlp" and (found[3] or found[2] == "1")):
        raise ValueError(f"network = {name!r} is unknown; choose {NETWORKS}")
    readout: Any = "pool" if found[3] else "flatten"
    family: Any = found[1]
    depth = int(found[2]) - (family == "mlp")
    return architecture(family, depth, activation, sigma_w, sigma_b, readout=readout)


def described(kernel: Kernel) -> dict[str, Any]:
    """The kernel as plain values.

    Raises:
      ValueError: a kernel of one's own, which cannot be described.
    """
    found = getattr(kernel, "arch", None) or getattr(kernel, "network", None)
    if found is not None and getattr(found, "kind", None) in _KINDS:
        return {found.kind: asdict(found)}
    raise ValueError(f"kernel = {kernel!r} has no architecture that could be written down")


def kernel_from(values: Mapping[str, Any]) -> Kernel:
    """The kernel described by `values` (the inverse of `described`).

    Raises:
      ValueError, TypeError, KeyError: values that describe none.
    """
    kind = next((name for name in values if name in _KINDS), Architecture.kind)
    # What was a tuple comes back from a file as a list.
    found = msgspec.structs.asdict(msgspec.convert(values[kind], _PLAIN[kind]))
    activation(found["activation"])
    return kernel_of(_KINDS[kind](**found))
