"""Wrong attacks, baselines and data: what experiments are made of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from falsehood import instead, refuted_by

import advntk.checks.trials.implementation.attacks as attacks
import advntk.checks.trials.implementation.baselines as baselines
import advntk.checks.trials.implementation.data as data
import advntk.implementations.attacks.apgd as apgd
import advntk.implementations.attacks.pgd as pgd
import advntk.implementations.baselines.checkpoints as checkpoints
import advntk.implementations.baselines.finite as finite
import advntk.implementations.baselines.infinite as infinite
import advntk.implementations.data.loading as loading
import advntk.implementations.data.splits as splits
from advntk.implementations.attacks.losses import Best

ATTACKS, WORST, SELECTION, BASELINES, DATA = (
    f"implementation.{name}" for name in ("attacks", "worst_case", "selection", "baselines", "data")
)
LINF, L2 = {"norm": "linf"}, {"norm": "l2"}
NOISY = {"label_noise": 0.1}


@refuted_by(ATTACKS, LINF)
def gradients_at_the_clean_input(monkeypatch):
    """PGD takes every gradient at the clean input."""

    def stale(honest, losses_and_gradient, x):
        uphill, dtype = honest(losses_and_gradient, x)
        return (lambda at: (uphill(at)[0], uphill(x)[1])), dtype

    instead(monkeypatch, pgd, "checked_ascent", stale)


@refuted_by(ATTACKS, LINF)
def last_iterate_in_place_of_the_best(monkeypatch):
    """PGD returns the last point that it looked at."""
    instead(monkeypatch, pgd, "better", lambda honest, best, at, losses: Best(at, losses))


@refuted_by(ATTACKS, L2)
def ball_a_tenth_too_large(monkeypatch):
    """PGD may go a tenth further than its radius."""

    def wider(honest, threat, clean, moved):
        larger = type(threat)(threat.norm, 1.1 * threat.radius, threat.low, threat.high)
        return honest(larger, clean, moved)

    instead(monkeypatch, pgd, "project", wider)


@refuted_by(ATTACKS, LINF)
def search_from_the_clean_input(monkeypatch):
    """Random starts are none."""
    instead(monkeypatch, pgd, "random_start", lambda honest, threat, key, x: x)


@refuted_by(ATTACKS, L2, by=("iterates",))
def auto_pgd_without_momentum(monkeypatch):
    """Auto-PGD forgets where it came from."""
    monkeypatch.setattr(apgd, "MOMENTUM", 1.0)


@refuted_by(ATTACKS, LINF)
def steps_of_twice_the_length(monkeypatch):
    """PGD's steps are twice as long as asked for."""
    instead(monkeypatch, pgd, "steepest", lambda honest, *given: 2 * honest(*given))


@refuted_by(WORST, LINF, by=("shortfall",))
def attack_of_half_the_radius(monkeypatch):
    """Auto-PGD keeps to half of the radius that it is given."""

    def timid(honest, outputs, x, labels, threat, *rest, **more):
        half = type(threat)(threat.norm, threat.radius / 2, threat.low, threat.high)
        return honest(outputs, x, labels, half, *rest, **more)

    instead(monkeypatch, attacks, "auto_pgd", timid)


@refuted_by(WORST, LINF, by=("shortfall",))
def random_search_of_ten_queries(monkeypatch):
    """The Square attack makes ten queries."""
    instead(monkeypatch, attacks, "square", lambda honest, *given, queries: honest(*given, queries=10))


@refuted_by(WORST, LINF, by=("wrong",))
def last_attack_in_place_of_the_worst(monkeypatch):
    """Of several attacks the last one counts."""
    instead(monkeypatch, attacks, "worst_case", lambda honest, *given: honest(*given[:-1], given[-1][-1:]))


@refuted_by(WORST, LINF)
def box_forgotten(monkeypatch):
    """Attacks leave the box of valid inputs."""

    def boundless(honest, threat, clean, moved):
        return honest(type(threat)(threat.norm, threat.radius, -10.0, 10.0), clean, moved)

    instead(monkeypatch, pgd, "project", boundless)


@refuted_by(SELECTION, {"data_seed": 0})
def ridge_chosen_on_test_images(monkeypatch):
    """The setting is the one of largest robust accuracy on the test images."""

    def peeking(honest, name, trained, ntk, split, experiment):
        seen = split._replace(validation_images=split.test_images, validation_labels=split.test_labels)
        return honest(name, trained, ntk, seen, experiment)

    instead(monkeypatch, baselines, "chosen_predictor", peeking)


@refuted_by(SELECTION, {"data_seed": 0}, by=("path",))
def ridge_of_twice_the_strength(monkeypatch):
    """Twice the strength that is asked for is added to the kernel."""
    instead(
        monkeypatch,
        baselines,
        "ridge_path",
        lambda honest, ntk, y, strengths: honest(ntk, y, 2 * np.asarray(strengths)),
    )


@refuted_by(SELECTION, {"data_seed": 0}, by=("chosen_otherwise",))
def worst_setting_chosen(monkeypatch):
    """The setting of the lowest score is chosen."""
    instead(
        monkeypatch,
        infinite,
        "select",
        lambda honest, settings, path, score: honest(settings, path, lambda weights: -score(weights)),
    )


TRAINED = {"structure": "mlp", "loss": "mse", "data_seed": 0}


@refuted_by(BASELINES, TRAINED)
def loss_of_twice_the_size(monkeypatch):
    """The loss of a sample is twice what it is."""
    instead(monkeypatch, finite, "sample_losses", lambda honest, *given: 2 * honest(*given))


@refuted_by(BASELINES, TRAINED)
def training_without_momentum(monkeypatch):
    """Gradient descent forgets its velocity."""

    def forgetful(honest, recipe):
        return optax.chain(
            optax.add_decayed_weights(recipe.weight_decay),
            optax.sgd(lambda n: recipe.learning_rate * recipe.decay ** (n // recipe.decay_every)),
        )

    instead(monkeypatch, finite, "_optimizer", forgetful)


@refuted_by(BASELINES, TRAINED)
def rate_that_falls_one_step_late(monkeypatch):
    """The learning rate falls one step later than it should."""

    def late(honest, recipe):
        def rate(count):
            return recipe.learning_rate * jnp.asarray(recipe.decay) ** ((count - 1) // recipe.decay_every)

        return optax.chain(
            optax.add_decayed_weights(recipe.weight_decay), optax.sgd(rate, momentum=recipe.momentum)
        )

    instead(monkeypatch, finite, "_optimizer", late)


@refuted_by(BASELINES, TRAINED)
def training_on_clean_inputs(monkeypatch):
    """Adversarial training is without an attack."""
    instead(monkeypatch, finite, "adversarial", lambda honest, arch, parameters, x, *rest: x)


@refuted_by(BASELINES, TRAINED, by=("differing",))
def checkpoint_without_velocity(monkeypatch):
    """A checkpoint does not keep the optimizer's memory."""

    def forgotten(honest, *given):
        state, course = honest(*given)
        memory = jax.tree.map(
            lambda leaf: jnp.zeros_like(leaf) if leaf.dtype.kind == "f" else leaf, state.optimizer
        )
        return state._replace(optimizer=memory), course

    instead(monkeypatch, checkpoints, "load_state", forgotten)


@refuted_by(BASELINES, TRAINED)
def batches_drawn_with_replacement(monkeypatch):
    """Samples of a batch are drawn anew at every step."""

    def drawn(honest, key, step, samples, batch):
        return jax.random.randint(jax.random.fold_in(key, step), (batch,), 0, samples)

    instead(monkeypatch, finite, "batch_at", drawn)


@refuted_by(BASELINES, TRAINED, by=("metrics",))
def robust_accuracy_on_clean_inputs(monkeypatch):
    """What is measured as robust is measured without an attack."""

    def spared(honest, arch, recipe, parameters, of, key):
        found = honest(arch, recipe, parameters, of, key)
        return found._replace(robust=found.clean, robust_loss=found.clean_loss)

    instead(monkeypatch, finite, "measure", spared)


@refuted_by(DATA, NOISY)
def noise_that_may_change_nothing(monkeypatch):
    """A replaced label may be replaced by itself."""

    def lenient(honest, labels, outputs, share, rng):
        noisy = labels.copy()
        chosen = rng.choice(len(labels), size=round(share * len(labels)), replace=False)
        noisy[chosen] = rng.integers(0, outputs, size=len(chosen))
        return noisy

    instead(monkeypatch, splits, "add_label_noise", lenient)
    instead(monkeypatch, loading, "add_label_noise", lenient)


@refuted_by(DATA, NOISY, by=("wrong_splits", "wrong_files"))
def splits_that_overlap(monkeypatch):
    """Images are drawn with replacement, so that sets share some."""

    def repeated(honest, asked, wanted, images, kind, seed, stream=0):
        return np.random.default_rng([seed, stream]).integers(0, len(images), wanted)

    instead(monkeypatch, splits, "_draw", repeated)


@refuted_by(DATA, NOISY)
def pixels_from_zero_to_one(monkeypatch):
    """Pixels are scaled to [0, 1]."""
    instead(monkeypatch, splits, "scaled", lambda honest, *given: honest(*given) + np.float32(0.5))


@refuted_by(DATA, NOISY)
def noise_on_validation_labels(monkeypatch):
    """Validation labels carry noise as well."""

    def everywhere(honest, *given, **more):
        found = honest(*given, **more)
        labels = found.validation_labels
        noisy = np.where(np.arange(len(labels)) % 10 == 0, (labels + 1) % 3, labels)
        return found._replace(validation_labels=noisy)

    instead(monkeypatch, data, "adversarial_split", everywhere)


@refuted_by(DATA, NOISY, by=("wrong_labels",))
def targets_that_are_not_centred(monkeypatch):
    """Targets are one-hot without their mean taken off."""
    for owner in (splits, loading):
        instead(monkeypatch, owner, "one_hot", lambda honest, labels, outputs: np.eye(outputs)[labels])


@refuted_by(DATA, NOISY)
def one_noisy_label_too_many(monkeypatch):
    """One more label than the share is replaced."""

    def more(honest, labels, outputs, share, rng):
        return honest(labels, outputs, min(1.0, share + 1 / len(labels)) if share else 0.0, rng)

    instead(monkeypatch, splits, "add_label_noise", more)
    instead(monkeypatch, loading, "add_label_noise", more)


@refuted_by(DATA, NOISY, by=("wrong_splits", "wrong_draws"))
def seed_that_is_ignored(monkeypatch):
    """Every seed draws the same images."""
    instead(
        monkeypatch, data, "adversarial_split",
        lambda honest, source, a, b, c, seed, noise: honest(source, a, b, c, 0, noise),
    )  # fmt: skip
    instead(
        monkeypatch, data, "load",
        lambda honest, source, m, d, c, seed=0, noise=0.0: honest(source, m, d, c, 0, noise),
    )  # fmt: skip
