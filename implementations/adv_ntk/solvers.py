"""Ways to compute the Adv-NTK weights, by name: anybody's own that keeps the contract can be put in."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.implementations.adv_ntk import as_published, krylov, reference
from advntk.implementations.adv_ntk.strengths import Strengths


class Answer(NamedTuple):
    """What was asked for, and whether the solver stands by it."""

    value: Float[Array, "*shape"]
    converged: bool


class Solver(Protocol):
    """p(w) = Theta^{-1}(I - exp(-Theta D)) Y (m, c), and the pullback of a cotangent to the strengths.

    Strengths are (m,) or (m, c), d|w|/dw is 1 at 0.  A failure is reported in the answer; exceptions
    are for shapes that do not fit.
    """

    def weights(self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]) -> Answer: ...

    def weights_gradient(
        self,
        ntk: Float[Array, "m m"],
        strengths: Strengths,
        y: Float[Array, "m c"],
        cotangent: Float[Array, "m c"],
    ) -> Answer: ...


class Direct:
    """One of the modules that return bare arrays; finite counts as converged."""

    def __init__(self, module) -> None:
        self._module = module

    def weights(self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]) -> Answer:
        return _finite(self._module.weights(ntk, strengths, y))

    def weights_gradient(
        self,
        ntk: Float[Array, "m m"],
        strengths: Strengths,
        y: Float[Array, "m c"],
        cotangent: Float[Array, "m c"],
    ) -> Answer:
        return _finite(self._module.weights_gradient(ntk, strengths, y, cotangent))


class KrylovSolver:
    """The fast one, at a tolerance and a limit of steps."""

    def __init__(self, tolerance: float = 1e-5, most_steps: int = 128) -> None:
        self._limits = (tolerance, most_steps)

    def weights(self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]) -> Answer:
        found = krylov.weights(ntk, strengths, y, *self._limits)
        return Answer(found.weights, found.converged)

    def weights_gradient(
        self,
        ntk: Float[Array, "m m"],
        strengths: Strengths,
        y: Float[Array, "m c"],
        cotangent: Float[Array, "m c"],
    ) -> Answer:
        found = krylov.weights_gradient(ntk, strengths, y, cotangent, *self._limits)
        return Answer(found.gradient, found.converged)


SOLVERS: dict[str, Solver] = {
    "krylov": KrylovSolver(),
    "reference": Direct(reference),
    "as_published": Direct(as_published),
}


def _finite(value: Array) -> Answer:
    return Answer(value, bool(jnp.isfinite(value).all()))
