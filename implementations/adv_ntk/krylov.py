r"""The Adv-NTK weights and their gradient from a few products with Theta, in float32 or float64.

    p(w) = D^{1/2} phi_1(-S) D^{1/2} Y,    S = D^{1/2} Theta D^{1/2},    D = Diag(|w|).

**Weights.**  With S Q = Q T + beta q_{k+1} e_k' from `lanczos`, p is D^{1/2} Q phi_1(-T) e_1 |D^{1/2} Y|.
x(s) = s phi_1(-s S) b solves x' = b - S x; its approximation has the residual
-beta q_{k+1} h(s), h(s) = [s phi_1(-s T) e_1]_k |b|.  Off the diagonal -T has one sign up to a change of
signs of the basis, so e^{-sT} has entries of constant sign, and with ||e^{-sS}|| <= 1 the error is at most
beta int_0^1 |h| = beta |[phi_2(-T)]_{k1}| |b|: a bound, not a guess, up to rounding.

**Gradient.**  exp(-s Theta D) Y = Y - Theta D^{1/2} x(s), where Theta D^{1/2} Q are products that the
iteration has computed anyway.  Then r = Y - W rho(s) and likewise q = G - V kappa(s), and

    dl/dD_ii = int_0^1 r_i(s) q_i(1-s) ds = Y_i G_i - G_i W_i int rho - Y_i V_i int kappa + W_i M V_i',

M_jl = int rho_j(s) kappa_l(1-s) ds, all by divided differences of exp at the Ritz values
(`exponentials`) and in the Ritz basis: no quadrature, no division by D.  An error of r has the residual
beta h(s) Theta D^{1/2} q_{k+1}; its size is taken from the last product, and its growth neglected.
That makes an estimate, no bound.

Rounding comes on top: about eps lambda_max(S), relative to Y and G, in the gradient.  The functions
stop when the estimate suffices, so they are for Python, not for `jit`.
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 5; the bound is derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.implementations.adv_ntk.lanczos import KrylovSpaces, combined, init, matmul, ritz, step
from advntk.implementations.adv_ntk.solution import PullBack, Solution
from advntk.implementations.adv_ntk.strengths import Strengths, check, magnitude, slope
from advntk.implementations.exponentials import convolved, phi1, phi2
from advntk.implementations.results import Result

_CHUNK = 8


def weights(
    ntk: Float[Array, "m m"],
    strengths: Strengths,
    y: Float[Array, "m c"],
    tolerance: float = 1e-5,
    max_steps: int = 128,
) -> Solution:
    """Weights p with f(x) = Theta(x, X) p, in the precision of `ntk`.

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      strengths: varpi, (m,) shared by the classes or (m, c), of any sign.
      y: targets, (m, c).
      tolerance: of the estimated error, relative to the norm of what is solved for.
      max_steps: products with Theta that one Krylov space may take.

    Returns:
      Weights (m, c); statistics `products` (with Theta) and `error_estimate` (relative).

    Raises:
      ValueError: a shape does not fit, or `tolerance` or `max_steps` is not positive.
    """
    return weights_and_pull_back(ntk, strengths, y, tolerance, max_steps)[0]


def weights_gradient(
    ntk: Float[Array, "m m"],
    strengths: Strengths,
    y: Float[Array, "m c"],
    cotangent: Float[Array, "m c"],
    tolerance: float = 1e-5,
    max_steps: int = 128,
) -> Solution:
    """Gradient with respect to the strengths of a loss whose gradient in the weights is `cotangent`.

    Both Krylov spaces grow together, one product with Theta per step.  d|w|/dw is 1 at w = 0.

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      strengths: varpi, (m,) shared by the classes or (m, c), of any sign.
      y: targets, (m, c).
      cotangent: gradient of the loss in the weights, (m, c).
      tolerance: of the estimated error, relative to the norm of what is solved for.
      max_steps: products with Theta that one Krylov space may take.

    Returns:
      The gradient, of the shape of the strengths; statistics as in `weights`.

    Raises:
      ValueError: a shape does not fit, or `tolerance` or `max_steps` is not positive.
    """
    check(ntk, strengths, y, cotangent)
    _positive(tolerance, max_steps)
    root, rows = _rows(ntk, strengths, y)
    space = init(root * rows, 2 * _CHUNK)
    return _gradient(ntk, strengths, root, rows, space, cotangent, tolerance, max_steps)


def weights_and_pull_back(
    ntk: Float[Array, "m m"],
    strengths: Strengths,
    y: Float[Array, "m c"],
    tolerance: float = 1e-5,
    max_steps: int = 128,
) -> tuple[Solution, PullBack]:
    """Weights, and the map from their cotangents to gradients, which keeps the Krylov space of Y.

    The map takes products for the space of the cotangent, and deepens that of Y where its own, other
    error asks for it.

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      strengths: varpi, (m,) shared by the classes or (m, c), of any sign.
      y: targets, (m, c).
      tolerance: of the estimated error, relative to the norm of what is solved for.
      max_steps: products with Theta that one Krylov space may take.

    Returns:
      The solution of `weights`, and the map.

    Raises:
      ValueError: a shape does not fit, or `tolerance` or `max_steps` is not positive.
    """
    check(ntk, strengths, y)
    _positive(tolerance, max_steps)
    root, rows = _rows(ntk, strengths, y)
    space = init(root * rows, 2 * _CHUNK)
    while True:
        (space,) = step(ntk, root, (space,), min(_CHUNK, max_steps - int(space.steps)))
        found, estimate = _weights(root, space)
        steps = int(space.steps)
        if steps >= max_steps or estimate <= tolerance or np.isnan(estimate):
            break
    kept = space

    def pull_back(cotangent: Float[Array, "m c"]) -> Solution:
        check(ntk, strengths, y, cotangent)
        return _gradient(ntk, strengths, root, rows, kept, cotangent, tolerance, max_steps)

    return _solution(found.T, steps, estimate, tolerance), pull_back


def value_and_gradient(
    ntk: Float[Array, "m m"],
    strengths: Strengths,
    y: Float[Array, "m c"],
    loss_of_weights: Callable[[Float[Array, "m c"]], Float[Array, ""]],
    tolerance: float = 1e-5,
    max_steps: int = 128,
) -> tuple[Float[Array, ""], Solution, Solution]:
    """Value of a differentiable loss of the weights, the weights, and its gradient in the strengths.

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      strengths: varpi, (m,) shared by the classes or (m, c), of any sign.
      y: targets, (m, c).
      loss_of_weights: a differentiable function from weights (m, c) to a number.
      tolerance: of the estimated error, relative to the norm of what is solved for.
      max_steps: products with Theta that one Krylov space may take.

    Returns:
      The value, the solution for the weights, and that for the gradient.

    Raises:
      ValueError: a shape does not fit, or `tolerance` or `max_steps` is not positive.
    """
    solved, pull_back = weights_and_pull_back(ntk, strengths, y, tolerance, max_steps)
    value, cotangent = jax.value_and_grad(loss_of_weights)(solved.value)
    return value, solved, pull_back(cotangent)


def _gradient(
    ntk: Array,
    strengths: Array,
    root: Array,
    rows: Array,
    first: KrylovSpaces,
    cotangent: Array,
    tolerance: float,
    max_steps: int,
) -> Solution:
    other = cotangent.T.astype(ntk.dtype)
    pair = (first, init(root * other, 2 * _CHUNK))
    products = 0
    behind = [int(space.steps) == 0 for space in pair]
    while True:
        moving = [i for i in (0, 1) if behind[i]]
        # Spaces of one depth take their steps together; the depth of Y may be ahead.
        steps = min(_CHUNK, *(max_steps - int(pair[i].steps) for i in moving))
        moved = step(ntk, root, tuple(pair[i] for i in moving), steps)
        news = dict(zip(moving, moved, strict=True))
        pair = (news.get(0, pair[0]), news.get(1, pair[1]))
        products += steps
        per_class, shares = _assembled(rows, other, *pair)
        estimate = sum(shares)
        behind = [
            error > tolerance / 2 and int(space.steps) < max_steps
            for error, space in zip(shares, pair, strict=True)
        ]
        if estimate <= tolerance or np.isnan(estimate) or not any(behind):
            break
    return _solution(_sloped(strengths, per_class), products, estimate, tolerance)


def _solution(value: Array, products: int, estimate: float, tolerance: float) -> Solution:
    """With the number of products with Theta that it took, and the estimated error relative to its norm."""
    if np.isnan(estimate):
        result = Result.not_finite
    else:
        result = Result.successful if estimate <= tolerance else Result.max_steps_reached
    return Solution(value, result, {"products": products, "error_estimate": estimate})


@jax.jit
def _sloped(strengths: Array, per_class: Array) -> Array:
    """The gradient of the shape of the strengths, from that by D for each class, as rows."""
    gradient = per_class.T if strengths.ndim == 2 else per_class.sum(axis=0)
    return slope(strengths).astype(per_class.dtype) * gradient


def _weights(root: Array, space: KrylovSpaces) -> tuple[Array, float]:
    """Weights as rows, and the bound of their error relative to their norm."""
    small = ritz(space)
    found = _in_space(root, space.basis[:, :-1], _padded(small.coefficients(phi1(small.values)), space))
    largest = np.asarray(root, np.float64).max(axis=1)
    errors = largest * np.abs((small.leak * phi2(small.values) * small.start).sum(axis=1))
    return found, _ratio(float(np.linalg.norm(errors)), float(jnp.linalg.norm(found)))


def _assembled(
    rows: Array, other: Array, first: KrylovSpaces, second: KrylovSpaces
) -> tuple[Array, list[float]]:
    """Gradient per class as rows, and the shares of the two spaces in its relative error."""
    one, two = ritz(first), ritz(second)
    scales = [np.maximum(1, small.values) for small in (one, two)]
    kernel = convolved(*np.broadcast_arrays(one.values[:, :, None], two.values[:, None, :]))
    found, lasts, sizes = _gathered(
        (rows, other),
        (first, second),
        [
            _padded(small.vectors.swapaxes(1, 2) * (small.start / scale)[:, :, None], space, space)
            for small, scale, space in zip((one, two), scales, (first, second), strict=True)
        ],
        [
            _padded(phi2(small.values) * scale, space)
            for small, scale, space in zip((one, two), scales, (first, second), strict=True)
        ],
        _padded(scales[0][:, :, None] * kernel * scales[1][:, None, :], first, second),
    )
    size = float(jnp.linalg.norm(found))
    shares = []
    for small, last, there in zip((one, two), lasts, sizes, strict=True):
        leak = np.abs((small.leak * phi2(small.values) * small.start).sum(axis=1))
        error = np.linalg.norm(leak * np.asarray(last) * np.asarray(there))
        shares.append(_ratio(float(error), size))
    return found, shares


@jax.jit
def _in_space(root: Array, basis: Array, coefficients: Array) -> Array:
    return root * combined(basis, coefficients)


@jax.jit
def _gathered(
    starts: tuple[Array, Array],
    spaces: tuple[KrylovSpaces, KrylovSpaces],
    bases: list[Array],
    integrals: list[Array],
    kernel: Array,
) -> tuple[Array, list[Array], list[Array]]:
    """Gradient as rows; norms of the last products; largest entries of what they are multiplied by."""
    rows, other = starts
    # In the Ritz basis, divided by the Ritz values, all parts are as large as Y and G.  Those of the
    # products themselves cancel: a hundred times the error in float32 at lambda_max(S) = 1e4 (measured).
    one, two = (matmul(basis, space.products) for basis, space in zip(bases, spaces, strict=True))
    found = rows * other + jnp.sum(one * matmul(kernel, two), axis=1)
    found = found - other * combined(one, integrals[0]) - rows * combined(two, integrals[1])
    lasts = [
        jnp.linalg.norm(jax.lax.dynamic_index_in_dim(s.products, s.steps - 1, axis=1, keepdims=False), axis=1)
        for s in spaces
    ]
    return found, lasts, [jnp.max(jnp.abs(there), axis=1) for there in (other, rows)]


def _padded(small: np.ndarray, *spaces: KrylovSpaces) -> np.ndarray:
    """Zeros for the room that the spaces do not use yet, in their precision."""
    rooms = [space.alpha.shape[1] for space in spaces]
    more = [(0, 0)] + [(0, room - k) for room, k in zip(rooms, small.shape[1:], strict=True)]
    return np.pad(small, more).astype(spaces[0].alpha.dtype)


def _rows(ntk: Array, strengths: Array, y: Array) -> tuple[Array, Array]:
    """D^{1/2} as (1, m) or (c, m) and Y as (c, m), in Theta's precision: Theta must not be promoted."""
    return _as_rows(strengths, y, ntk.dtype)


@partial(jax.jit, static_argnames=("dtype",))
def _as_rows(strengths: Array, y: Array, dtype: Any) -> tuple[Array, Array]:
    root = jnp.sqrt(magnitude(strengths)).astype(dtype)
    return jnp.atleast_2d(root.T), y.T.astype(dtype)


def _ratio(error: float, size: float) -> float:
    """error/size, 0 where there is no error, infinite where there is nothing but error."""
    if error == 0:
        return 0.0
    return error / size if size != 0 else float("inf")


def _positive(tolerance: float, max_steps: int) -> None:
    if not tolerance > 0:
        raise ValueError(f"tolerance is {tolerance}; give a positive number")
    if max_steps < 1:
        raise ValueError(f"max_steps is {max_steps}; give at least 1")
