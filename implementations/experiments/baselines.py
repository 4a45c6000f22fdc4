"""What Adv-NTK is compared with: predictors on the same kernel, and finite networks on the same samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.implementations.adv_ntk.contract import KernelPredictor
from advntk.implementations.attacks.losses import Outputs
from advntk.implementations.baselines import checkpoints, finite, infinite
from advntk.implementations.baselines.recipe import Recipe, published_start
from advntk.implementations.data.splits import AdversarialSplit
from advntk.implementations.experiments.adv_ntk import Accuracy, accuracy
from advntk.implementations.experiments.presets import Experiment
from advntk.implementations.kernels.described import RESNETS, network

INFINITE = ("ridge", "early-stopped")
FINITE = ("standard", "adversarial")
BASELINES = (*INFINITE, *FINITE)
# In units of the mean of the kernel's diagonal, or of its inverse.
RIDGES = np.geomspace(1e-4, 10, 11)
TIMES = np.geomspace(1e-3, 1e3, 13)
# Validation samples that a setting is scored on, by robust accuracy.
_SCORED = 250
# Times along training at which a finite network is measured, so that robust overfitting is visible.
_EVALUATIONS = 20


def checked_names(names: Sequence[str], experiment: Experiment) -> tuple[str, ...]:
    """The baselines asked for.

    Raises:
      ValueError: an unknown one, or a finite network of a residual architecture: those are not trained.
    """
    for name in names:
        if name not in BASELINES:
            raise ValueError(f"baseline = {name!r} is unknown; choose among {', '.join(BASELINES)}")
        if name in FINITE and experiment.network in RESNETS:
            raise ValueError(
                f"baseline = {name!r}: a finite {experiment.network} is not trained; choose an MLP or a CNN"
            )
    return tuple(names)


def chosen_predictor(
    name: str,
    trained: KernelPredictor,
    ntk: Float[Array, "m m"],
    split: AdversarialSplit,
    experiment: Experiment,
) -> tuple[KernelPredictor, str]:
    """NTK ridge regression or early-stopped NTK, its setting chosen by robust accuracy on validation.

    The second is the setting in words.

    Args:
      name: "ridge" or "early-stopped".
      trained: a predictor on the same kernel and samples, for all but the weights.
      ntk: Theta(X, X) in double precision, (m, m), symmetric.
      split: training, validation and test samples.
      experiment: what is trained on what.

    Returns:
      The predictor, and its setting in words.
    """
    scored = split.validation_images[:_SCORED], split.validation_labels[:_SCORED]
    dtype = trained.weights.dtype

    def score(weights: Float[np.ndarray, "m c"] | Array) -> float:
        predictor = trained._replace(weights=jnp.asarray(weights, dtype))
        return accuracy(predictor, *scored, experiment.settings).robust

    kernel, scale = jnp.asarray(ntk, jnp.float64), float(jnp.mean(jnp.diagonal(ntk)))
    y = jnp.asarray(split.y, jnp.float64)
    if name == "ridge":
        found = infinite.ridge_selected(kernel, y, scale * RIDGES, score)
        words = f"ridge {found.setting / scale:.2g}"
    else:
        found = infinite.early_stopped(kernel, y, TIMES / scale, score)
        words = f"time {found.setting * scale:.2g}"
    return trained._replace(weights=jnp.asarray(found.weights, dtype)), f"{words} / mean kernel diagonal"


def trained_network(
    checkpoint: Path, whose: dict[str, Any], experiment: Experiment, shape: tuple[int, ...], classes: int
) -> Outputs:
    """The finite network that a checkpoint ends with, as a function of images.

    Args:
      checkpoint: file.
      whose: the identity of its training.
      experiment: what it was trained on.
      shape: of one image.
      classes: number of outputs.

    Returns:
      The function from images (k, *shape) to outputs (k, c).

    Raises:
      BadFile: a checkpoint that is missing, broken, or of another training.
    """
    found: Any = network(experiment.network, experiment.activation, experiment.sigma_w, experiment.sigma_b)
    arch = published_start(found)
    known = {field.name for field in fields(Recipe)}
    recipe = Recipe(**{name: value for name, value in whose.items() if name in known})
    flat = arch.family == "mlp"
    one = np.zeros((1, math.prod(shape)) if flat else (1, *shape), np.float32)
    sets = finite.Sets(*[finite.Labelled(one, np.zeros((1, classes), np.float32))] * 3)
    like = jax.eval_shape(lambda: finite.init(arch, sets, recipe, 0))
    outputs = finite.predictor(arch, checkpoints.load_state(checkpoint, whose, like)[0].parameters)

    def of_images(x: Float[Array, "k *shape"]) -> Float[Array, "k c"]:
        return outputs(x.reshape(len(x), -1) if flat else x)

    return of_images


def finite_network(
    name: str,
    split: AdversarialSplit,
    experiment: Experiment,
    steps: int,
    on_evaluation: Callable[[dict[str, float]], Any],
    checkpoint: Path | None = None,
    resume: bool = False,
) -> tuple[Accuracy, list[dict[str, float]], str]:
    """A network of the published width and start, its accuracies, its history, and its best time in words.

    Of a shorter training the learning rate falls at the same shares of its steps.  Standard training is
    measured under the same attack as adversarial training.  Whenever it is measured its state is kept in the
    file `checkpoint`, from which `resume` goes on, if it is there.

    Args:
      name: "standard" or "adversarial".
      split: training, validation and test samples.
      experiment: what is trained on what.
      steps: of training.
      on_evaluation: called with every row.
      checkpoint: file, or None to keep none.
      resume: whether to go on from the file.

    Returns:
      Accuracies on the test samples, one row per evaluation, and words.

    Raises:
      BadFile: a checkpoint that is broken, or of another training.
    """
    settings = experiment.settings
    found: Any = network(experiment.network, experiment.activation, experiment.sigma_w, experiment.sigma_b)
    arch = published_start(found)
    against = Recipe(
        radius=settings.radius, attack_step=settings.step / settings.radius,
        attack_steps=settings.attack_steps, steps=steps, batch=min(settings.batch, experiment.n_train),
        decay_every=max(1, steps * Recipe.decay_every // Recipe.steps), low=settings.low, high=settings.high,
    )  # fmt: skip
    recipe = against if name == "adversarial" else replace(against, radius=0.0)
    sets = finite.sets_of(arch, split)
    key = jax.random.key(settings.seed)
    history: list[dict[str, float]] = []
    state: finite.NetworkState | None = None
    whose = checkpoints.identity(experiment.network, recipe, settings.seed, sets) if checkpoint else {}
    if checkpoint and resume and checkpoint.exists():
        like = jax.eval_shape(lambda: finite.init(arch, sets, recipe, settings.seed))
        state, history = checkpoints.load_state(checkpoint, whose, like)

    def measured(evaluation: finite.Evaluation, state: finite.NetworkState) -> None:
        row = {"step": float(evaluation.step)}
        for of in ("validation", "test"):
            one = finite.measure(arch, against, state.parameters, getattr(sets, of), key)
            row |= {f"{of}_clean": one.clean, f"{of}_robust": one.robust}
        history.append(row)
        if checkpoint:
            checkpoints.save_state(checkpoint, whose, state, history)
        on_evaluation(row)

    at = sorted({round(steps * share) for share in np.linspace(0, 1, _EVALUATIONS + 1)})
    ended = finite.train(
        arch, sets, recipe, settings.seed, at, state=state, on_evaluation=measured, max_evaluated=1
    )
    last = history[-1] if history else {"test_clean": np.nan, "test_robust": np.nan}
    words = "" if ended.diverged_at is None else f"diverged at step {ended.diverged_at}"
    if history and not words:
        best = max(history, key=lambda row: row["validation_robust"])
        words = f"best on validation at step {best['step']:.0f}: {best['test_robust']:.1%} robust"
    return Accuracy(last["test_clean"], last["test_robust"]), history, words
