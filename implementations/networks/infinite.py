"""The infinite-width counterpart of an architecture, built from neural-tangents layers."""

from __future__ import annotations

from typing import Any

from advntk.implementations.networks.activations import activation
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.neural_tangents_adapter import stax


def dense(arch: Architecture, width: int) -> Any:
    """A fully connected neural-tangents layer with the scales of `arch`."""
    return stax().Dense(width, arch.sigma_w, arch.sigma_b, parameterization=arch.parameterization)


def triple(arch: Architecture, width: int, outputs: int) -> Any:
    """neural-tangents' (init_fn, apply_fn, kernel_fn) of the whole network.

    `width` and `outputs` enter the kernel only in the standard parameterization, whose NTK grows
    with the width.
    """
    nt = stax()
    if arch.family == "mlp":
        hidden = [layer for _ in range(arch.depth) for layer in _mlp_block(arch, width)]
    else:
        convolution = nt.Conv(
            width,
            (3, 3),
            padding="SAME",
            W_std=arch.sigma_w,
            b_std=arch.sigma_b,
            parameterization=arch.parameterization,
        )
        block = [convolution, activation(arch.activation).layer()]
        hidden = block * arch.depth
        hidden.append(nt.GlobalAvgPool() if arch.readout == "pool" else nt.Flatten())
    return nt.serial(*hidden, dense(arch, outputs))


def _mlp_block(arch: Architecture, width: int) -> list[Any]:
    return [dense(arch, width), activation(arch.activation).layer()]
