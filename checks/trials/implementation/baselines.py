r"""Trials of baselines: what settings are chosen by, and finite training against steps by hand.

Selection is put to a test set that was exchanged: nothing but test scores may change.  Training is repeated
by a plain loop from the same start, all samples in each step, so that no order of batches has to be known.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.trial import trial
from advntk.checks.trials.implementation.building import numbers
from advntk.checks.trials.implementation.comparing import EPS, NONE, compiled, count, gap, unequal, worst
from advntk.checks.trials.implementation.plain_networks import Layer, Plain, flat, moved_by, outputs
from advntk.checks.trials.implementation.space import TRAININGS
from advntk.checks.trials.shared.plain_kernels import Limit, mlp_matrix
from advntk.implementations.adv_ntk.contract import KernelPredictor
from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.baselines import checkpoints, finite
from advntk.implementations.baselines.infinite import early_stopped_path, ridge_path, select
from advntk.implementations.baselines.recipe import Recipe
from advntk.implementations.data.splits import AdversarialSplit, adversarial_split
from advntk.implementations.experiments.adv_ntk import accuracy, kernel_for
from advntk.implementations.experiments.baselines import RIDGES, TIMES, chosen_predictor
from advntk.implementations.experiments.presets import Experiment
from advntk.implementations.networks.architecture import Architecture, architecture

SIZES = 40, 40, 40
STEPS, SAMPLES, CLASSES = 4, 5, 3
_INPUTS = {"mlp": (4,), "cnn": (3, 2, 1), "cnn_pool": (3, 2, 1)}
WIDTH = 3
RATES: dict[str, Any] = {
    "learning_rate": 0.2,
    "decay": 0.5,
    "decay_every": 2,
    "momentum": 0.9,
    "weight_decay": 0.03,
}
# Training adds up the rounding of its steps.
TRAINED = 4096.0


@trial(
    decides={
        "implementation.selection": [
            BoundDecider("path", "path_allowed", "at most"),
            BoundDecider("chosen_otherwise", "none", "at most"),
            BoundDecider("moved_by_test", "none", "at most"),
        ]
    },
    space=TRAININGS.over(data_seed=tuple(range(8))),
    effort=Effort(quick=Measure(1, 1), standard=Measure(4, 1), thorough=Measure(8, 1)),
    random=False,
    seconds=lambda _: 3.0,
)
def settings_chosen_on_validation(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Ridge and stopping time: their paths, and the setting that validation images choose."""
    del keys
    seed = scenario.data_seed
    experiment = Experiment("digits", "mlp3", Settings(0.1, attack_steps=3, seed=seed), *SIZES)
    split = adversarial_split("digits", *SIZES, seed, 0.2)
    limit = Limit("mlp", 2, "relu", experiment.sigma_w, experiment.sigma_b)
    x, y = split.x.astype(np.float64), split.y.astype(np.float64)
    ntk = mlp_matrix(limit, x, x)
    scale = float(np.diag(ntk).mean())
    by_hand = {
        "ridge": [np.linalg.solve(ntk + scale * one * np.eye(len(x)), y) for one in RIDGES],
        "early-stopped": [
            np.linalg.solve(ntk, y - scipy.linalg.expm(-ntk * one / scale) @ y) for one in TIMES
        ],
    }
    paths = ridge_path(ntk, y, scale * RIDGES), early_stopped_path(ntk, y, TIMES / scale)
    apart = [
        gap(path, np.array(wanted), 64 * np.linalg.cond(ntk))
        for path, wanted in zip(paths, by_hand.values(), strict=True)
    ]
    # Labels that a strong ridge gives on validation, the weakest on test: each set would choose otherwise.
    split = split._replace(
        validation_labels=_classes(limit, split.validation_x, x, by_hand["ridge"][-1]),
        test_labels=_classes(limit, split.test_x, x, by_hand["ridge"][0]),
    )
    exchanged = split._replace(
        test_images=split.test_images[::-1, ::-1].copy(), test_labels=(split.test_labels + 1) % y.shape[1]
    )
    trained = KernelPredictor(kernel_for(experiment), jnp.asarray(split.images, jnp.float64), jnp.asarray(y))
    otherwise, moved = [_select_by_hand()], []
    for name, wanted in by_hand.items():
        scores = [_robust(trained, one, split, experiment) for one in wanted]
        best = scores.index(max(scores))
        found, words = chosen_predictor(name, trained, jnp.asarray(ntk), split, experiment)
        again, said = chosen_predictor(name, trained, jnp.asarray(ntk), exchanged, experiment)
        nearest = np.array([np.abs(np.asarray(found.weights) - one).max() for one in wanted]).argmin()
        setting = {"ridge": RIDGES, "early-stopped": TIMES}[name][best]
        otherwise += [int(nearest != best), int(f" {setting:.2g} / mean" not in words)]
        moved += [unequal(found.weights, again.weights), int(words != said)]
    error, allowed = worst(*apart)
    return {
        "path": error,
        "path_allowed": allowed,
        "chosen_otherwise": count(*otherwise),
        "moved_by_test": count(*moved),
        "none": NONE,
    }


@trial(
    decides={
        "implementation.baselines": [
            BoundDecider("parameters", "parameters_allowed", "at most"),
            BoundDecider("metrics", "metrics_allowed", "at most"),
            BoundDecider("differing", "none", "at most"),
        ]
    },
    space=TRAININGS.over(
        structure=("mlp", "cnn", "cnn_pool"), loss=("mse", "squared", "ce"), data_seed=tuple(range(8))
    ),
    effort=Effort(
        quick=Measure(1, 1, held=(("structure", "mlp"),)), standard=Measure(8, 1), thorough=Measure(24, 1)
    ),
    random=False,
    seconds=lambda _: 5.0,
)
def training_by_hand(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Adversarial training of a finite network, its checkpoint and its metrics."""
    del keys
    arch = architecture(
        "mlp" if scenario.structure == "mlp" else "cnn", 1, "tanh", 1.4, 0.3, "ntk",
        "pool" if scenario.structure == "cnn_pool" else "flatten",
    )  # fmt: skip
    recipe = Recipe(
        radius=0.1, loss=scenario.loss, steps=STEPS, batch=SAMPLES, attack_steps=2, attack_step=0.6,
        random_start=False, **RATES,
    )  # fmt: skip
    sets = _sets(scenario)
    seed = scenario.data_seed
    train = partial(finite.train, arch, recipe=recipe, seed=seed, width=WIDTH, evaluate_at=(0, 2, STEPS))
    states: list[finite.NetworkState] = []
    whole = train(sets, on_evaluation=lambda _, state: states.append(state))
    plain = Plain(arch.family == "cnn", "tanh", 1.4, 0.3, False, arch.readout == "pool")
    by_hand = _trained(plain, numbers(states[0].parameters), sets.train, recipe)
    apart = [
        gap(flat(numbers(state.parameters)), flat(wanted), TRAINED)
        for state, wanted in zip(states, (by_hand[0], by_hand[2], by_hand[STEPS]), strict=True)
    ]
    metrics = [
        gap(
            [getattr(evaluation, name)],
            [_metrics(plain, by_hand[place], getattr(sets, name), recipe)],
            TRAINED,
        )
        for evaluation, place in zip(whole.evaluations, (0, 2, STEPS), strict=True)
        for name in ("train", "validation", "test")
    ]
    other = sets._replace(test=finite.Labelled(sets.test.x[::-1] * 0.5, np.roll(sets.test.y, 1, axis=1)))
    again = train(other)
    resumed = _resumed(states[1], whole.evaluations[1], recipe, sets, seed, train)
    differing = [
        _unlike(whole.state, again.state),
        _unlike(whole.state, resumed.state),
        sum(a != b for one, two in zip(whole.evaluations, again.evaluations, strict=True)
            for a, b in ((one.train, two.train), (one.validation, two.validation))),
        int(whole.evaluations[-1].test == again.evaluations[-1].test),
        _batches_by_hand(seed),
        _starts_by_hand(arch, states[0].parameters, sets.train, recipe),
    ]  # fmt: skip
    (error, allowed), (off, off_allowed) = worst(*apart), worst(*metrics)
    return {
        "parameters": error,
        "parameters_allowed": allowed,
        "metrics": off,
        "metrics_allowed": off_allowed,
        "differing": count(*differing),
        "none": NONE,
    }


def _classes(limit: Limit, there: np.ndarray, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (mlp_matrix(limit, there.astype(np.float64), x) @ weights).argmax(1)


def _robust(
    trained: KernelPredictor, weights: np.ndarray, split: AdversarialSplit, experiment: Experiment
) -> float:
    predictor = trained._replace(weights=jnp.asarray(weights))
    return accuracy(predictor, split.validation_images, split.validation_labels, experiment.settings).robust


def _select_by_hand() -> int:
    """Disagreements with the first largest of scores that have ties, and one that is no number."""
    scores = [0.25, np.nan, 0.75, 0.5, 0.75]
    path = jnp.arange(5.0)[:, None, None]
    found = select([1.0, 2.0, 3.0, 4.0, 5.0], path, lambda weights: scores[int(weights[0, 0])])
    return int((found.chosen, found.setting, float(found.weights[0, 0])) != (2, 3.0, 2.0))


def _sets(scenario: Scenario) -> finite.Sets:
    """Three small sets in double precision, some pixels at the ends of their box."""
    rng = np.random.default_rng([scenario.data_seed, 61])

    def one() -> finite.Labelled:
        x = np.clip(rng.uniform(-0.6, 0.6, (SAMPLES, *_INPUTS[scenario.structure])), -0.5, 0.5)
        return finite.Labelled(x, np.eye(CLASSES)[rng.permutation(SAMPLES) % CLASSES] - 1 / CLASSES)

    return finite.Sets(one(), one(), one())


def _loss(kind: str, f: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Loss of one sample and its derivative in the outputs."""
    if kind == "ce":
        label = int(y.argmax())
        likely = np.exp(f - f.max())
        likely /= likely.sum()
        return float(-np.log(likely[label])), likely - np.eye(len(f))[label]
    share = 1 / len(f) if kind == "mse" else 0.5
    return float(share * ((f - y) ** 2).sum()), 2 * share * (f - y)


def _attacked(
    plain: Plain, parameters: Sequence[Layer], x: np.ndarray, y: np.ndarray, recipe: Recipe
) -> np.ndarray:
    at = x
    for _ in range(recipe.attack_steps):
        found = outputs(plain, parameters, at)
        slope = _loss(recipe.loss, found.value, y)[1] @ found.in_x
        at = at + recipe.attack_step * recipe.radius * np.sign(slope).reshape(x.shape)
        at = np.clip(np.clip(at, x - recipe.radius, x + recipe.radius), recipe.low, recipe.high)
    return at


def _trained(
    plain: Plain, parameters: list[Layer], train: finite.Labelled, recipe: Recipe
) -> list[list[Layer]]:
    """Parameters before every step and after the last: SGD with momentum, decay of weights and rate."""
    found, velocity = [parameters], np.zeros(len(flat(parameters)))
    for step in range(recipe.steps):
        gradient = np.zeros_like(velocity)
        for x, y in zip(np.asarray(train.x), np.asarray(train.y), strict=True):
            at = outputs(plain, found[-1], _attacked(plain, found[-1], x, y, recipe))
            gradient += _loss(recipe.loss, at.value, y)[1] @ at.in_parameters / len(train.x)
        velocity = recipe.momentum * velocity + gradient + recipe.weight_decay * flat(found[-1])
        rate = recipe.learning_rate * recipe.decay ** (step // recipe.decay_every)
        found.append(moved_by(found[-1], [-rate * velocity]))
    return found


def _metrics(
    plain: Plain, parameters: Sequence[Layer], of: finite.Labelled, recipe: Recipe
) -> tuple[float, float, float, float]:
    """Clean and robust accuracy and loss."""
    rows = []
    for x, y in zip(np.asarray(of.x), np.asarray(of.y), strict=True):
        moved = _attacked(plain, parameters, x, y, recipe)
        f, g = (outputs(plain, parameters, at, derivatives=False).value for at in (x, moved))
        right = [float(one.argmax() == y.argmax()) for one in (f, g)]
        rows.append((*right, *(_loss(recipe.loss, one, y)[0] for one in (f, g))))
    clean, robust, loss, worse = np.mean(rows, axis=0)
    return float(clean), float(robust), float(loss), float(worse)


def _resumed(
    state: finite.NetworkState,
    evaluation: finite.Evaluation,
    recipe: Recipe,
    sets: finite.Sets,
    seed: int,
    train: Any,
) -> finite.History:
    """Training that goes on from a file that was written half way."""
    whose = checkpoints.identity("by hand", recipe, seed, sets)
    like = jax.tree.map(jnp.zeros_like, state)
    with tempfile.TemporaryDirectory(prefix="advntk-") as folder:
        path = Path(folder) / "half.npz"
        checkpoints.save_state(path, whose, state, [{"step": float(evaluation.step)}])
        read, _ = checkpoints.load_state(path, whose, like)
    return train(sets, state=read)


def _unlike(one: Any, other: Any) -> int:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return sum(unequal(a, b) for a, b in leaves)


def _batches_by_hand(seed: int) -> int:
    """Epochs whose batches are not disjoint, and not all, and orders that repeat: seven samples by threes."""
    key = jax.random.key(seed)
    epochs = [[np.asarray(finite.batch_at(key, 2 * epoch + k, 7, 3)) for k in range(2)] for epoch in range(6)]
    wrong = sum(len(np.unique(np.concatenate(one))) != 6 for one in epochs)
    seen = np.unique(np.concatenate([np.concatenate(one) for one in epochs]))
    orders = {tuple(np.concatenate(one).tolist()) for one in epochs}
    return wrong + int(seen.tolist() != list(range(7))) + int(len(orders) < 4)


def _starts_by_hand(arch: Architecture, parameters: Any, of: finite.Labelled, recipe: Recipe) -> int:
    """Random starts that are none, or leave ball or box; and a radius of 0 that moves something."""
    started = Recipe(radius=recipe.radius, loss=recipe.loss, attack_steps=1, attack_step=1e-6)
    still = Recipe(radius=0.0, loss=recipe.loss)

    @compiled
    def found(key: Array) -> tuple[Float[Array, "k ..."], Float[Array, "k ..."]]:
        x, y = jnp.asarray(of.x), jnp.asarray(of.y)
        one, two = (finite.adversarial(arch, parameters, x, y, recipe, key) for recipe in (started, still))
        return one, two

    one, unmoved = (np.asarray(part) for part in found(jax.random.key(0)))
    two = np.asarray(found(jax.random.key(1))[0])
    x = np.asarray(of.x)
    away = max(float(np.abs(part - x).max()) for part in (one, two))
    outside = (
        away > recipe.radius * (1 + 64 * EPS) + 64 * EPS or max(np.abs(one).max(), np.abs(two).max()) > 0.5
    )
    return int(outside) + int(away < recipe.radius / 2) + int(np.array_equal(one, two)) + unequal(unmoved, x)
