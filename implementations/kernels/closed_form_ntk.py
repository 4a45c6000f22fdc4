r"""NTK of ReLU, leaky ReLU and erf MLPs in closed form, with its input gradient, for attacks.

With q_l, q'_l the variances of two inputs' pre-activations in layer l and K_l their covariance,

    K_{l+1} = sigma_w^2 E[phi phi'] + sigma_b^2,
    Theta_{l+1} = K_{l+1} + sigma_w^2 E[phi' phi'] Theta_l,    Theta_1 = K_1,

where with phi(x) = x for x > 0 and a x else, u being the angle with cos u = K / sqrt(q q'),

    E[phi phi']  = a K + (1-a)^2/2 sqrt(q q') (sin u + (pi - u) cos u)/pi,
    E[phi' phi'] = a + (1-a)^2/2 (1 - u/pi),

and for erf, with P = (1 + 2q)(1 + 2q'),

    E[phi phi']  = 2/pi asin(2 K/sqrt P),    E[phi' phi'] = 4/pi (P - 4 K^2)^{-1/2}.

A zero input of a kinked network without biases has no angle with any other.  Its kernel is 0, the limit of a
vanishing input, and so is its gradient: the kernel is homogeneous of degree 1 and has none there, as a kink.

`infinite_kernels` is the slow reference.  An attack needs tens of input gradients, each of which should
cost little more than the two matrix products in it: everything between them works on one entry at a time,
a few rows at once, so that it stays in cache.
Source: Cho & Saul, NeurIPS 2009; Williams, NIPS 1996, for erf; Jacot et al. 2018 for the NTK.
"""

from __future__ import annotations

from typing import TypeGuard

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.implementations.arc_cosine import angular, root_and_inverse, steepness
from advntk.implementations.networks.activations import LEAKY_SLOPE
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.protocol import Network

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
    x_train: Float[Array, "m d"],
    weights: Float[Array, "m c"],
) -> Float[Array, "k d"]:
    """Input gradient of 1/2 ||f(x_i) - y_i||^2 for each sample, f(x) = Theta(x, x_train) weights.

    Args:
      arch: an MLP with a closed form.
      x: inputs, (k, d).
      targets: (k, c).
      x_train: (m, d).
      weights: (m, c).

    Returns:
      (k, d).

    Raises:
      ValueError: as `mlp_ntk`.
    """
    _closed_form_only(arch)
    theirs = _variances(arch, _variance(arch, x_train))

    def of(tile: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        return _pulled_back(arch, *tile, theirs, weights)

    size = rows_at_once(len(x), len(x_train))
    rows = _covariance(arch, x, x_train), _variance(arch, x), targets
    tiles = [_tiled(part, size) for part in rows]
    in_covariance, in_variance = (
        part.reshape(-1, *part.shape[2:])[: len(x)] for part in jax.lax.map(of, tuple(tiles))
    )
    scale = arch.sigma_w**2 / x.shape[1]
    found = scale * (in_covariance @ x_train) + 2 * scale * in_variance[:, None] * x
    if arch.activation == "erf":
        return found
    return jnp.where(_variance(arch, x)[:, None] > 0, found, 0)


def _tiled(rows: Float[Array, "k *rest"], size: int) -> Float[Array, "tiles size *rest"]:
    """Rows in groups of `size`, the last one filled up by repeating a row."""
    more = -len(rows) % size
    filled = jnp.concatenate([rows, jnp.broadcast_to(rows[-1:], (more, *rows.shape[1:]))]) if more else rows
    return filled.reshape(-1, size, *rows.shape[1:])


def has_closed_form(network: Network) -> TypeGuard[Architecture]:
    """Whether the functions here know the network."""
    known = network.family == "mlp" and network.activation in ACTIVATIONS
    return known and network.parameterization == "ntk"


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


def _pulled_back(
    arch: Architecture,
    nngp: Float[Array, "k m"],
    ours: Float[Array, " k"],
    targets: Float[Array, "k c"],
    theirs: list[Float[Array, " m"]],
    weights: Float[Array, "m c"],
) -> tuple[Float[Array, "k m"], Float[Array, " k"]]:
    r"""Gradient of the loss in the first layer's covariances and variances.

    By hand: with e = E[phi' phi'], v = E[phi phi'] and the gradients g, h by K_{l+1} and Theta_{l+1}, where
    G = g + h since Theta_{l+1} contains K_{l+1},

        g_l = sigma_w^2 (e G + de/dK Theta_l h),    h_l = sigma_w^2 e h,

    and by the variance q of a row the sum of sigma_w^2 (dv/dq G + de/dq Theta_l h).  Automatic
    differentiation keeps and reads twice as many arrays, which is what the time goes to.
    """
    weight = arch.sigma_w**2
    variances = jnp.stack(_variances(arch, ours)[:-1]), jnp.stack(theirs[:-1])

    def deeper(state: tuple[Array, Array], variances: tuple[Array, Array]) -> tuple:
        nngp, ntk = state
        value, slope = _expectations(arch, nngp, *variances)
        above = weight * value + arch.sigma_b**2
        return (above, above + weight * slope * ntk), (nngp, ntk, slope)

    layers: tuple[Array, ...]
    (above, ntk), layers = jax.lax.scan(deeper, (nngp, nngp), variances)
    by_ntk = (ntk @ weights - targets) @ weights.T

    def back(state: tuple[Array, ...], layer: tuple) -> tuple:
        above, by_nngp, by_ntk, by_variance = state
        (nngp, ntk, slope), (our, their) = layer
        both = by_nngp + by_ntk
        by_nngp = weight * (slope * both + _steepness(arch, nngp, slope, our, their) * ntk * by_ntk)
        by_variance = _deepened_slope(arch, our) * by_variance
        if arch.activation == "erf":
            # dv/dq = -K e/(1 + 2q), de/dq = -(pi/4)^2 e^3 (1 + 2q').
            spread = (1 + 2 * our)[:, None] * (1 + 2 * their)[None, :]
            inner = nngp * both + (jnp.pi / 4) ** 2 * slope**2 * spread * ntk * by_ntk
            by_variance -= weight * jnp.sum(slope * inner, axis=1) / (1 + 2 * our)
        else:
            # v is homogeneous of degree 1 in the input, e of 0: 2q dv/dq = v - K e, 2q de/dq = -K de/dK.
            double = jnp.where(our > 0, 2 * our, 1)
            by_variance += jnp.sum(both * (above - arch.sigma_b**2) - nngp * by_nngp, axis=1) / double
        return (nngp, by_nngp, weight * slope * by_ntk, by_variance), None

    last = above, jnp.zeros_like(by_ntk), by_ntk, jnp.zeros_like(ours)
    (_, by_nngp, by_ntk, by_variance), _ = jax.lax.scan(back, last, (layers, variances), reverse=True)
    return by_nngp + by_ntk, by_variance


def _variances(arch: Architecture, variance: Float[Array, " m"]) -> list[Float[Array, " m"]]:
    """The variances of all layers, the first to the one after the last."""
    found = [variance]
    for _ in range(arch.depth):
        found.append(_deeper_variance(arch, found[-1]))
    return found


def _steepness(arch: Architecture, nngp: Array, slope: Array, ours: Array, theirs: Array) -> Array:
    """d E[phi' phi']/dK entry by entry; 0 at the cusp of a kinked activation."""
    if arch.activation == "erf":
        return (jnp.pi / 2) ** 2 * slope**3 * nngp
    inverse = root_and_inverse(ours)[1][:, None] * root_and_inverse(theirs)[1][None, :]
    gain = (1 - _SLOPES[arch.activation]) ** 2 / 2
    return gain * inverse * steepness(nngp * inverse)


def _deepened_slope(arch: Architecture, variance: Array) -> Array:
    """dq_{l+1}/dq_l."""
    if arch.activation == "erf":
        return arch.sigma_w**2 * 4 / jnp.pi / ((1 + 2 * variance) * jnp.sqrt(1 + 4 * variance))
    return jnp.full_like(variance, arch.sigma_w**2 * (1 + _SLOPES[arch.activation] ** 2) / 2)


def _expectations(arch: Architecture, nngp: Array, ours: Array, theirs: Array) -> tuple[Array, Array]:
    """E[phi phi'] and E[phi' phi'] entry by entry."""
    if arch.activation == "erf":
        root, other = jnp.sqrt(1 + 2 * ours)[:, None], jnp.sqrt(1 + 2 * theirs)[None, :]
        sine = 2 * nngp * (1 / root) * (1 / other)
        # asin v = pi/2 - acos v.  At v = 2q/(1+2q) < 1 nothing is singular.
        value = 2 * angular(sine)[0] - 1
        slope = (4 / jnp.pi) * (1 / root) * (1 / other) / jnp.sqrt((1 - sine) * (1 + sine))
        return value, slope
    # Reciprocals of the roots, one per input: no division for every entry.
    (root, inverse), (other, other_inverse) = root_and_inverse(ours), root_and_inverse(theirs)
    slope, value = angular(nngp * inverse[:, None] * other_inverse[None, :])
    a = _SLOPES[arch.activation]
    gain = (1 - a) ** 2 / 2
    return a * nngp + gain * root[:, None] * other[None, :] * value, a + gain * slope


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
    if not has_closed_form(arch):
        found = (arch.family, arch.activation, arch.parameterization)
        raise ValueError(
            f"family, activation, parameterization = {found} has no closed form; use 'mlp', one of "
            f"{', '.join(ACTIVATIONS)}, and 'ntk' here, infinite_kernels for the others"
        )
