r"""Networks linear in their parameters and exact in their inputs, trained adversarially under themselves.

    f^theta(theta, x) = f(theta_0, x) + d_theta f(theta_0, x) (theta - theta_0)

Its search follows its own gradient in x, which is not that of the linearization in both (`linearized.py`):
that one freezes d_x f at the clean input.  It is integrated as the network itself is, with the same
integrator and tolerances, from the same parameters.  Source: theory, section 8.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.implementations.dynamics.adversarial_training import Points, TrainingFlow, train
from advntk.implementations.networks.finite import Forward
from advntk.implementations.networks.protocol import Parameters


@dataclass(frozen=True)
class ThetaLinearized:
    """The forward pass of f^theta: a network whose parameters have the form of those of `forward`.

    Registered with JAX; `start` 0 leaves f(theta_0, x) out, which is what an antisymmetric initialization
    does, two copies of a network with opposite outputs: f_0 = 0 and the same kernel.

    >>> linear = ThetaLinearized(forward, theta_0)
    >>> linear(theta_0, x)  # forward(theta_0, x)

    Attributes:
      forward: the network's forward pass, of parameters and several inputs.
      origin: theta_0.
      start: factor of f(theta_0, x), 1 or 0.
    """

    forward: Callable[[Parameters, Any], Any]
    origin: Parameters
    start: Any = 1.0

    def __call__(self, parameters: Parameters, x: Float[Array, "m ..."]) -> Float[Array, "m c"]:
        """Outputs at several inputs, (m, c)."""
        change = jax.tree.map(jnp.subtract, parameters, self.origin)
        at_origin, slope = jax.jvp(lambda theta: self.forward(theta, x), (self.origin,), (change,))
        found: Array = self.start * at_origin + slope
        return found


jax.tree_util.register_dataclass(ThetaLinearized, data_fields=["forward", "origin", "start"], meta_fields=[])


@partial(jax.jit, static_argnames=("n_train", "search_fractions"))
def train_theta_linearized_seeds(
    forward: Forward,
    parameters: Parameters,
    points: Points,
    n_train: int,
    times: Float[Array, " times"],
    search_fractions: int,
    tolerance: Float[Array, ""] | float = 1e-3,
    dtmax: Float[Array, ""] | float = 1.0,
    dtmin: Float[Array, ""] | float = 1e-6,
    start: Float[Array, ""] | float = 1.0,
) -> TrainingFlow:
    """`train_seeds` for the theta-linearizations of networks at their `parameters`.

    Args:
      forward: the network's forward pass.
      parameters: theta_0, with a leading seed axis.
      points: inputs, targets and schedule: those trained on first, then unseen ones.
      n_train: how many points are trained on.
      times: training times, increasing from 0.
      search_fractions: number of equally spaced fractions of the search.
      tolerance: see `train`.
      dtmax: see `train`.
      dtmin: see `train`.
      start: 1, or 0 for f_0 = 0.

    Returns:
      Outputs of shape (seeds, times, search_fractions, p, c), steps, and `Result`s.
    """

    def one(theta: Parameters) -> TrainingFlow:
        linear = ThetaLinearized(forward, theta, start)
        return train(linear, theta, points, n_train, times, search_fractions, tolerance, dtmax, dtmin)

    return jax.lax.map(one, parameters)
