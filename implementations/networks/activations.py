"""The activations, each tied to its infinite-width layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
from jaxtyping import Array, Float, Int

from advntk.implementations.arc_cosine import kinked_duals
from advntk.implementations.dual_activation import derivative, dual, quadrature_error
from advntk.implementations.neural_tangents_adapter import elementwise, stax

LEAKY_SLOPE = 0.1
# Those with a kink at 0, where networks without biases that see a zero input have no derivative.
KINKED = ("relu", "leaky_relu")


@dataclass(frozen=True)
class Activation:
    """An activation function phi and the way to its infinite-width layer.

    `layer()` gives neural-tangents' (init, apply, kernel) triple.  `strip` is the half-width of the
    strip around the real line where phi is analytic when its kernel comes from quadrature, and None
    when the kernel has a closed form.
    """

    name: str
    phi: Callable[[Float[Array, "..."]], Float[Array, "..."]]
    layer: Callable[[], Any]
    strip: float | None = None

    def kernel_error(self, variance: float) -> float:
        """Error of the dual activation beyond rounding, for pre-activation variance `variance`."""
        return 0.0 if self.strip is None else quadrature_error(variance, self.strip)


def _by_quadrature(name: str, phi: Callable, strip: float) -> Activation:
    def layer() -> Any:
        slope = derivative(phi)
        return elementwise(phi, dual(phi, phi), dual(slope, slope))

    return Activation(name, phi, layer, strip)


def _kinked(name: str, phi: Callable, negative_slope: float) -> Activation:
    # neural-tangents' own layers have derivatives of up to 1e15 at coinciding inputs where XLA contracts
    # products and sums, which depends on the machine.
    dual_and_slope = kinked_duals(negative_slope)
    return Activation(name, phi, lambda: elementwise(phi, *dual_and_slope))


def _gelu(x: Array) -> Array:
    return jax.nn.gelu(x, approximate=False)


def _leaky_relu(x: Array) -> Array:
    return jnp.where(x > 0, x, LEAKY_SLOPE * x)


ACTIVATIONS: dict[str, Activation] = {
    item.name: item
    for item in (
        Activation("erf", jax.scipy.special.erf, lambda: stax().Erf()),
        Activation("gelu", _gelu, lambda: stax().Gelu(approximate=False)),
        _by_quadrature("tanh", jnp.tanh, np.pi / 2),
        _by_quadrature("softplus", jax.nn.softplus, np.pi),
        _by_quadrature("sigmoid", jax.nn.sigmoid, np.pi),
        _kinked("relu", jax.nn.relu, 0.0),
        _kinked("leaky_relu", _leaky_relu, LEAKY_SLOPE),
    )
}


def activation(name: str) -> Activation:
    """Look an activation up by name.

    Raises:
      ValueError: unknown name; the message lists the known ones.
    """
    try:
        return ACTIVATIONS[name]
    except KeyError:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"activation = {name!r} is unknown; choose one of: {known}") from None


def choice_of(name: str) -> int:
    """The number under which `chosen` knows an activation; raises ValueError as `activation` does."""
    activation(name)
    return list(ACTIVATIONS).index(name)


def chosen(choice: Int[Array, ""] | int, x: Float[Array, "..."]) -> Float[Array, "..."]:
    """phi(x) for an activation that is chosen at run time (see `choice_of`).

    A plain integer chooses while a program is traced: it has that activation alone, and compiles faster.
    """
    branches = [item.phi for item in ACTIVATIONS.values()]
    return branches[choice](x) if isinstance(choice, int) else jax.lax.switch(choice, branches, x)
