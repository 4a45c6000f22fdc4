"""Training: one iteration against a hand-written one, batches, optimizers, resumption, bad input."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.adv_ntk import files
from advntk.implementations.adv_ntk.contract import (
    IMPLEMENTATIONS,
    AsPublished,
    KernelPredictor,
    Krylov,
    Reference,
    implementation,
)
from advntk.implementations.adv_ntk.problem import duplicates, problem
from advntk.implementations.adv_ntk.settings import Settings, from_dict, optimizer
from advntk.implementations.adv_ntk.solution import Solution
from advntk.implementations.adv_ntk.training import batch, fit, gram, init, step
from advntk.implementations.kernels.ntk import kernel_of
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.results import Result

ARCH = architecture("mlp", 2, "erf", 1.5, 0.2)
SETTINGS = Settings(radius=0.1, attack_steps=3, iterations=4, batch=5, seed=3)


def _problem(dtype="float64", m=9, v=12, d=6, c=3):
    rng = np.random.default_rng(1)
    x, v_x = rng.uniform(-0.5, 0.5, (m, d)), rng.uniform(-0.5, 0.5, (v, d))
    y = np.eye(c)[x[:, :c].argmax(1)] - 1 / c
    return problem(kernel_of(ARCH), x, y, v_x, v_x[:, :c].argmax(1), dtype=dtype)


@pytest.mark.parametrize("shape", ["per_sample", "per_sample_and_class"])
def test_an_iteration_is_what_the_procedure_says(shape):
    found = _problem()
    settings = dataclasses.replace(SETTINGS, shape=shape, learning_rate=0.3, weight_decay=0.01)
    reference = Reference()
    ntk = gram(found)
    state = init(found, settings)
    strengths = jnp.abs(jax.random.normal(jax.random.key(0), state.strengths.shape)) / 10
    new = step(reference, found, settings, ntk, state._replace(strengths=strengths))

    chosen = batch(settings, 0, 12)
    x, targets = jnp.asarray(found.validation_x[chosen]), jnp.asarray(found.targets[chosen])
    predictor = KernelPredictor(found.kernel, jnp.asarray(found.x), _weights(ntk, strengths, found.y))
    key = jax.random.fold_in(jax.random.key(settings.seed), 0)
    moved = reference.attack(predictor, x, targets, settings, key)

    def loss(at):
        outputs = found.kernel.cross(moved, jnp.asarray(found.x)) @ _weights(ntk, at, found.y)
        return jnp.mean(jnp.sum((outputs - targets) ** 2, axis=1)) / 2

    value, slope = jax.value_and_grad(loss)(strengths)
    expected = strengths - 0.3 * (slope / jnp.linalg.norm(slope) + 0.01 * strengths)
    np.testing.assert_allclose(new.strengths, expected, rtol=0, atol=1e-9)
    assert new.history[0].loss == pytest.approx(float(value), rel=1e-9)
    assert new.history[0].gradient == pytest.approx(float(jnp.linalg.norm(slope)), rel=1e-7)


def _weights(ntk, strengths, y):
    """Theta^{-1}(I - exp(-Theta D)) Y by dense exponentials, class by class."""

    def column(at, target):
        exponential = jax.scipy.linalg.expm(-ntk * jnp.abs(at)[None, :])
        return jnp.linalg.solve(ntk, target - exponential @ target)

    of = (None, 1) if strengths.ndim == 1 else (1, 1)
    return jax.vmap(column, of, 1)(strengths, jnp.asarray(y))


def test_training_lowers_the_robust_loss_and_all_implementations_agree():
    settings = dataclasses.replace(SETTINGS, iterations=12, batch=12)
    ends = {}
    # In one precision: random numbers of two dtypes differ.
    for name, chosen in (("reference", Reference()), ("krylov", Krylov("float64", tolerance=1e-11))):
        fitted = fit(chosen, _problem("float64", m=40), settings)
        losses = [row.loss for row in fitted.state.history]
        assert np.mean(losses[-2:]) < 0.9 * losses[0] and not fitted.stopped
        ends[name] = np.asarray(fitted.state.strengths, np.float64)
    np.testing.assert_allclose(ends["krylov"], ends["reference"], rtol=0, atol=1e-8)


def test_the_tolerance_reaches_every_iteration_and_the_final_weights():
    """The weights at the end are those of `solve`, as exact as was asked for and no more."""
    found = _problem("float64", m=40)
    settings = dataclasses.replace(SETTINGS, iterations=3, learning_rate=30.0)
    ntk, y = gram(found), jnp.asarray(found.y)
    # lambda_max(S) is in the hundreds: three products are too few for either tolerance.
    errors = {}
    for tolerance in (1e-1, 1e-12):
        fitted = fit(Krylov("float64", tolerance), found, settings, ntk)
        exact = Reference().solve(ntk, fitted.state.strengths, y).value
        errors[tolerance] = float(jnp.linalg.norm(fitted.predictor.weights - exact) / jnp.linalg.norm(exact))
        assert errors[tolerance] <= tolerance and fitted.result == Result.successful
    # At the default both would err alike.
    assert errors[1e-1] > 1e3 * errors[1e-12]
    short = fit(Krylov("float64", 1e-12, max_steps=2), found, settings, ntk)
    assert short.result == Result.max_steps_reached and "max_steps" in short.result.remedy


def test_a_solution_that_says_true_is_refused():
    """True is the integer 1, which would be read as a failure."""
    for wrong in (True, False, 17):
        with pytest.raises(ValueError, match=f"result = {wrong} is no result; give one of: Result.succ"):
            Solution(jnp.ones(2), wrong)
    assert Solution(jnp.ones(2)).converged and not Solution(jnp.ones(2), Result.breakdown).converged


def test_the_published_attack_alone_leaves_the_ball():
    found = _problem("float32")
    x, targets = jnp.asarray(found.validation_x), jnp.asarray(found.targets)
    weights = jax.random.normal(jax.random.key(0), found.y.shape, jnp.float32)
    predictor = KernelPredictor(found.kernel, jnp.asarray(found.x), weights)
    reach = {
        name: float(jnp.abs(made().attack(predictor, x, targets, SETTINGS, jax.random.key(1)) - x).max())
        for name, made in IMPLEMENTATIONS.items()
        if name != "reference"
    }
    assert reach["krylov"] <= 0.1 * (1 + 1e-5) < 0.12 < reach["as_published"] <= 0.2 * (1 + 1e-5)


def test_batches_take_every_sample_once_in_a_pass():
    settings = dataclasses.replace(SETTINGS, batch=4)
    passes = [np.concatenate([batch(settings, 3 * p + i, 12) for i in range(3)]) for p in range(2)]
    assert all(sorted(one) == list(range(12)) for one in passes)
    assert not np.array_equal(*passes)
    assert len(batch(dataclasses.replace(settings, batch=100), 5, 12)) == 12
    assert not np.array_equal(batch(settings, 0, 12), batch(dataclasses.replace(settings, seed=4), 0, 12))


@pytest.mark.parametrize(
    "changes", [{"momentum": 0.5}, {"optimizer": "adam"}, {"decay_every": 2}, {"normalized": False}]
)
def test_what_was_interrupted_ends_where_the_uninterrupted_ends(tmp_path, changes):
    found, settings = _problem("float32"), dataclasses.replace(SETTINGS, iterations=6, **changes)
    whole = fit(Krylov(), found, settings)
    half = fit(Krylov(), found, dataclasses.replace(settings, iterations=3))
    path = tmp_path / "half.npz"
    files.save_checkpoint(path, found, dataclasses.replace(settings, iterations=3), half.state)
    resumed = fit(Krylov(), found, settings, state=files.load_checkpoint(path, found, settings))
    np.testing.assert_array_equal(resumed.state.strengths, whole.state.strengths)
    np.testing.assert_array_equal(resumed.predictor.weights, whole.predictor.weights)
    for mine, theirs in zip(resumed.state.history, whole.state.history, strict=True):
        assert mine._replace(seconds=0.0) == theirs._replace(seconds=0.0)


def test_the_learning_rate_decays_and_momentum_adds_up():
    gradient = jnp.array([3.0, 4.0])
    descent = optimizer(dataclasses.replace(SETTINGS, learning_rate=1.0, decay=0.5, decay_every=2).descent)
    memory, lengths = descent.init(gradient), []
    for _ in range(5):
        step, memory = descent.update(gradient, memory, jnp.zeros(2))
        lengths.append(float(jnp.linalg.norm(step)))
    np.testing.assert_allclose(lengths, [1, 1, 0.5, 0.5, 0.25], rtol=1e-6)
    heavy = optimizer(dataclasses.replace(SETTINGS, learning_rate=1.0, momentum=0.5).descent)
    memory = heavy.init(gradient)
    for expected in (1, 1.5, 1.75):
        step, memory = heavy.update(gradient, memory, jnp.zeros(2))
        np.testing.assert_allclose(step, -expected * gradient / 5, rtol=1e-6)
    step, _ = heavy.update(jnp.zeros(2), heavy.init(gradient), jnp.zeros(2))
    np.testing.assert_array_equal(step, jnp.zeros(2))


def test_a_loss_that_is_not_finite_ends_training_at_the_last_good_strengths():
    class Blind(Krylov):
        def vjp(self, ntk, strengths, y, cotangent):
            found = super().vjp(ntk, strengths, y, cotangent)
            return dataclasses.replace(found, value=found.value * jnp.nan)

    fitted = fit(Blind(), _problem("float32"), SETTINGS)
    assert "nan" in fitted.stopped and fitted.state.iteration == 0
    assert np.isfinite(fitted.state.strengths).all() and len(fitted.state.history) == 1


class Bursting(Krylov):
    """Weights of long strengths overflow."""

    def solve(self, ntk, strengths, y):
        found = super().solve(ntk, strengths, y)
        return dataclasses.replace(
            found, value=jnp.where(jnp.linalg.norm(strengths) > 1.5, jnp.nan, 1.0) * found.value
        )


@pytest.mark.parametrize("iterations", [2, 4])
def test_weights_that_are_not_finite_end_training_before_them(iterations):
    """Found in the last iteration, or by the next one's loss: steps are of length 1."""
    settings = dataclasses.replace(SETTINGS, iterations=iterations, learning_rate=1.0)
    fitted = fit(Bursting(), _problem("float32"), settings)
    assert fitted.stopped and fitted.state.iteration == 1
    assert np.isfinite(fitted.predictor.weights).all()
    assert np.isclose(np.linalg.norm(fitted.state.strengths), 1)


@pytest.mark.parametrize("method", ["solve", "vjp"])
def test_an_answer_that_is_a_bare_array_is_refused_in_one_line(method):
    class Bare(Krylov):
        def solve_with_vjp(self, *given):
            return self.solve(*given), lambda cotangent: self.vjp(*given, cotangent)

    setattr(Bare, method, lambda self, *given: getattr(Krylov(), method)(*given).value)
    with pytest.raises(ValueError, match=rf"implementation: {method} gave a \w+; it must give .*Solution"):
        fit(Bare(), _problem("float32"), SETTINGS)


def test_where_nothing_is_finite_training_says_so():
    class Blank(Krylov):
        def solve(self, ntk, strengths, y):
            found = super().solve(ntk, strengths, y)
            return dataclasses.replace(found, value=found.value * jnp.nan, result=Result.not_finite)

    fitted = fit(Blank(), _problem("float32"), SETTINGS)
    assert "nan" in fitted.stopped and fitted.state.iteration == 0 and fitted.result == Result.not_finite


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"radius": 0.0}, "radius = 0 leaves nothing"),
        ({"radius": 1.0}, "radius = 1 reaches across the whole box"),
        ({"radius": float("nan")}, "radius = nan must be a finite number"),
        ({"optimizer": "lion"}, "optimizer = 'lion' is unknown; choose one of: sgd, adam"),
        ({"shape": "per_class"}, "shape = 'per_class' is unknown"),
        ({"batch": 0}, "batch = 0 must be at least 1"),
        ({"momentum": 1.0}, "momentum, decay = 1, 0.1"),
        ({"weight_decay": -1.0}, "weight_decay = -1 must not be negative"),
        ({"learning_rate": 0.0}, "learning_rate = 0 must be positive"),
        ({"low": 0.5}, "low, high = 0.5, 0.5 is no box"),
    ],
)
def test_settings_that_cannot_be_are_named(changes, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SETTINGS, **changes)


def test_settings_survive_being_written_down():
    assert from_dict(SETTINGS.as_dict()) == SETTINGS
    assert SETTINGS.step == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a["x"].__setitem__((2, 1), np.nan), r"x\[2\] is not finite \(1 samples\)"),
        (lambda a: a["x"].__setitem__((2, 1), 0.7), "x runs from .* to 0.7, outside the box"),
        (lambda a: a["labels"].__setitem__(0, 3), "labels run from 0 to 3; with 3 classes"),
        (lambda a: a["labels"].__setitem__(0, -1), "labels run from -1"),
        (lambda a: a.__setitem__("y", a["y"][:, :1]), "single class"),
        (lambda a: a["y"].__setitem__(slice(None), a["y"][:1]), "single class"),
        (lambda a: a.__setitem__("labels", a["labels"][1:]), "do not fit"),
        (lambda a: a.__setitem__("y", a["y"][1:]), "do not fit"),
        (lambda a: a.__setitem__("x", a["x"][:0]) or a.__setitem__("y", a["y"][:0]), "have 0, 4 samples"),
    ],
)
def test_data_that_cannot_be_are_named(change, words):
    arrays = {
        "x": np.linspace(-0.5, 0.5, 15).reshape(5, 3),
        "y": np.eye(3)[[0, 1, 2, 0, 1]],
        "validation_x": np.zeros((4, 3)),
        "labels": np.array([0, 1, 2, 0]),
    }
    change(arrays)
    with pytest.raises(ValueError, match=words):
        problem(kernel_of(ARCH), *arrays.values())


def test_duplicates_are_counted():
    x = np.array([[1.0, 2], [3, 4], [1, 2], [1, 2]])
    assert duplicates(x) == 2 and duplicates(x[:2]) == 0


def test_an_implementation_is_found_by_name_or_said_to_be_missing():
    assert isinstance(implementation("as_published"), AsPublished)
    found = implementation("advntk.implementations.adv_ntk.contract:Reference")
    assert isinstance(found, Reference)
    for name, words in (
        ("nope", "choose one of: krylov, reference, as_published"),
        ("no.such.module:thing", "cannot be loaded"),
        ("advntk.implementations.adv_ntk.contract:Nothing", "cannot be loaded"),
        ("advntk.implementations.adv_ntk.contract:KernelPredictor._fields", "cannot be loaded"),
        ("advntk.implementations.adv_ntk.contract:Implementation", "lacks solve, vjp"),
        ("math:pi", "lacks dtype, solve"),
    ):
        with pytest.raises(ValueError, match=words):
            implementation(name)
