"""Training of finite networks: against a reference without JAX's gradients or optax, and as a whole."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.baselines import finite
from advntk.implementations.baselines.finite import (
    Labelled,
    Sets,
    adversarial,
    batch_at,
    init,
    measure,
    predictor,
    sets_of,
    train,
)
from advntk.implementations.baselines.recipe import Recipe, memory, published_start, sample_losses
from advntk.implementations.data.splits import adversarial_split
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.runtime import CompilationCount

EPS = float(np.finfo(np.float64).eps)
SEED = 5
SMALL = architecture("mlp", 1, "relu", 1.5, 0.3)
QUICK = Recipe(radius=0.1, steps=6, batch=8, attack_steps=3)


def random_sets(samples: int = 20, dtype=np.float64, shape: tuple[int, ...] = (6,), classes: int = 3) -> Sets:
    rng = np.random.default_rng(0)

    def drawn(count: int) -> Labelled:
        # Rounded to tenths: some pixels on the edges of the box.
        x = np.round(rng.uniform(-0.5, 0.5, (count, *shape)), 1)
        y = np.eye(classes)[rng.integers(0, classes, count)] - 1 / classes
        return Labelled(x.astype(dtype), y.astype(dtype))

    return Sets(drawn(samples), drawn(7), drawn(0))


SETS = random_sets()
SINGLE = random_sets(dtype=np.float32)
DIGITS = adversarial_split("digits", 400, 100, 300, 0, 0.0)
ON_DIGITS = published_start(architecture("mlp", 2, "relu"), 64)


def leaves(state) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


def same(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(leaves(one), leaves(other), strict=True))


def by_hand(recipe: Recipe, sets: Sets, parameters, seed: int, steps: int):
    """`steps` steps with one hidden ReLU layer, NTK parameterization, mean squared loss, in NumPy."""
    (w, b), (v, a) = [tuple(np.array(one) for one in layer) for layer in parameters]
    (w_scale, v_scale), sigma_b = (1.5 / np.sqrt(n) for n in (w.shape[1], v.shape[1])), 0.3
    speed = [np.zeros_like(one) for one in (w, b, v, a)]
    key = jax.random.key(seed)
    x_all, y_all = sets.train
    per_epoch = len(x_all) // recipe.batch
    for step in range(steps):
        order = jax.random.permutation(
            jax.random.fold_in(jax.random.fold_in(key, 1), step // per_epoch), len(x_all)
        )
        chosen = np.asarray(order)[step % per_epoch * recipe.batch :][: recipe.batch]
        clean, y = x_all[chosen], y_all[chosen]

        def backwards(x, y=y):
            h = w_scale * x @ w.T + sigma_b * b
            kept = np.maximum(h, 0)
            off = 2 / y.shape[1] * (v_scale * kept @ v.T + sigma_b * a - y)
            into = (off @ v) * v_scale * (h > 0)
            return kept, off, into

        low, high = np.maximum(clean - recipe.radius, -0.5), np.minimum(clean + recipe.radius, 0.5)
        start = jax.random.fold_in(jax.random.fold_in(key, 2), step)
        noise = np.asarray(jax.random.uniform(start, clean.shape, clean.dtype, -1, 1))
        x = np.clip(clean + recipe.radius * noise, low, high)
        for _ in range(recipe.attack_steps):
            uphill = np.sign(backwards(x)[2] @ w)
            x = np.clip(x + recipe.attack_step * recipe.radius * uphill, low, high)

        kept, off, into = (one / recipe.batch if n else one for n, one in enumerate(backwards(x)))
        slopes = (w_scale * into.T @ x, sigma_b * into.sum(0), v_scale * off.T @ kept, sigma_b * off.sum(0))
        rate = recipe.learning_rate * recipe.decay ** (step // recipe.decay_every)
        for n, (value, slope) in enumerate(zip((w, b, v, a), slopes, strict=True)):
            speed[n] = recipe.momentum * speed[n] + slope + recipe.weight_decay * value
            value -= rate * speed[n]
    return [(w, b), (v, a)]


@pytest.mark.parametrize("radius", [0.1, 0.0])
def test_training_is_that_of_a_reference_in_numpy(radius):
    # Six steps: the rate falls twice, an epoch of two batches ends twice.
    recipe = replace(QUICK, radius=radius, decay_every=2, learning_rate=0.5, weight_decay=0.1)
    begun = init(SMALL, SETS, recipe, SEED, width=16)
    found = train(SMALL, SETS, recipe, SEED, width=16).parameters
    for (layer, expected), initial in zip(
        zip(found, by_hand(recipe, SETS, begun.parameters, SEED, recipe.steps), strict=True),
        begun.parameters,
        strict=True,
    ):
        for one, other, start in zip(layer, expected, initial, strict=True):
            # Steps of O(1) sums of at most 100 numbers of O(1).
            assert np.abs(one - other).max() <= 1000 * EPS * recipe.steps
            assert np.abs(one - start).max() > 1e-3


def test_a_parameterization_is_a_change_of_rates():
    # All layers of fan-in 6, biases of the weights' scale: one factor for all parameters.
    ntk = architecture("mlp", 2, "erf", 1.5, 1.5 / 6**0.5)
    recipe = replace(QUICK, learning_rate=0.05, weight_decay=0.1)
    other = replace(recipe, learning_rate=0.05 * 6 / 1.5**2, weight_decay=0.1 * 1.5**2 / 6)
    x = jnp.asarray(SETS.train.x)
    outputs = []
    for arch, how in ((replace(ntk, parameterization="standard"), recipe), (ntk, other), (ntk, recipe)):
        outputs.append(predictor(arch, train(arch, SETS, how, SEED, width=6).parameters)(x))
    assert float(jnp.abs(outputs[0] - outputs[1]).max()) <= 1000 * EPS * recipe.steps
    assert float(jnp.abs(outputs[0] - outputs[2]).max()) > 0.01


def test_losses_are_their_formulas():
    rng = np.random.default_rng(1)
    f, labels = rng.standard_normal((5, 4)), rng.integers(0, 4, 5)
    y = np.eye(4)[labels] - 1 / 4
    squares = ((f - y) ** 2).sum(1)
    entropy = np.log(np.exp(f).sum(1)) - f[np.arange(5), labels]
    for name, expected in (("squared", squares / 2), ("mse", squares / 4), ("ce", entropy)):
        found = sample_losses(name, jnp.asarray(f), jnp.asarray(y))
        assert np.allclose(found, expected, rtol=100 * EPS, atol=0)


@pytest.mark.parametrize("loss", ["mse", "squared", "ce"])
def test_attacks_stay_in_ball_and_box_and_raise_the_loss(loss):
    recipe, key = replace(QUICK, loss=loss, attack_steps=10), jax.random.key(1)
    x, y = (jnp.asarray(one) for one in SETS.train)
    networks = [init(SMALL, SETS, recipe, seed, width=16).parameters for seed in (0, 1)]
    found = [adversarial(SMALL, one, x, y, recipe, key) for one in networks]
    for parameters, moved in zip(networks, found, strict=True):
        # x +- radius is rounded.
        assert float(jnp.abs(moved - x).max()) <= recipe.radius + EPS
        assert float(moved.min()) >= -0.5 and float(moved.max()) <= 0.5
        before, after = (sample_losses(loss, predictor(SMALL, parameters)(at), y) for at in (x, moved))
        assert (np.asarray(after) > np.asarray(before)).mean() > 0.9
    # Each at its own parameters.
    assert not np.array_equal(*found)
    begun = replace(recipe, random_start=False)
    assert not np.array_equal(adversarial(SMALL, networks[0], x, y, begun, key), found[0])
    assert adversarial(SMALL, networks[0], x, y, replace(recipe, radius=0.0), key) is x


def test_an_epoch_visits_no_sample_twice_and_the_next_one_another_way():
    key = jax.random.key(0)
    epochs = [[np.asarray(batch_at(key, 2 * n + i, 20, 8)) for i in range(2)] for n in range(2)]
    for batches in epochs:
        assert len(np.unique(np.concatenate(batches))) == 16
    assert not np.array_equal(epochs[0], epochs[1])


def test_calls_of_any_length_and_resuming_give_the_same_bits_and_seeds_do_not():
    states = {}
    steps = (0, 2, 5, 6)

    def run(seed: int = SEED, **how):
        return train(SMALL, SINGLE, QUICK, seed, steps, width=16, **how)

    whole = run(on_evaluation=lambda row, state: states.setdefault(row.step, state))
    assert [row.step for row in whole.evaluations] == list(steps) == sorted(states)
    assert int(whole.state.step) == QUICK.steps and whole.diverged_at is None
    # The test set is empty; NaN equals nothing.
    rows = [row[:-1] for row in whole.evaluations]
    assert all(np.isnan(row.test).all() for row in whole.evaluations)
    for length in (1, 4):
        again = run(steps_per_call=length)
        assert same(again.state, whole.state) and [row[:-1] for row in again.evaluations] == rows
    resumed = run(state=states[2])
    assert same(resumed.state, whole.state) and [row[:-1] for row in resumed.evaluations] == rows[2:]
    assert not same(run(seed=SEED + 1).state, whole.state)
    # Another seed for the steps alone.
    assert not same(run(seed=SEED + 1, state=states[0]).state, whole.state)


def test_nothing_is_compiled_on_the_way():
    count = CompilationCount().watch()

    def run(seed: int, steps, length: int) -> int:
        before = count.number
        train(SMALL, SINGLE, QUICK, seed, steps, width=16, steps_per_call=length)
        return count.number - before

    run(0, (0, 6), 100)
    assert run(1, (1, 2, 3, 5), 2) == 0


def test_radius_0_is_standard_training():
    plain = replace(QUICK, radius=0.0)
    found = train(SMALL, SINGLE, plain, SEED, (0, 6), width=16)
    # What the attack would do is of no consequence.
    other = train(SMALL, SINGLE, replace(plain, attack_steps=1, attack_step=3.0), SEED, (6,), width=16)
    assert same(found.state, other.state)
    for row in found.evaluations:
        assert row.train.clean == row.train.robust
        assert row.train.clean_loss == row.train.robust_loss


def test_measured_is_what_the_network_does():
    recipe, key = replace(QUICK, radius=0.0), jax.random.key(0)
    # 20 samples in batches of 8.
    parameters = init(SMALL, SETS, recipe, SEED, width=16).parameters
    f = np.asarray(predictor(SMALL, parameters)(jnp.asarray(SETS.train.x)))
    y = SETS.train.y
    found = measure(SMALL, recipe, parameters, Labelled(*map(jnp.asarray, SETS.train)), key)
    assert found.clean == found.robust == np.mean(f.argmax(1) == y.argmax(1))
    assert found.clean_loss == pytest.approx(((f - y) ** 2).mean(), rel=100 * EPS)


def test_digits_are_learnt_and_adversarial_training_makes_robust():
    recipe = Recipe(radius=0.15, steps=400, batch=64)
    sets = sets_of(ON_DIGITS, DIGITS)
    robust = train(ON_DIGITS, sets, recipe, 0, (0, 400), width=64)
    standard = train(ON_DIGITS, sets, replace(recipe, radius=0.0), 0, (400,), width=64)
    # Measured over three seeds: 0.94, then 0.82/0.50 to 0.86/0.56, and 0.25 without AT; 300 test images
    # have a standard error of at most 0.03.
    assert standard.evaluations[-1].test.clean > 0.85
    start, end = (row.test for row in robust.evaluations)
    assert start.clean < 0.3 and end.clean > 0.65 and end.robust > 0.35
    attacked = measure(ON_DIGITS, recipe, standard.parameters, sets.test, jax.random.key(0))
    assert attacked.clean == pytest.approx(standard.evaluations[-1].test.clean)
    assert attacked.robust < end.robust - 0.15


def test_images_train_a_convolutional_network():
    arch = published_start(architecture("cnn", 1, "relu"), 4)
    split = adversarial_split("digits", 16, 4, 4, 0, 0.0)
    recipe = replace(QUICK, steps=2)
    history = train(arch, sets_of(arch, split), recipe, 0, (0, 2), width=4, max_evaluated=3)
    assert [leaf.shape for leaf in leaves(history.parameters)] == [(3, 3, 1, 4), (4,), (10, 256), (10,)]
    first, last = history.evaluations
    assert last.train.robust_loss != first.train.robust_loss
    # Three samples each.
    assert all(row.test.clean * 3 == pytest.approx(round(row.test.clean * 3)) for row in history.evaluations)


@pytest.mark.parametrize("evaluate_at", [(0,), (0, 1, 6)])
def test_divergence_is_recorded_not_raised(evaluate_at):
    hopeless = replace(QUICK, learning_rate=1e30)
    seen = []
    history = train(
        SMALL, SINGLE, hopeless, SEED, evaluate_at, width=16, on_evaluation=lambda row, _: seen.append(row)
    )
    # The loss of step 0 is that of the initial network; one update later it overflows.
    assert history.diverged_at == 1
    assert [row.step for row in history.evaluations] == [row.step for row in seen] == [0]
    assert train(SMALL, SINGLE, QUICK, SEED, (0, 6), width=16).diverged_at is None


def test_the_published_start_has_pytorchs_variances():
    for arch, fan in ((architecture("mlp", 3, "relu"), 512), (architecture("cnn", 3, "relu"), 9 * 256)):
        start = published_start(arch)
        assert start.parameterization == "standard" and start.depth == 3
        # U(-1/sqrt(n), 1/sqrt(n)).
        assert start.sigma_w**2 / fan == pytest.approx(1 / (3 * fan))
        assert start.sigma_b**2 == pytest.approx(1 / (3 * fan))


@pytest.mark.parametrize(("width", "depth", "batch"), [(512, 3, 128), (32, 2, 64)])
def test_memory_is_estimated_within_a_factor_of_2_of_what_xla_takes(width, depth, batch):
    arch, recipe = published_start(architecture("mlp", depth, "relu"), width), Recipe(batch=batch)
    sets = Sets(*[Labelled(np.zeros((batch, 768), np.float32), np.zeros((batch, 10), np.float32))] * 3)
    state, key = init(arch, sets, recipe, 0, width), jax.random.key(0)
    one_call = jax.jit(lambda of, at: finite._steps(arch, recipe, of, key, key, at, jnp.asarray(1)))
    program = one_call.lower(sets.train, state).compile()
    taken = program.memory_analysis()
    data = sum(one.nbytes for one in sets.train)
    bytes_taken = taken.temp_size_in_bytes + taken.argument_size_in_bytes + taken.output_size_in_bytes - data
    assert 0.5 < memory(arch, (768,), width, 10, batch).total / bytes_taken < 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", "hinge"), ("radius", -0.1), ("radius", float("nan")), ("steps", -1), ("batch", 0),
        ("learning_rate", 0.0), ("decay", 0.0), ("decay_every", 0), ("momentum", 1.0),
        ("weight_decay", -1e-4), ("attack_steps", 0), ("attack_step", 0.0), ("low", 0.5),
    ],
)  # fmt: skip
def test_bad_settings_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} = "):
        replace(Recipe(), **{name: value})


OUTSIDE = SETS._replace(test=Labelled(np.full((1, 6), 0.6), np.ones((1, 3))))
UNEQUAL = SETS._replace(validation=Labelled(SETS.train.x, SETS.train.y[1:]))


@pytest.mark.parametrize(
    ("named", "changes"),
    [
        ("^batch = 21 exceeds the 20", {"recipe": replace(QUICK, batch=21)}),
        ("^evaluate_at = 7 ", {"evaluate_at": (0, 7)}),
        ("^max_evaluated = 0 ", {"max_evaluated": 0}),
        ("^steps_per_call = 0 ", {"steps_per_call": 0}),
        ("^seed = -1 ", {"seed": -1}),
        ("^width = 0 ", {"width": 0}),
        ("^test inputs from 0.6 to 0.6 leave the box", {"sets": OUTSIDE}),
        ("^validation has 20 inputs and 19 targets", {"sets": UNEQUAL}),
    ],
)
def test_bad_arguments_are_named(named, changes):
    with pytest.raises(ValueError, match=named):
        train(**{"arch": SMALL, "sets": SETS, "recipe": QUICK, "seed": SEED, **changes})
