r"""Searches of a function for inputs of higher loss, as kernel AT makes them: by flow, or within a norm ball.

    FlowSearch         d_u x = eta_i(t) S J' r,  u in [0, 1]                   the paper's, as far as it gets
    NormalizedSearch   d_u x = rho_i g/||g||  (l2),  rho_i sign(g)  (linf)     always to a distance rho_i
    ProjectedSearch    steps of 2.5 rho_i / k along the same direction, each followed by a projection into
                       the ball of radius rho_i around x_i                     projected gradient ascent

g = J' r the gradient of 1/2 ||f(x) - y||^2.  All are values, registered with JAX, and know a function by
its gradient alone.  Source: theory, sections 0, 8.1 and 8.3; Madry et al., ICLR 2018, for the projected one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from advntk.implementations.dynamics.explicit_flow import explicit_flow
from advntk.implementations.dynamics.schedules import Schedule
from advntk.implementations.results import Result, of_integrator

# The loss's input gradient of each sample, from inputs and targets.
Ascent = Callable[[Any, Any], Any]
# What projected ascent may go in all, in radii (Madry et al., published code of their challenge).
_REACH = 2.5
_MAX_STEPS = 256


@runtime_checkable
class Search(Protocol):
    """Moves inputs to where a function's loss is larger."""

    def __call__(
        self, ascent: Ascent, x: Float[Array, "k *shape"], y: Float[Array, "k c"], t: Float[Array, ""]
    ) -> tuple[Float[Array, "k *shape"], Int[Array, ""]]:
        """The inputs at the end of the search at training time t, and how it ended (`Result`)."""
        ...

    def take(self, m: int) -> Any:
        """The search of the first `m` samples."""
        ...


@dataclass(frozen=True)
class FlowSearch:
    """d_u x = eta_i(t) S J' r, integrated with Tsit5.

    Attributes:
      schedule: eta_i(t) S.
      tolerance: of one step, absolute, in the Euclidean norm over all inputs.
    """

    schedule: Schedule
    tolerance: Any = 1e-5

    def __call__(
        self, ascent: Ascent, x: Float[Array, "k *shape"], y: Float[Array, "k c"], t: Float[Array, ""]
    ) -> tuple[Float[Array, "k *shape"], Int[Array, ""]]:
        """As `Search`."""
        strengths = _per_sample(self.schedule.strengths(t), x)
        return _moved(lambda _, z, __: strengths * ascent(z, y), x, self.tolerance)

    def take(self, m: int) -> FlowSearch:
        """As `Search`."""
        return replace(self, schedule=self.schedule.take(m))


@dataclass(frozen=True)
class NormalizedSearch:
    """Along the normalized gradient to a distance rho_i: of length rho_i (l2), or in every coordinate (linf).

    In l2 the flow is integrated; in linf, whose direction jumps, `steps` equal steps are taken.

    Attributes:
      norm: "l2" or "linf".
      radius: rho_i, (m,).
      steps: of the linf search.
      tolerance: of one step of the l2 search, as in `FlowSearch`.
    """

    norm: str
    radius: Any
    steps: int = 8
    tolerance: Any = 1e-5

    def __call__(
        self, ascent: Ascent, x: Float[Array, "k *shape"], y: Float[Array, "k c"], t: Float[Array, ""]
    ) -> tuple[Float[Array, "k *shape"], Int[Array, ""]]:
        """As `Search`; where the gradient is zero an input stays."""
        radius = _per_sample(self.radius, x)
        if self.norm == "l2":
            return _moved(lambda _, z, __: radius * _direction("l2", ascent(z, y)), x, self.tolerance)

        def step(z: Array, _: None) -> tuple[Array, None]:
            return z + radius / self.steps * _direction(self.norm, ascent(z, y)), None

        return jax.lax.scan(step, x, None, length=self.steps)[0], _successful()

    def take(self, m: int) -> NormalizedSearch:
        """As `Search`."""
        return replace(self, radius=self.radius[:m])


@dataclass(frozen=True)
class ProjectedSearch:
    """Projected gradient ascent within a ball of radius rho_i around each input.

    Attributes:
      norm: "l2" or "linf".
      radius: rho_i, (m,).
      steps: k; each goes 2.5 rho_i / k.
    """

    norm: str
    radius: Any
    steps: int = 10

    def __call__(
        self, ascent: Ascent, x: Float[Array, "k *shape"], y: Float[Array, "k c"], t: Float[Array, ""]
    ) -> tuple[Float[Array, "k *shape"], Int[Array, ""]]:
        """As `Search`."""
        radius = _per_sample(self.radius, x)

        def step(z: Array, _: None) -> tuple[Array, None]:
            gone = z - x + _REACH / self.steps * radius * _direction(self.norm, ascent(z, y))
            return x + _within(self.norm, radius, gone), None

        return jax.lax.scan(step, x, None, length=self.steps)[0], _successful()

    def take(self, m: int) -> ProjectedSearch:
        """As `Search`."""
        return replace(self, radius=self.radius[:m])


for _search, _data, _meta in (
    (FlowSearch, ["schedule", "tolerance"], []),
    (NormalizedSearch, ["radius", "tolerance"], ["norm", "steps"]),
    (ProjectedSearch, ["radius"], ["norm", "steps"]),
):
    jax.tree_util.register_dataclass(_search, data_fields=_data, meta_fields=_meta)


def _direction(norm: str, gradient: Float[Array, "k *shape"]) -> Float[Array, "k *shape"]:
    """The steepest ascent in a norm, of length one in it; 0 where the gradient is."""
    if norm == "linf":
        return jnp.sign(gradient)
    length = _length(gradient)
    return gradient / jnp.where(length > 0, length, 1.0)


def _within(norm: str, radius: Float[Array, "k *ones"], delta: Float[Array, "k *shape"]) -> Any:
    """The nearest point to each `delta` in a ball around 0; no box bounds what kernel AT moves."""
    if norm == "linf":
        return jnp.clip(delta, -radius, radius)
    return delta * jnp.minimum(1.0, radius / jnp.maximum(_length(delta), jnp.finfo(delta.dtype).tiny))


def _length(vectors: Float[Array, "k *shape"]) -> Float[Array, "k *ones"]:
    return _per_sample(jnp.sqrt((vectors**2).reshape(len(vectors), -1).sum(1)), vectors)


def _per_sample(values: Float[Array, " k"], x: Float[Array, "k *shape"]) -> Float[Array, "k *ones"]:
    return values.reshape(-1, *([1] * (x.ndim - 1)))


def _successful() -> Int[Array, ""]:
    return jnp.asarray(int(Result.successful))


def _moved(slope: Any, x: Array, tolerance: Any) -> tuple[Array, Array]:
    solution = explicit_flow(slope, x, 0.0, 1.0, 1.0, tolerance, max_steps=_MAX_STEPS)
    assert solution.ys is not None
    return solution.ys[0], of_integrator(solution.result)
