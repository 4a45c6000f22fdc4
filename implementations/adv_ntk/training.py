r"""Adv-NTK: minimize over varpi the mean of max_{x'} 1/2 ||f_varpi(x') - y||^2 over validation samples.

An iteration takes the next batch, computes p(varpi), moves the batch by the attack with p fixed, and follows
the gradient at the moved inputs:

    dl/dp = Theta(x', X)' (f(x') - y)/b,    dl/dvarpi by the pullback of the implementation.

Batch and random start depend on the seed and on the number of the iteration alone: a run that was
interrupted goes on exactly as if it had not been.
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 6 and algorithm 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from advntk.implementations.adv_ntk.contract import Implementation, KernelPredictor
from advntk.implementations.adv_ntk.problem import Problem
from advntk.implementations.adv_ntk.settings import Descent, Settings, optimizer
from advntk.implementations.adv_ntk.solution import PullBack, Solution
from advntk.implementations.adv_ntk.strengths import Strengths
from advntk.implementations.results import Result


class Row(NamedTuple):
    """One iteration: the loss at the moved batch, accuracies (shares) on the batch, length of the gradient.

    `robust` is after the attack on the weights of this iteration.  `converged`: the solver stands by
    weights and gradient.
    """

    iteration: int
    loss: float
    clean: float
    robust: float
    gradient: float
    converged: bool
    seconds: float


class TrainingState(NamedTuple):
    """All that the next iteration depends on, besides problem and settings."""

    iteration: int
    strengths: Strengths
    optimizer_state: optax.OptState
    history: tuple[Row, ...]


class Fitted(NamedTuple):
    """Where training ended: the predictor, and how it got there.

    `stopped` says why it ended early, empty if it did not.  `result` is that of the solver of the weights.
    """

    predictor: KernelPredictor
    state: TrainingState
    stopped: str
    result: Result = Result.successful


def init(problem: Problem, settings: Settings) -> TrainingState:
    """varpi = 0, where f = 0, and a fresh optimizer."""
    m, c = problem.y.shape
    shape = (m,) if settings.shape == "per_sample" else (m, c)
    strengths = jnp.zeros(shape, problem.y.dtype)
    return TrainingState(0, strengths, optimizer(settings.descent).init(strengths), ())


def fit(
    implementation: Implementation,
    problem: Problem,
    settings: Settings,
    ntk: Float[Array, "m m"] | None = None,
    state: TrainingState | None = None,
    on_iteration: Callable[[TrainingState], Any] = lambda _: None,
) -> Fitted:
    """Train from `state` (default: from the beginning) to the last iteration.

    `ntk` is Theta(X, X) where it is known already.  `on_iteration` sees every new state, to show or keep it.
    A loss, a gradient or weights that are not finite end training at the last good strengths; where even
    the strengths that it begins with have no finite weights, it ends there.

    Args:
      implementation: how weights, gradient and attack are computed.
      problem: what is trained on.
      settings: of training and attack.
      ntk: Theta(X, X), (m, m), computed if it is not given.
      state: where to go on from; the beginning if it is not given.
      on_iteration: called with every new state.

    Returns:
      The predictor, the last state, why training stopped early if it did, and the result of the solver.

    >>> problem, split = prepare(preset("digits-mlp5-r8"), "float32", memory=2**32)
    >>> fitted = fit(Krylov(), problem, Settings(radius=0.15, iterations=50))
    >>> outputs = Krylov().predict(fitted.predictor, split.test_images)
    """
    before = state = init(problem, settings) if state is None else state
    ntk = gram(problem) if ntk is None else ntk
    stopped = ""
    while state.iteration < settings.iterations and not stopped:
        new = step(implementation, problem, settings, ntk, state)
        row = new.history[-1]
        if np.isfinite([row.loss, row.gradient]).all() and bool(jnp.isfinite(new.strengths).all()):
            before, state = state, new
        else:
            stopped = f"loss {row.loss:g}, gradient of length {row.gradient:g} in iteration {row.iteration}"
            state = state._replace(history=(*state.history, row))
        on_iteration(state)
    y = jnp.asarray(problem.y)
    solved = _solution(implementation.solve(ntk, state.strengths, y), "solve")
    if not jnp.isfinite(solved.value).all():
        stopped = stopped or f"weights that are not finite after iteration {state.iteration - 1}"
        # Those before gave a finite loss.
        state = before._replace(history=state.history)
        solved = _solution(implementation.solve(ntk, state.strengths, y), "solve")
    predictor = KernelPredictor(problem.kernel, jnp.asarray(problem.x), solved.value)
    return Fitted(predictor, state, stopped, Result(solved.result))


def gram(problem: Problem) -> Float[Array, "m m"]:
    """Theta(X, X) of the training samples."""
    return _gram(problem.kernel, jnp.asarray(problem.x))


def step(
    implementation: Implementation,
    problem: Problem,
    settings: Settings,
    ntk: Float[Array, "m m"],
    state: TrainingState,
) -> TrainingState:
    """The state after one more iteration.

    Args:
      implementation: how weights, gradient and attack are computed.
      problem: what is trained on.
      settings: of training and attack.
      ntk: Theta(X, X), (m, m), symmetric.
      state: where training has got to.

    Returns:
      The next state, whose history has one row more.
    """
    began = time.perf_counter()
    chosen = batch(settings, state.iteration, len(problem.labels))
    x, targets = jnp.asarray(problem.validation_x[chosen]), jnp.asarray(problem.targets[chosen])
    labels = jnp.asarray(problem.labels[chosen])
    solved, pull_back = solve_with_vjp(implementation, ntk, state.strengths, jnp.asarray(problem.y))
    predictor = KernelPredictor(problem.kernel, jnp.asarray(problem.x), solved.value)
    key = jax.random.fold_in(jax.random.key(settings.seed), state.iteration)
    moved = implementation.attack(predictor, x, targets, settings, key)
    loss, cotangent, clean, robust = _judged(*predictor, x, moved, targets, labels)
    pulled = pull_back(cotangent)
    strengths, optimizer_state = _descended(
        settings.descent, pulled.value, state.optimizer_state, state.strengths
    )
    row = Row(
        state.iteration,
        float(loss),
        float(clean),
        float(robust),
        float(jnp.linalg.norm(pulled.value)),
        bool(solved.converged and pulled.converged),
        time.perf_counter() - began,
    )
    return TrainingState(state.iteration + 1, strengths, optimizer_state, (*state.history, row))


def batch(settings: Settings, iteration: int, samples: int) -> Int[np.ndarray, " b"]:
    """Which validation samples an iteration takes: every one once, in an order drawn anew, and so on.

    What is left of a pass that is no whole batch is not used; a batch is at most the whole set.
    """
    size = min(settings.batch, samples)
    passes, place = divmod(iteration, samples // size)
    order = np.random.default_rng([settings.seed, 7, passes]).permutation(samples)
    return order[place * size : (place + 1) * size]


def solve_with_vjp(
    implementation: Any, ntk: Array, strengths: Strengths, y: Array
) -> tuple[Solution, PullBack]:
    """As the implementation does it, or from its two parts where it has no such method.

    Args:
      implementation: an `Implementation`, or an object with `solve` and `vjp`.
      ntk: Theta(X, X), (m, m).
      strengths: varpi, (m,) or (m, c).
      y: targets, (m, c).

    Returns:
      The weights as a `Solution`, and the map from their cotangents to gradients in the strengths.

    Raises:
      ValueError: what comes is no `Solution`.
    """
    if hasattr(implementation, "solve_with_vjp"):
        solved, pull_back = implementation.solve_with_vjp(ntk, strengths, y)
    else:
        solved = implementation.solve(ntk, strengths, y)

        def pull_back(cotangent: Array) -> Any:
            return implementation.vjp(ntk, strengths, y, cotangent)

    return _solution(solved, "solve"), lambda cotangent: _solution(pull_back(cotangent), "vjp")


def _solution(found: Any, of: str) -> Solution:
    if not isinstance(found, Solution):
        raise ValueError(
            f"implementation: {of} gave a {type(found).__name__}; it must give "
            "advntk.implementations.adv_ntk.solution.Solution(value, result)"
        )
    return found


def _judged_of(
    kernel: Any, training: Array, weights: Array, x: Array, moved: Array, targets: Array, labels: Array
) -> tuple[Array, Array, Array, Array]:
    cross = kernel.cross(moved, training)
    outputs = cross @ weights
    error = outputs - targets
    loss = jnp.sum(error**2) / 2 / len(x)
    clean = kernel.cross(x, training) @ weights
    return loss, cross.T @ error / len(x), _right(clean, labels), _right(outputs, labels)


def _right(outputs: Array, labels: Array) -> Array:
    return jnp.mean((jnp.argmax(outputs, axis=1) == labels).astype(outputs.dtype))


def _descend(descent: Descent, gradient: Array, optimizer_state: optax.OptState, strengths: Array) -> tuple:
    updates, optimizer_state = optimizer(descent).update(gradient, optimizer_state, strengths)
    return optax.apply_updates(strengths, updates), optimizer_state


_gram = jax.jit(lambda kernel, x: kernel.gram(x), static_argnums=0)
_judged = jax.jit(_judged_of, static_argnums=0)
_descended = jax.jit(_descend, static_argnums=0)
