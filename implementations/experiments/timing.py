"""What a training step costs and where, on images whose kernel has the spectrum of natural ones.

Pairs of runs are timed in turn: their ratio bears a machine that is slower at one time than at another.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int

from advntk.implementations.adv_ntk.contract import Implementation, KernelPredictor, Krylov
from advntk.implementations.adv_ntk.problem import Problem, problem
from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.adv_ntk.training import TrainingState, gram, init, step
from advntk.implementations.kernels.ntk import Kernel

CLASSES = 10
SIDE = 32


class Pair(NamedTuple):
    """Medians in seconds, and the median of the ratios of runs that followed each other."""

    first: float
    second: float
    ratio: float


def synthetic(samples: int, seed: int) -> tuple[Float32[np.ndarray, "n 32 32 3"], Int[np.ndarray, " n"]]:
    """Images of amplitude one over frequency, as natural ones have, about a prototype of their class."""
    prototypes = _noise(np.random.default_rng(0), CLASSES)
    rng = np.random.default_rng([seed, 1])
    labels = rng.integers(0, CLASSES, samples)
    images = 0.2 * _noise(rng, samples) + 0.1 * prototypes[labels]
    return np.clip(images, -0.5, 0.5).astype(np.float32), labels


def synthetic_problem(kernel: Kernel, n_train: int, n_validation: int, dtype: str) -> Problem:
    """`n_train` and `n_validation` such images, targets as always.

    Args:
      kernel: the NTK.
      n_train: number of training samples.
      n_validation: number of validation samples.
      dtype: "float32" or "float64".

    Returns:
      A problem with ten classes.
    """
    images, labels = synthetic(n_train, 1)
    others, theirs = synthetic(n_validation, 2)
    y = np.eye(CLASSES, dtype=np.float32)[labels] - np.float32(1 / CLASSES)
    return problem(kernel, images, y, others, theirs, dtype=dtype)


def steps_of(
    implementation: Implementation, problem: Problem, settings: Settings, ntk: Array, warm: int, repeats: int
) -> tuple[TrainingState, list[float]]:
    """Seconds of `repeats` iterations after `warm` others, which compile and leave varpi = 0 behind.

    Args:
      implementation: how weights, gradient and attack are computed.
      problem: what is trained on.
      settings: of training and attack.
      ntk: Theta(X, X), (m, m), symmetric.
      warm: iterations that are not timed.
      repeats: iterations that are.

    Returns:
      The last state, and seconds per iteration.
    """
    state = init(problem, settings)
    for _ in range(warm + repeats):
        state = step(implementation, problem, settings, ntk, state)
    return state, [row.seconds for row in state.history[warm:]]


def attack_and_products(
    predictor: KernelPredictor, x: Array, targets: Array, settings: Settings, repeats: int
) -> Pair:
    """An attack against the two matrix products in each of its input gradients, and nothing else.

    Args:
      predictor: kernel, training inputs and weights.
      x: inputs, (k, d) or (k, height, columns, channels).
      targets: (k, c), labels one-hot less 1/c.
      settings: radius, attack and box, in the units of the pixels.
      repeats: how many runs a median is of.

    Returns:
      Seconds of both, and their ratio.
    """
    steps = settings.attack_steps
    inputs, others = x.reshape(len(x), -1), predictor.x_train.reshape(len(predictor.x_train), -1)

    @jax.jit
    def products(inputs: Array, others: Array) -> Array:
        # The products depend on each other as they do in the attack; nothing overflows.
        return jax.lax.fori_loop(0, steps, lambda _, at: at + 1e-9 * ((at @ others.T) @ others), inputs)

    judge, key = Krylov(), jax.random.key(0)
    return paired(
        lambda: judge.attack(predictor, x, targets, settings, key), lambda: products(inputs, others), repeats
    )


def paired(first: Callable[[], Array], second: Callable[[], Array], repeats: int) -> Pair:
    """Both in turn, `repeats` times, after one run of each to compile."""
    first().block_until_ready(), second().block_until_ready()
    found = np.array([[_seconds(first), _seconds(second)] for _ in range(repeats)])
    one, other = np.median(found, axis=0)
    return Pair(float(one), float(other), float(np.median(found[:, 0] / found[:, 1])))


def predictor_at(
    implementation: Implementation, problem: Problem, ntk: Array, state: TrainingState
) -> KernelPredictor:
    """The predictor at the strengths of `state`.

    Args:
      implementation: how weights, gradient and attack are computed.
      problem: what is trained on.
      ntk: Theta(X, X), (m, m), symmetric.
      state: where training has got to.

    Returns:
      The predictor.
    """
    weights = implementation.solve(ntk, state.strengths, jnp.asarray(problem.y)).value
    return KernelPredictor(problem.kernel, jnp.asarray(problem.x), weights)


def solver_error(
    implementation: Implementation, reference: Any, ntk: Array, state: TrainingState, y: Array
) -> float:
    """Relative error of p against the reference, which gets the very same matrix in double precision.

    Args:
      implementation: how weights, gradient and attack are computed.
      reference: the oracle, an `Implementation`.
      ntk: Theta(X, X), (m, m), symmetric.
      state: where training has got to.
      y: targets, (m, c).

    Returns:
      The norm of the difference over that of the reference.
    """
    found = np.asarray(implementation.solve(ntk, state.strengths, y).value, np.float64)
    wide = [jnp.asarray(np.asarray(array, np.float64)) for array in (ntk, state.strengths, y)]
    true = np.asarray(reference.solve(*wide).value)
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def timed_gram(problem: Problem) -> tuple[Array, float]:
    """Theta(X, X) and its seconds, compilation included."""
    began = time.perf_counter()
    ntk = gram(problem).block_until_ready()
    return ntk, time.perf_counter() - began


def _seconds(run: Callable[[], Array]) -> float:
    began = time.perf_counter()
    run().block_until_ready()
    return time.perf_counter() - began


def _noise(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Noise of unit variance whose amplitude falls like one over the frequency, alike in three channels."""
    line = np.fft.fftfreq(SIDE)
    frequency = np.hypot(line[:, None], line[None, :])
    frequency[0, 0] = 1 / SIDE
    found = np.empty((samples, SIDE, SIDE, 3), np.float32)
    # In chunks: the transforms are complex and double.
    for begins in range(0, samples, 500):
        white = rng.standard_normal((min(500, samples - begins), SIDE, SIDE, 3))
        spectrum = np.fft.fft2(white, axes=(1, 2)) / frequency[None, :, :, None]
        found[begins : begins + 500] = np.fft.ifft2(spectrum, axes=(1, 2)).real
    return found / found.std()
