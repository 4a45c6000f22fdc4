"""What a model is judged on: its own scale and classes, never its training images without a word."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

from advntk.cli import app
from advntk.exceptions import UsageError
from advntk.implementations.adv_ntk.files import load_baselines, load_model
from advntk.implementations.adv_ntk.settings import from_dict
from advntk.implementations.attacks import worst_case
from advntk.implementations.attacks.worst_case import Attack, plain_pgd
from advntk.implementations.experiments.evaluation_data import evaluation_data
from advntk.implementations.experiments.presets import experiment_from
from advntk.implementations.experiments.trained_on import remembered

RNG = np.random.default_rng(5)
# Classes 3, 5 and 10: a bright quarter each.
NAMES = np.array([3, 5, 10])


def made(count, rng=RNG):
    which = np.arange(count) % 3
    images = rng.integers(0, 120, (count, 4, 4))
    for k, corner in enumerate(((0, 0), (0, 2), (2, 0))):
        rows, columns = (slice(at, at + 2) for at in corner)
        images[which == k, rows, columns] += 120
    images[:, 3, 3] = np.arange(count) % 2 * 255
    return images.astype(np.float64), NAMES[which]


IMAGES, LABELS = made(120)
TRAIN = ("--training", "60", "--validation", "30", "--test", "30", "--batch", "20", "--attack-steps", "2")


def run(*arguments):
    found = CliRunner().invoke(app, [*map(str, arguments)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    np.savez(folder / "own.npz", images=IMAGES, labels=LABELS)
    beside = ("--baselines", "ridge,early-stopped,adversarial", "--finite-steps", "20")
    told = run(
        "train", "--data", folder / "own.npz", "--out", folder / "m.npz", *TRAIN, "--iterations", "2", *beside
    )
    (folder / "told").write_text(told.stdout)
    return folder


@pytest.fixture
def known(folder):
    predictor, about = load_model(folder / "m.npz")
    experiment = experiment_from(about["about"]["experiment"], from_dict(about["settings"]))
    return experiment, remembered(about, experiment, 3), predictor.x_train


@pytest.fixture
def other(tmp_path):
    def write(images, labels):
        np.savez(tmp_path / "other.npz", images=images, labels=labels)
        return str(tmp_path / "other.npz")

    return write


FRESH, FRESH_LABELS = made(30)


def test_a_model_keeps_scale_box_classes_and_digests(known):
    _, kept, x_train = known
    assert (kept.smallest, kept.largest, kept.low, kept.high) == (0.0, 255.0, -0.5, 0.5)
    assert kept.class_names == ("3", "5", "10") and len(kept.validation_digests) == 30
    assert kept.data_digest and kept.training_digest and x_train.shape == (60, 4, 4, 1)


def test_other_images_are_scaled_as_the_models_own(known, other):
    # Neither the darkest nor the brightest pixel of the model's images occurs.
    images = np.clip(FRESH, 20, 200)
    found = evaluation_data(*known, other(images, FRESH_LABELS))
    np.testing.assert_allclose(found.images[..., 0], images / 255 - 0.5, atol=1e-6)
    np.testing.assert_array_equal(NAMES[found.labels], FRESH_LABELS)
    assert found.findings == () and found.notes == ()


@pytest.mark.parametrize("factor", [0.5, 1 / 255])
def test_images_on_another_scale_are_doubted(known, other, factor):
    found = evaluation_data(*known, other(FRESH * factor, FRESH_LABELS))
    np.testing.assert_allclose(found.images[..., 0], FRESH * factor / 255 - 0.5, atol=1e-6)
    assert [one.name for one in found.findings] == ["other_scale"]
    assert "from 0 to 255" in found.findings[0].words


HOT = FRESH.copy()
# Several pixels of one image.
HOT[4, 1:3, :3] = 300
REFUSED = {
    "a hot pixel": ((HOT, FRESH_LABELS), ["1 of 30 images", "outside 0 to 255", "run from 0 to 300", "clip"]),
    "negative": ((FRESH - 1, FRESH_LABELS), ["images have pixels outside 0 to 255", "from -1 to 254"]),
    "another size": ((FRESH[:, :3], FRESH_LABELS), ["(3, 4, 1)", "(4, 4, 1)", "resize"]),
    "color": ((np.repeat(FRESH[..., None], 3, 3), FRESH_LABELS), ["(4, 4, 3)", "(4, 4, 1)"]),
    "an unknown class": ((FRESH, FRESH_LABELS + (FRESH_LABELS == 5)), ["10 of 30", "(6;", "3, 5, 10"]),
    "numbered from 0": ((FRESH, np.arange(30) % 3), ["30 of 30", "0, 1, 2", "3, 5, 10", "alike"]),
    "more classes": ((FRESH, np.arange(30) % 11), ["of 30 images have labels", "does not know"]),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_the_model_cannot_be_judged_on_is_refused_by_name(known, other, wrong):
    arrays, said = REFUSED[wrong]
    path = other(*arrays)
    with pytest.raises(UsageError) as caught:
        evaluation_data(*known, path)
    message = str(caught.value)
    assert [part for part in (f"--data {path}", *said) if part not in message] == [], message
    assert "\n" not in message and len(message) <= 300 + len(path)


def test_all_images_of_a_file_one_class_or_a_single_one_can_be_judged_on(known, other):
    assert len(evaluation_data(*known, other(FRESH, FRESH_LABELS)).images) == 30
    assert len(evaluation_data(*known, other(FRESH, FRESH_LABELS), 30).images) == 30
    assert len(evaluation_data(*known, other(FRESH, FRESH_LABELS), 7).images) == 7
    with pytest.raises(UsageError, match=r"--test 31: .* has 30 images"):
        evaluation_data(*known, other(FRESH, FRESH_LABELS), 31)
    only = FRESH_LABELS == 10
    one = evaluation_data(*known, other(FRESH[only], FRESH_LABELS[only]))
    assert len(one.images) == 10 and (one.labels == 2).all()
    assert one.notes == ("2 of the model's 3 classes have no image among these",)
    assert len(evaluation_data(*known, other(FRESH[:1], FRESH_LABELS[:1])).images) == 1
    named = evaluation_data(*known, other(FRESH, FRESH_LABELS.astype(str)))
    np.testing.assert_array_equal(NAMES[named.labels], FRESH_LABELS)


def test_training_and_validation_images_among_the_test_images_are_counted(known, other):
    _, _, x_train = known
    trained = np.rint((np.asarray(x_train)[:6, ..., 0] + 0.5) * 255)
    found = evaluation_data(*known, other(np.concatenate([FRESH, trained]), [*FRESH_LABELS, *[3] * 6]), 36)
    assert [(one.name, one.words[:7]) for one in found.findings] == [("training_images", "6 of 36")]
    whole = evaluation_data(*known, other(np.concatenate([IMAGES, FRESH]), [*LABELS, *FRESH_LABELS]), 150)
    assert [(one.name, one.words[:9]) for one in whole.findings] == [
        ("training_images", "60 of 150"), ("validation_images", "30 of 150"),
    ]  # fmt: skip


def test_its_own_data_are_known_by_content_and_changed_ones_refused(known, other):
    copy = evaluation_data(*known, other(IMAGES, LABELS))
    own = evaluation_data(*known)
    np.testing.assert_array_equal(copy.images, own.images)
    assert len(own.images) == 30 and own.findings == ()
    changed = known[0].__class__(**{**vars(known[0]), "data": other(IMAGES[::-1], LABELS)})
    with pytest.raises(UsageError, match="has changed since the model was trained on it"):
        evaluation_data(changed, *known[1:])


def test_an_older_model_says_that_its_scale_is_unknown(known, other):
    experiment, _, x_train = known
    old = remembered({}, experiment, 11)
    found = evaluation_data(experiment, old, x_train, other(FRESH, FRESH_LABELS))
    assert found.findings[0].name == "unknown_scale" and "0 to 255" in found.findings[0].words
    # Its classes were numbers, with those that did not occur.
    np.testing.assert_array_equal(found.labels, FRESH_LABELS)
    digits = remembered({}, experiment.__class__(**{**vars(experiment), "data": "digits"}), 10)
    assert (digits.smallest, digits.largest) == (0, 16) and len(digits.class_names) == 10


FAST = (Attack("fast", partial(plain_pgd, steps=2)),)


def test_baselines_are_attacked_like_the_model(folder, monkeypatch):
    monkeypatch.setitem(worst_case.STANDARD, "linf", FAST)
    told = (folder / "told").read_text()
    assert "test accuracy      clean    PGD-2" in told
    found = json.loads(run("evaluate", folder / "m.npz", "--no-audit", "--baselines", "all", "--json").stdout)
    assert list(found["baselines"]) == ["ntk-regression", "ridge", "early-stopped", "adversarial"]
    for name, row in (
        ("ntk-regression", "NTK regression"),
        ("ridge", "ridge"),
        ("adversarial", "adversarial"),
    ):
        one = found["baselines"][name]
        share = next(line for line in told.splitlines() if line.startswith(row)).split()[-2]
        assert f"{one['clean']:.1%}" == share and 0 <= one["robust"] <= one["clean"]
        assert set(one["felled_by"]) == {"fast"} and one["findings"] == []
    text = run("evaluate", folder / "m.npz", "--no-audit", "--baselines", "ridge").stdout
    assert "ridge:\n" in text and text.count("the worst case of fast (felled ") == 2


def test_baselines_that_are_not_there_are_named(folder, tmp_path):
    for name, said in (
        ("standard", "was not trained beside the model"),
        ("magic", "there are: ntk-regression"),
    ):
        with pytest.raises(UsageError, match=said):
            run("evaluate", folder / "m.npz", "--baselines", name)
    (tmp_path / "m.npz").write_bytes((folder / "m.npz").read_bytes())
    with pytest.raises(UsageError, match=r"m\.adversarial\.checkpoint\.npz: no such file"):
        run("evaluate", tmp_path / "m.npz", "--baselines", "adversarial")


def test_weights_of_baselines_come_back_in_their_precision(folder):
    kept = load_baselines(folder / "m.npz")
    assert set(kept) == {"ntk-regression", "ridge", "early-stopped"}
    assert kept["ntk-regression"].weights.dtype == kept["ntk-regression"].x_train.dtype == np.float64
