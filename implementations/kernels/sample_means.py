r"""Kernels of finite networks averaged over their outputs, for comparing means with a limit by value.

In expectation these are the kernels of one output; averaging over many outputs of one network, and over many
networks, leaves little noise.  Beside each network come control variates, whose mean is zero whatever its
width, because they look at each layer given the layers before it (`networks.innovations`):

- averages over the outputs of every linear layer;
- of convolutions, averages of squares of their weights;
- of an MLP, what the weights do to gradients on their way back.  Given the forward pass, only the components
  of W along the inputs of its layer are known; with P the projection across them and v a gradient behind the
  layer, |P W^T v|^2 has the mean |v|^2 times the number of dimensions left.  Likewise of the readout's
  squares, weighted by the slopes that they meet.

The kernels are those of the network's own parameters and forward pass; only the controls take the scales
from its description.  `variance` tells the two apart: the mean square of all z, 1 if the network is drawn and
passed as described.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from advntk.implementations.kernels.empirical import Layers, layers_of
from advntk.implementations.networks.activations import choice_of
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.finite import (
    Forward,
    LinearMap,
    forward_pass,
    initialize_seeds,
    parameter_count,
)
from advntk.implementations.networks.finite_residual import (
    ResidualForward,
    residual_forward_pass,
    strides_of,
)
from advntk.implementations.networks.innovations import controls_of_layer, innovations
from advntk.implementations.networks.law import Law
from advntk.implementations.networks.protocol import Network, Parameters
from advntk.implementations.networks.residual import Residual


class SampleMeans(NamedTuple):
    """Per network: kernels averaged over outputs, control variates, and the mean square of all z.

    `nngp` is the covariance of one output given the hidden layers, over the law of the readout's parameters.
    `blocks` are ARK blocks of groups of outputs at each input: every group is a network of that many.
    """

    nngp: Float[Array, "s m m"]
    ntk: Float[Array, "s m m"]
    ark: Float[Array, "s m m"]
    blocks: Float[Array, "s g m c c"]
    controls: Float[Array, "s k"]
    variance: Float[Array, " s"]


def sample_means(
    network: Network,
    keys: Key[Array, " seeds"],
    x: Float[Array, "m ..."],
    width: int,
    outputs: int,
    group: int = 4,
) -> SampleMeans:
    """Kernels of freshly initialized networks, one per key, averaged over their outputs.

    Args:
      network: an MLP, a CNN or a residual network.
      keys: one random key per network.
      x: inputs, (m, d) or (m, height, columns, channels).
      width: units, or channels, of every hidden layer.
      outputs: number of outputs to average over.
      group: outputs of a block of the ARK; `outputs` must be a multiple of it.

    Returns:
      Kernels with a leading seed axis.

    Raises:
      ValueError: outputs that are no multiple of `group`.
    """
    if outputs % group:
        raise ValueError(f"outputs = {outputs} must be a multiple of group = {group}")
    shapes = network.weight_shapes(x.shape[1:], width, outputs)
    parameters = initialize_seeds(network, keys, x.shape[1:], width, outputs, x.dtype)
    forward: Forward | ResidualForward
    if isinstance(network, Residual):
        forward, strides = residual_forward_pass(network, shapes, x.dtype), strides_of(network)
    else:
        assert isinstance(network, Architecture)
        forward, strides = forward_pass(network, shapes, x.dtype), (1,) * (len(shapes) - 1)
    # Families and readouts have programs of their own anyway, and one activation compiles faster than all.
    choice = None if x.ndim == 2 else choice_of(network.activation)
    return _of_seeds(Law.of(network, x.dtype), forward, parameters, x, tuple(shapes), strides, group, choice)


@partial(jax.jit, static_argnames=("shapes", "strides", "group", "choice"))
def _of_seeds(
    law: Law,
    forward: Forward | ResidualForward,
    parameters: Parameters,
    x: Array,
    shapes: tuple[tuple[int, ...], ...],
    strides: tuple[int, ...],
    group: int,
    choice: int | None,
) -> SampleMeans:
    if choice is not None:
        forward = replace(forward, choice=choice)

    def one(theta: Parameters) -> SampleMeans:
        if x.ndim == 2:
            assert isinstance(forward, Forward)
            return _of_mlp(law, forward, theta, x, shapes, group)
        return _of_images(law, forward, theta, x, shapes, strides, group)

    # Convolutions with a kernel per seed, vmapped, would take memory with the square of the seeds.
    return jax.vmap(one)(parameters) if x.ndim == 2 else jax.lax.map(one, parameters)


def _of_mlp(
    law: Law,
    forward: Forward,
    parameters: Parameters,
    x: Array,
    shapes: tuple[tuple[int, ...], ...],
    group: int,
) -> SampleMeans:
    found = layers_of(forward, parameters, x)
    ntk: Array = jnp.zeros((), x.dtype)
    for inputs, slopes, (w_scale, b_scale) in zip(found.inputs, found.slopes, forward.scales, strict=True):
        ntk = ntk + (w_scale**2 * (inputs @ inputs.T) + b_scale**2) * _over_outputs(slopes)
    nngp = _of_readout(law, forward, found, shapes[-1])
    maps = [LinearMap(*pair) for pair in zip(found.inputs[:-1], found.outputs[:-1], strict=True)]
    controls, variance = layer_controls(law, maps, shapes, (1,) * len(maps))
    back = _controls_of_gradients(law, found, parameters, shapes)
    ark = found.of_inputs
    return SampleMeans(
        nngp, ntk, _over_outputs(ark), _blocks(ark, group), jnp.concatenate([controls, back]), variance
    )


@jax.jit
def output_covariances(
    arch: Architecture, forward: Forward, parameters: Parameters, x: Float[Array, "m d"]
) -> Float[Array, "s m m"]:
    """Covariance of each output of given MLPs over the law of their readouts, hidden layers fixed.

    Args:
      arch: an MLP.
      forward: its forward pass.
      parameters: with a leading seed axis.
      x: inputs, (m, d).

    Returns:
      One matrix per seed, the `nngp` of `sample_means`.
    """

    def one(theta: Parameters) -> Array:
        return _of_readout(Law.of(arch, x.dtype), forward, layers_of(forward, theta, x), theta[-1][0].shape)

    return jax.vmap(one)(parameters)


def _of_readout(law: Law, forward: Forward, found: Layers, shape: tuple[int, ...]) -> Float[Array, "m m"]:
    (w_scale, b_scale), last = forward.scales[-1], found.inputs[-1]
    w_law, b_law = law.variances(shape)
    return w_law * w_scale**2 * (last @ last.T) + b_law * b_scale**2


def _of_images(
    law: Law,
    forward: Forward | ResidualForward,
    parameters: Parameters,
    x: Array,
    shapes: tuple[tuple[int, ...], ...],
    strides: tuple[int, ...],
    group: int,
) -> SampleMeans:
    def gradients(x_i: Array) -> Any:
        _, pull = jax.vjp(lambda p, v: forward(p, v[None])[0], parameters, x_i)
        return jax.vmap(pull)(jnp.eye(shapes[-1][0], dtype=x.dtype))

    in_parameters, in_x = jax.vmap(gradients)(x)
    flat = [leaf.reshape(*leaf.shape[:2], -1) for leaf in jax.tree.leaves(in_parameters)]
    ntk = jnp.asarray(sum(_over_outputs(leaf) for leaf in flat))
    # The readout is linear in its parameters: its gradients are what they are multiplied with.
    w_law, b_law = law.variances(shapes[-1])
    of_w, of_b = (leaf.reshape(*leaf.shape[:2], -1) for leaf in in_parameters[-1])
    nngp = w_law * _over_outputs(of_w) + b_law * _over_outputs(of_b)
    controls, variance = layer_controls(law, forward.linear_maps(parameters, x), shapes, strides)
    controls = jnp.concatenate([controls, _controls_of_weights(law, parameters, shapes)])
    ark = in_x.reshape(*in_x.shape[:2], -1)
    return SampleMeans(nngp, ntk, _over_outputs(ark), _blocks(ark, group), controls, variance)


def layer_controls(
    law: Law, maps: list[LinearMap], shapes: tuple[tuple[int, ...], ...], strides: tuple[int, ...]
) -> tuple[Float[Array, " k"], Float[Array, ""]]:
    """Averages over the outputs of linear layers whose means are known, and the mean square of all z."""
    controls, squares, count = [], jnp.zeros(()), 0
    for layer, shape, stride in zip(maps, shapes[:-1], strides, strict=True):
        z, correlation = innovations(law, layer, shape, stride)
        controls.append(controls_of_layer(z, correlation))
        squares, count = squares + (z**2).sum(), count + z.size
    return jnp.concatenate(controls), squares / count


def _controls_of_gradients(
    law: Law, found: Layers, parameters: Parameters, shapes: tuple[tuple[int, ...], ...]
) -> Float[Array, " k"]:
    controls = across_layers(law, found, parameters, shapes)
    # The readout's squares by the slopes that they meet: of one output, whose own slope is 1.
    w = parameters[-1][0] / jnp.sqrt(law.variances(shapes[-1])[0])
    derivative = found.derivatives[-1]
    excess = (w**2).mean(0) - 1
    met = jnp.einsum("iu,ju,u->ij", derivative, derivative, excess) / derivative.shape[1]
    return jnp.stack([*controls, *_diagonal_and_pairs(met, _cosines(found.inputs[-1]))])


def across_layers(
    law: Law, found: Layers, parameters: Parameters, shapes: tuple[tuple[int, ...], ...]
) -> list[Float[Array, ""]]:
    """What the weights of each layer with these parameters do to gradients across its inputs."""
    controls: list[Array] = []
    for layer, ((w, _), shape) in enumerate(zip(parameters, shapes, strict=True)):
        inputs, slopes = found.inputs[layer], found.slopes[layer]
        free = inputs.shape[1] - len(inputs)
        if free > 0:
            back = slopes @ (w / jnp.sqrt(law.variances(shape)[0]))
            excess = _over_outputs(_across(back, inputs)) / free - _over_outputs(slopes)
            controls += _diagonal_and_pairs(excess, _cosines(inputs))
    return controls


def _diagonal_and_pairs(of_pairs: Float[Array, "m m"], weights: Float[Array, "m m"]) -> list[Array]:
    return [jnp.diagonal(of_pairs).mean(), (weights * (1 - jnp.eye(len(weights))) * of_pairs).mean()]


def _controls_of_weights(
    law: Law, parameters: Parameters, shapes: tuple[tuple[int, ...], ...]
) -> Float[Array, " k"]:
    """Of each convolution's weights over their law: squares, those of the central pixel, fourth powers."""
    controls = []
    for (w, _), shape in zip(parameters[:-1], shapes[:-1], strict=True):
        square = w**2 / law.variances(shape)[0]
        # A sum of f squares of N(0, 1) has the variance 2f.
        of_unit = square.mean((0, 1, 2)) - 1
        centre = square[shape[0] // 2, shape[1] // 2]
        controls += [
            square.mean() - 1,
            centre.mean() - 1,
            (of_unit**2 - 2 / (shape[0] * shape[1] * shape[2])).mean(),
        ]
    return jnp.stack(controls)


def _across(vectors: Float[Array, "m c n"], inputs: Float[Array, "m n"]) -> Float[Array, "m c n"]:
    """What is left of vectors across all inputs, which must be linearly independent.

    Gram-Schmidt by hand, twice for its rounding: batched LAPACK calls cost more here than they compute.
    """
    directions: list[Array] = []
    for direction in inputs:
        for other in directions * 2:
            direction = direction - (direction @ other) * other
        directions.append(direction / jnp.linalg.norm(direction))
    along = jnp.stack(directions)
    return vectors - (vectors @ along.T) @ along


def _over_outputs(gradients: Float[Array, "m c n"]) -> Float[Array, "m m"]:
    """Gram matrix of each output's gradients, averaged over outputs."""
    return jnp.einsum("iau,jau->ij", gradients, gradients) / gradients.shape[1]


def _blocks(gradients: Float[Array, "m outputs n"], group: int) -> Float[Array, "g m c c"]:
    m, outputs, size = gradients.shape
    grouped = gradients.reshape(m, outputs // group, group, size)
    return jnp.einsum("igan,igbn->giab", grouped, grouped)


def _cosines(inputs: Float[Array, "m n"]) -> Float[Array, "m m"]:
    norm = jnp.linalg.norm(inputs, axis=1)
    return inputs @ inputs.T / (norm[:, None] * norm[None])


def sample_means_memory(
    network: Network, input_shape: tuple[int, ...], width: int, samples: int, outputs: int
) -> int:
    """Upper estimate, in bytes and float64, of what one seed of `sample_means` takes.

    Args:
      network: the network.
      input_shape: of one input, (d,) or (height, columns, channels).
      width: units, or channels, of every hidden layer.
      samples: number of inputs.
      outputs: number of outputs.

    Returns:
      Bytes.
    """
    shapes = network.weight_shapes(input_shape, width, outputs)
    parameters = parameter_count(shapes)
    if len(input_shape) == 1:
        # Inputs, outputs and gradients of each layer, the latter for every output or every hidden unit.
        layers = samples * max(width, input_shape[0]) * len(shapes) * (3 * max(outputs, width) + 20)
        return 8 * (3 * parameters + layers)
    pixels = input_shape[0] * input_shape[1]
    layers = samples * outputs * pixels * max(width, input_shape[2]) * (2 * len(shapes) + 2)
    return 8 * (3 * parameters + 3 * samples * outputs * parameters + layers)
