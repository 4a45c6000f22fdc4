r"""Empirical kernels of finite networks: NTK and ARK, one c x c block per pair of inputs.

    ntk[i, a, j, b] = d_theta f_a(x_i) . d_theta f_b(x_j)
    ark[i, a, j, b] = d_x f_a(x_i) . d_x f_b(x_j)

`jacobian_kernels` contracts whole Jacobians: transparent, any architecture, and the reference.
`layerwise_kernels` never forms a parameter Jacobian: for a fully connected layer the gradient in W
is an outer product delta a^T, so its Gram factorises into (a . a') (delta . delta').  That costs a
forward and a backward pass instead of M c gradients with one entry per parameter.
Source of the definitions: Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 4.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from advntk.implementations.networks.activations import chosen
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.finite import (
    Forward,
    forward_pass,
    initialize_seeds,
    parameter_count,
    weight_shapes,
)
from advntk.implementations.networks.protocol import Parameters


class EmpiricalKernels(NamedTuple):
    """NTK and ARK of one network over m inputs and c outputs; a leading seed axis when batched."""

    ntk: Float[Array, "*seeds m c m c"]
    ark: Float[Array, "*seeds m c m c"]


def jacobian_kernels(
    arch: Architecture, parameters: Parameters, x: Float[Array, "m ..."]
) -> EmpiricalKernels:
    """NTK and ARK by contracting Jacobians; memory grows like m * c * (number of parameters)."""
    return _by_jacobians(_forward(arch, parameters), parameters, x)


def layerwise_kernels(arch: Architecture, parameters: Parameters, x: Float[Array, "m d"]) -> EmpiricalKernels:
    """NTK and ARK of an MLP layer by layer, without parameter Jacobians.

    Raises:
      ValueError: `arch` is not an MLP.
    """
    if arch.family != "mlp":
        raise ValueError(f"family = {arch.family!r}: the layerwise form is for MLPs only")
    return _by_layers(_forward(arch, parameters), parameters, x)


def empirical_kernels(
    arch: Architecture, parameters: Parameters, x: Float[Array, "m ..."]
) -> EmpiricalKernels:
    """NTK and ARK by the faster way that the architecture allows."""
    route = layerwise_kernels if arch.family == "mlp" else jacobian_kernels
    return route(arch, parameters, x)


def diagonal_blocks(kernel: Float[Array, "*seeds m c m c"]) -> Float[Array, "*seeds m c c"]:
    """The blocks kernel[..., i, :, i, :] of each input with itself."""
    return jnp.moveaxis(jnp.diagonal(kernel, axis1=-4, axis2=-2), -1, -3)


def kernels_at_initialization(
    arch: Architecture,
    keys: Key[Array, " seeds"],
    x: Float[Array, "m ..."],
    width: int,
    outputs: int,
) -> EmpiricalKernels:
    """NTK and ARK of freshly initialized networks, one per key.

    Args:
      arch: the architecture.
      keys: one random key per network.
      x: inputs, (m, *shape).
      width: units, or channels, of every hidden layer.
      outputs: number of outputs.

    Returns:
      Kernels with a leading seed axis.
    """
    parameters = initialize_seeds(arch, keys, x.shape[1:], width, outputs, x.dtype)
    shapes = weight_shapes(arch, x.shape[1:], width, outputs)
    return kernels_of_seeds(forward_pass(arch, shapes, x.dtype), parameters, x)


@jax.jit
def kernels_of_seeds(forward: Forward, parameters: Parameters, x: Float[Array, "m ..."]) -> EmpiricalKernels:
    """NTK and ARK of networks whose parameters have a leading seed axis, in one compiled program."""
    if x.ndim == 2:
        return jax.vmap(lambda theta: _by_layers(forward, theta, x))(parameters)
    # Convolutions with a kernel per seed, vmapped, would take memory with the square of the seeds.
    return jax.lax.map(lambda theta: _by_jacobians(forward, theta, x), parameters)


def _forward(arch: Architecture, parameters: Parameters) -> Forward:
    return forward_pass(arch, [w.shape for w, _ in parameters], parameters[0][0].dtype)


def _by_jacobians(forward: Forward, parameters: Parameters, x: Array) -> EmpiricalKernels:
    def jacobians(x_i: Array) -> tuple:
        return jax.jacrev(lambda p, v: forward(p, v[None])[0], argnums=(0, 1))(parameters, x_i)

    in_theta, in_x = jax.vmap(jacobians)(x)
    ntk = sum(_gram(leaf) for leaf in jax.tree.leaves(in_theta))
    return EmpiricalKernels(jnp.asarray(ntk), _gram(in_x))


class Layers(NamedTuple):
    """One pass through an MLP: what goes into each linear layer, what comes out, and gradients of outputs.

    Layer 0 reads x, the last one is the readout.  `derivatives[l]` is phi' at the outputs of layer l,
    `slopes[l][i, a, u]` is d f_a(x_i) / d (output u of layer l), and `of_inputs` is d f_a(x_i) / d x_i.
    """

    inputs: list[Float[Array, "m n"]]
    outputs: list[Float[Array, "m n"]]
    derivatives: list[Float[Array, "m n"]]
    slopes: list[Float[Array, "m c n"]]
    of_inputs: Float[Array, "m c d"]


def layers_of(forward: Forward, parameters: Parameters, x: Float[Array, "m d"]) -> Layers:
    """Forward and backward pass of one MLP at several inputs."""
    inputs, outputs, derivatives = [x], [], []
    for (w, b), (w_scale, b_scale) in zip(parameters, forward.scales, strict=True):
        outputs.append(w_scale * (inputs[-1] @ w.T) + (b_scale * b)[None, :])
        if len(outputs) < len(parameters):
            value, derivative = jax.jvp(
                partial(chosen, forward.choice), (outputs[-1],), (jnp.ones_like(outputs[-1]),)
            )
            inputs.append(value)
            derivatives.append(derivative)
    count = parameters[-1][0].shape[0]
    slope = jnp.broadcast_to(jnp.eye(count, dtype=x.dtype), (x.shape[0], count, count))
    slopes = []
    for layer in reversed(range(len(parameters))):
        slopes.append(slope)
        slope = forward.scales[layer][0] * jnp.einsum("iau,uv->iav", slope, parameters[layer][0])
        if layer > 0:
            slope = slope * derivatives[layer - 1][:, None, :]
    return Layers(inputs, outputs, derivatives, slopes[::-1], slope)


def _by_layers(forward: Forward, parameters: Parameters, x: Array) -> EmpiricalKernels:
    found = layers_of(forward, parameters, x)
    ntk = jnp.zeros((), x.dtype)
    for inputs, slope, (w_scale, b_scale) in zip(found.inputs, found.slopes, forward.scales, strict=True):
        # d output / d W = w_scale * input, d output / d b = b_scale.
        from_layer = w_scale**2 * (inputs @ inputs.T) + b_scale**2
        ntk = ntk + from_layer[:, None, :, None] * _gram(slope)
    return EmpiricalKernels(ntk, _gram(found.of_inputs))


@jax.jit
def input_jacobians(
    forward: Forward, parameters: Parameters, x: Float[Array, "m ..."]
) -> Float[Array, "seeds m c ..."]:
    """d_x f(x_i) of networks whose parameters have a leading seed axis."""

    def one(theta: Parameters) -> Array:
        return jax.vmap(jax.jacrev(lambda v: forward(theta, v[None])[0]))(x)

    return jax.vmap(one)(parameters)


def memory_per_seed(
    arch: Architecture, input_shape: tuple[int, ...], width: int, samples: int, outputs: int
) -> int:
    """Upper estimate, in bytes and float64, of what one seed of `kernels_at_initialization` takes.

    Args:
      arch: the architecture.
      input_shape: of one input, (d,) or (height, columns, channels).
      width: units, or channels, of every hidden layer.
      samples: number of inputs.
      outputs: number of outputs.

    Returns:
      Bytes.
    """
    shapes = weight_shapes(arch, input_shape, width, outputs)
    parameters = parameter_count(shapes)
    kernel = (samples * outputs) ** 2
    features = max(width, math.prod(input_shape))
    if arch.family == "mlp":
        # Weights and the random bits they are drawn from; inputs, slopes and deltas of each layer.
        layers = samples * features * (2 * arch.depth + 3 * outputs + 2)
        return 8 * (3 * parameters + layers + 4 * kernel)
    pixels = input_shape[0] * input_shape[1]
    layers = samples * outputs * pixels * max(width, input_shape[2]) * (2 * arch.depth + 2)
    return 8 * (3 * parameters + 2 * samples * outputs * parameters + layers + 4 * kernel)


def as_matrix(kernel: Float[Array, "*seeds m c m c"]) -> Float[Array, "*seeds n n"]:
    """The (m c) x (m c) matrix of a kernel with c x c blocks."""
    *seeds, m, c, _, _ = kernel.shape
    return kernel.reshape(*seeds, m * c, m * c)


def _gram(jacobian: Array) -> Array:
    flat = jacobian.reshape(*jacobian.shape[:2], -1)
    return jnp.einsum("iap,jbp->iajb", flat, flat)
