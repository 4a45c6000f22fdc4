r"""Perturbation schedules: the strength eta_i(t) S with which sample i is moved at training time t.

A schedule may differ between samples in scale and rate; equal entries make it shared.  All are
continuous and not negative for non-negative scales, as the theory asks (section 0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Shape = Literal["constant", "growing", "decaying", "oscillating", "early_stopped"]

_SHAPES: dict[str, Callable[[Array], Array]] = {
    "constant": jnp.ones_like,
    "growing": lambda u: 1 + u,
    "decaying": lambda u: jnp.exp(-u),
    "oscillating": lambda u: (1 + jnp.sin(u)) / 2,
    # Continuous: fades to zero at u = 1 and stays there.
    "early_stopped": lambda u: jnp.clip(1 - u, 0, 1),
}


SHAPES = tuple(_SHAPES)


@dataclass(frozen=True)
class Schedule:
    """eta_i(t) S = scale_i * shape(rate_i * t); a JAX pytree, `choice` numbering the shape.

    The shape is data, so that one compiled program serves all of them.
    """

    choice: Int[Array, ""]
    scale: Float[Array, " m"]
    rate: Float[Array, " m"]

    @classmethod
    def of(cls, shape: str, scale: Float[Array, " m"], rate: Float[Array, " m"]) -> Schedule:
        """From a shape's name and values that need no check (negative scales included)."""
        return cls(jnp.asarray(SHAPES.index(shape)), scale, rate)

    def take(self, m: int) -> Schedule:
        """The schedule of the first `m` samples."""
        return Schedule(self.choice, self.scale[:m], self.rate[:m])

    def strengths(self, t: Float[Array, ""] | float) -> Float[Array, " m"]:
        """eta_i(t) S of every sample at time t."""
        return self.scale * jax.lax.switch(self.choice, list(_SHAPES.values()), self.rate * t)


jax.tree_util.register_dataclass(Schedule, data_fields=["choice", "scale", "rate"], meta_fields=[])


def schedule(shape: Shape, scale: Float[Array, " m"], rate: Float[Array, " m"] | None = None) -> Schedule:
    """A `Schedule` from checked values; `rate` defaults to one for every sample.

    Raises:
      ValueError: an unknown shape, or a negative or non-finite scale or rate, naming it and the fix.
    """
    if shape not in _SHAPES:
        raise ValueError(f"shape = {shape!r} is unknown; choose one of: {', '.join(_SHAPES)}")
    rate = jnp.ones_like(scale) if rate is None else rate
    for name, values in (("scale", scale), ("rate", rate)):
        if not bool(jnp.isfinite(values).all() and (values >= 0).all()):
            raise ValueError(f"{name} = {values} must be finite and not negative")
    return Schedule.of(shape, scale, rate)
