"""What an implementation of Adv-NTK is, so that anybody's can be trained, checked and compared.

An implementation derives from the abstract class `Implementation`: it solves for the weights p(varpi) and
pulls cotangents of p back to varpi, and may replace how the predictor is evaluated and how an attack moves
inputs.  `training.fit` puts the parts together.  Any object with the names of `_NEEDED` will do as well.
"""

from __future__ import annotations

import abc
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float, Key

from advntk.exceptions import UsageError
from advntk.implementations.adv_ntk import as_published, krylov, reference
from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.adv_ntk.solution import PullBack, Solution, if_finite
from advntk.implementations.adv_ntk.strengths import Strengths
from advntk.implementations.attacks import as_published as published_attack
from advntk.implementations.attacks.arguments import checked_samples
from advntk.implementations.attacks.pgd import pgd_linf
from advntk.implementations.attacks.threat import Scalar
from advntk.implementations.foreign_code import contained, described
from advntk.implementations.kernels.ntk import Kernel


class KernelPredictor(NamedTuple):
    """A predictor f(x) = Theta(x, x_train) weights."""

    kernel: Kernel
    x_train: Float[Array, "m *shape"]
    weights: Float[Array, "m c"]


class Implementation(abc.ABC):
    """One way to compute Adv-NTK; `solve` and `vjp` are its own, the rest is shared unless replaced.

    `dtype` ("float32" or "float64") is the precision that it computes in: arguments come in it.  Shapes: m
    training samples, c classes; strengths are (m,), shared by the classes, or (m, c), and d|w|/dw is 1 at 0.
    What went wrong with the numbers is said in the `Solution`; exceptions are for shapes that do not fit.

    >>> class Mine(Implementation):
    ...     dtype = "float64"
    ...
    ...     def solve(self, ntk, strengths, y):
    ...         return Solution(my_weights(ntk, strengths, y))
    ...
    ...     def vjp(self, ntk, strengths, y, cotangent):
    ...         return Solution(my_gradient(ntk, strengths, y, cotangent))
    """

    name: str = ""
    dtype: str = "float32"

    @abc.abstractmethod
    def solve(self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]) -> Solution:
        """The weights p(varpi) = Theta^{-1}(I - exp(-Theta D)) Y, D = Diag(|varpi|), of shape (m, c)."""

    @abc.abstractmethod
    def vjp(
        self,
        ntk: Float[Array, "m m"],
        strengths: Strengths,
        y: Float[Array, "m c"],
        cotangent: Float[Array, "m c"],
    ) -> Solution:
        """Gradient in the strengths of a loss whose gradient in the weights is `cotangent`.

        Args:
          ntk: Theta(X, X), (m, m), symmetric.
          strengths: varpi, (m,) or (m, c), of any sign.
          y: targets, (m, c).
          cotangent: dl/dp, (m, c).

        Returns:
          The solution whose value has the shape of the strengths.
        """

    def solve_with_vjp(
        self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]
    ) -> tuple[Solution, PullBack]:
        """`solve`, and `vjp` as a function of the cotangent, which may share work with it."""
        return self.solve(ntk, strengths, y), lambda cotangent: self.vjp(ntk, strengths, y, cotangent)

    def predict(self, predictor: KernelPredictor, x: Float[Array, "k *shape"]) -> Float[Array, "k c"]:
        """f(x)."""
        return _outputs(predictor.kernel, predictor.x_train, predictor.weights, x)

    def loss_gradient(
        self, predictor: KernelPredictor, x: Float[Array, "k *shape"], targets: Float[Array, "k c"]
    ) -> Float[Array, "k *shape"]:
        """Gradient in x of 1/2 ||f(x_i) - y_i||^2, sample by sample."""
        return _loss_gradient(predictor.kernel, predictor.x_train, predictor.weights, x, targets)

    def attack(
        self,
        predictor: KernelPredictor,
        x: Float[Array, "k *shape"],
        targets: Float[Array, "k c"],
        settings: Settings,
        key: Key[Array, ""],
    ) -> Float[Array, "k *shape"]:
        """Inputs moved by PGD in l_inf from a random start, gradients taken anew at every step.

        Args:
          predictor: kernel, training inputs and weights.
          x: clean inputs, (k, *shape).
          targets: (k, c), labels one-hot less 1/c.
          settings: radius, attack and box, in the units of the pixels.
          key: random key.

        Returns:
          The moved inputs, within the radius of `x` and in the box.
        """
        x = checked_samples(x, settings.low, settings.high)
        found = settings.radius, settings.step, settings.low, settings.high
        return _pgd(*predictor, x, targets, *found, key, steps=settings.attack_steps)


class Krylov(Implementation):
    """The fast one: Lanczos with an error estimate, for weights and for gradients alike.

    Args:
      dtype: "float32" or "float64".
      tolerance: of the estimated error, relative to the norm of what is solved for.
      max_steps: products with Theta that one Krylov space may take.
    """

    name = "krylov"

    def __init__(self, dtype: str = "float32", tolerance: float = 1e-5, max_steps: int = 128) -> None:
        self.dtype = dtype
        self._limits = (tolerance, max_steps)

    def solve(self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]) -> Solution:
        """Weights within the tolerance."""
        return krylov.weights(ntk, strengths, y, *self._limits)

    def vjp(
        self,
        ntk: Float[Array, "m m"],
        strengths: Strengths,
        y: Float[Array, "m c"],
        cotangent: Float[Array, "m c"],
    ) -> Solution:
        """Gradient within the tolerance."""
        return krylov.weights_gradient(ntk, strengths, y, cotangent, *self._limits)

    def solve_with_vjp(
        self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]
    ) -> tuple[Solution, PullBack]:
        """Both; the Krylov space of Y serves weights and gradient."""
        if type(self).solve is not Krylov.solve or type(self).vjp is not Krylov.vjp:
            # A class that replaces one of them means training too.
            return super().solve_with_vjp(ntk, strengths, y)
        return krylov.weights_and_pull_back(ntk, strengths, y, *self._limits)


class Reference(Implementation):
    """The oracle: dense, in double precision, transparent, slow."""

    name = "reference"
    dtype = "float64"

    def solve(self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]) -> Solution:
        """Weights by eigendecomposition."""
        return if_finite(reference.weights(ntk, strengths, y))

    def vjp(
        self,
        ntk: Float[Array, "m m"],
        strengths: Strengths,
        y: Float[Array, "m c"],
        cotangent: Float[Array, "m c"],
    ) -> Solution:
        """Gradient by eigendecomposition and quadrature."""
        return if_finite(reference.weights_gradient(ntk, strengths, y, cotangent))


class AsPublished(Implementation):
    """The published procedure, in our rendering: an object under test."""

    name = "as_published"

    def solve(self, ntk: Float[Array, "m m"], strengths: Strengths, y: Float[Array, "m c"]) -> Solution:
        """Weights through an undamped inverse in single precision."""
        return if_finite(as_published.weights(ntk, strengths, y))

    def vjp(
        self,
        ntk: Float[Array, "m m"],
        strengths: Strengths,
        y: Float[Array, "m c"],
        cotangent: Float[Array, "m c"],
    ) -> Solution:
        """Gradient by automatic differentiation of the same."""
        return if_finite(as_published.weights_gradient(ntk, strengths, y, cotangent))

    def attack(
        self,
        predictor: KernelPredictor,
        x: Float[Array, "k *shape"],
        targets: Float[Array, "k c"],
        settings: Settings,
        key: Key[Array, ""],
    ) -> Float[Array, "k *shape"]:
        """One gradient, at the random start, and a projection around that start."""
        return published_attack.as_published(
            lambda at: self.loss_gradient(predictor, at, targets),
            x, settings.radius, settings.step, settings.low, settings.high, key, settings.attack_steps,
        )  # fmt: skip


IMPLEMENTATIONS: dict[str, Callable[[], Implementation]] = {
    "krylov": Krylov,
    "reference": Reference,
    "as_published": AsPublished,
}
_NEEDED = ("dtype", "solve", "vjp", "predict", "loss_gradient", "attack")


class BadImplementation(UsageError):
    """An implementation that cannot be used, or lacks part of the contract; the message says which."""


def implementation(name: str) -> Any:
    """One of ours by name, or anybody's as `package.module:attribute` (an object, or a class to call).

    Raises:
      BadImplementation: there is none, or it lacks part of the contract; the message says which.
    """
    if name in IMPLEMENTATIONS:
        return IMPLEMENTATIONS[name]()
    module, _, attribute = name.partition(":")
    said = f"--implementation {name}"
    if not attribute:
        raise BadImplementation(
            f"{said}: unknown; choose one of: {', '.join(IMPLEMENTATIONS)}, or package.module:attribute"
        )
    try:
        with contained():
            found = getattr(importlib.import_module(module), attribute)
            found = _made(said, found)
            lacking = [part for part in _NEEDED if not _has(found, part)]
    except BadImplementation:
        raise
    except (ImportError, AttributeError) as error:
        raise BadImplementation(
            f"{said}: cannot be loaded: {described(error)}; is its folder on PYTHONPATH?"
        ) from error
    except Exception as error:  # whatever a user's module raises
        raise BadImplementation(f"{said}: cannot be loaded ({described(error)}); mend it") from error
    if lacking:
        raise BadImplementation(
            f"{said}: lacks {', '.join(lacking)}; derive it from "
            "advntk.implementations.adv_ntk.contract.Implementation"
        )
    return found


def _has(found: Any, part: str) -> bool:
    return hasattr(found, part) and (part == "dtype" or callable(getattr(found, part)))


def _made(said: str, found: Any) -> Any:
    """An object of a class; anything else as it is."""
    if not isinstance(found, type):
        return found
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        raise BadImplementation(f"{said}: lacks {', '.join(missing)}; define them in the class")
    return found()


def _outputs_of(kernel: Kernel, x_train: Array, weights: Array, x: Array) -> Array:
    return kernel.cross(x, x_train) @ weights


def _gradient_of(kernel: Kernel, x_train: Array, weights: Array, x: Array, targets: Array) -> Array:
    return kernel.loss_gradient(x, targets, x_train, weights)


def _pgd_of(
    kernel: Kernel, x_train: Array, weights: Array, x: Array, targets: Array,
    radius: Scalar, step: Scalar, low: Scalar, high: Scalar, key: Array, steps: int,
) -> Array:  # fmt: skip
    def gradient(at: Array) -> Array:
        return kernel.loss_gradient(at, targets, x_train, weights)

    return pgd_linf(gradient, x, radius, step, steps, low, high, key)


_outputs = jax.jit(_outputs_of, static_argnums=0)
_loss_gradient = jax.jit(_gradient_of, static_argnums=0)
_pgd = jax.jit(_pgd_of, static_argnums=0, static_argnames="steps")
