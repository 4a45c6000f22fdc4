r"""The problems that trials of Adv-NTK pose to an implementation, and how exact its solutions must be.

The kernel is that of the scenario's infinite network over its samples; strengths, cotangents and inputs
follow from `data_seed`.  All of it is rounded to the implementation's dtype first: the reference in double
precision gets the very same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between, Choice
from advntk.checks.trials.shared.building import build
from advntk.implementations.adv_ntk.contract import KernelPredictor, implementation
from advntk.implementations.kernels.infinite import mlp_limits
from advntk.implementations.kernels.ntk import Kernel, kernel_of
from advntk.implementations.results import Result
from advntk.theorems.assumptions import ACTIVATIONS

# What an implementation promises of its solutions, relative to their norm and before rounding.
PROMISED = 1e-4
LOW, HIGH = -0.5, 0.5
# Strengths that matter, and cost no more rounding than the promise.
MODERATE = 10.0
# One number of samples, classes and features per trial: these are what programs are compiled for.
_SIZES: dict[str, Choice] = {"input_growth": ("fixed",), "input_width": (16,)}
KERNELS: dict[str, Choice] = {
    "activation": ACTIVATIONS,
    "depth": (1, 2, 3),
    "sigma_w": Between(1.1, 1.8),
    "sigma_b": Between(0.05, 0.5),
    "data_seed": tuple(range(8)),
    **_SIZES,
}
# Kernels that are part of compiled programs: each of these is a program more.
MACHINES: dict[str, Choice] = {
    "activation": ("relu", "erf"),
    "sigma_w": (1.76,),
    "sigma_b": (0.18,),
    "samples": (24,),
    "outputs": (3,),
    **_SIZES,
}
# Fractions of the strengths' scale at which differences are taken: the best of them is used.
_FRACTIONS = (1e-2, 1e-3, 1e-4)


class WeightsProblem(NamedTuple):
    """Arguments of `solve` and `vjp`; strengths are (m,) or (m, c)."""

    ntk: Float[Any, "m m"]
    strengths: Float[Any, "*shape"]
    y: Float[Any, "m c"]
    cotangent: Float[Any, "m c"]

    def exactly(self) -> WeightsProblem:
        """The same numbers in double precision."""
        return WeightsProblem(*(jnp.asarray(array, jnp.float64) for array in self))


def implementation_of(scenario: Scenario) -> Any:
    """The implementation that the scenario names, made anew."""
    return implementation(scenario.implementation)


def limit_kernel(scenario: Scenario) -> Float[np.ndarray, "m m"]:
    """NTK of the scenario's infinite MLP over its samples."""
    arch, x, _ = build(scenario)
    return np.asarray(mlp_limits(arch, x @ x.T / x.shape[1], float(x.shape[1]), float(scenario.width)).ntk)


def weights_problem(
    scenario: Scenario,
    ntk: Float[np.ndarray, "m m"],
    size: float,
    per_class: bool,
    dtype: str,
) -> WeightsProblem:
    """Strengths of both signs and some zeros with lambda_max(S) = `size`, the scenario's targets, any G.

    The magnitudes that are not 0 differ by a factor 3 at most, so that S is as well conditioned as Theta
    up to that factor.
    """
    y = np.asarray(build(scenario).y)
    rng = np.random.default_rng([scenario.data_seed, 11, per_class])
    shape = y.shape if per_class else y.shape[:1]
    strengths = rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape) * (rng.random(shape) > 0.25)
    # Each of the three kinds occurs, whatever is drawn.
    strengths[0], strengths[1], strengths[2] = 0, -1, 1
    strengths *= size / largest(ntk, strengths)
    return WeightsProblem(
        *(jnp.asarray(array, dtype) for array in (ntk, strengths, y, rng.standard_normal(y.shape)))
    )


def largest(ntk: Float[Any, "m m"], strengths: Float[Any, "*shape"]) -> float:
    """lambda_max(S), S = D^{1/2} Theta D^{1/2}, over all classes."""
    ntk, magnitudes = np.asarray(ntk, np.float64), np.abs(np.asarray(strengths, np.float64))
    roots = np.sqrt(magnitudes.reshape(len(ntk), -1).T)
    return float(np.linalg.eigvalsh(roots[:, :, None] * ntk * roots[:, None, :]).max())


def condition(ntk: Float[Any, "m m"]) -> float:
    """Of a symmetric matrix; infinite where rounding has made it indefinite."""
    values = np.linalg.eigvalsh(np.asarray(ntk, np.float64))
    return float(values[-1] / values[0]) if values[0] > 0 else np.inf


def rounding(problem: WeightsProblem, dtype: str) -> float:
    r"""sqrt(m) eps min(cond(Theta), lambda_max(S)): what rounding costs the weights, relative to their norm.

    Rounding of m products that are summed grows like sqrt(m) eps (Higham & Mary, SIAM J. Sci. Comput. 41,
    2019), so products with S are those with S + E, E of norm sqrt(m) eps lambda_max(S).  The weights are
    D^{1/2} phi_1(-S) b; in the eigenbasis of S the change of phi_1 is E times divided differences of phi_1,
    which are at most phi_1(-s) phi_1(-s'), hence sqrt(m) eps lambda_max(S) max phi_1 relative to
    phi_1(-S) b.  The largest phi_1 is at most 1 and at most 1/lambda_min(S).
    """
    unit = np.sqrt(len(problem.y)) * eps_of(dtype)
    return float(unit * min(condition(problem.ntk), largest(problem.ntk, problem.strengths)))


def gradient_rounding(problem: WeightsProblem, dtype: str) -> float:
    """sqrt(m) eps (1 + lambda_max(S)) |Y| |G|: what rounding costs the gradient.

    It integrates products of exp(-s Theta D) Y and exp(-(1-s) Theta D) G, in whose exponents S is known to
    sqrt(m) eps lambda_max(S) (see `rounding`), and which are rounded themselves.
    """
    size = np.sqrt(len(problem.y)) * eps_of(dtype) * (1 + largest(problem.ntk, problem.strengths))
    return float(size * norm(problem.y) * norm(problem.cotangent))


def eps_of(dtype: str) -> float:
    """Rounding unit of a dtype."""
    return float(jnp.finfo(dtype).eps)


def norm(array: Any) -> float:
    """Euclidean norm over all entries, in double precision."""
    return float(np.linalg.norm(np.asarray(array, np.float64)))


def checked(solution: Any, shape: tuple[int, ...]) -> tuple[Float[np.ndarray, "*shape"], bool]:
    """Value and whether there is one: finite, and its solver stands by it.  No solution counts as 0.

    Raises:
      ValueError: a solution of another shape, which breaks the trial.
    """
    value = np.asarray(solution.value, np.float64)
    if value.shape != shape:
        raise ValueError(f"the implementation's solution has shape {value.shape}, not {shape}")
    finite = np.isfinite(value)
    return np.where(finite, value, 0.0), bool(finite.all() and solution.result == Result.successful)


def solutions(implementation: Any, problem: WeightsProblem) -> tuple[np.ndarray, np.ndarray]:
    """Weights and gradient as they come."""
    found = implementation.solve(problem.ntk, problem.strengths, problem.y), implementation.vjp(*problem)
    return np.asarray(found[0].value), np.asarray(found[1].value)


def differences(
    function: Callable[[np.ndarray], float], at: Float[np.ndarray, "*shape"], scale: float
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """Partial derivatives by differences of second order, and their errors.

    Central ones; where an entry of `at` is 0, towards positive values (d|w|/dw(0) = 1).  Of three steps the
    two that agree best are taken, and by how much they do not agree is the error of the shorter one.
    """
    start = function(at)
    slopes, errors = np.zeros_like(at), np.zeros_like(at)
    for index in np.ndindex(at.shape):

        def moved(step: float, index: tuple[int, ...] = index) -> float:
            there = at.copy()
            there[index] += step
            return function(there)

        found = []
        for step in (fraction * scale for fraction in _FRACTIONS):
            if at[index] == 0:
                found.append((4 * moved(step) - moved(2 * step) - 3 * start) / (2 * step))
            else:
                found.append((moved(step) - moved(-step)) / (2 * step))
        gaps = np.abs(np.diff(found))
        best = int(np.argmin(gaps))
        slopes[index], errors[index] = found[best + 1], gaps[best]
    return slopes, errors


def worst(errors: Sequence[float], allowed: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Of several errors the one that strains its bound most, and that bound; as values of one seed."""
    ratios = [e / a if a > 0 else (np.inf if e > 0 else 0.0) for e, a in zip(errors, allowed, strict=True)]
    index = int(np.argmax(ratios))
    return np.array([errors[index]]), np.array([allowed[index]])


class Samples(NamedTuple):
    """A kernel, samples and unseen inputs in the box [-1/2, 1/2], some at its edge, in one dtype."""

    kernel: Kernel
    x: Float[Array, "m d"]
    y: Float[Array, "m c"]
    unseen: Float[Array, "k d"]
    targets: Float[Array, "k c"]

    @property
    def matrix(self) -> Float[np.ndarray, "p p"]:
        """The kernel over all inputs, samples first."""
        return np.asarray(_matrix(self.kernel, np.concatenate([self.x, self.unseen])))

    def predictor(self, implementation: Any, problem: WeightsProblem) -> KernelPredictor:
        """The predictor with the weights that the implementation finds."""
        return KernelPredictor(
            self.kernel, self.x, implementation.solve(problem.ntk, problem.strengths, problem.y).value
        )


def samples_of(scenario: Scenario, unseen: int, dtype: str) -> Samples:
    """The scenario's samples and `unseen` more, brought into the box."""
    arch, x, y = build(scenario, unseen)
    # Half of the unit variance; what lies beyond the box goes to its edge.
    inside = np.clip(np.asarray(x) / 2, LOW, HIGH)
    m = scenario.samples
    found = (inside[:m], y[:m], inside[m:], y[m:])
    return Samples(kernel_of(arch), *(jnp.asarray(np.asarray(array), dtype) for array in found))


def problem_of(scenario: Scenario, parts: Samples, dtype: str, per_class: bool = False) -> WeightsProblem:
    """The problem of these samples, at `MODERATE` strengths."""
    m = scenario.samples
    return weights_problem(scenario, parts.matrix[:m, :m], MODERATE, per_class, dtype)


class GradientPointCounter:
    """A kernel that notes every point at which its loss gradient is evaluated.

    A new object is equal to no other, so that no compiled program of another one is used in its place.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._points: set[bytes] = set()

    def gram(self, x: Float[Array, "m *shape"]) -> Float[Array, "m m"]:
        """As the kernel's."""
        return self._kernel.gram(x)

    def cross(self, x: Float[Array, "k *shape"], x_train: Float[Array, "m *shape"]) -> Float[Array, "k m"]:
        """As the kernel's."""
        return self._kernel.cross(x, x_train)

    def loss_gradient(
        self,
        x: Float[Array, "k *shape"],
        targets: Float[Array, "k c"],
        x_train: Float[Array, "m *shape"],
        weights: Float[Array, "m c"],
    ) -> Float[Array, "k *shape"]:
        """As the kernel's, and noted."""
        jax.debug.callback(lambda at: self._points.add(np.asarray(at).tobytes()), x)
        return self._kernel.loss_gradient(x, targets, x_train, weights)

    def memory_bytes(
        self, rows: int, columns: int, shape: tuple[int, ...], classes: int, itemsize: int
    ) -> int:
        """As the kernel's."""
        return self._kernel.memory_bytes(rows, columns, shape, classes, itemsize)

    def count(self) -> int:
        """How many different points there were since the last call; waits for what is still running."""
        jax.effects_barrier()
        number = len(self._points)
        self._points.clear()
        return number


# Eagerly it would be tens of small programs.
_matrix = jax.jit(lambda kernel, x: kernel.gram(x), static_argnums=0)
