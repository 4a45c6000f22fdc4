r"""NTK of ReLU, leaky ReLU and erf MLPs in closed form, with its input gradient: fused, for attacks.

With q_l, q'_l the variances of two inputs' pre-activations in layer l and K_l their covariance,

    K_{l+1} = sigma_w^2 E[phi phi'] + sigma_b^2,
    Theta_{l+1} = K_{l+1} + sigma_w^2 E[phi' phi'] Theta_l,    Theta_1 = K_1,

where with phi(x) = x for x > 0 and a x else, u being the angle with cos u = K / sqrt(q q'),

    E[phi phi']  = a K + (1-a)^2/2 sqrt(q q') (sin u + (pi - u) cos u)/pi,
    E[phi' phi'] = a + (1-a)^2/2 (1 - u/pi),

and for erf, with P = (1 + 2q)(1 + 2q'),

    E[phi phi']  = 2/pi asin(2 K/sqrt P),    E[phi' phi'] = 4/pi (P - 4 K^2)^{-1/2}.

`infinite_kernels` is the slow reference.  An attack needs tens of input gradients, each of which should
cost little more than the two matrix products in it: everything between them works on one entry at a time,
a few rows at once, so that it stays in cache.
Source: Cho & Saul, NeurIPS 2009; Williams, NIPS 1996, for erf; Jacot et al. 2018 for the NTK.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from implementations.arc_cosine import angular
from implementations.networks.activations import LEAKY_SLOPE
from implementations.networks.architecture import Architecture

_SLOPES = {"relu": 0.0, "leaky_relu": LEAKY_SLOPE}
ACTIVATIONS = (*_SLOPES, "erf")
# Entries of the kernel between the two products that are worked on at once.  Fewer, and starting every
# operation takes longer than the operation; many more, and they leave the cache (twice the time).
_ENTRIES = 2**15
_LEAST_ROWS = 8


def mlp_ntk(arch: Architecture, x: Float[Array, "k d"], other: Float[Array, "m d"]) -> Float[Array, "k m"]:
    """NTK of an infinite MLP between two sets of inputs; the dtype follows them.

    Where two inputs of a kinked network coincide its NTK has a cusp: the derivative along the angle is
    set to 0 there, the mean of the one-sided ones.  Close to it, values lose half their digits (an angle
    u is known to eps/u); `mlp_ntk_gram` is exact on the diagonal.

    Raises:
      ValueError: `arch` has no closed form here; the message says which do.
    """
    _closed_form_only(arch)
    return _deepened(arch, _covariance(arch, x, other), _variance(arch, x), _variance(arch, other))


def mlp_ntk_gram(arch: Architecture, x: Float[Array, "m d"]) -> Float[Array, "m m"]:
    """NTK of an infinite MLP over one set of inputs, symmetric; the diagonal, where K = q, exact.

    Raises:
      ValueError: as `mlp_ntk`.
    """
    ntk = mlp_ntk(arch, x, x)
    variance = diagonal = _variance(arch, x)
    for _ in range(arch.depth):
        slope = _slope_at_itself(arch, variance)
        variance = _deeper_variance(arch, variance)
        diagonal = variance + arch.sigma_w**2 * slope * diagonal
    here = jnp.arange(len(x))
    return ((ntk + ntk.T) / 2).at[here, here].set(diagonal)


def loss_gradient(
    arch: Architecture,
    x: Float[Array, "k d"],
    targets: Float[Array, "k c"],
    training: Float[Array, "m d"],
    weights: Float[Array, "m c"],
) -> Float[Array, "k d"]:
    """Input gradient of 1/2 ||f(x_i) - y_i||^2 for each sample, f(x) = Theta(x, training) weights.

    Raises:
      ValueError: as `mlp_ntk`.
    """
    _closed_form_only(arch)
    theirs = _variance(arch, training)

    def one_row(row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        covariance, variance, target = row

        def loss(k: Array, q: Array) -> Array:
            outputs = _deepened(arch, k[None], q[None], theirs)[0] @ weights
            return jnp.sum((outputs - target) ** 2) / 2

        return jax.grad(loss, argnums=(0, 1))(covariance, variance)

    rows = _covariance(arch, x, training), _variance(arch, x), targets
    in_covariance, in_variance = jax.lax.map(one_row, rows, batch_size=rows_at_once(len(x), len(training)))
    scale = arch.sigma_w**2 / x.shape[1]
    return scale * (in_covariance @ training) + 2 * scale * in_variance[:, None] * x


def rows_at_once(rows: int, columns: int) -> int:
    """How many rows of a kernel `loss_gradient` works on together."""
    return min(rows, max(_LEAST_ROWS, _ENTRIES // columns))


def _covariance(arch: Architecture, x: Array, other: Array) -> Array:
    return arch.sigma_w**2 * (x @ other.T) / x.shape[1] + arch.sigma_b**2


def _variance(arch: Architecture, x: Array) -> Array:
    return arch.sigma_w**2 * jnp.sum(x**2, axis=1) / x.shape[1] + arch.sigma_b**2


def _deepened(
    arch: Architecture, nngp: Float[Array, "k m"], ours: Float[Array, " k"], theirs: Float[Array, " m"]
) -> Float[Array, "k m"]:
    """The NTK from covariances and variances in the first layer."""
    ntk = nngp
    for _ in range(arch.depth):
        value, slope = _expectations(arch, nngp, ours, theirs)
        nngp = arch.sigma_w**2 * value + arch.sigma_b**2
        ntk = nngp + arch.sigma_w**2 * slope * ntk
        ours, theirs = _deeper_variance(arch, ours), _deeper_variance(arch, theirs)
    return ntk


def _expectations(arch: Architecture, nngp: Array, ours: Array, theirs: Array) -> tuple[Array, Array]:
    """E[phi phi'] and E[phi' phi'] entry by entry."""
    if arch.activation == "erf":
        root, other = jnp.sqrt(1 + 2 * ours)[:, None], jnp.sqrt(1 + 2 * theirs)[None, :]
        sine = 2 * nngp * (1 / root) * (1 / other)
        # asin v = pi/2 - acos v.  At v = 2q/(1+2q) < 1 nothing is singular.
        value = 2 * angular(sine)[0] - 1
        slope = (4 / jnp.pi) * (1 / root) * (1 / other) / jnp.sqrt((1 - sine) * (1 + sine))
        return value, slope
    root, other = jnp.sqrt(ours)[:, None], jnp.sqrt(theirs)[None, :]
    # Reciprocals of the roots, one per input: no division for every entry.
    slope, value = angular(nngp * (1 / root) * (1 / other))
    a = _SLOPES[arch.activation]
    gain = (1 - a) ** 2 / 2
    return a * nngp + gain * root * other * value, a + gain * slope


def _deeper_variance(arch: Architecture, variance: Array) -> Array:
    if arch.activation == "erf":
        value = 2 / jnp.pi * jnp.arcsin(2 * variance / (1 + 2 * variance))
    else:
        value = (1 + _SLOPES[arch.activation] ** 2) / 2 * variance
    return arch.sigma_w**2 * value + arch.sigma_b**2


def _slope_at_itself(arch: Architecture, variance: Array) -> Array:
    """E[phi'(u)^2]."""
    if arch.activation == "erf":
        return 4 / jnp.pi / jnp.sqrt(1 + 4 * variance)
    return jnp.full_like(variance, (1 + _SLOPES[arch.activation] ** 2) / 2)


def _closed_form_only(arch: Architecture) -> None:
    found = (arch.family, arch.activation, arch.parameterization)
    if found[0] != "mlp" or found[1] not in ACTIVATIONS or found[2] != "ntk":
        raise ValueError(
            f"family, activation, parameterization = {found} has no fused kernel; use 'mlp', one of "
            f"{', '.join(ACTIVATIONS)}, and 'ntk' here, infinite_kernels for the others"
        )
