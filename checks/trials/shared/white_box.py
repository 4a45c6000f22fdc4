"""Robust accuracy under an attack that the program under test has no part in but for its starts and steps.

Gradients are those of automatic differentiation through the kernel's recursion, and outputs are those of a
kernel computed apart in NumPy: an attack on another predictor, or none, leaves more samples right than this.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from advntk.checks.trials.shared.plain_kernels import Limit, mlp_matrix
from advntk.implementations.attacks.pgd import pgd_linf
from advntk.implementations.kernels.closed_form_ntk import mlp_ntk
from advntk.implementations.networks.architecture import Architecture


class Reach(NamedTuple):
    """Radius of the l_inf ball, in the units of the pixels, number of steps of radius/5, and the box."""

    radius: float
    steps: int
    low: float
    high: float


def robust_classes(
    arch: Architecture,
    x_train: Float[np.ndarray, "m d"],
    weights: Float[np.ndarray, "m c"],
    x: Float[np.ndarray, "k d"],
    labels: Int[np.ndarray, " k"],
    reach: Reach,
    key: Array,
) -> Int[np.ndarray, " k"]:
    """Classes that the predictor Theta(x, X) p gives to samples moved by PGD on its squared loss.

    Args:
      arch: the MLP whose infinite-width NTK is meant.
      x_train: X.
      weights: p.
      x: clean samples, in the box.
      labels: (k,), from 0.
      reach: what the attack may do.
      key: one key for all random starts.

    Returns:
      Classes, (k,).
    """
    limit = Limit("mlp", arch.depth, arch.activation, float(arch.sigma_w), float(arch.sigma_b))
    wanted = np.eye(weights.shape[1])[labels] - 1 / weights.shape[1]
    moved = np.asarray(_moved(arch, x_train, weights, x, wanted, key, reach), np.float64)
    found: np.ndarray = (mlp_matrix(limit, moved, np.asarray(x_train, np.float64)) @ weights).argmax(1)
    return found


@partial(jax.jit, static_argnames=("reach",))
def _moved(
    arch: Architecture,
    x_train: Float[Array, "m d"],
    weights: Float[Array, "m c"],
    x: Float[Array, "k d"],
    wanted: Float[Array, "k c"],
    key: Array,
    reach: Reach,
) -> Float[Array, "k d"]:
    # In single precision, for starts are drawn in it.
    network, at, p, clean, targets = jax.tree.map(
        lambda value: jnp.asarray(value, jnp.float32), (arch, x_train, weights, x, wanted)
    )

    def loss(moved: Array) -> Array:
        return ((mlp_ntk(network, moved, at) @ p - targets) ** 2).sum() / 2

    step = reach.radius / 5
    return pgd_linf(jax.grad(loss), clean, reach.radius, step, reach.steps, reach.low, reach.high, key)
