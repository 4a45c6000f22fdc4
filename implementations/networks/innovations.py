r"""What is random about each layer once the layers before it are known.

The outputs of a linear layer whose weights and biases are drawn afresh are, given its inputs a, jointly
Gaussian with mean zero, the same for every unit and independent between units:

    Cov(u(x), u(x')) = sigma_w^2 / fan_in * (a . a') + sigma_b^2      (a patch of an image for convolutions).

So z = u / sqrt(Var u) is exactly N(0, 1) at any width, and averages of z have means that are known without
any limit: they say whether a network is drawn and passed as it is said to be, and they make good control
variates for its kernels.
Source: theory, section 0; R. M. Neal, Bayesian Learning for Neural Networks, 1996, section 2.1.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.implementations.networks.finite import LinearMap
from advntk.implementations.networks.law import Law


def conditional_covariance(
    law: Law, inputs: Float[Array, "m ..."], shape: tuple[int, ...], stride: int = 1
) -> Float[Array, "m m ..."]:
    """Covariance of one unit's outputs between inputs of a layer, given what goes into it.

    Args:
      law: of the network's parameters; its scales count.
      inputs: what goes into the layer at m inputs x, (m, n) or (m, height, columns, channels).
      shape: of the layer's weights.
      stride: of a convolution.

    Returns:
      (m, m) for a fully connected layer, (m, m, height, columns) for a convolution: pixel by pixel.
    """
    products = jnp.einsum("i...c,j...c->ij...", inputs, inputs)
    if inputs.ndim == 2:
        fan_in = shape[1]
    else:
        fan_in = math.prod(shape[:3])
        products = jax.lax.reduce_window(
            products, 0.0, jax.lax.add, (1, 1, *shape[:2]), (1, 1, stride, stride), "SAME"
        )
    return law.sigma_w**2 / fan_in * products + law.sigma_b**2


def innovations(
    law: Law, layer: LinearMap, shape: tuple[int, ...], stride: int = 1
) -> tuple[Float[Array, "m ... units"], Float[Array, "m m ... 1"]]:
    """z, exactly N(0, 1) given the layers before, and its correlations between inputs."""
    covariance = conditional_covariance(law, layer.inputs, shape, stride)
    deviation = jnp.sqrt(jnp.moveaxis(jnp.diagonal(covariance), -1, 0))
    correlation = covariance / (deviation[:, None] * deviation[None])
    return layer.outputs / deviation[..., None], jnp.clip(correlation, -1, 1)[..., None]


def controls_of_layer(
    z: Float[Array, "m ... units"], correlation: Float[Array, "m m ... 1"]
) -> Float[Array, " k"]:
    r"""Averages over units, pixels and inputs of functions of z whose means are known: all are zero.

    Of single inputs z^2, z^4, z, z|z|, |z| and sgn z; of pairs, weighted by their correlation r, what
    E zz' = r,  E z^3 z' = 3r,  E sgn z sgn z' = (2/pi) asin r,
    E |zz'| = (2/pi)(sqrt(1 - r^2) + r asin r)  and  E z^2 z'^2 = 1 + 2 r^2 say.
    """
    single = [z**2 - 1, z**4 - 3, z, z * jnp.abs(z), jnp.abs(z) - math.sqrt(2 / math.pi), jnp.sign(z)]
    found = [value.mean() for value in single]
    if len(z) > 1:
        first, second = jnp.triu_indices(len(z), 1)
        u, v, r = z[first], z[second], correlation[first, second]
        arc = jnp.arcsin(r)
        pairs = [
            u * v - r,
            (u**3 * v + u * v**3) / 2 - 3 * r,
            jnp.sign(u) * jnp.sign(v) - 2 / math.pi * arc,
            jnp.abs(u * v) - 2 / math.pi * (jnp.sqrt(1 - r**2) + r * arc),
            r * (u**2 * v**2 - 1 - 2 * r**2),
            r * (u**2 + v**2 - 2),
        ]
        found += [(r * value).mean() for value in pairs]
    return jnp.stack(found)
