r"""Trial of finite networks: outputs, input gradients and empirical kernels against plain loops.

Parameters are normal numbers of this trial's own, away from anything that an initialization makes of them, so
that every scale, bias and order of axes shows.  What is allowed are some hundred rounding errors of the
largest entry: the longest sum has fewer terms than that.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between
from advntk.checks.trial import trial
from advntk.checks.trials.implementation.building import Sizes, arch_of, plain_of, shapes_by_hand
from advntk.checks.trials.implementation.comparing import NONE, compiled, count, gap, worst
from advntk.checks.trials.implementation.plain_networks import Layer, flat, outputs
from advntk.checks.trials.implementation.space import NETWORKS
from advntk.implementations.kernels.empirical import (
    EmpiricalKernels,
    diagonal_blocks,
    input_jacobians,
    jacobian_kernels,
    kernels_of_seeds,
)
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.finite import (
    forward_pass,
    initialize_seeds,
    parameter_count,
    weight_shapes,
)
from advntk.implementations.networks.protocol import Parameters
from advntk.theorems.assumptions import ACTIVATIONS

INPUTS, SEEDS = 3, 2
ROUNDINGS = 400
_SIZES = {"mlp": Sizes((5,), 4, 3), "cnn": Sizes((3, 2, 2), 3, 2), "cnn_pool": Sizes((3, 2, 2), 3, 2)}
_BOUNDED = ("outputs", "input_gradient", "kernel", "parameters")


@trial(
    decides={
        "implementation.forward": [
            *(BoundDecider(name, f"{name}_allowed", "at most") for name in _BOUNDED),
            BoundDecider("sizes_that_differ", "none", "at most"),
        ]
    },
    space=NETWORKS.over(
        structure=("mlp", "cnn", "cnn_pool"),
        depth=(2, 1, 3),
        activation=ACTIVATIONS,
        parameterization=("ntk", "standard"),
        sigma_w=Between(1.0, 2.0),
        sigma_b=Between(0.1, 0.8),
        data_seed=tuple(range(8)),
    ),
    effort=Effort(
        quick=Measure(3, 1, held=(("depth", 2),)), standard=Measure(20, 1), thorough=Measure(60, 1)
    ),
    random=False,
    seconds=lambda scenario: 0.5 * scenario.depth,
)
def networks_by_hand(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """f, d_x f, and both empirical kernels of networks that a plain loop computes as well."""
    del keys
    arch, plain, sizes = arch_of(scenario), plain_of(scenario), _SIZES[scenario.structure]
    rng = np.random.default_rng([scenario.data_seed, 31])
    shapes = shapes_by_hand(scenario, sizes)
    networks = [_drawn(shapes, rng, plain.standard) for _ in range(SEEDS)]
    x = rng.standard_normal((INPUTS, *sizes.input_shape))

    by_hand = [[outputs(plain, one, x_i) for x_i in x] for one in networks]
    values, in_x, in_parameters = (
        np.array([[getattr(one, name) for one in row] for row in by_hand])
        for name in ("value", "in_x", "in_parameters")
    )
    ntk, ark = (np.einsum("siap,sjbp->siajb", one, one) for one in (in_parameters, in_x))
    blocks = np.stack([ark[:, i, :, i] for i in range(INPUTS)], axis=1)

    drawn = jax.random.split(jax.random.key(scenario.data_seed), SEEDS)
    stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *networks)
    found = _by_program(arch, stacked, jnp.asarray(x), drawn, sizes, tuple(shapes))
    close = partial(gap, roundings=ROUNDINGS)
    pairs = {
        "outputs": [close(one, values) for one in found.outputs],
        "input_gradient": [close(np.reshape(found.in_x, in_x.shape), in_x)],
        "kernel": [
            pair
            for one in found.kernels
            for pair in (close(one.ntk, ntk), close(one.ark, ark), close(diagonal_blocks(one.ark), blocks))
        ],
        # One network at a time, or all at once: the same draws, to a rounding or two.
        "parameters": [gap(found.alone, found.together, 4)],
    }
    result = {"sizes_that_differ": count(*_sizes_that_differ(scenario, shapes, sizes)), "none": NONE}
    for name, some in pairs.items():
        result[name], result[f"{name}_allowed"] = worst(*some)
    return result


class _Found(NamedTuple):
    """What the program says, by every route that it has."""

    outputs: tuple[Float[Array, "s i c"], ...]
    in_x: Float[Array, "s i c ..."]
    kernels: tuple[EmpiricalKernels, ...]
    alone: Float[Array, " n"]
    together: Float[Array, " n"]


@partial(compiled, static_argnames=("sizes", "shapes"))
def _by_program(
    arch: Architecture,
    networks: Parameters,
    x: Float[Array, "i ..."],
    keys: Array,
    sizes: Sizes,
    shapes: tuple[tuple[int, ...], ...],
) -> _Found:
    """In one compiled program, since compiling is what takes the time."""
    forward = forward_pass(arch, list(shapes))
    kernels = [kernels_of_seeds(forward, networks, x)]
    if arch.family == "mlp":
        # Of convolutional networks that is the only route.
        kernels.append(jax.vmap(lambda one: jacobian_kernels(arch, one, x))(networks))
    direct = jax.vmap(lambda one: jax.vmap(partial(arch.apply, one))(x))(networks)
    together = initialize_seeds(arch, keys, *sizes)
    alone = [arch.init(key, *sizes) for key in keys]
    return _Found(
        (jax.vmap(forward, (0, None))(networks, x), direct),
        input_jacobians(forward, networks, x),
        tuple(kernels),
        jnp.concatenate([jnp.ravel(leaf) for one in alone for leaf in jax.tree.leaves(one)]),
        jnp.concatenate(
            [jnp.ravel(leaf[place]) for place in range(SEEDS) for leaf in jax.tree.leaves(together)]
        ),
    )


def _drawn(shapes: list[tuple[int, ...]], rng: np.random.Generator, standard: bool) -> list[Layer]:
    found = []
    for shape in shapes:
        units = shape[0] if len(shape) == 2 else shape[3]
        fan_in = shape[1] if len(shape) == 2 else 9 * shape[2]
        size = 1 / np.sqrt(fan_in) if standard else 1.0
        found.append((size * rng.standard_normal(shape), rng.standard_normal(units)))
    return found


def _sizes_that_differ(scenario: Scenario, shapes: list[tuple[int, ...]], sizes: Sizes) -> list[int]:
    arch = arch_of(scenario)
    total = len(flat(_drawn(shapes, np.random.default_rng(0), False)))
    return [
        int(weight_shapes(arch, *sizes) != shapes),
        int(arch.weight_shapes(*sizes) != shapes),
        abs(parameter_count(shapes) - total),
    ]
