"""What an implementation of Adv-NTK is, so that anybody's can be trained, checked and compared.

An implementation answers four questions: the weights p(varpi), their gradient in varpi, the predictor's
input gradient, and how an attack moves inputs.  `fit` puts them together (`training`).  One's own class
derives from `Implementation` and replaces what it does differently, or is any object with these names.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float, Key

from advntk.implementations.adv_ntk import krylov
from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.adv_ntk.solvers import SOLVERS, Answer, Solver
from advntk.implementations.adv_ntk.strengths import Strengths
from advntk.implementations.attacks import as_published as published_attack
from advntk.implementations.attacks.pgd import pgd_linf
from advntk.implementations.attacks.threat import Scalar
from advntk.implementations.kernels.machine import Kernel

PullBack = Callable[[Float[Array, "m c"]], Answer]


class Machine(NamedTuple):
    """A predictor f(x) = Theta(x, training) weights."""

    kernel: Kernel
    training: Float[Array, "m *shape"]
    weights: Float[Array, "m c"]


class Implementation:
    """The fast implementation, and what others differ from.

    `dtype` is the precision that it computes in.
    """

    name = "krylov"
    dtype = "float32"
    solver: Solver = SOLVERS["krylov"]

    def weights(self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]) -> Answer:
        """p(varpi) = Theta^{-1}(I - exp(-Theta D)) Y, (m, c)."""
        return self.solver.weights(ntk, strengths, y)

    def weights_gradient(
        self,
        ntk: Float[Array, "m m"],
        strengths: Strengths,
        y: Float[Array, "m c"],
        cotangent: Float[Array, "m c"],
    ) -> Answer:
        """Gradient in varpi of a loss whose gradient in p is `cotangent`."""
        return self.solver.weights_gradient(ntk, strengths, y, cotangent)

    def weights_and_pull_back(
        self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]
    ) -> tuple[Answer, PullBack]:
        """The weights, and the map from cotangents to gradients, which may share work with them."""
        return self.weights(ntk, strengths, y), lambda g: self.weights_gradient(ntk, strengths, y, g)

    def predict(self, machine: Machine, x: Float[Array, "k *shape"]) -> Float[Array, "k c"]:
        """f(x)."""
        return _outputs(machine.kernel, machine.training, machine.weights, x)

    def loss_gradient(
        self, machine: Machine, x: Float[Array, "k *shape"], targets: Float[Array, "k c"]
    ) -> Float[Array, "k *shape"]:
        """Gradient in x of 1/2 ||f(x_i) - y_i||^2, sample by sample."""
        return _loss_gradient(machine.kernel, machine.training, machine.weights, x, targets)

    def attack(
        self,
        machine: Machine,
        x: Float[Array, "k *shape"],
        targets: Float[Array, "k c"],
        settings: Settings,
        key: Key[Array, ""],
    ) -> Float[Array, "k *shape"]:
        """Inputs moved by PGD in l_inf from a random start, gradients taken anew at every step."""
        found = settings.radius, settings.step, settings.low, settings.high
        return _pgd(*machine, x, targets, *found, key, steps=settings.attack_steps)


class Krylov(Implementation):
    """Weights by Lanczos with an error estimate; `tolerance` is relative to their norm."""

    def __init__(self, dtype: str = "float32", tolerance: float = 1e-5, most_steps: int = 128) -> None:
        self.dtype = dtype
        self._limits = (tolerance, most_steps)

    def weights_and_pull_back(
        self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]
    ) -> tuple[Answer, PullBack]:
        """As inherited; the Krylov space of Y serves both."""
        found, pull_back = krylov.weights_and_pull_back(ntk, strengths, y, *self._limits)

        def gradient(cotangent: Float[Array, "m c"]) -> Answer:
            pulled = pull_back(cotangent)
            return Answer(pulled.gradient, pulled.converged)

        return Answer(found.weights, found.converged), gradient


class Reference(Implementation):
    """The oracle: dense, in double precision, transparent, slow."""

    name = "reference"
    dtype = "float64"
    solver = SOLVERS["reference"]


class AsPublished(Implementation):
    """The published procedure, in our rendering: an object under test."""

    name = "as_published"
    solver = SOLVERS["as_published"]

    def attack(
        self,
        machine: Machine,
        x: Float[Array, "k *shape"],
        targets: Float[Array, "k c"],
        settings: Settings,
        key: Key[Array, ""],
    ) -> Float[Array, "k *shape"]:
        """One gradient, at the random start, and a projection around that start."""
        return published_attack.as_published(
            lambda at: self.loss_gradient(machine, at, targets),
            x, settings.radius, settings.step, settings.low, settings.high, key, settings.attack_steps,
        )  # fmt: skip


IMPLEMENTATIONS: dict[str, Callable[[], Implementation]] = {
    "krylov": Krylov,
    "reference": Reference,
    "as_published": AsPublished,
}
_NEEDED = ("dtype", "weights", "weights_gradient", "predict", "loss_gradient", "attack")


def implementation(name: str) -> Any:
    """One of ours by name, or anybody's as `package.module:attribute` (an object, or a class to call).

    Raises:
      ValueError: no such implementation, or it lacks part of the contract; the message says which.
    """
    if name in IMPLEMENTATIONS:
        return IMPLEMENTATIONS[name]()
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ValueError(
            f"implementation = {name!r} is unknown; choose one of: {', '.join(IMPLEMENTATIONS)}, "
            "or package.module:attribute"
        )
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"implementation = {name!r} cannot be loaded: {error}; is its folder on PYTHONPATH?"
        ) from error
    found = found() if isinstance(found, type) else found
    lacking = [part for part in _NEEDED if not hasattr(found, part)]
    if lacking:
        raise ValueError(
            f"implementation = {name!r} lacks {', '.join(lacking)}; derive it from "
            "advntk.implementations.adv_ntk.contract.Implementation"
        )
    return found


def _outputs_of(kernel: Kernel, training: Array, weights: Array, x: Array) -> Array:
    return kernel.cross(x, training) @ weights


def _gradient_of(kernel: Kernel, training: Array, weights: Array, x: Array, targets: Array) -> Array:
    return kernel.loss_gradient(x, targets, training, weights)


def _pgd_of(
    kernel: Kernel, training: Array, weights: Array, x: Array, targets: Array,
    radius: Scalar, step: Scalar, low: Scalar, high: Scalar, key: Array, steps: int,
) -> Array:  # fmt: skip
    def gradient(at: Array) -> Array:
        return kernel.loss_gradient(at, targets, training, weights)

    return pgd_linf(gradient, x, radius, step, steps, low, high, key)


_outputs = jax.jit(_outputs_of, static_argnums=0)
_loss_gradient = jax.jit(_gradient_of, static_argnums=0)
_pgd = jax.jit(_pgd_of, static_argnums=0, static_argnames="steps")
