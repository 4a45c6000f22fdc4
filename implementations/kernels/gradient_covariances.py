"""What the input gradients of an MLP's outputs are drawn from, for their means and spreads by value."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from advntk.implementations.kernels.empirical import layers_of
from advntk.implementations.kernels.sample_means import across_layers, layer_controls
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.finite import Forward, LinearMap, forward_pass, initialize_seeds
from advntk.implementations.networks.law import Law
from advntk.implementations.networks.protocol import Parameters


class GradientCovariances(NamedTuple):
    """Per network: covariances S of one output's input gradients given the hidden layers, and controls.

    `traces` are those of S for all pairs of inputs; `squares` is tr S S' at each input, with S and S' of the
    two halves of the last layer's units, twice each: a square that its own noise does not enlarge.
    """

    traces: Float[Array, "s m m"]
    squares: Float[Array, "s m"]
    controls: Float[Array, "s k"]
    variance: Float[Array, " s"]


def gradient_covariances(
    arch: Architecture, keys: Key[Array, " seeds"], x: Float[Array, "m d"], width: int
) -> GradientCovariances:
    """What the input gradients of an MLP's outputs are drawn from, once its hidden layers are known.

    One output for each hidden unit reads that unit alone, with the weight of its law; their gradients'
    outer products add up to the covariance of an output that reads all of them.

    Args:
      arch: an MLP.
      keys: one random key per network.
      x: inputs, (m, d).
      width: units of every hidden layer, even.

    Returns:
      Covariances with a leading seed axis.

    Raises:
      ValueError: an odd width.
    """
    if width % 2:
        raise ValueError(f"width = {width} must be even: the last layer is halved")
    shapes = arch.weight_shapes(x.shape[1:], width, width)
    parameters = initialize_seeds(arch, keys, x.shape[1:], width, 1, x.dtype)
    law = Law.of(arch, x.dtype)
    return _covariances(law, forward_pass(arch, shapes, x.dtype), parameters, x, tuple(shapes))


@partial(jax.jit, static_argnames=("shapes",))
def _covariances(
    law: Law,
    forward: Forward,
    parameters: Parameters,
    x: Array,
    shapes: tuple[tuple[int, ...], ...],
) -> GradientCovariances:
    width = shapes[-1][1]
    every_unit = jnp.eye(width, dtype=x.dtype) * jnp.sqrt(law.variances(shapes[-1])[0])

    def one(theta: Parameters) -> GradientCovariances:
        found = layers_of(forward, [*theta[:-1], (every_unit, jnp.zeros(width, x.dtype))], x)
        gradients = found.of_inputs
        maps = [LinearMap(*pair) for pair in zip(found.inputs[:-1], found.outputs[:-1], strict=True)]
        controls, variance = layer_controls(law, maps, shapes, (1,) * len(maps))
        back = across_layers(law, found, theta[:-1], shapes[:-1])
        of_weights = _controls_of_first_weights(law, theta, shapes[0])
        # Two halves of the last layer's units share nothing but what comes before.
        halves = [2 * jnp.einsum("iau,iav->iuv", half, half) for half in jnp.split(gradients, 2, axis=1)]
        return GradientCovariances(
            jnp.einsum("iau,jau->ij", gradients, gradients),
            (halves[0] * halves[1]).sum((1, 2)),
            jnp.concatenate([controls, jnp.stack([*back, *of_weights])]),
            variance,
        )

    return jax.vmap(one)(parameters)


def _controls_of_first_weights(
    law: Law, parameters: Parameters, shape: tuple[int, ...]
) -> list[Float[Array, ""]]:
    """Trace and square of W^T W / n - I of the first layer, over their means: 0 and d(d + 1)/n."""
    w = parameters[0][0] / jnp.sqrt(law.variances(shape)[0])
    n, d = shape
    excess = w.T @ w / n - jnp.eye(d, dtype=w.dtype)
    return [jnp.trace(excess) / d, (excess**2).sum() / d - (d + 1) / n]
