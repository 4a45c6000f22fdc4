r"""Infinite-width kernels: NNGP, NTK, and the adversarial regularization kernel (ARK) in two forms.

The ARK Theta_x(x, x') is the limit of the input-gradient kernel d_x f(x) . d_x f(x').  As input and
hidden widths grow together it is (theory: section 1)

    product form   sigma_w^{2(L+1)} prod_l E[phi'(u_l) phi'(u'_l)]          (MLP),

and at finite input width d, hidden widths infinite, its exact mean is

    trace form     tr d_x d_x' K(x, x')                                    (any architecture),

with K the NNGP kernel.  For an MLP the two differ by O(1/d).
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 4; Jacot et al. 2018 for the NTK.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from advntk.implementations.networks.activations import ACTIVATIONS, choice_of
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.infinite import dense
from advntk.implementations.networks.protocol import Network


class InfiniteKernels(NamedTuple):
    """NNGP kernel K and NTK Theta between two sets of inputs, one scalar per pair."""

    nngp: Float[Array, "m k"]
    ntk: Float[Array, "m k"]


def infinite_kernels(
    arch: Network,
    x: Float[Array, "m ..."],
    other: Float[Array, "k ..."] | None = None,
    width: int = 1,
    outputs: int = 1,
) -> InfiniteKernels:
    """NNGP and NTK of the infinite network; inputs (m, d), or (m, height, columns, channels) for a CNN.

    In the standard parameterization the NTK is the leading term at hidden width `width`, which must
    then be given.  `other` defaults to `x`.  The dtype follows the inputs.

    Args:
      arch: the architecture.
      x: (m, *shape).
      other: (k, *shape).
      width: units, or channels, of every hidden layer.
      outputs: number of outputs; matters in the standard parameterization only.

    Returns:
      NNGP and NTK, (m, k).
    """
    found = arch.limit_kernel(width, outputs)(x, other, ("nngp", "ntk"))
    # neural-tangents computes in double precision wherever JAX allows it.
    return InfiniteKernels(found.nngp.astype(x.dtype), found.ntk.astype(x.dtype))


class MlpLimits(NamedTuple):
    """NNGP, NTK and ARK of an infinite MLP over one set of inputs."""

    nngp: Float[Array, "m m"]
    ntk: Float[Array, "m m"]
    ark: Float[Array, "m m"]


def mlp_limits(
    arch: Architecture,
    gram: Float[Array, "m m"],
    input_width: Float[Array, ""] | float = 1.0,
    width: Float[Array, ""] | float = 1.0,
) -> MlpLimits:
    """All three kernels of an MLP from the Gram matrix x_i . x_j / d of its inputs.

    The fast path: an MLP sees its inputs through their Gram matrix only, and depth, activation, scales
    and widths are data, so that one compiled program per number of inputs serves every MLP.
    `input_width` and `width` matter in the standard parameterization only, as in `infinite_kernels`.

    Args:
      arch: an MLP.
      gram: x_i . x_j / d, (m, m).
      input_width: d.
      width: units, or channels, of every hidden layer.

    Returns:
      NNGP, NTK and ARK, (m, m).

    Raises:
      ValueError: `arch` is not an MLP.
    """
    _mlp_only(arch)
    standard = arch.parameterization == "standard"
    choice, scales = choice_of(arch.activation), (arch.sigma_w, arch.sigma_b)
    return _mlp_limits(choice, arch.depth, standard, scales, gram, input_width, width)


@jax.jit
def _mlp_limits(
    choice: Int[Array, ""] | int,
    depth: Int[Array, ""] | int,
    standard: Bool[Array, ""] | bool,
    scales: tuple[Float[Array, ""] | float, Float[Array, ""] | float],
    gram: Float[Array, "m m"],
    input_width: Float[Array, ""] | float,
    width: Float[Array, ""] | float,
) -> MlpLimits:
    sigma_w, sigma_b, input_width, width = (jnp.asarray(v, gram.dtype) for v in (*scales, input_width, width))
    # The form of a kernel in neural-tangents; its numbers are replaced layer by layer.
    form = dense(Architecture("mlp", 1, "erf"), 1)[2](jnp.eye(len(gram), dtype=gram.dtype))

    def expectations(layer: Callable) -> Callable[[Array], tuple[Array, Array]]:
        def of(nngp: Array) -> tuple[Array, Array]:
            # An activation layer turns K into E[phi phi'] and multiplies the NTK by E[phi' phi'].
            out = layer(form.replace(nngp=nngp, cov1=jnp.diagonal(nngp), ntk=jnp.ones_like(nngp)))
            return out.nngp.astype(gram.dtype), out.ntk.astype(gram.dtype)

        return of

    branches = [expectations(item.layer()[2]) for item in ACTIVATIONS.values()]

    def deeper(_: Array, kernels: MlpLimits) -> MlpLimits:
        value, slope = jax.lax.switch(choice, branches, kernels.nngp)
        nngp = sigma_w**2 * value + sigma_b**2
        from_layer = jnp.where(standard, width * value + 1, nngp)
        ntk = from_layer + sigma_w**2 * slope * kernels.ntk
        return MlpLimits(nngp, ntk, kernels.ark * sigma_w**2 * slope)

    nngp = sigma_w**2 * gram + sigma_b**2
    first = MlpLimits(
        nngp, jnp.where(standard, input_width * gram + 1, nngp), jnp.full_like(gram, sigma_w**2)
    )
    return jax.lax.fori_loop(0, depth, deeper, first)


def ark_product(
    arch: Architecture, x: Float[Array, "m d"], other: Float[Array, "k d"] | None = None
) -> Float[Array, "m k"]:
    """ARK of an MLP in the joint limit, product over the hidden layers.

    Raises:
      ValueError: `arch` is not an MLP; the product form holds for fully connected networks only.
    """
    _mlp_only(arch)
    both = x if other is None else jnp.concatenate([x, other])
    ark = mlp_limits(arch, both @ both.T / x.shape[1]).ark
    return ark if other is None else ark[: len(x), len(x) :]


def ark_trace(
    arch: Network, x: Float[Array, "m ..."], other: Float[Array, "k ..."] | None = None
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


def _nngp_of_pair(arch: Network, a: Array, b: Array) -> Array:
    return _in_ntk_parameterization(arch).limit_kernel(1, 1)(a[None], b[None], "nngp")[0, 0]


def _in_ntk_parameterization(network: Network) -> Network:
    return replace(network, parameterization="ntk") if isinstance(network, Architecture) else network


def _mlp_only(arch: Architecture) -> None:
    if arch.family != "mlp":
        raise ValueError(
            f"family = {arch.family!r} has no product form of the ARK; use ark_trace, "
            "or infinite_kernels for NNGP and NTK"
        )
