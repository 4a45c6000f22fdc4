"""The law that the parameters of a network are drawn from, as data: one program serves every network."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.implementations.networks.finite import fan_in
from advntk.implementations.networks.protocol import Network


class Law(NamedTuple):
    """Scales of weights and biases, and whether they are those of the parameters' own law.

    `standard` is 1.0 in the standard parameterization, where the scales sit in the variances of the initial
    parameters, and 0.0 in the NTK parameterization, where all variances are 1.
    """

    sigma_w: Float[Array, ""]
    sigma_b: Float[Array, ""]
    standard: Float[Array, ""]

    @staticmethod
    def of(network: Network, dtype: Any = jnp.float64) -> Law:
        """The law of a network's parameters, in the precision that is computed in."""
        standard = network.parameterization == "standard"
        return Law(*(jnp.asarray(value, dtype) for value in (network.sigma_w, network.sigma_b, standard)))

    def variances(self, shape: tuple[int, ...]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Variances of the weights and biases of a layer whose weights have this shape."""
        w, b = self.sigma_w**2 / fan_in(shape), self.sigma_b**2
        ntk = 1 - self.standard
        return self.standard * w + ntk, self.standard * b + ntk
