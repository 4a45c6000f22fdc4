r"""Standard and adversarial training of finite networks by stochastic gradient descent, measured on its way.

Each step attacks a batch at the current parameters and descends its mean loss at what was found
(`Recipe` says how).  Batches are those of epochs: a permutation of the samples for each, cut into whole
batches, what is left over dropped.  Batch and random start of step s are functions of (seed, s) alone:
training may stop after any step and go on from the state, and how many steps one call makes changes nothing.
Source: Madry et al., ICLR 2018 (arXiv 1706.06083), section 2; Fu & Wang, ICLR 2024 (arXiv 2310.06112),
section 6, for the settings; Rice et al., ICML 2020 (arXiv 2002.11569), for robust overfitting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from advntk.implementations.attacks.losses import Outputs, fooled
from advntk.implementations.attacks.pgd import pgd_linf
from advntk.implementations.baselines.recipe import PUBLISHED_WIDTH, Recipe, sample_losses
from advntk.implementations.data.dataset import one_hot
from advntk.implementations.data.splits import AdversarialSplit
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.protocol import Parameters

# What a seed is used for; each use draws from its own key.
_START, _BATCHES, _ATTACKS, _EVALUATIONS = range(4)


class Labelled(NamedTuple):
    """Inputs, flat for an MLP and images for a CNN, with targets that are largest at the class."""

    x: Float[Array, "k *shape"] | Float[np.ndarray, "k *shape"]
    y: Float[Array, "k c"] | Float[np.ndarray, "k c"]


class Sets(NamedTuple):
    """What is trained on, what stopping is chosen by, what is reported; one dtype, in which all is done.

    Validation and test may be empty.
    """

    train: Labelled
    validation: Labelled
    test: Labelled


class NetworkState(NamedTuple):
    """All that training goes on from: updates made so far, parameters, and the optimizer's memory."""

    step: Int[Array, ""]
    parameters: Parameters
    optimizer: optax.OptState


class Metrics(NamedTuple):
    """Accuracy and mean loss at clean inputs and at those the attack ends at; NaN of an empty set."""

    clean: float
    robust: float
    clean_loss: float
    robust_loss: float


class Evaluation(NamedTuple):
    """The network after `step` updates; `train` is against the targets trained on, noise included."""

    step: int
    train: Metrics
    validation: Metrics
    test: Metrics


class History(NamedTuple):
    """What training went through, and where it ended.

    `diverged_at` is the number of updates after which a loss was first seen not to be finite, or None; then
    training ends, no evaluation follows, and the parameters are of no use.
    """

    evaluations: tuple[Evaluation, ...]
    state: NetworkState
    diverged_at: int | None

    @property
    def parameters(self) -> Parameters:
        """The parameters at the end."""
        return self.state.parameters


def sets_of(arch: Architecture, split: AdversarialSplit) -> Sets:
    """The three sets of a split in the form that `arch` takes; targets one-hot less 1/c, float32."""
    classes = split.y.shape[1]

    def labelled(images: np.ndarray, flat: np.ndarray, labels: np.ndarray) -> Labelled:
        return Labelled(flat if arch.family == "mlp" else images, one_hot(labels, classes).astype(np.float32))

    return Sets(
        Labelled(split.x if arch.family == "mlp" else split.images, split.y),
        labelled(split.validation_images, split.validation_x, split.validation_labels),
        labelled(split.test_images, split.test_x, split.test_labels),
    )


def predictor(arch: Architecture, parameters: Parameters) -> Outputs:
    """The network as a function of a batch of inputs, as attacks take it."""
    return jax.vmap(partial(arch.apply, parameters))


def init(arch: Architecture, sets: Sets, recipe: Recipe, seed: int, width: int | None = None) -> NetworkState:
    """The state before the first step: the network that `seed` draws, of the published width by default.

    Args:
      arch: the architecture.
      sets: training, validation and test samples.
      recipe: settings of training and attack.
      seed: of all that is drawn; equal seeds draw equal numbers.
      width: units, or channels, of every hidden layer.

    Returns:
      Step 0, parameters, and an optimizer that remembers nothing.

    Raises:
      ValueError: a width below 1.
    """
    width = PUBLISHED_WIDTH[arch.family] if width is None else width
    if width < 1:
        raise ValueError(f"width = {width} must be at least 1")
    x, y = sets.train
    parameters = arch.init(_key(seed, _START), x.shape[1:], width, y.shape[1], x.dtype)
    return NetworkState(jnp.asarray(0), parameters, _optimizer(recipe).init(parameters))


def batch_at(
    key: Key[Array, ""], step: int | Int[Array, ""], samples: int, batch: int
) -> Int[Array, " batch"]:
    """Indices of the samples that step `step` trains on; `batch` is at most `samples`.

    Args:
      key: that orders the samples.
      step: number of the step, from 0.
      samples: how many there are.
      batch: size of a batch.

    Returns:
      (batch,) indices, each epoch in an order of its own.
    """
    epoch, place = jnp.divmod(step, samples // batch)
    order = jax.random.permutation(jax.random.fold_in(key, epoch), samples)
    return jax.lax.dynamic_slice(order, (place * batch,), (batch,))


def adversarial(
    arch: Architecture,
    parameters: Parameters,
    x: Float[Array, "k *shape"],
    y: Float[Array, "k c"],
    recipe: Recipe,
    key: Key[Array, ""],
) -> Float[Array, "k *shape"]:
    """What the recipe's attack makes of inputs at these parameters; `x` itself at radius 0.

    Args:
      arch: the architecture.
      parameters: of the network.
      x: inputs, (k, d) or (k, height, columns, channels).
      y: targets, (k, c), which the attack leads away from.
      recipe: settings of training and attack.
      key: random key.

    Returns:
      Moved inputs, in ball and box.
    """
    if recipe.radius == 0:
        return x

    def total(at: Array) -> Array:
        return jnp.sum(sample_losses(recipe.loss, predictor(arch, parameters)(at), y))

    start = key if recipe.random_start else None
    step = recipe.attack_step * recipe.radius
    return pgd_linf(
        jax.grad(total), x, recipe.radius, step, recipe.attack_steps, recipe.low, recipe.high, start
    )


def measure(
    arch: Architecture, recipe: Recipe, parameters: Parameters, of: Labelled, key: Key[Array, ""]
) -> Metrics:
    """Accuracy and loss at clean inputs and under the recipe's attack, whatever the network was trained on.

    Robust accuracy is that at the input where the attack ends, as published and as for the infinite network.

    Args:
      arch: the architecture.
      recipe: settings of training and attack.
      parameters: of the network.
      of: inputs and targets.
      key: random key.

    Returns:
      Clean and robust accuracy (shares) and loss.
    """
    if not len(of.x):
        return Metrics(*[math.nan] * 4)
    return Metrics(*(float(value) for value in _averages(arch, recipe, parameters, of, key)))


def train(
    arch: Architecture,
    sets: Sets,
    recipe: Recipe,
    seed: int,
    evaluate_at: Sequence[int] = (),
    *,
    width: int | None = None,
    state: NetworkState | None = None,
    on_evaluation: Callable[[Evaluation, NetworkState], object] | None = None,
    max_evaluated: int | None = None,
    steps_per_call: int = 100,
) -> History:
    """Train one network for `recipe.steps` steps.

    Args:
      arch: what is trained; its parameterization decides what a learning rate means (see `recipe`).
      sets: inputs within the recipe's box.
      recipe: the settings.
      seed: of the initial parameters, the batches and the attacks.
      evaluate_at: after how many updates to measure; 0 is before the first.
      width: of the hidden layers; the published one by default.  Not used with a state.
      state: where to go on, with the same arguments otherwise.  Evaluations up to it are not repeated.
      on_evaluation: called with each evaluation as it is made, and the state to go on from.
      max_evaluated: at most so many samples of each set, the first, are measured.
      steps_per_call: how many steps one compiled call makes; between calls training can be interrupted.

    Every evaluation attacks from the same random starts, its own, with the attack that is trained against.
    A compiled program serves all steps; each size of set evaluated has one.

    Raises:
      ValueError: naming the argument that does not fit.
    """
    _check(sets, recipe, seed, evaluate_at, max_evaluated, steps_per_call)
    data = Sets(*(Labelled(jnp.asarray(of.x), jnp.asarray(of.y)) for of in sets))
    measured = [Labelled(of.x[:max_evaluated], of.y[:max_evaluated]) for of in data]
    begun = -1 if state is None else int(state.step)
    if state is None:
        state = init(arch, data, recipe, seed, width)
    wanted = {at for at in evaluate_at if at > begun}
    evaluations: list[Evaluation] = []
    for stop in sorted(wanted | {recipe.steps}):
        while (step := int(state.step)) < stop:
            end = jnp.asarray(min(step + steps_per_call, stop))
            keys = _key(seed, _BATCHES), _key(seed, _ATTACKS)
            state, diverged_at = _steps(arch, recipe, data.train, *keys, state, end)
            if diverged_at >= 0:
                return History(tuple(evaluations), state, int(diverged_at))
        if stop not in wanted:
            continue
        found = Evaluation(
            stop,
            *(
                measure(arch, recipe, state.parameters, of, jax.random.fold_in(_key(seed, _EVALUATIONS), n))
                for n, of in enumerate(measured)
            ),
        )
        if not math.isfinite(found.train.clean_loss + found.train.robust_loss):
            return History(tuple(evaluations), state, stop)
        evaluations.append(found)
        if on_evaluation is not None:
            on_evaluation(found, state)
    return History(tuple(evaluations), state, None)


@partial(jax.jit, static_argnames="recipe")
def _steps(
    arch: Architecture,
    recipe: Recipe,
    train: Labelled,
    batches: Key[Array, ""],
    attacks: Key[Array, ""],
    state: NetworkState,
    end: Int[Array, ""],
) -> tuple[NetworkState, Int[Array, ""]]:
    """The state at `end` or after the first loss that is not finite, and the step of that, or -1."""
    # Its count of steps is not known when compiled: one program for calls of every length.
    optimizer = _optimizer(recipe)

    def going(carry: tuple[NetworkState, Array]) -> Bool[Array, ""]:
        now, diverged_at = carry
        return (now.step < end) & (diverged_at < 0)

    def step(carry: tuple[NetworkState, Array]) -> tuple[NetworkState, Array]:
        now, _ = carry
        chosen = batch_at(batches, now.step, len(train.x), recipe.batch)
        x, y = jnp.asarray(train.x)[chosen], jnp.asarray(train.y)[chosen]
        key = jax.random.fold_in(attacks, now.step)
        moved = adversarial(arch, now.parameters, x, y, recipe, key)

        def objective(parameters: Parameters) -> Array:
            return jnp.mean(sample_losses(recipe.loss, predictor(arch, parameters)(moved), y))

        loss, gradient = jax.value_and_grad(objective)(now.parameters)
        updates, memory = optimizer.update(gradient, now.optimizer, now.parameters)
        parameters = optax.apply_updates(now.parameters, updates)
        diverged_at = jnp.where(jnp.isfinite(loss), -1, now.step)
        return NetworkState(now.step + 1, parameters, memory), diverged_at

    return jax.lax.while_loop(going, step, (state, jnp.full_like(state.step, -1)))


@partial(jax.jit, static_argnames="recipe")
def _averages(
    arch: Architecture, recipe: Recipe, parameters: Parameters, of: Labelled, key: Key[Array, ""]
) -> Float[Array, "4"]:
    """The means that `Metrics` names, a batch at a time."""

    def one(row: tuple[Array, Array, Array]) -> Array:
        x, y, start = row[0][None], row[1][None], row[2]
        found = adversarial(arch, parameters, x, y, recipe, start)
        outputs = predictor(arch, parameters)(jnp.concatenate([x, found]))
        targets = jnp.concatenate([y, y])
        right = ~fooled(outputs, jnp.argmax(targets, axis=1))
        return jnp.concatenate([right.astype(x.dtype), sample_losses(recipe.loss, outputs, targets)])

    rows = jnp.asarray(of.x), jnp.asarray(of.y), jax.random.split(key, len(of.x))
    found = jax.lax.map(one, rows, batch_size=min(recipe.batch, len(of.x)))
    # Shares of samples are exact to the digits that are shown.
    return jnp.mean(found, axis=0, dtype=jnp.float64)


def _optimizer(recipe: Recipe) -> optax.GradientTransformation:
    def rate(count: Array) -> Array:
        # Optax's own staircase is in single precision.
        return recipe.learning_rate * jnp.asarray(recipe.decay) ** (count // recipe.decay_every)

    return optax.chain(
        optax.add_decayed_weights(recipe.weight_decay), optax.sgd(rate, momentum=recipe.momentum)
    )


def _key(seed: int, use: int) -> Key[Array, ""]:
    return jax.random.fold_in(jax.random.key(seed), use)


def _check(
    sets: Sets,
    recipe: Recipe,
    seed: int,
    evaluate_at: Sequence[int],
    max_evaluated: int | None,
    steps_per_call: int,
) -> None:
    for name, of in zip(sets._fields, sets, strict=True):
        if len(of.x) != len(of.y):
            raise ValueError(f"{name} has {len(of.x)} inputs and {len(of.y)} targets; give one for each")
        if len(of.x) and not (np.min(of.x) >= recipe.low and np.max(of.x) <= recipe.high):
            raise ValueError(
                f"{name} inputs from {np.min(of.x):g} to {np.max(of.x):g} leave the box "
                f"[{recipe.low:g}, {recipe.high:g}]; scale them or set the recipe's low and high"
            )
    if recipe.batch > len(sets.train.x):
        raise ValueError(
            f"batch = {recipe.batch} exceeds the {len(sets.train.x)} training samples; choose a smaller"
        )
    beyond = [at for at in evaluate_at if not 0 <= at <= recipe.steps]
    if beyond:
        raise ValueError(f"evaluate_at = {beyond[0]} must lie in 0 to steps = {recipe.steps}")
    for name, value, least in (
        ("seed", seed, 0), ("max_evaluated", max_evaluated, 1), ("steps_per_call", steps_per_call, 1)
    ):  # fmt: skip
        if value is not None and value < least:
            raise ValueError(f"{name} = {value} must be at least {least}")
