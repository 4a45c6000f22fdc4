"""Kernels by name and as plain values, so that models can be kept without pickles and asked for in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from advntk.implementations.kernels.ntk import Kernel, kernel_of
from advntk.implementations.networks.architecture import Architecture, architecture
from advntk.implementations.networks.protocol import Network
from advntk.implementations.networks.residual import RESNET_18, RESNET_34, Residual

RESNETS = {"resnet18": Residual(RESNET_18), "resnet34": Residual(RESNET_34)}
_KINDS: dict[str, Any] = {one.kind: one for one in (Architecture, Residual)}
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
    fields = {name: tuple(v) if isinstance(v, list) else v for name, v in values[kind].items()}
    return kernel_of(_KINDS[kind](**fields))
