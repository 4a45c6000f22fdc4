r"""Trials of the diagonal limit: kernels of networks at initialization against their limits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.checks.axes import WIDTH
from advntk.checks.deciders.level import LevelDecider
from advntk.checks.deciders.rate import RateDecider
from advntk.checks.efforts import LEVEL, RATE
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between
from advntk.checks.trial import Observation
from advntk.checks.trials.shared.building import (
    build,
    dense_memory,
    dense_seconds,
    input_shape,
    network_trial,
)
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.implementations.dynamics.regularization import xi_blocks, xi_diagonal
from advntk.implementations.dynamics.schedules import Schedule
from advntk.implementations.kernels.empirical import (
    diagonal_blocks,
    kernels_at_initialization,
    memory_per_seed,
)
from advntk.implementations.kernels.infinite import ark_product, input_gradient_covariance, mlp_limits
from advntk.implementations.networks.architecture import Architecture, architecture
from advntk.theorems.assumptions import SMOOTH

# Half way, on a log scale, between the predicted spread and one that lost its factor sqrt 2.
_SPREAD_MARGIN = float(2**0.5)  # on squares of spreads


def memory(scenario: Scenario) -> int:
    """Bytes per seed of one network at initialization with its kernels."""
    arch = architecture(scenario.family, scenario.depth, readout=scenario.readout)
    return dense_memory(scenario, copies=4) + memory_per_seed(
        arch, input_shape(scenario), scenario.width, scenario.samples, scenario.outputs
    )


@network_trial(
    decides={
        "diagonal_limit.ntk": [RateDecider("ntk_gap", 0.5)],
        "diagonal_limit.ark": [RateDecider("ark_gap", 0.5)],
        "diagonal_limit.xi": [RateDecider("xi_gap", 0.5), RateDecider("xi_off_diagonal", 0.5)],
    },
    space=ADVERSARIAL_TRAINING.over(
        depth=(1, 2, 3),
        activation=SMOOTH,
        sigma_w=Between(1.1, 2.0),
        sigma_b=Between(0.0, 0.5),
        parameterization=("ntk", "standard"),
        samples=(4, 6),
        outputs=(3, 4),
        strength=Between(0.2, 0.8),
        data_seed=tuple(range(8)),
    ),
    sweep=WIDTH,
    effort=RATE,
    memory=memory,
    seconds=dense_seconds,
)
def joint_limit(scenario: Scenario, keys: Array) -> Observation:
    """Relative gaps of the empirical NTK, ARK and Xi to their limits, input width growing too."""
    arch, x, _ = build(scenario)
    found = kernels_at_initialization(arch, keys, x, scenario.width, scenario.outputs)
    limit = mlp_limits(arch, gram(x), float(scenario.input_width), float(scenario.width))
    gaps, block = _joint_gaps(found.ntk, found.ark, limit.ntk, limit.ark, scenario.strength)
    return Observation(gaps, {"blocks": {"xi_gap": block}})


@network_trial(
    decides={
        "diagonal_limit.ark_fixed_input": [
            LevelDecider("diagonal_spread", _SPREAD_MARGIN),
            LevelDecider("off_diagonal_spread", _SPREAD_MARGIN),
        ],
        "diagonal_limit.ark_fixed_input_converges": [RateDecider("ark_gap", 0.5)],
    },
    space=ADVERSARIAL_TRAINING.over(
        depth=(1, 2),
        activation=SMOOTH,
        sigma_w=Between(1.1, 1.6),
        sigma_b=Between(0.0, 0.5),
        input_growth=("fixed",),
        input_width=(8, 16),
        samples=(4,),
        outputs=(8,),
        data_seed=tuple(range(8)),
    ),
    sweep=WIDTH,
    effort=LEVEL,
    memory=memory,
    seconds=dense_seconds,
)
def fixed_input(scenario: Scenario, keys: Array) -> dict[str, Array]:
    """Spread of the ARK at single inputs, relative to the prediction, with the input width fixed.

    Squares of spreads around the known mean, averaged over inputs and outputs: outputs are
    independent in the limit, so one network gives many nearly independent entries.
    """
    arch, x, _ = build(scenario)
    found = kernels_at_initialization(arch, keys, x, scenario.width, scenario.outputs)
    return _fixed_input_spread(arch, x, found.ark)


@jax.jit
def gram(x: Float[Array, "m d"]) -> Float[Array, "m m"]:
    """x_i . x_j / d, all that an MLP sees of its inputs."""
    return x @ x.T / x.shape[1]


@jax.jit
def _joint_gaps(
    ntk: Array, ark: Array, ntk_limit: Array, ark_limit: Array, strength: float
) -> tuple[dict[str, Array], Array]:
    """Gaps per seed; and for the eye the first input's block of Xi, in units of its limit."""
    # A strength that doubles over the training time, the same for every sample.
    scale = jnp.full(len(ark_limit), strength / jnp.diagonal(ark_limit).mean() / 1.5)
    schedule = Schedule.of("growing", scale, jnp.ones_like(scale))
    xi = xi_blocks(diagonal_blocks(ark), schedule)
    eye = jnp.eye(xi.shape[-1])
    xi_limit = xi_diagonal(jnp.diagonal(ark_limit)[:, None], schedule)[:, :, None] * eye[None]
    off = xi * (1 - eye)[None, None]
    gaps = {
        "ntk_gap": _gap(ntk, ntk_limit),
        "ark_gap": _gap(ark, ark_limit),
        "xi_gap": _norm(xi - xi_limit[None]) / jnp.linalg.norm(xi_limit),
        "xi_off_diagonal": _norm(off) / _norm(xi - off),
    }
    return gaps, jnp.round(xi[:, 0] / xi_limit[0, 0, 0], 4)


@jax.jit
def _fixed_input_spread(arch: Architecture, x: Array, ark: Array) -> dict[str, Array]:
    sigma = jax.lax.map(lambda x_i: input_gradient_covariance(arch, x_i), x)
    mean = jnp.trace(sigma, axis1=1, axis2=2)
    square = (sigma * jnp.swapaxes(sigma, 1, 2)).sum((1, 2))
    blocks = diagonal_blocks(ark)
    outputs = blocks.shape[-1]
    diagonal = jnp.diagonal(blocks, axis1=2, axis2=3)
    on = ((diagonal - mean[None, :, None]) ** 2).mean(2) / (2 * square)[None]
    off_sum = (blocks**2).sum((2, 3)) - (diagonal**2).sum(2)
    off = off_sum / (outputs * (outputs - 1)) / square[None]
    return {
        "diagonal_spread": on.mean(1),
        "off_diagonal_spread": off.mean(1),
        "ark_gap": _gap(ark, ark_product(arch, x)),
    }


def _gap(kernel: Float[Array, "s m c m c"], limit: Float[Array, "m m"]) -> Float[Array, " s"]:
    """||kernel - limit (x) I|| / ||limit (x) I|| in the Frobenius norm, per seed."""
    wide = limit[:, None, :, None] * jnp.eye(kernel.shape[2])[None, :, None, :]
    return _norm(kernel - wide[None]) / jnp.linalg.norm(wide)


def _norm(batch: Float[Array, "s ..."]) -> Float[Array, " s"]:
    return jnp.sqrt((batch**2).sum(tuple(range(1, batch.ndim))))
