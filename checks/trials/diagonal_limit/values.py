r"""Trials of the diagonal limit by value: are the limits the predicted numbers, to one per cent?

Every statistic is a ratio to its limit, averaged over many outputs and several inputs of each network, with
control variates beside it (`implementations.kernels.sample_means`).  "Diagonal" is the mean over inputs of
K(x, x) over its limit; "cosines" the projection of all K(x, x') / sqrt(K(x, x) K(x', x')), x != x', on
their limits: what inputs share, without the noise of their sizes.

Networks are in single precision: its rounding is a thousandth of what is looked for.  Limits are in double.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.axes import WIDTH
from advntk.checks.deciders.value import ValueDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between, Choice
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
from advntk.implementations.kernels.gradient_covariances import GradientCovariances, gradient_covariances
from advntk.implementations.kernels.infinite import (
    InfiniteKernels,
    ark_trace,
    infinite_kernels,
    input_gradient_covariance,
    mlp_limits,
)
from advntk.implementations.kernels.sample_means import SampleMeans, sample_means, sample_means_memory
from advntk.theorems.assumptions import ACTIVATIONS, SMOOTH

GROUP = 4  # outputs of a network whose Xi is looked at
# Small widths are cheap and their bias tells the limit as well: seeds are what a value takes.
VALUE = Effort(
    quick=Measure(4, 512, (16, 32, 64, 128), looks=3, held=(("depth", 2),)),
    standard=Measure(8, 2048, (32, 64, 128, 256), looks=3),
    thorough=Measure(28, 2048, (32, 64, 128, 256, 512), looks=4),
)
# Networks of one hidden layer, or block, are measured in a quick run: every width costs a program.
IMAGES = Effort(
    quick=Measure(3, 256, (4, 8, 16, 32), looks=2, held=(("depth", 1),)),
    standard=Measure(8, 1024, (8, 16, 32, 48), looks=3),
    thorough=Measure(16, 1024, (8, 16, 32, 64), looks=4),
)
FIXED = Effort(
    quick=Measure(2, 512, (16, 32, 64, 128), looks=3, held=(("depth", 1),)),
    standard=Measure(5, 1024, (32, 64, 128, 256), looks=4),
    thorough=Measure(10, 2048, (64, 128, 256, 512), looks=4),
)
_SCALES: dict[str, Choice] = {
    "sigma_w": Between(1.2, 1.8),
    # A missing bias is to be seen: it must not be zero.
    "sigma_b": Between(0.3, 0.6),
    "arrangement": ("correlated",),
    "data_seed": tuple(range(8)),
}


# What is told from equal: the finest of these that the noise of the seeds allows.
OFF = (0.01, 0.003)
# Images have few channels, whose noise is large; so is that of a spread, which rests on fourth moments.
COARSE = (0.1, 0.03, *OFF)


def value_of(statistic: str, off: tuple[float, ...] = OFF) -> ValueDecider:
    """Tells equal from off by one per cent, or less."""
    return ValueDecider(statistic, off, "controls")


def image_value_of(statistic: str) -> ValueDecider:
    """The same for images."""
    return value_of(statistic, COARSE)


# Whether networks are drawn and passed as described: the controls' means rest on it.
LAW = ValueDecider("preactivation_variance", (0.03, *OFF), terms=0)


def memory(scenario: Scenario) -> int:
    """Bytes per seed of one network with its gradients."""
    network, _, _ = build(scenario)
    return dense_memory(scenario, copies=1) + sample_means_memory(
        network, input_shape(scenario), scenario.width, scenario.samples, scenario.outputs
    )


@network_trial(
    decides={
        "diagonal_limit.nngp_value": [value_of("nngp_diagonal"), value_of("nngp_cosines"), LAW],
        "diagonal_limit.ntk_value": [value_of("ntk_diagonal"), value_of("ntk_cosines"), LAW],
        "diagonal_limit.ark_value": [value_of("ark_diagonal"), value_of("ark_cosines"), LAW],
        "diagonal_limit.xi_value": [value_of("xi_diagonal"), LAW],
    },
    space=ADVERSARIAL_TRAINING.over(
        depth=(1, 2, 3),
        activation=ACTIVATIONS,
        parameterization=("ntk", "standard"),
        samples=(6,),
        outputs=(32,),
        strength=Between(0.1, 0.3),
        **_SCALES,
    ),
    sweep=WIDTH,
    effort=VALUE,
    memory=memory,
    seconds=dense_seconds,
)
def kernel_values(scenario: Scenario, keys: Array) -> dict[str, Array]:
    """Kernels of MLPs over their limits, input width growing too."""
    arch, x, _ = build(scenario)
    found = sample_means(arch, keys, _single(x), scenario.width, scenario.outputs, GROUP)
    limit = mlp_limits(arch, x @ x.T / x.shape[1], float(scenario.input_width), float(scenario.width))
    return {
        **_ratios(found, {"nngp": limit.nngp, "ntk": limit.ntk, "ark": limit.ark}),
        "xi_diagonal": _xi_ratio(found.blocks, limit.ark, scenario.strength),
    }


@network_trial(
    decides={
        "diagonal_limit.nngp_value": [image_value_of("nngp_diagonal"), image_value_of("nngp_cosines"), LAW],
        "diagonal_limit.ntk_value": [image_value_of("ntk_diagonal"), image_value_of("ntk_cosines"), LAW],
        "diagonal_limit.ark_value": [image_value_of("ark_diagonal"), image_value_of("ark_cosines"), LAW],
    },
    space=ADVERSARIAL_TRAINING.over(
        family=("cnn", "resnet"),
        readout=("flatten", "pool"),
        depth=(1, 2),
        activation=ACTIVATIONS,
        input_growth=("fixed",),
        input_width=(16,),
        samples=(4,),
        outputs=(8,),
        **_SCALES,
    ),
    sweep=WIDTH,
    effort=IMAGES,
    memory=memory,
    seconds=dense_seconds,
)
def image_kernel_values(scenario: Scenario, keys: Array) -> dict[str, Array]:
    """Kernels of convolutional and residual networks over their limits, pixels fixed and channels growing."""
    network, x, _ = build(scenario)
    found = sample_means(network, keys, _single(x), scenario.width, scenario.outputs, GROUP)
    # Quadrature for all pairs of pixels takes seconds, and is the same at every width in the NTK's own
    # parameterization.
    one = scenario if scenario.parameterization == "standard" else scenario.replace(width=1)
    return _ratios(found, _image_limits(one, infinite_kernels, ark_trace))


@lru_cache(maxsize=8)
def _image_limits(
    scenario: Scenario, kernels: Callable[..., InfiniteKernels], trace: Callable[..., Array]
) -> dict[str, Float[Array, "m m"]]:
    network, x, _ = build(scenario)

    def of_pair(pair: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        one, other = (at[None] for at in pair)
        limit = kernels(network, one, other, scenario.width, scenario.outputs)
        return limit.nngp[0, 0], limit.ntk[0, 0], trace(network, one, other)[0, 0]

    # One pair of images after the other: all pairs of pixels of all of them at once would take gigabytes.
    places = np.triu_indices(len(x))
    found = jax.jit(partial(jax.lax.map, of_pair))((x[places[0]], x[places[1]]))
    limits = {}
    for name, values in zip(("nngp", "ntk", "ark"), found, strict=True):
        upper = jnp.zeros((len(x), len(x)), values.dtype).at[places].set(values)
        limits[name] = upper + jnp.triu(upper, 1).T
    return limits


@network_trial(
    decides={
        "diagonal_limit.ark_fixed_input_value": [
            value_of("mean_diagonal"),
            value_of("mean_cosines"),
            value_of("spread", COARSE),
            LAW,
        ]
    },
    space=ADVERSARIAL_TRAINING.over(
        depth=(1, 2),
        activation=SMOOTH,
        parameterization=("ntk", "standard"),
        input_growth=("fixed",),
        input_width=(8, 16),
        samples=(4,),
        outputs=(8,),
        **_SCALES,
    ),
    sweep=WIDTH,
    effort=FIXED,
    memory=memory,
    seconds=dense_seconds,
)
def fixed_input_values(scenario: Scenario, keys: Array) -> dict[str, Array]:
    r"""Mean and spread of the ARK at fixed d over their predictions.

    Given the hidden layers the input gradients of outputs are independent N(0, S), S the sum over hidden
    units of their gradients' outer products: the ARK has the mean tr S there, the variance 2 tr S^2 on its
    diagonal and tr S^2 off it.
    """
    arch, x, _ = build(scenario)
    found = gradient_covariances(arch, keys, _single(x), scenario.width)
    return _fixed_input_ratios(
        found, *_fixed_input_limits(scenario.replace(width=1), input_gradient_covariance, ark_trace)
    )


@lru_cache(maxsize=8)
def _fixed_input_limits(
    scenario: Scenario, covariance: Callable[..., Array], trace: Callable[..., Array]
) -> tuple[Float[Array, "m d d"], Float[Array, "m m"]]:
    arch, x, _ = build(scenario)
    return jax.lax.map(lambda x_i: covariance(arch, x_i), x), trace(arch, x)


def _ratios(found: SampleMeans, limits: dict[str, Float[Array, "m m"]]) -> dict[str, Array]:
    measured = {name: getattr(found, name) for name in limits}
    return {
        **{f"{name}_diagonal": _diagonal_ratio(kernel, limits[name]) for name, kernel in measured.items()},
        **{f"{name}_cosines": _cosine_ratio(kernel, limits[name]) for name, kernel in measured.items()},
        "controls": _rounded(found.controls),
        "preactivation_variance": found.variance,
    }


@jax.jit
def _diagonal_ratio(kernel: Float[Array, "s m m"], limit: Float[Array, "m m"]) -> Float[Array, " s"]:
    return (jnp.diagonal(kernel, axis1=1, axis2=2) / jnp.diagonal(limit)[None]).mean(1)


@jax.jit
def _cosine_ratio(kernel: Float[Array, "s m m"], limit: Float[Array, "m m"]) -> Float[Array, " s"]:
    def cosines(k: Array) -> Array:
        size = jnp.sqrt(jnp.diagonal(k))
        return k / (size[:, None] * size[None]) * (1 - jnp.eye(len(k)))

    expected = cosines(limit)
    return jax.vmap(lambda k: (cosines(k) * expected).sum())(kernel) / (expected**2).sum()


@jax.jit
def _xi_ratio(
    blocks: Float[Array, "s g m c c"], limit: Float[Array, "m m"], strength: float
) -> Float[Array, " s"]:
    """Diagonal entries of Xi at the end of a strength that doubles, over their limit."""
    ark = jnp.diagonal(limit)
    schedule = Schedule.of("growing", jnp.full(len(ark), strength / ark.mean() / 2), jnp.ones(len(ark)))
    xi = jnp.diagonal(xi_blocks(blocks, schedule), axis1=-2, axis2=-1)
    return (xi / xi_diagonal(ark[:, None], schedule)[None, None]).mean((1, 2, 3))


@jax.jit
def _fixed_input_ratios(
    found: GradientCovariances, sigma: Float[Array, "m d d"], mean: Float[Array, "m m"]
) -> dict[str, Array]:
    square = (sigma * jnp.swapaxes(sigma, 1, 2)).sum((1, 2))
    return {
        "mean_diagonal": _diagonal_ratio(found.traces, mean),
        "mean_cosines": _cosine_ratio(found.traces, mean),
        "spread": (found.squares / square[None]).mean(1),
        "controls": _rounded(found.controls),
        "preactivation_variance": found.variance,
    }


def _single(x: Float[Array, "m ..."]) -> Float[Array, "m ..."]:
    return x.astype(jnp.float32)


def _rounded(controls: Float[Array, "s k"]) -> Float[Array, "s k"]:
    """To as many digits as a control needs: the evidence keeps them for every seed."""
    return jnp.round(controls, 5)
