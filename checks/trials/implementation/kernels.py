r"""Trials of the limit kernels: every path to them, and their input gradients, against a plain recursion.

Values may differ by some hundred rounding errors; derivatives are held against differences, which say
themselves how exact they are.  Tiles are so small that no side of a matrix is a multiple of theirs.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between, Choice
from advntk.checks.trial import trial
from advntk.checks.trials.implementation import differences
from advntk.checks.trials.implementation.building import arch_of
from advntk.checks.trials.implementation.comparing import compiled, gap, worst
from advntk.checks.trials.implementation.space import NETWORKS
from advntk.checks.trials.shared.plain_kernels import Limit, kernels, matrix
from advntk.implementations.kernels.infinite import (
    ark_product,
    ark_trace,
    infinite_kernels,
    input_gradient_covariance,
    mlp_limits,
)
from advntk.implementations.kernels.ntk import ClosedFormNTK, Kernel, StaxNTK, kernel_of
from advntk.implementations.networks.residual import residual
from advntk.theorems.assumptions import ACTIVATIONS

D, TRAINED, OTHERS, OUTPUTS = 4, 3, 2, 3
GRID = (3, 2, 2)
HEIGHT, COLUMNS = GRID[:2]
STAGES = (1, 1)
WIDTH = 7  # of the hidden layers, where it matters
ROUNDINGS = 512
# Tiles of four entries.
SMALL_CLOSED_FORM, SMALL = 4 * 11 * 8, 4 * 14 * 8
_SMOOTH_AND_CHEAP = "erf"
_FORMULAS = ("relu", "leaky_relu", "erf")
_MLP = ("nngp", "ntk", "ark", "gradient", "input_derivatives")
_CONVOLUTIONAL = ("ntk", "gradient")


_FORMULAS_FIRST: dict[str, Choice] = {
    "activation": ("erf", *(a for a in ACTIVATIONS if a != "erf")),
    "sigma_w": Between(1.0, 1.8),
    "sigma_b": Between(0.0, 0.6),
    "data_seed": tuple(range(8)),
}


def _deciders(names: tuple[str, ...]) -> list[BoundDecider]:
    return [BoundDecider(f"{name}_error", f"{name}_allowed", "at most") for name in names]


@trial(
    decides={"implementation.kernels": _deciders(_MLP)},
    space=NETWORKS.over(
        structure=("mlp",),
        depth=(2, 1, 3),
        activation=("relu", "erf", "leaky_relu", *(a for a in ACTIVATIONS if "relu" not in a and a != "erf")),
        parameterization=("ntk", "standard"),
        sigma_w=Between(1.0, 1.8),
        sigma_b=Between(0.0, 0.6),
        data_seed=tuple(range(8)),
    ),
    effort=Effort(
        quick=Measure(4, 1, held=(("depth", 2),)), standard=Measure(20, 1), thorough=Measure(60, 1)
    ),
    random=False,
    seconds=lambda scenario: 0.5 * scenario.depth,
)
def fully_connected_limits(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """NNGP kernel, NTK and ARK of infinite MLPs, and what is differentiated of them."""
    del keys
    arch, standard = arch_of(scenario), scenario.parameterization == "standard"
    limit = Limit(
        "mlp", scenario.depth, scenario.activation, scenario.sigma_w, scenario.sigma_b, standard=standard
    )
    some = _samples(scenario, (D,))
    both = np.concatenate([some.x_train, some.x])
    wide = matrix(limit._replace(width=WIDTH), both, both, quadrature=scenario.activation != "erf")
    found = _mlp_by_program(arch, jnp.asarray(both))
    pairs = {
        "gradient": [],
        "nngp": [gap(one.nngp, wide[0], ROUNDINGS) for one in found],
        "ntk": [gap(one.ntk, wide[1], ROUNDINGS) for one in found],
        "ark": [
            gap(found[0].ark, wide[2], ROUNDINGS),
            gap(_product(arch, some), wide[2][TRAINED:, :TRAINED], ROUNDINGS),
        ],
        "input_derivatives": [_at_one_input(scenario, limit, some)],
    }
    if scenario.activation in _FORMULAS:
        machine = kernel_of(arch)
        if isinstance(machine, ClosedFormNTK | StaxNTK):
            small = SMALL_CLOSED_FORM if isinstance(machine, ClosedFormNTK) else SMALL
            machine = replace(machine, tile_bytes=small)
        _add_machine(pairs, machine, limit, some)
    return _as_values(pairs)


@trial(
    decides={"implementation.convolutional_kernels": _deciders(_CONVOLUTIONAL)},
    space=NETWORKS.over(structure=("cnn", "cnn_pool"), depth=(2, 1), **_FORMULAS_FIRST),
    effort=Effort(
        quick=Measure(2, 1, held=(("depth", 2), ("activation", "erf"))),
        standard=Measure(12, 1),
        thorough=Measure(40, 1),
    ),
    random=False,
    seconds=lambda _: 3.0,
)
def convolutional_limits(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """NTK of infinite convolutional networks, and the gradient of a loss."""
    del keys
    pooled = scenario.structure == "cnn_pool"
    limit = Limit(
        "cnn", scenario.depth, scenario.activation, scenario.sigma_w, scenario.sigma_b, pooled
    )  # fmt: skip
    return _by_pixels(scenario, StaxNTK(arch_of(scenario)), limit)


@trial(
    decides={"implementation.residual_kernels": _deciders(_CONVOLUTIONAL)},
    space=NETWORKS.over(structure=("residual", "residual_pool"), **_FORMULAS_FIRST),
    effort=Effort(
        quick=Measure(1, 1, held=(("structure", "residual"), ("activation", "erf"))),
        standard=Measure(8, 1),
        thorough=Measure(30, 1),
    ),
    random=False,
    seconds=lambda _: 5.0,
)
def residual_limits(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """NTK of infinite residual networks, and the gradient of a loss."""
    del keys
    pooled = scenario.structure == "residual_pool"
    scales = scenario.sigma_w, scenario.sigma_b
    net = residual(STAGES, *scales, scenario.activation, "pool" if pooled else "flatten")
    limit = Limit("residual", 0, scenario.activation, *scales, pooled, stages=STAGES)
    return _by_pixels(scenario, StaxNTK(net), limit)


def _by_pixels(scenario: Scenario, kernel: StaxNTK, limit: Limit) -> dict[str, np.ndarray]:
    pairs: dict[str, list] = {"ntk": [], "gradient": []}
    _add_machine(pairs, replace(kernel, tile_bytes=SMALL * HEIGHT * COLUMNS), limit, _samples(scenario, GRID))
    return _as_values(pairs)


class _Samples(NamedTuple):
    """Inputs of a kernel machine, its weights, and targets: nothing of it is special."""

    x: Float[np.ndarray, "k ..."]
    x_train: Float[np.ndarray, "m ..."]
    weights: Float[np.ndarray, "m c"]
    targets: Float[np.ndarray, "k c"]
    direction: Float[np.ndarray, "k ..."]


def _samples(scenario: Scenario, shape: tuple[int, ...]) -> _Samples:
    rng = np.random.default_rng([scenario.data_seed, 32])
    sizes = (OTHERS, *shape), (TRAINED, *shape), (TRAINED, OUTPUTS), (OTHERS, OUTPUTS), (OTHERS, *shape)
    return _Samples(*(rng.standard_normal(size) for size in sizes))


@compiled
def _mlp_by_program(arch: Any, both: Float[Array, "n d"]) -> tuple[Any, Any]:
    limits = mlp_limits(arch, both @ both.T / both.shape[1], float(both.shape[1]), float(WIDTH))
    return limits, infinite_kernels(arch, both, width=WIDTH)


def _product(arch: Any, some: _Samples) -> Array:
    return ark_product(arch, jnp.asarray(some.x), jnp.asarray(some.x_train))


def _add_machine(pairs: dict[str, list], machine: Kernel, limit: Limit, some: _Samples) -> None:
    """Kernel matrices and a loss gradient of a kernel machine, beside those of the plain recursion."""
    by_hand = partial(matrix, quadrature=False)

    def loss(place: int, along: float) -> float:
        at = some.x[place] + along * some.direction[place]
        f = by_hand(limit, at[None], some.x_train)[1, 0] @ some.weights
        return float(((f - some.targets[place]) ** 2).sum() / 2)

    wanted, left = np.array([differences.slope(partial(loss, place)) for place in range(OTHERS)]).T
    gram, across, gradient = _by_machine(machine, *(jnp.asarray(part) for part in some[:4]))
    pairs["ntk"].append(gap(across, by_hand(limit, some.x, some.x_train)[1], ROUNDINGS))
    if gram is not None:
        pairs["ntk"].append(gap(gram, by_hand(limit, some.x_train, some.x_train)[1], ROUNDINGS))
    along = (np.asarray(gradient) * some.direction).reshape(OTHERS, -1).sum(1)
    pairs.setdefault("gradient", []).append((along - wanted, left))


def _by_machine(
    machine: Kernel, x: Array, x_train: Array, weights: Array, targets: Array
) -> tuple[Array | None, Array, Array]:
    # An unknown kernel may not be hashable: closed over, not an argument.
    @compiled
    def everything(x: Array, x_train: Array, weights: Array, targets: Array) -> tuple:
        # Of images, whose programs are large, what lies across tells as much.
        gram = machine.gram(x_train) if x.ndim == 2 else None
        return gram, machine.cross(x, x_train), machine.loss_gradient(x, targets, x_train, weights)

    return everything(x, x_train, weights, targets)


def _at_one_input(scenario: Scenario, limit: Limit, some: _Samples) -> tuple[np.ndarray, np.ndarray]:
    """The ARK's trace form and the covariance of an input gradient, of an activation that is cheap."""
    if scenario.activation != _SMOOTH_AND_CHEAP:
        return np.zeros(1), np.ones(1)
    arch, plain = arch_of(scenario), limit._replace(standard=False)
    one, other = some.x

    def by_hand(a: np.ndarray, b: np.ndarray, i: int, j: int) -> tuple[float, float]:
        unit = np.eye(D)
        return differences.mixed(
            lambda s, t: kernels(plain, a + s * unit[i], b + t * unit[j], quadrature=False).nngp
        )

    whole = np.array([[by_hand(one, one, i, j) for j in range(D)] for i in range(D)])
    across = np.array([by_hand(one, other, i, i) for i in range(D)]).sum(0)
    covariance, trace = _derivatives(arch, jnp.asarray(one), jnp.asarray(some.x))
    own = np.trace(whole[:, :, 0]), whole[:, :, 1].sum()
    error = [covariance - whole[:, :, 0], trace[0, 0] - own[0], trace[0, 1] - across[0]]
    allowed = [whole[:, :, 1], own[1], across[1]]
    return (np.concatenate([np.ravel(part) for part in parts]) for parts in (error, allowed))  # type: ignore[return-value]


@compiled
def _derivatives(arch: Any, one: Float[Array, " d"], x: Float[Array, "k d"]) -> tuple[Array, Array]:
    return input_gradient_covariance(arch, one), ark_trace(arch, x[:1], x)


def _as_values(pairs: dict[str, list]) -> dict[str, np.ndarray]:
    """Per statistic the worst; where an activation has nothing to show, no error of a bound of one."""
    found = {}
    for name, some in pairs.items():
        found[f"{name}_error"], found[f"{name}_allowed"] = worst(*(some or [(0.0, 1.0)]))
    return found
