r"""Kernel machines f(x) = Theta(x, X) p of the infinite-width network: weights p (m, c), float64.

    ridge           p = (Theta + strength I)^{-1} y,
    early stopping  p = t phi_1(-t Theta) y = Theta^{-1} (I - e^{-t Theta}) y,    phi_1(z) = (e^z - 1)/z,

each from one eigendecomposition of Theta(X, X); both tend to NTK regression, p = Theta^{-1} y, which
`definiteness.solved` finds.  Times and strengths are in the units of Theta: t is the
time of the flow dp/dt = y - Theta p.  Divide times by the mean diagonal of Theta, multiply strengths with
it, to compare kernels.  What a path of weights is chosen by is the caller's score, larger is better.
Source: Jacot et al., NeurIPS 2018 (arXiv 1806.07572), section 5; Fu & Wang, ICLR 2024 (arXiv 2310.06112).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from advntk.implementations.definiteness import bound
from advntk.implementations.dynamics.predictor import weights_along_time

Matrix = Float[Array, "m m"] | Float[np.ndarray, "m m"]
Columns = Float[Array, "m c"] | Float[np.ndarray, "m c"]
Numbers = Sequence[float] | Sequence[int] | Float[Array, " k"] | Float[np.ndarray, " k"]
Score = Callable[[Float[Array, "m c"]], float | Float[Array, ""]]


class Selection(NamedTuple):
    """The entry of a path that scored best, the first of equal ones: its place, setting, weights.

    `scores` are those of the whole path.
    """

    chosen: int
    setting: float
    weights: Float[Array, "m c"]
    scores: Float[np.ndarray, " k"]


def ridge(ntk: Matrix, y: Columns, strength: float) -> Float[Array, "m c"]:
    """Weights (Theta + strength I)^{-1} y, the minimum of |f - y|^2 + strength ||f||^2 in Theta's RKHS.

    NaN where even Theta + strength I is singular to working precision (`definiteness`), that of the dtype
    that Theta comes in.

    Raises:
      ValueError: shapes that do not fit, or a strength that is not positive and finite.
    """
    return ridge_path(ntk, y, [strength])[0]


def ridge_path(ntk: Matrix, y: Columns, strengths: Numbers) -> Float[Array, "k m c"]:
    """`ridge` at several strengths, from one decomposition.

    Raises:
      ValueError: as `ridge`, or no strength.
    """
    theta, targets = _checked(ntk, y)
    settings = _settings("strengths", strengths)
    if not (settings > 0).all():
        raise ValueError(f"strengths = {settings} must be positive; without ridge solve with Theta itself")
    values, vectors = _spectrum(theta)
    # Rounding makes eigenvalues of a Gram matrix negative; a strength as small would then divide by 0.
    values = jnp.maximum(values, 0)

    def one(strength: Array) -> Array:
        shifted = values + strength
        sound = shifted[0] > bound(len(theta), shifted[-1], ntk.dtype)
        return jnp.where(sound, _in_basis(vectors, 1 / shifted, targets), jnp.nan)

    return jax.vmap(one)(jnp.asarray(settings))


def ridge_selected(ntk: Matrix, y: Columns, strengths: Numbers, score: Score) -> Selection:
    """The strength of the best score; the first of equals, so that the order says which is preferred.

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      y: targets, (m, c).
      strengths: of the ridge, positive, in the units of Theta.
      score: ranks weights (m, c); larger is better.

    Returns:
      The best strength, its weights, and all scores.

    Raises:
      ValueError: as `ridge_path` and `select`.
    """
    return select(strengths, ridge_path(ntk, y, strengths), score)


def early_stopped_path(ntk: Matrix, y: Columns, times: Numbers) -> Float[Array, "k m c"]:
    """Weights Theta^{-1} (I - e^{-t Theta}) y at each of the times, which are at least 0 and rise.

    Nothing is divided by small eigenvalues.  They are known to eps times the largest: from a time of one
    over that on, outputs in their directions are rounding.

    Raises:
      ValueError: shapes that do not fit, or times that are none, negative, infinite or do not rise.
    """
    theta, targets = _checked(ntk, y)
    settings = _settings("times", times)
    if settings[0] < 0 or (np.diff(settings) <= 0).any():
        raise ValueError(f"times = {settings} must be at least 0 and rise, so that the first is the earliest")
    # AT with all strengths 0.
    return weights_along_time(theta, jnp.ones(len(theta)), targets, jnp.asarray(settings))


def early_stopped(ntk: Matrix, y: Columns, times: Numbers, score: Score) -> Selection:
    """The stopping time of the best score, the earliest of equals.

    `score(weights)` is `clean_accuracy(Theta(V, X), labels)` of validation inputs V, a robust accuracy
    there, or any other number.

    Args:
      ntk: Theta(X, X), (m, m), symmetric.
      y: targets, (m, c).
      times: at least 0, rising, in the units of 1/Theta.
      score: ranks weights (m, c); larger is better.

    Returns:
      The best time, its weights, and all scores.

    Raises:
      ValueError: as `early_stopped_path` and `select`.
    """
    return select(times, early_stopped_path(ntk, y, times), score)


def select(settings: Numbers, path: Float[Array, "k m c"], score: Score) -> Selection:
    """The entry of `path` with the highest score, the first of equal ones; NaN is never the highest.

    Raises:
      ValueError: settings and path of different lengths, or scores that are all NaN.
    """
    values = _settings("settings", settings)
    if len(values) != len(path):
        raise ValueError(f"settings has {len(values)} entries, path {len(path)}; give one setting for each")
    scores = np.array([float(score(weights)) for weights in path])
    if np.isnan(scores).all():
        raise ValueError(f"score is NaN at all of settings = {values}; give one that ranks weights")
    best = int(np.nanargmax(scores))
    return Selection(best, float(values[best]), path[best], scores)


def clean_accuracy(
    cross: Float[Array, "v m"] | Float[np.ndarray, "v m"], labels: Int[Array, " v"] | Int[np.ndarray, " v"]
) -> Score:
    """The score of weights by the share of inputs whose largest output is the label's, unattacked.

    `cross` is Theta(V, X) between those inputs and the training data.

    Raises:
      ValueError: no input, or as many labels as there are not inputs.
    """
    if not len(labels) or len(cross) != len(labels):
        raise ValueError(
            f"cross {cross.shape} and labels {labels.shape} must be (v, m) and (v,), v at least 1"
        )
    between, wanted = jnp.asarray(cross), jnp.asarray(labels)
    return lambda weights: jnp.mean(jnp.argmax(between @ weights, axis=1) == wanted)


def _checked(ntk: Matrix, y: Columns) -> tuple[Float[Array, "m m"], Float[Array, "m c"]]:
    if y.ndim != 2 or not len(y) or ntk.shape != (len(y), len(y)):
        raise ValueError(f"ntk {ntk.shape} and y {y.shape} do not fit; they must be (m, m) and (m, c)")
    return jnp.asarray(ntk, jnp.float64), jnp.asarray(y, jnp.float64)


def _settings(name: str, values: Numbers) -> Float[np.ndarray, " k"]:
    settings = np.asarray(values, dtype=np.float64)
    if settings.ndim != 1 or not len(settings) or not np.isfinite(settings).all():
        raise ValueError(f"{name} = {values} must be one or more finite numbers in a row")
    return settings


def _spectrum(theta: Float[Array, "m m"]) -> tuple[Float[Array, " m"], Float[Array, "m m"]]:
    return jnp.linalg.eigh((theta + theta.T) / 2)


def _in_basis(
    vectors: Float[Array, "m m"], factors: Float[Array, " m"], y: Float[Array, "m c"]
) -> Float[Array, "m c"]:
    """The function of Theta that has the eigenvalues `factors`, applied to y."""
    return vectors @ (factors[:, None] * (vectors.T @ y))
