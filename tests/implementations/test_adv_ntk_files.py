"""Checkpoints and models: what is read is what was written, and nothing else is taken for it."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.adv_ntk import files
from advntk.implementations.adv_ntk.contract import Krylov
from advntk.implementations.adv_ntk.problem import problem
from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.adv_ntk.training import fit
from advntk.implementations.definiteness import solved
from advntk.implementations.experiments.adv_ntk import (
    OutOfMemory,
    accuracy,
    attacked,
    memory_parts,
    prepare,
)
from advntk.implementations.experiments.presets import (
    PRESETS,
    PUBLISHED_NETWORKS,
    experiment_from,
    preset,
)
from advntk.implementations.kernels.described import described, kernel_from, network
from advntk.implementations.kernels.ntk import kernel_of
from advntk.implementations.networks.architecture import architecture

SETTINGS = Settings(radius=0.1, attack_steps=2, iterations=2, batch=4)


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-0.5, 0.5, (6, 2, 2, 1)), np.eye(3)[[0, 1, 2, 0, 1, 2]] - 1 / 3
    kernel = kernel_of(architecture("mlp", 1, "relu", 1.5, 0.2))
    found = problem(kernel, x, y, x, np.array([0, 1, 2, 0, 1, 2]))
    return found, fit(Krylov(), found, SETTINGS)


def test_a_model_predicts_what_was_trained(trained, tmp_path):
    found, fitted = trained
    path = tmp_path / "model.npz"
    files.save_model(path, fitted, SETTINGS, {"data": "mine"})
    predictor, about = files.load_model(path)
    x = jnp.asarray(found.validation_x)
    np.testing.assert_array_equal(Krylov().predict(predictor, x), Krylov().predict(fitted.predictor, x))
    assert about["about"] == {"data": "mine"} and about["settings"] == SETTINGS.as_dict()
    with np.load(path, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays.files)
    assert [one.name for one in tmp_path.iterdir()] == ["model.npz"]


@pytest.mark.parametrize("kind", ["mlp5", "cnn3", "cnn2-pool", "resnet18"])
def test_a_kernel_survives_being_written_down(kind):
    kernel = kernel_of(network(kind, "relu", 1.76, 0.18))
    assert kernel_from(described(kernel)) == kernel


def test_names_count_layers_as_the_published_tables_do():
    assert network("mlp5", "relu", 1.7, 0.1).depth == 4
    assert network("cnn5", "relu", 1.7, 0.1).depth == 5
    assert network("cnn5-pool", "relu", 1.7, 0.1).readout == "pool"


@pytest.mark.parametrize("name", ["mlp0", "mlp1", "mlp", "cnn3-flat", "mlp3-pool", "resnet50", "5"])
def test_a_network_that_does_not_exist_is_named(name):
    with pytest.raises(ValueError, match=f"network = '{name}' is unknown"):
        network(name, "relu", 1.0, 0.0)


def test_what_is_no_model_is_said_to_be_none(trained, tmp_path):
    found, fitted = trained
    with pytest.raises(files.BadFile, match="no such file"):
        files.load_model(tmp_path / "nothing.npz")
    broken = tmp_path / "broken.npz"
    files.save_model(broken, fitted, SETTINGS, {})
    whole = broken.read_bytes()
    for share in (0, 10, len(whole) // 2, len(whole) - 30):
        broken.write_bytes(whole[:share])
        with pytest.raises(files.BadFile, match="no advntk model, or a broken one"):
            files.load_model(broken)
    broken.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(files.BadFile, match="no advntk model"):
        files.load_model(broken)
    np.savez(broken, about=np.array({"kind": "advntk model 1"}, dtype=object))
    with pytest.raises(files.BadFile, match="no advntk model"):
        files.load_model(broken)
    files.save_checkpoint(broken, found, SETTINGS, fitted.state)
    with pytest.raises(files.BadFile, match="is 'advntk checkpoint 2', not 'advntk model 1'"):
        files.load_model(broken)


def test_a_checkpoint_is_taken_for_its_own_training_only(trained, tmp_path):
    found, fitted = trained
    path = tmp_path / "checkpoint.npz"
    files.save_checkpoint(path, found, SETTINGS, fitted.state)
    more = dataclasses.replace(SETTINGS, iterations=9)
    assert files.load_checkpoint(path, found, more).iteration == 2
    with pytest.raises(files.BadFile, match=r"made with radius = 0\.1, not 0\.2"):
        files.load_checkpoint(path, found, dataclasses.replace(SETTINGS, radius=0.2))
    with pytest.raises(files.BadFile, match="is at iteration 2, beyond iterations = 1"):
        files.load_checkpoint(path, found, dataclasses.replace(SETTINGS, iterations=1))
    with pytest.raises(files.BadFile, match="made with implementation = krylov, not reference"):
        files.load_checkpoint(path, found, SETTINGS, "reference")
    other = found._replace(x=found.x + np.float32(1e-6))
    with pytest.raises(files.BadFile, match="other samples or another kernel"):
        files.load_checkpoint(path, other, SETTINGS)
    kernel = kernel_of(architecture("mlp", 2, "relu", 1.5, 0.2))
    with pytest.raises(files.BadFile, match="other samples or another kernel"):
        files.load_checkpoint(path, found._replace(kernel=kernel), SETTINGS)


def test_a_write_that_fails_leaves_the_old_file(trained, tmp_path, monkeypatch):
    found, fitted = trained
    path = tmp_path / "checkpoint.npz"
    files.save_checkpoint(path, found, SETTINGS, fitted.state)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        files.save_checkpoint(path, found, SETTINGS, fitted.state)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_experiments_of_models_with_former_names_are_read():
    one = preset("digits-mlp5-r8")
    values = {name: value for name, value in dataclasses.asdict(one).items() if name != "settings"}
    assert experiment_from(values, one.settings) == one
    former = {name.removeprefix("n_").replace("train", "training"): value for name, value in values.items()}
    assert {"training", "validation", "test"} <= set(former)
    assert experiment_from(former, one.settings) == one


def test_every_published_experiment_has_a_preset_with_its_own_numbers():
    assert len(PRESETS) == 3 * 2 * len(PUBLISHED_NETWORKS) == 72
    one = preset("cifar10-mlp5-r8")
    assert (one.n_train, one.n_validation, one.settings.learning_rate) == (10_000, 2_000, 0.1)
    assert one.settings.radius == pytest.approx(8 / 255) and one.settings.iterations == 50
    assert preset("svhn-cnn3-r4").settings.learning_rate == 1
    assert preset("svhn-resnet18-r4").settings.learning_rate == 1e-6
    small = preset("cifar10-mlp5-r8", on_digits=True)
    assert small == preset("digits-mlp5-r8") and (small.data, small.n_train) == ("digits", 500)
    with pytest.raises(ValueError, match="preset = 'cifar10-mlp6-r8' is unknown"):
        preset("cifar10-mlp6-r8")


def test_what_will_not_fit_is_refused_with_its_numbers():
    with pytest.raises(OutOfMemory, match=r"n_train = 500 with mlp5 in float32 needs about .* are allowed"):
        prepare(preset("digits-mlp5-r8"), "float32", 2**20)
    parts = memory_parts(
        kernel_of(network("mlp5", "relu", 1.7, 0.1)), (2000, 100, 100), (8, 8, 1), 10, 64, "float64", 7
    )
    assert parts["kernel"] == 2000**2 * 16 and parts["data"] == 7 + 2200 * 64 * 12


TRAINS = """
import sys
from dataclasses import replace
from advntk.implementations.runtime import configure
configure("cpu")
from advntk.implementations.adv_ntk.contract import implementation
from advntk.implementations.experiments.adv_ntk import accuracy, prepare, regressed
from advntk.implementations.experiments.presets import preset
from advntk.implementations.adv_ntk.training import fit, gram
from advntk.implementations.memory import peak_memory_bytes
asked = replace(preset("digits-mlp5-r8"), data=sys.argv[1], n_train=4000, n_validation=200, n_test=200)
asked = replace(asked, settings=replace(asked.settings, iterations=2))
problem, split = prepare(asked, "float32", 2**40)
ntk = gram(problem)
fitted = fit(implementation("krylov"), problem, asked.settings, ntk)
without, _ = regressed(fitted.predictor, split.y)
accuracy(without, split.test_images, split.test_labels, asked.settings)
accuracy(fitted.predictor, split.test_images, split.test_labels, asked.settings)
print(peak_memory_bytes())
"""


def test_memory_is_estimated_near_what_training_takes(tmp_path):
    source = tmp_path / "own.npz"
    pixels = np.random.default_rng(0).uniform(0, 1, (4400, 24, 24))
    np.savez(source, images=pixels, labels=np.arange(4400) % 10)
    taken = int(
        subprocess.run(
            [sys.executable, "-c", TRAINS, str(source)], capture_output=True, text=True, check=True
        ).stdout
    )
    kernel = kernel_of(network("mlp5", "relu", 1.7, 0.1))
    parts = memory_parts(kernel, (4000, 200, 200), (24, 24, 1), 10, 128, "float32", pixels.nbytes)
    assert 0.75 < taken / sum(parts.values()) < 1.25, (taken, parts)


def test_accuracy_counts_every_sample_once(trained):
    found, fitted = trained
    labels = found.labels
    predictor = fitted.predictor._replace(
        weights=jnp.asarray(solved(found.kernel.gram(jnp.asarray(found.x)), found.y).weights, found.x.dtype)
    )
    # The validation samples of the fixture are those of its training: regression fits them.
    whole = accuracy(predictor, found.validation_x, labels, SETTINGS)
    assert whole.clean == 1.0 and whole.robust <= whole.clean
    twice = accuracy(predictor, np.tile(found.validation_x, (50, 1, 1, 1)), np.tile(labels, 50), SETTINGS)
    assert twice.clean == 1.0


def test_accuracies_are_those_of_what_the_attack_found(trained):
    found, fitted = trained
    x, labels = np.tile(found.validation_x, (50, 1, 1, 1)), np.tile(found.labels, 50)
    settings = dataclasses.replace(SETTINGS, radius=0.3)
    chunks = list(attacked(fitted.predictor, x, labels, settings))
    assert len(chunks) > 1
    at, moved, classes, classes_moved = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    np.testing.assert_array_equal(at, x.astype(at.dtype))
    assert 0.29 < np.abs(moved - at).max() <= 0.3 + 1e-6 and np.abs(moved).max() <= 0.5
    for of, said in ((at, classes), (moved, classes_moved)):
        outputs = (
            fitted.predictor.kernel.cross(jnp.asarray(of), fitted.predictor.x_train)
            @ fitted.predictor.weights
        )
        np.testing.assert_array_equal(said, np.argmax(outputs, axis=1))
    shares = accuracy(fitted.predictor, x, labels, settings)
    assert shares == ((classes == labels).mean(), (classes_moved == labels).mean())
    assert shares.robust < shares.clean
