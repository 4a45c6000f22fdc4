"""Splits for adversarial training: disjoint, reproducible, scaled; what cannot be drawn is named."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from official_formats import (
    CIFAR_FILES,
    CIFAR_IMAGES,
    CIFAR_LABELS,
    RNG,
    ROWS,
    SOURCES,
    SVHN_IMAGES,
    cifar_bytes,
    one_line,
)

from advntk.implementations.data.dataset import BadData, one_hot
from advntk.implementations.data.splits import adversarial_split
from advntk.implementations.experiments.robust_overfitting import split as split_of_digits

EPS32 = float(np.finfo(np.float32).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=40)


def places(images: np.ndarray, pool: np.ndarray) -> list[int]:
    """Where in `pool` (bytes, all different) each image in [-1/2, 1/2] is."""
    back = np.rint((images.astype(np.float64) + 0.5) * 255).astype(np.uint8)
    flat = pool.reshape(len(pool), -1)
    return [int(np.flatnonzero((flat == one.reshape(-1)).all(1))[0]) for one in back]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_colour_splits_are_disjoint_and_keep_training_and_test_apart(
    source, noise, cifar_folder, svhn_folder
):
    folder = cifar_folder if source == "cifar10" else svhn_folder
    pool, labels, test_pool, test_labels = SOURCES[source]
    found = adversarial_split(source, 10, 5, 6, 3, noise, folder)
    first, second = places(found.images, pool), places(found.validation_images, pool)
    third = places(found.test_images, test_pool)
    assert len({*first, *second}) == 15 and len(set(third)) == 6
    np.testing.assert_array_equal(found.labels, labels[first])
    np.testing.assert_array_equal(found.validation_labels, labels[second])
    np.testing.assert_array_equal(found.test_labels, test_labels[third])
    # Eight bits, one division and one subtraction in single precision.
    expected = pool[first] / 255 - 0.5
    np.testing.assert_allclose(found.images, expected, rtol=0, atol=2 * EPS32)
    assert found.images.dtype == found.y.dtype == found.x.dtype == np.float32
    assert found.images.shape == (10, 32, 32, 3) and found.x.shape == (10, 3072)
    assert found.validation_x.shape == (5, 3072) and found.test_x.shape == (6, 3072)
    noisy = found.y.argmax(1)
    np.testing.assert_array_equal(found.y, one_hot(noisy, 10).astype(np.float32))
    assert (noisy != found.labels).sum() == round(noise * 10)


def test_black_and_white_are_exactly_the_ends_of_the_range(cifar_folder):
    images = np.zeros((ROWS, 32, 32, 3), np.uint8)
    images[:, :, :16] = 255
    for name in CIFAR_FILES:
        (cifar_folder / name).write_bytes(cifar_bytes(images, CIFAR_LABELS[0]))
    # The same image everywhere: duplicates are no error.
    found = adversarial_split("cifar10", 20, 20, ROWS, 0, 0.0, cifar_folder)
    for part in (found.images, found.validation_images, found.test_images):
        assert (part[:, :, :16] == 0.5).all() and (part[:, :, 16:] == -0.5).all()


@EXACT
@given(
    seed=st.integers(0, 2**31),
    sizes=st.tuples(st.integers(1, 40), st.integers(0, 40), st.integers(0, 40)),
    noise=st.floats(0, 1),
)
def test_digits_of_the_infinite_width_predictor_are_the_same_in_double_precision(seed, sizes, noise):
    ours, theirs = adversarial_split("digits", *sizes, seed, noise), split_of_digits(seed, *sizes, noise)
    for field in theirs._fields:
        expected = getattr(theirs, field)
        wanted = expected if "labels" in field else expected.astype(np.float32)
        np.testing.assert_array_equal(getattr(ours, field), wanted)
        assert "labels" in field or expected.dtype == np.float64
    assert ours.images.shape == (sizes[0], 8, 8, 1)
    # Nothing was lost on the way: pixels are sixteenths, and targets add up to 0 as doubles do.
    assert (np.abs(theirs.x) * 16 % 1 == 0).all()
    assert set(np.unique(theirs.y)) == {1 - 0.1, -0.1}


def test_a_seed_fixes_the_split_and_another_seed_changes_it(cifar_folder):
    first, again, other = (
        adversarial_split("cifar10", 12, 6, 4, seed, 0.3, cifar_folder) for seed in (1, 1, 2)
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.images, other.images)
    assert not np.array_equal(first.test_images, other.test_images)


def test_noise_leaves_everything_but_the_targets_as_it_is(cifar_folder):
    clean, noisy = (adversarial_split("cifar10", 12, 6, 4, 1, share, cifar_folder) for share in (0.0, 1.0))
    for field in set(clean._fields) - {"y"}:
        np.testing.assert_array_equal(getattr(clean, field), getattr(noisy, field))
    assert (clean.y.argmax(1) != noisy.y.argmax(1)).all()


def test_a_whole_data_set_can_be_used(svhn_folder):
    found = adversarial_split("svhn", 10, 6, 8, 0, 0.0, svhn_folder)
    assert sorted(places(np.concatenate([found.images, found.validation_images]), SVHN_IMAGES[:16])) == list(
        range(16)
    )
    assert sorted(places(found.test_images, SVHN_IMAGES[16:])) == list(range(8))


def test_a_split_goes_through_compiled_programs():
    found = adversarial_split("digits", 4, 3, 2, 0, 0.0)

    @jax.jit
    def flat(split):
        return split.x, split.validation_x, split.test_x

    for given_back, expected in zip(flat(found), (found.x, found.validation_x, found.test_x), strict=True):
        np.testing.assert_array_equal(given_back, expected)
        assert given_back.dtype == np.float32


OWN = RNG.normal(3.0, 10.0, (20, 4, 5))
OWN_LABELS = np.arange(20) % 3


def own(folder: Path, images=OWN, labels=OWN_LABELS) -> str:
    path = folder / "own.npz"
    np.savez(path, images=images, labels=labels)
    return str(path)


def test_own_images_are_one_pool_scaled_by_their_own_range(tmp_path):
    found = adversarial_split(own(tmp_path), 9, 6, 5, 2, 0.0)
    together = np.concatenate([found.images, found.validation_images, found.test_images])
    assert together.shape == (20, 4, 5, 1) and found.y.shape == (9, 3)
    assert together.min() == -0.5 and together.max() == 0.5
    scaled = (OWN - OWN.min()) / (OWN.max() - OWN.min()) - 0.5
    order = [int(np.abs(scaled - image[..., 0]).sum((1, 2)).argmin()) for image in together]
    assert sorted(order) == list(range(20))
    np.testing.assert_allclose(together[..., 0], scaled[order], rtol=0, atol=EPS32)
    labels = np.concatenate([found.labels, found.validation_labels, found.test_labels])
    np.testing.assert_array_equal(labels, OWN_LABELS[order])


COLOUR = RNG.uniform(0, 255, (20, 4, 5, 3)).astype(np.uint8)


def test_own_colour_images_keep_their_channels(tmp_path):
    found = adversarial_split(own(tmp_path, COLOUR), 9, 6, 5, 2, 0.0)
    together = np.concatenate([found.images, found.validation_images, found.test_images])
    assert together.shape == (20, 4, 5, 3)
    scaled = (COLOUR - float(COLOUR.min())) / (float(COLOUR.max()) - COLOUR.min()) - 0.5
    order = [int(np.abs(scaled - image).sum((1, 2, 3)).argmin()) for image in together]
    assert sorted(order) == list(range(20))
    np.testing.assert_allclose(together, scaled[order], rtol=0, atol=EPS32)
    np.testing.assert_array_equal(found.labels, OWN_LABELS[order[:9]])


NAN = OWN.copy()
NAN[7, 1, 1] = np.nan


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"images": NAN}, ["1 of 400 values are NaN", "(7, 1, 1)", "remove"]),
        ({"labels": OWN_LABELS - 1}, ["labels must be integers 0, 1, ..."]),
        ({"labels": OWN_LABELS + 0.5}, ["labels must be integers"]),
        ({"labels": OWN_LABELS + 10**9}, ["label 1000000002 is out of range", "up to 999"]),
        ({"labels": 0 * OWN_LABELS + 4}, ["all 20 labels are 4", "at least 2 classes"]),
        ({"labels": 0 * OWN_LABELS}, ["all 20 labels are 0", "at least 2 classes"]),
        ({"images": 0 * OWN + 5}, ["pixels from 5 to 5 cannot be scaled", "some content"]),
        ({"labels": OWN_LABELS[:7]}, ["20 images but 7 labels"]),
        ({"images": COLOUR[..., :2]}, ["(20, 4, 5, 2)", "2 channels", "1 or 3 or 4"]),
        ({"images": COLOUR, "labels": OWN_LABELS[:7]}, ["labels of shape (7,)", "20 images"]),
        ({"images": COLOUR, "labels": OWN_LABELS - 1}, ["integers 0, 1, ..."]),
        ({"images": np.where(COLOUR[0, 0, 0, 0] == COLOUR, np.nan, COLOUR)}, ["NaN", "(0, 0, 0, 0)"]),
        ({"images": COLOUR[:0], "labels": OWN_LABELS[:0]}, ["is empty", "at least one sample"]),
    ],
)
def test_own_images_that_cannot_be_used_are_named(tmp_path, arrays, said):
    source = own(tmp_path, **arrays)
    with pytest.raises(BadData) as caught:
        adversarial_split(source, 5, 5, 5, 0, 0.0)
    for part in (f"--data {source}", *said):
        assert part in one_line(caught.value)


def test_a_colour_set_of_one_class_is_refused(cifar_folder):
    for name in CIFAR_FILES:
        (cifar_folder / name).write_bytes(cifar_bytes(CIFAR_IMAGES[0], 0 * CIFAR_LABELS[0] + 6))
    with pytest.raises(BadData, match="--data cifar10: all 40 labels are 6; give at least 2 classes"):
        adversarial_split("cifar10", 5, 5, 5, 0, 0.0, cifar_folder)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cifar10", 36, 5, 8, 0, 0.0), ["n_train + n_validation = 41", "40 cifar10 training", "fewer"]),
        (("cifar10", 10, 5, 9, 0, 0.0), ["test = 9", "8 cifar10 test images", "fewer"]),
        (("digits", 1000, 700, 98, 0, 0.0), ["n_train + n_validation + n_test = 1798", "1797 digits images"]),
        (("digits", 0, 5, 5, 0, 0.0), ["n_train = 0", "at least 1"]),
        (("digits", 5, -1, 5, 0, 0.0), ["validation = -1", "at least 0"]),
        (("digits", 5, 5, -2, 0, 0.0), ["test = -2", "at least 0"]),
        (("digits", 5, 5, 5, -3, 0.0), ["seed = -3", "at least 0"]),
        (("digits", 5, 5, 5, 0, 1.5), ["label_noise = 1.5", "[0, 1]"]),
        (("digits", 5, 5, 5, 0, float("nan")), ["label_noise = nan", "[0, 1]"]),
        (("mnist", 5, 5, 5, 0, 0.0), ["--data mnist: unknown", "cifar10, svhn, digits", ".npz"]),
        (("none.npz", 5, 5, 5, 0, 0.0), ["--data none.npz: no such file", "cifar10, svhn, digits"]),
    ],
)
def test_a_split_that_cannot_be_drawn_names_argument_value_and_fix(cifar_folder, arguments, said):
    with pytest.raises(BadData) as caught:
        adversarial_split(*arguments, cifar_folder)
    for part in said:
        assert part in one_line(caught.value)
