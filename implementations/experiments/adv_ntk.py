"""From an experiment's plain values to a problem, within memory, and from a predictor to its accuracies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from advntk.implementations.adv_ntk.contract import KernelPredictor, Krylov
from advntk.implementations.adv_ntk.problem import Problem, problem
from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.attacks.arguments import checked_labels, checked_samples
from advntk.implementations.data.splits import AdversarialSplit, adversarial_split, read_pools
from advntk.implementations.definiteness import Definiteness, solved
from advntk.implementations.experiments.presets import Experiment
from advntk.implementations.kernels.described import network
from advntk.implementations.kernels.ntk import Kernel, kernel_of

# Rows that are attacked at once: of the order of a batch, and the last chunk wastes little.
_CHUNK = 250
# Depth of the two Krylov spaces that the estimate allows for.
_DEPTH = 64
# Python, its libraries and compiled programs.
_PROGRAM = 2**30 * 3 // 8


class OutOfMemory(ValueError):
    """What is asked for will not fit; the message gives the numbers."""


class Accuracy(NamedTuple):
    """Shares of samples classified rightly, clean and after the attack."""

    clean: float
    robust: float


def kernel_for(experiment: Experiment) -> Kernel:
    """The kernel of the experiment's network.

    Raises:
      ValueError: no such network.
    """
    return kernel_of(
        network(experiment.network, experiment.activation, experiment.sigma_w, experiment.sigma_b)
    )


def prepare(
    experiment: Experiment, dtype: str, memory: int, folder: Path | None = None
) -> tuple[Problem, AdversarialSplit]:
    """Read the data, and put together what is trained; `memory` bytes are allowed.

    Args:
      experiment: what is trained on what.
      dtype: "float32" or "float64".
      memory: bytes that may be taken.
      folder: where CIFAR-10 and SVHN are.

    Returns:
      What is trained on, and the samples with those to test on.

    Raises:
      BadData: data that are missing, broken or too few.
      OutOfMemory: it will not fit.
      ValueError: as `problem`.
    """
    kernel = kernel_for(experiment)
    pools = read_pools(experiment.data, folder)
    sizes = experiment.n_train, experiment.n_validation, _test_size(experiment, pools)
    stored = [images.nbytes for images in (pools.images, pools.test_images) if images is not None]
    needed = memory_parts(
        kernel, sizes, pools.images.shape[1:], pools.classes, experiment.settings.batch, dtype, sum(stored)
    )
    if sum(needed.values()) > memory:
        parts = ", ".join(f"{name} {size / 2**30:.2g}" for name, size in needed.items())
        raise OutOfMemory(
            f"n_train = {experiment.n_train} with {experiment.network} in {dtype} needs about "
            f"{sum(needed.values()) / 2**30:.3g} GiB ({parts}), {memory / 2**30:.3g} GiB are allowed; "
            "choose fewer samples, a smaller batch, or raise --memory"
        )
    split = splitted(experiment, folder)
    settings = experiment.settings
    found = problem(
        kernel, split.images, split.y, split.validation_images, split.validation_labels,
        settings.low, settings.high, dtype,
    )  # fmt: skip
    return found, split


def splitted(experiment: Experiment, folder: Path | None = None) -> AdversarialSplit:
    """The experiment's samples.

    Raises:
      BadData: data that are missing, broken or too few.
    """
    sizes = (
        experiment.n_train,
        experiment.n_validation,
        _test_size(experiment, read_pools(experiment.data, folder)),
    )
    return adversarial_split(experiment.data, *sizes, experiment.data_seed, experiment.label_noise, folder)


def memory_parts(
    kernel: Kernel,
    sizes: tuple[int, int, int],
    shape: tuple[int, ...],
    classes: int,
    batch: int,
    dtype: str,
    stored: int,
) -> dict[str, int]:
    """Bytes by what they are for: program, data, kernel, Krylov spaces, and what an attack holds.

    `stored`: bytes of all images of the source, as they were read.

    Args:
      kernel: the NTK.
      sizes: numbers of training, validation and test samples.
      shape: of one image.
      classes: number of classes.
      batch: validation samples per iteration.
      dtype: "float32" or "float64".
      stored: see above.

    Returns:
      Bytes by what they are for.
    """
    m, v, w = sizes
    width = np.dtype(dtype).itemsize
    rows = min(max(batch, _CHUNK), max(v, w, 1))
    # The kernel in double precision, unless it is already, and its factor.
    regression = m * m * (8 if width == 8 else 16)
    return {
        "program": _PROGRAM,
        # Drawn in single precision and kept in `dtype`.
        "data": stored + (m + v + w) * int(np.prod(shape)) * (4 + width),
        "kernel": m * m * width + regression,
        # Given back before the regression begins.
        "solver": max(0, 2 * 2 * classes * (2 * _DEPTH + 1) * m * width - regression),
        "attack": kernel.memory_bytes(rows, m, tuple(shape), classes, 8),
    }


def accuracy(
    predictor: KernelPredictor,
    x: Float[np.ndarray, "w *shape"],
    labels: Int[np.ndarray, " w"],
    settings: Settings,
    on_chunk: Any = lambda done, total: None,
) -> Accuracy:
    """Clean and robust accuracy under our own PGD, as `attacked` finds it.

    NaN of a predictor whose weights are not finite: it has no outputs, so it is right or wrong about nothing.

    Args:
      predictor: kernel, training inputs and weights.
      x: images, (w, *shape).
      labels: (w,), from 0.
      settings: radius, attack and box, in the units of the pixels.
      on_chunk: called with how many samples are done, of how many.

    Returns:
      Shares, from 0 to 1.
    """
    if not jnp.isfinite(predictor.weights).all():
        return Accuracy(float("nan"), float("nan"))
    clean = robust = done = 0
    for found in attacked(predictor, x, labels, settings):
        wanted = labels[done : done + len(found.x)]
        clean += int((found.classes == wanted).sum())
        robust += int((found.classes_moved == wanted).sum())
        done += len(found.x)
        on_chunk(done, len(x))
    return Accuracy(clean / len(x), robust / len(x))


class Attacked(NamedTuple):
    """Samples within the box, where the attack moved them, and the class predicted at both."""

    x: Float[np.ndarray, "k *shape"]
    moved: Float[np.ndarray, "k *shape"]
    classes: Int[np.ndarray, " k"]
    classes_moved: Int[np.ndarray, " k"]


def attacked(
    predictor: KernelPredictor,
    x: Float[np.ndarray, "w *shape"],
    labels: Int[np.ndarray, " w"],
    settings: Settings,
) -> Iterator[Attacked]:
    """All samples in their order, a chunk at a time, under our own PGD, whoever trained the predictor.

    The attack maximizes 1/2 ||f - y||^2, as in training, from a random start drawn for each chunk.

    Args:
      predictor: kernel, training inputs and weights.
      x: images, (w, *shape).
      labels: (w,), from 0.
      settings: radius, attack and box, in the units of the pixels.

    Returns:
      (an iterator) Chunks of at most 250 samples.

    Raises:
      BadAttack: images outside the box, or labels that are no classes of the predictor.
    """
    judge = Krylov()
    checked_samples(x, settings.low, settings.high)
    checked_labels(labels, len(x), predictor.weights.shape[1])
    count, dtype = predictor.weights.shape[1], predictor.x_train.dtype
    for begin in range(0, len(x), _CHUNK):
        here = slice(min(_CHUNK, len(x) - begin))
        # Filled up by repetition: one compiled program for all chunks.
        rows = np.resize(np.arange(begin, begin + here.stop), min(_CHUNK, len(x)))
        at = jnp.clip(jnp.asarray(x[rows], dtype), settings.low, settings.high)
        targets = jax.nn.one_hot(labels[rows], count, dtype=dtype) - 1 / count
        # Away from the numbers of iterations.
        key = jax.random.fold_in(jax.random.key(settings.seed), 2**31 + begin)
        moved = judge.attack(predictor, at, targets, settings, key)
        classes = (np.argmax(np.asarray(judge.predict(predictor, of)), axis=1) for of in (at, moved))
        yield Attacked(*(np.asarray(of)[here] for of in (at, moved, *classes)))


def regressed(
    trained: KernelPredictor, y: Float[np.ndarray, "m c"], ntk: Float[Array, "m m"] | None = None
) -> tuple[KernelPredictor, Definiteness]:
    """NTK regression on the kernel and the samples of a predictor, all of it in double precision.

    Weights NaN where the kernel is singular even so, which the second part puts in numbers.

    Args:
      trained: whose kernel and samples.
      y: targets.
      ntk: Theta(X, X) from `double_gram`, where it is known already.
    """
    found = solved(double_gram(trained) if ntk is None else ntk, y)
    predictor = KernelPredictor(
        trained.kernel, trained.x_train.astype(jnp.float64), jnp.asarray(found.weights)
    )
    return predictor, found.judged


def double_gram(trained: KernelPredictor) -> Float[Array, "m m"]:
    """Theta(X, X) of a predictor's samples, computed in double precision: what is to be solved with."""
    return _gram(trained.kernel, trained.x_train.astype(jnp.float64))


_gram = jax.jit(lambda kernel, x: kernel.gram(x), static_argnums=0)


def _test_size(experiment: Experiment, pools: Any) -> int:
    if experiment.n_test or pools.test_images is None:
        return experiment.n_test
    return len(pools.test_images)
