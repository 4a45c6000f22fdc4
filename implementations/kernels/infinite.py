r"""Infinite-width kernels: NNGP, NTK, and the adversarial regularisation kernel (ARK) in two forms.

The ARK Theta_x(x, x') is the limit of the input-gradient kernel d_x f(x) . d_x f(x').  As input and
hidden widths grow together it is (theory: section 1)

    product form   sigma_w^{2(L+1)} prod_l E[phi'(u_l) phi'(u'_l)]          (MLP),

and at finite input width d, hidden widths infinite, its exact mean is

    trace form     tr d_x d_x' K(x, x')                                    (any architecture),

with K the NNGP kernel.  For an MLP the two differ by O(1/d).
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 4; Jacot et al. 2018 for the NTK.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from implementations.networks.activations import activation
from implementations.networks.architecture import Architecture
from implementations.networks.infinite import dense, triple


class InfiniteKernels(NamedTuple):
    """NNGP kernel K and NTK Theta between two sets of inputs, one scalar per pair."""

    nngp: Float[Array, "m k"]
    ntk: Float[Array, "m k"]


def infinite_kernels(
    arch: Architecture,
    x: Float[Array, "m ..."],
    other: Float[Array, "k ..."] | None = None,
    width: int = 1,
    outputs: int = 1,
) -> InfiniteKernels:
    """NNGP and NTK of the infinite network; inputs (m, d), or (m, height, columns, channels) for a CNN.

    In the standard parameterisation the NTK is the leading term at hidden width `width`, which must
    then be given.  `other` defaults to `x`.  The dtype follows the inputs.
    """
    _, _, kernel_fn = triple(arch, width, outputs)
    found = kernel_fn(x, other, ("nngp", "ntk"))
    return InfiniteKernels(found.nngp, found.ntk)


def ark_product(
    arch: Architecture, x: Float[Array, "m d"], other: Float[Array, "k d"] | None = None
) -> Float[Array, "m k"]:
    """ARK of an MLP in the joint limit, product over the hidden layers.

    Raises:
      ValueError: `arch` is not an MLP; the product form holds for fully connected networks only.
    """
    if arch.family != "mlp":
        raise ValueError(f"family = {arch.family!r} has no product form of the ARK; use ark_trace instead")
    # The function at initialisation, so its input gradients too, is the same in both
    # parameterisations; the NTK one keeps the widths out of the layers below.
    arch = _in_ntk_parameterization(arch)
    layer = activation(arch.activation).layer()[2]
    kernel = dense(arch, 1)[2](x, other)
    product = jnp.full_like(kernel.nngp, arch.sigma_w**2)
    for _ in range(arch.depth):
        # An activation layer multiplies the NTK that comes in by E[phi' phi'].
        kernel = layer(kernel.replace(ntk=jnp.ones_like(kernel.nngp)))
        product = product * arch.sigma_w**2 * kernel.ntk
        kernel = dense(arch, 1)[2](kernel)
    return product


def ark_trace(
    arch: Architecture, x: Float[Array, "m ..."], other: Float[Array, "k ..."] | None = None
) -> Float[Array, "m k"]:
    """ARK at finite input width and infinite hidden widths: trace of the mixed input derivative.

    One pair of inputs and one input coordinate at a time; cost grows like m * k * d kernels.
    At coinciding inputs phi must be smooth.
    """
    other = x if other is None else other

    def one_pair(a: Array, b: Array) -> Array:
        basis = jnp.eye(a.size, dtype=a.dtype).reshape(a.size, *a.shape)

        def along(direction: Array) -> Array:
            def slope_in_a(b_: Array) -> Array:
                return jax.jvp(lambda a_: _nngp_of_pair(arch, a_, b_), (a,), (direction,))[1]

            return jax.jvp(slope_in_a, (b,), (direction,))[1]

        return jax.lax.map(along, basis).sum()

    return jax.lax.map(lambda a: jax.lax.map(lambda b: one_pair(a, b), other), x)


def input_gradient_covariance(arch: Architecture, x: Float[Array, " d"]) -> Float[Array, "d d"]:
    r"""Sigma = d_x d_x' K(x, x') at x' = x: covariance of the input gradient of one output.

    In the limit of infinite hidden widths the outputs are iid Gaussian processes, so the input
    gradients of different outputs are independent N(0, Sigma); phi must be smooth.
    """

    def gradient(b: Array) -> Array:
        return jax.grad(lambda a: _nngp_of_pair(arch, a, b))(x)

    return jax.jacfwd(gradient)(x)


def _nngp_of_pair(arch: Architecture, a: Array, b: Array) -> Array:
    _, _, kernel_fn = triple(_in_ntk_parameterization(arch), 1, 1)
    return kernel_fn(a[None], b[None], "nngp")[0, 0]


def _in_ntk_parameterization(arch: Architecture) -> Architecture:
    return Architecture(
        arch.family, arch.depth, arch.activation, arch.sigma_w, arch.sigma_b, "ntk", arch.readout
    )
