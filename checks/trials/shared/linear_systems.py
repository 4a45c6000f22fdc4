r"""The linearized system of a scenario: kernels at initialization, starting outputs, strengths and times.

Every trial of the dynamics begins here, so that strengths and times mean the same in all of them:
the largest eta_i(t) S is `strength` in units of 1 / mean_i Theta_x(x_i, x_i), and T is `training_time`
in units of 1 / mean_i Theta_theta(x_i, x_i), both kernels in their infinite-width limit.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.checks.scenario import Scenario
from advntk.checks.trials.shared.building import build, dense_memory, input_shape
from advntk.implementations.dynamics.adversarial_training import Points, training_memory
from advntk.implementations.dynamics.schedules import Schedule
from advntk.implementations.kernels.empirical import diagonal_blocks, kernels_of_seeds, memory_per_seed
from advntk.implementations.kernels.infinite import MlpLimits, mlp_limits
from advntk.implementations.networks.architecture import Architecture, architecture
from advntk.implementations.networks.finite import (
    Forward,
    forward_pass,
    initialize_seeds,
    weight_shapes,
)
from advntk.implementations.networks.protocol import Parameters

# Phase that a schedule runs through in the training time: one, but oscillations make two full turns.
_PHASE = {"oscillating": 4 * math.pi}


class Setting(NamedTuple):
    """What a scenario fixes: its points (the samples first), their limit kernels, and the time T."""

    arch: Architecture
    points: Points
    limits: MlpLimits
    end: Float[Array, ""]


class LinearSystem(NamedTuple):
    """One linear system (*) per seed: all points against the samples; `f_0` and `ark` at all points."""

    ntk: Float[Array, "s p c m c"]
    ark: Float[Array, "s p c c"]
    initial: Float[Array, "s p c"]


def setting(scenario: Scenario, unseen: int = 0) -> Setting:
    """Points, limit kernels, strengths and time of an MLP scenario."""
    arch, x, y = build(scenario, unseen)
    limits = mlp_limits(arch, x @ x.T / x.shape[1], float(scenario.input_width), float(scenario.width))
    return Setting(
        arch,
        *_scaled(
            limits,
            x,
            y,
            jnp.asarray(scenario.strength),
            jnp.asarray(scenario.spread),
            jnp.asarray(scenario.training_time),
            scenario.schedule,
            scenario.samples,
        ),
    )


def networks(scenario: Scenario, arch: Architecture, keys: Array) -> tuple[Forward, Parameters]:
    """Freshly initialized networks of a scenario, one per key, and their forward pass."""
    shape = input_shape(scenario)
    parameters = initialize_seeds(arch, keys, shape, scenario.width, scenario.outputs)
    return forward_pass(arch, weight_shapes(arch, shape, scenario.width, scenario.outputs)), parameters


@jax.jit
def linear_systems(forward: Forward, parameters: Parameters, x: Float[Array, "p d"]) -> LinearSystem:
    """Kernels and outputs at all points, per seed; the caller cuts the samples out of the last axes."""
    kernels = kernels_of_seeds(forward, parameters, x)
    blocks = diagonal_blocks(kernels.ark)
    # Symmetric but for rounding.
    blocks = (blocks + jnp.swapaxes(blocks, -1, -2)) / 2
    return LinearSystem(kernels.ntk, blocks, jax.vmap(forward, in_axes=(0, None))(parameters, x))


def flow_memory(scenario: Scenario, unseen: int = 2) -> int:
    """Bytes per seed of a trained network beside its kernels."""
    arch = architecture(scenario.family, scenario.depth, readout=scenario.readout)
    points, shape = scenario.samples + unseen, input_shape(scenario)
    # Exponentials of a system hold some dozen matrices of its size.
    return dense_memory(scenario) + max(
        memory_per_seed(arch, shape, scenario.width, points, scenario.outputs),
        training_memory(arch, shape, scenario.width, points, scenario.outputs),
    )


def _scaled(
    limits: MlpLimits,
    x: Array,
    y: Array,
    strength: Array,
    spread: Array,
    training_time: Array,
    shape: str,
    samples: int,
) -> tuple[Points, MlpLimits, Array]:
    end = training_time / jnp.diagonal(limits.ntk)[:samples].mean()
    base = strength / jnp.diagonal(limits.ark)[:samples].mean()
    # Samples differ evenly, from 1 - spread to 1 + spread; unseen points take the mean.
    differ = jnp.linspace(-1.0, 1.0, samples) if samples > 1 else jnp.zeros(1)
    differ = jnp.concatenate([differ, jnp.zeros(len(x) - samples)])
    phase = _PHASE.get(shape, 1.0)
    # The largest strength on the way is what `strength` says: 1 + u grows to 2 (for the mean sample).
    base = base / (2.0 if shape == "growing" else 1.0)
    schedule = Schedule.of(shape, base * (1 + spread * differ), phase * (1 - spread * differ / 2) / end)
    return Points(x, y, schedule), limits, end
