"""From a scenario's plain values to an architecture and arrays."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.scenario import Scenario
from advntk.checks.trial import trial
from advntk.exceptions import UsageError
from advntk.implementations.data.loading import load, state_of
from advntk.implementations.data.stamps import Stamp
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.residual import residual


class Built(NamedTuple):
    """Architecture and inputs: x of shape (m, d) for an MLP, (m, height, columns, 1) for other families."""

    arch: Any
    x: Float[Array, "m ..."]
    y: Float[Array, "m c"]


def data_are_there(scenario: Scenario) -> None:
    """Load what a scenario is built from.

    Raises:
      BadData: data that cannot be loaded at these sizes, or hold NaN.
    """
    load(
        scenario.data,
        scenario.samples,
        scenario.input_width,
        scenario.outputs,
        scenario.data_seed,
        scenario.label_noise,
    )


def seconds_of(scenario: Scenario, rows: int) -> float:
    """About how long a program over the scenario's network compiles, and a system of `rows` takes to solve.

    Measured on one core, within a factor of three: layers are unrolled, and each is compiled with all others;
    an eigenvalue decomposition takes some 25 n^3 operations.
    """
    return 0.1 * scenario.depth**2 + 1e-9 * float(rows) ** 3


def dense_seconds(scenario: Scenario) -> float:
    """The same where outputs of one sample are coupled with all others."""
    return seconds_of(scenario, scenario.samples * scenario.outputs)


def kernel_seconds(scenario: Scenario) -> float:
    """The same where all outputs share one kernel over the samples."""
    return seconds_of(scenario, scenario.samples)


def dense_memory(scenario: Scenario, copies: int = 12) -> int:
    """Bytes of what is solved with, beside any network: matrices over samples and outputs, and the inputs."""
    rows = scenario.samples * scenario.outputs
    return 8 * copies * rows**2 + _inputs(scenario)


def kernel_memory(scenario: Scenario) -> int:
    """The same where outputs share one kernel over the samples, or have one each at most twice."""
    return 8 * (12 + 2 * scenario.outputs) * scenario.samples**2 + _inputs(scenario)


def _inputs(scenario: Scenario) -> int:
    return 8 * 4 * scenario.samples * (scenario.input_width + scenario.outputs)


# A trial of networks on data: what cannot be loaded is refused before anything is measured.
network_trial = functools.partial(trial, prepare=data_are_there, memory=kernel_memory, seconds=kernel_seconds)


def build(scenario: Scenario, unseen: int = 0) -> Built:
    """Build what `scenario` describes, in float64, with `unseen` points beside its samples."""
    return _build(scenario, unseen, state_of(scenario.data))


@functools.lru_cache(maxsize=64)
def _build(scenario: Scenario, unseen: int, _: Stamp | None) -> Built:
    data = load(
        scenario.data,
        scenario.samples + unseen,
        scenario.input_width,
        scenario.outputs,
        scenario.data_seed,
        scenario.label_noise,
    )
    arranged = _arranged(data.x[: scenario.samples], scenario.arrangement)
    data = data._replace(x=np.concatenate([arranged, data.x[scenario.samples :]]))
    network = network_of(scenario)
    inputs = data.x if network.flattens_inputs else data.images
    return Built(network, jnp.asarray(inputs), jnp.asarray(data.y))


def network_of(scenario: Scenario) -> Any:
    """The network that a scenario describes: an `Architecture`, or a `Residual` for the family "resnet".

    A residual network of depth L has L blocks, each at half the resolution of the one before.

    Raises:
      UsageError: a residual network in the standard parameterization.
    """
    if scenario.family == "resnet":
        if scenario.parameterization != "ntk":
            raise UsageError(
                f"parameterization = {scenario.parameterization!r}: residual networks have the NTK "
                "parameterization only; choose ntk, or family mlp or cnn"
            )
        return residual(
            (1,) * scenario.depth, scenario.sigma_w, scenario.sigma_b, scenario.activation, scenario.readout
        )
    return architecture(
        scenario.family,
        scenario.depth,
        scenario.activation,
        scenario.sigma_w,
        scenario.sigma_b,
        scenario.parameterization,
        scenario.readout,
    )


def input_shape(scenario: Scenario) -> tuple[int, ...]:
    """Shape of one input, without loading any data."""
    from advntk.implementations.data.dataset import grid_of

    if scenario.family == "mlp":
        return (scenario.input_width,)
    return (*grid_of(scenario.input_width), 1)


def _arranged(x: np.ndarray, arrangement: str) -> np.ndarray:
    """Replace the last inputs so that some pairs are collinear, or two of them equal, or nearly."""
    x = x.copy()
    if arrangement == "parallel":
        x[-1] = 0.5 * x[0]
    elif arrangement == "correlated":
        # Pairs with a cosine of about 0.8 and -0.8 in turn, where inputs are orthogonal otherwise.
        for i in range(1, len(x), 2):
            x[i] = 0.6 * x[i] + (0.8 if i % 4 == 1 else -0.8) * x[i - 1]
    elif arrangement == "antipodal":
        x[-1] = -x[0]
    elif arrangement == "two_antipodal":
        half = min(2, len(x) // 2)
        x[-half:] = -x[:half]
    elif arrangement == "duplicate":
        x[-1] = x[0]
    elif arrangement == "nearly_duplicate":
        x[-1] = x[0] + 1e-3 * (x[-1] - x[0])
    elif arrangement != "generic":
        raise ValueError(
            f"arrangement = {arrangement!r} is unknown; choose generic, correlated, parallel, antipodal, "
            "two_antipodal, duplicate or nearly_duplicate"
        )
    return x
