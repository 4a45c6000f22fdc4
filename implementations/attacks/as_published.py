"""The kernel-side attack as the published Adv-NTK program runs it, for comparison and never an oracle.

Our own rendering.  Against PGD it differs in two ways that both matter: the gradient is taken once, at
the random start, and all steps go along its sign; and iterates are kept around the random start
instead of the clean input, so that the perturbation may reach twice the radius.
Source: behavior of the program that goes with Fu & Wang, ICLR 2024 (arXiv 2310.06112).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.implementations.attacks.arguments import (
    Samples,
    checked_key,
    checked_samples,
    length,
    settled,
    whole,
)
from advntk.implementations.attacks.threat import Keys, Scalar, per_sample


def as_published(
    loss_gradient: Callable[[Float[Array, "k *shape"]], Float[Array, "k *shape"]],
    x: Samples,
    radius: Scalar,
    step: Scalar,
    low: Scalar,
    high: Scalar,
    key: Keys,
    steps: int = 10,
) -> Float[Array, "k *shape"]:
    """Inputs `steps` sign steps along one gradient from a random start, within `radius` of that start.

    Up to 2 `radius` from `x`, hence outside the threat model that it claims; the box [low, high] holds.

    Args:
      loss_gradient: maps inputs to the gradient of their loss, sample by sample.
      x: clean inputs, (k, *shape), in the box.
      radius: claimed radius in l_inf.
      step: length of a step.
      low: lower end of the box.
      high: upper end.
      key: one key, or one per sample.
      steps: number of steps.

    Returns:
      The moved inputs.

    Raises:
      BadAttack: arguments that do not fit.
    """
    x = checked_samples(x, low, high)
    radius, step = length("radius", radius, x), length("step", step, x)
    low, high = settled(low, x), settled(high, x)
    checked_key(key, len(x))
    whole("steps", steps, 0)

    def drawn(key: Array) -> Array:
        return jax.random.uniform(key, x.shape[1:], x.dtype, -1, 1)

    start = jnp.clip(x + radius * jax.vmap(drawn)(per_sample(key, len(x))), low, high)
    sign = jnp.sign(loss_gradient(start))
    lower, upper = jnp.maximum(start - radius, low), jnp.minimum(start + radius, high)
    return jax.lax.fori_loop(0, steps, lambda _, at: jnp.clip(at + step * sign, lower, upper), start)
