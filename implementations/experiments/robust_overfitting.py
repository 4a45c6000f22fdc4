r"""Robust overfitting of the infinite-width AT predictor on the digits, along training time.

Robust accuracy rises, peaks and falls to that of the predictor trained without AT, while clean
accuracy hardly moves; with label noise more than without (theory: section 5).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from advntk.implementations.attacks.pgd import pgd_linf
from advntk.implementations.data.dataset import one_hot
from advntk.implementations.data.splits import adversarial_split
from advntk.implementations.dynamics.predictor import ntk_regression, weights_along_time
from advntk.implementations.kernels.closed_form_ntk import loss_gradient, mlp_ntk, mlp_ntk_gram
from advntk.implementations.kernels.infinite import ark_product
from advntk.implementations.networks.architecture import Architecture

LOW, HIGH = -0.5, 0.5


class Split(NamedTuple):
    """Three disjoint sets of digits, pixels in [-1/2, 1/2]; only the training targets carry noise."""

    x: Float[np.ndarray, "m d"]
    y: Float[np.ndarray, "m c"]
    validation_x: Float[np.ndarray, "v d"]
    validation_labels: Int[np.ndarray, " v"]
    test_x: Float[np.ndarray, "w d"]
    test_labels: Int[np.ndarray, " w"]


class LearningCurve(NamedTuple):
    """Accuracies along training time on one set of inputs, and those of the predictor without AT.

    `distance` is the root mean square of f_t - f over the clean inputs, f the predictor without AT,
    relative to that of f.  What is said of f is NaN where the kernel is singular to working precision.
    """

    clean: Float[Array, " t"]
    robust: Float[Array, " t"]
    distance: Float[Array, " t"]
    clean_without_at: Float[Array, ""]
    robust_without_at: Float[Array, ""]


class LearningCurves(NamedTuple):
    """The curve on the validation inputs, which choose the stopping time, and on the test inputs."""

    validation: LearningCurve
    test: LearningCurve


class Peak(NamedTuple):
    """Test robust accuracy at the time t* that is best on validation, against the first and last times."""

    chosen: int
    robust: float
    rise: float
    drop: float


def split(seed: int, n_train: int, n_validation: int, n_test: int, noise: float) -> Split:
    """Disjoint digits drawn by `seed`; a share `noise` of the training labels is replaced by others.

    Args:
      seed: of all that is drawn; equal seeds draw equal numbers.
      n_train: number of training samples.
      n_validation: number of validation samples.
      n_test: number of test samples.
      noise: share of the training labels that are replaced, from 0 to 1.

    Returns:
      The three sets, in double precision.

    Raises:
      BadData: more digits than there are, or a share outside [0, 1].
    """
    found = adversarial_split("digits", n_train, n_validation, n_test, seed, noise)
    # Sixteenths are exact in single precision; targets less 1/c are not, and come in double precision.
    x, validation_x, test_x = (
        images.astype(np.float64) for images in (found.x, found.validation_x, found.test_x)
    )
    y = one_hot(found.y.argmax(axis=1), found.y.shape[1])
    return Split(x, y, validation_x, found.validation_labels, test_x, found.test_labels)


@partial(jax.jit, static_argnames="steps")
def robust_overfitting(
    arch: Architecture,
    split: Split,
    times: Float[Array, " t"],
    strengths: Float[Array, " m"],
    key: Key[Array, ""],
    radius: Float[Array, ""] | float = 0.15,
    steps: int = 10,
) -> LearningCurves:
    """Clean and robust accuracy of f_t at all `times`, under PGD on the squared loss from a random start.

    `times` are in units of 1/mean diagonal of Theta(X, X).  `strengths` are eta_i S, constant in time.
    Every predictor is attacked from the same start with steps of radius/5, searched for in float32; what
    was found is judged in the dtype of the split.  Splits of the same sizes share one compiled program.

    Args:
      arch: an MLP with a closed-form NTK.
      split: training, validation and test samples.
      times: (t,), see above.
      strengths: (m,), see above.
      key: random key.
      radius: of the attack in l_inf; pixels lie in [-1/2, 1/2].
      steps: of the attack.

    Returns:
      Curves on validation and test inputs.
    """
    x, y = jnp.asarray(split.x), jnp.asarray(split.y)
    ntk = mlp_ntk_gram(arch, x)
    ark = jax.vmap(lambda one: ark_product(arch, one[None])[0, 0])(x)
    along = weights_along_time(ntk, jnp.exp(strengths * ark), y, times / jnp.mean(jnp.diagonal(ntk)))
    # Not the last of `along`: its own route to the limit, by a linear solve.
    weights = jnp.concatenate([along, ntk_regression(ntk, y)[None]])

    there = jnp.concatenate([jnp.asarray(split.validation_x), jnp.asarray(split.test_x)])
    labels = jnp.concatenate([jnp.asarray(split.validation_labels), jnp.asarray(split.test_labels)])
    targets = jax.nn.one_hot(labels, y.shape[1], dtype=y.dtype) - 1 / y.shape[1]

    # The search moves by signs of gradients: single precision finds them, at a third of the time.
    single = jax.tree.map(lambda value: value.astype(jnp.float32), (arch, x, there, targets))

    def attacked(of: Array) -> Array:
        network, x_train, clean, wanted = single
        moved = pgd_linf(
            lambda at: loss_gradient(network, at, wanted, x_train, of.astype(jnp.float32)),
            clean, radius, radius / 5, steps, LOW, HIGH, key,
        )  # fmt: skip
        return _correct(mlp_ntk(arch, moved.astype(x.dtype), x) @ of, labels)

    outputs = jnp.einsum("km,tmc->tkc", mlp_ntk(arch, there, x), weights)
    clean = jax.vmap(_correct, (0, None))(outputs, labels)
    # One predictor at a time: its kernel matrices then stay in the cache.
    robust = jax.lax.map(attacked, weights)

    def curve(of: slice) -> LearningCurve:
        right, withstood = clean[:, of].mean(1), robust[:, of].mean(1)
        here, limit = outputs[:-1, of], outputs[-1, of]
        distance = jnp.linalg.norm(here - limit[None], axis=(1, 2)) / jnp.linalg.norm(limit)
        return LearningCurve(right[:-1], withstood[:-1], distance, right[-1], withstood[-1])

    middle = len(split.validation_x)
    return LearningCurves(curve(slice(middle)), curve(slice(middle, None)))


def peak(curves: LearningCurves) -> Peak:
    """What early stopping, chosen on validation (the earliest of equals), gains on the test inputs."""
    index = int(np.argmax(curves.validation.robust))
    robust = np.asarray(curves.test.robust)
    return Peak(
        index, float(robust[index]), float(robust[index] - robust[0]), float(robust[index] - robust[-1])
    )


def _correct(outputs: Array, labels: Array) -> Array:
    right = (jnp.argmax(outputs, axis=1) == labels).astype(outputs.dtype)
    # A predictor without outputs is right or wrong about nothing.
    return jnp.where(jnp.isfinite(outputs).all(axis=1), right, jnp.nan)
