"""Data sets: shapes, scaling, what a seed fixes, label noise, a user's file, and the errors."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.implementations.data.dataset import BadData, add_label_noise, checked, grid_of, one_hot
from advntk.implementations.data.images import digits, resample
from advntk.implementations.data.loading import SOURCES, load

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=40)
LADDER = (16, 64, 128, 256, 1024, 4096)
SEEDS = st.integers(0, 2**31)


@EXACT
@given(width=st.integers(1, 5000))
def test_grid_is_the_most_nearly_square_one(width):
    height, columns = grid_of(width)
    assert height * columns == width and height <= columns
    assert all(width % h for h in range(height + 1, int(width**0.5) + 1))


@pytest.mark.parametrize(("width", "grid"), [(1, (1, 1)), (64, (8, 8)), (128, (8, 16)), (97, (1, 97))])
def test_grid_of_known_widths(width, grid):
    assert grid_of(width) == grid


@EXACT
@given(
    seed=SEEDS,
    source=st.sampled_from(SOURCES),
    width=st.sampled_from((1, 12, 64)),
    outputs=st.integers(2, 10),
)
def test_every_source_gives_consistent_float64_arrays(seed, source, width, outputs):
    data = load(source, 7, width, outputs, seed)
    assert data.x.shape == (7, width) and data.x.dtype == np.float64
    assert data.y.shape == (7, outputs) and data.y.dtype == np.float64
    assert data.labels.shape == (7,) and data.labels.min() >= 0 and data.labels.max() < outputs
    assert data.grid == grid_of(width)
    assert data.images.shape == (7, *data.grid, 1)
    np.testing.assert_array_equal(data.images.reshape(7, -1), data.x)
    np.testing.assert_array_equal(data.y, one_hot(data.labels, outputs))


@EXACT
@given(seed=SEEDS, source=st.sampled_from(SOURCES))
def test_a_seed_fixes_the_data_and_another_seed_changes_them(seed, source):
    first, again, other = (load(source, 6, 64, 3, s, 0.5) for s in (seed, seed, seed + 1))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.x, other.x)


@pytest.mark.parametrize("width", LADDER)
def test_all_digits_have_mean_square_one_at_every_resolution(width):
    everything = len(digits()[0])
    data = load("digits", everything, width, 10)
    # One mean over n d pixels, computed in another order than the scale was.
    assert (data.x**2).mean() == pytest.approx(1.0, rel=np.log2(data.x.size) * 8 * EPS)
    assert data.grid == grid_of(width)
    # The scale belongs to the data set: single images keep their own brightness.
    assert (data.x**2).mean(1).std() > 0.05


def test_a_seed_picks_the_same_images_at_every_resolution():
    images, labels = digits()
    coarse = load("digits", 20, 64, 10, seed=3)
    # At 8 x 8 the digits are the originals up to one factor, so each is recognised exactly.
    flat = images.reshape(len(images), -1)
    flat = flat / np.sqrt((flat**2).mean())
    picked = [int(np.flatnonzero(np.abs(flat - x).max(1) <= 64 * EPS * flat.max())[0]) for x in coarse.x]
    np.testing.assert_array_equal(labels[picked], coarse.labels)
    for width in LADDER:
        data = load("digits", 20, width, 10, seed=3)
        np.testing.assert_array_equal(data.labels, coarse.labels)
        expected = resample(images[picked], data.grid).reshape(20, -1)
        ratio = (expected * data.x).sum() / (expected**2).sum()
        np.testing.assert_allclose(data.x, ratio * expected, rtol=0, atol=width * EPS * data.x.max())


def test_resampling_keeps_constants_means_and_left_right_order():
    image = np.arange(64.0).reshape(1, 8, 8)
    np.testing.assert_allclose(resample(np.full((1, 8, 8), 3.0), (16, 32)), 3.0, rtol=8 * EPS)
    np.testing.assert_array_equal(resample(image, (8, 8)), image)
    fine = resample(image, (16, 16))
    # Pixel areas stay aligned: bilinear interpolation of a plane is symmetric about the same centre.
    np.testing.assert_allclose(fine.mean(), image.mean(), rtol=256 * EPS)
    np.testing.assert_allclose(fine + fine[:, ::-1, ::-1], 63.0, rtol=64 * EPS)
    assert (np.diff(fine[0], axis=1) >= 0).all() and (np.diff(fine[0], axis=0) >= 0).all()


@EXACT
@given(seed=SEEDS, width=st.integers(1, 40))
def test_sphere_points_have_exactly_the_squared_norm_d(seed, width):
    x = load("sphere", 5, width, 2, seed).x
    # A norm of d squares, a root and a division: a few roundings more than d terms.
    np.testing.assert_allclose((x**2).sum(1), width, rtol=(width + 8) * EPS)


def test_gaussian_data_are_standard_normal():
    x = load("gaussian", 200, 50, 2, seed=1).x
    # Mean and variance of 10 000 numbers: six standard errors, 1/100 and sqrt(2)/100 (rate 1e-8).
    assert abs(x.mean()) <= 0.06 and abs(x.var() - 1) <= 0.06 * np.sqrt(2)


@EXACT
@given(seed=SEEDS, samples=st.integers(1, 60), outputs=st.integers(2, 5), share=st.floats(0, 1))
def test_label_noise_changes_exactly_the_rounded_share(seed, samples, outputs, share):
    clean = load("gaussian", samples, 3, outputs, seed)
    noisy = load("gaussian", samples, 3, outputs, seed, label_noise=share)
    changed = clean.labels != noisy.labels
    assert changed.sum() == round(share * samples)
    np.testing.assert_array_equal(clean.x, noisy.x)
    np.testing.assert_array_equal(noisy.y, one_hot(noisy.labels, outputs))
    assert noisy.labels.min() >= 0 and noisy.labels.max() < outputs


def test_label_noise_reaches_every_other_class_alike():
    labels = np.zeros(3000, dtype=np.int64)
    noisy = add_label_noise(labels, 4, 1.0, np.random.default_rng(0))
    counts = np.bincount(noisy, minlength=4)
    # Binomial with 3000 trials of 1/3: six standard deviations.
    assert counts[0] == 0 and np.abs(counts[1:] - 1000).max() <= 6 * np.sqrt(3000 * 2 / 9)
    assert labels.max() == 0, "the given labels stay as they are"


def test_one_hot_targets_are_centred():
    y = one_hot(np.array([2, 0]), 4)
    np.testing.assert_array_equal(y, [[-0.25, -0.25, 0.75, -0.25], [0.75, -0.25, -0.25, -0.25]])


IMAGES = np.random.default_rng(0).random((6, 4, 5))
LABELS = np.array([0, 1, 2, 0, 1, 2])


def written(folder: Path, **arrays) -> str:
    path = folder / "own.npz"
    np.savez(path, **arrays)
    return str(path)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_own_images_come_back_scaled(tmp_path, dtype):
    source = written(tmp_path, images=IMAGES, labels=LABELS.astype(dtype))
    data = load(source, 6, 20, 3, seed=4)
    assert data.grid == (4, 5) and data.labels.dtype == np.int64
    scaled = IMAGES.reshape(6, -1) / np.sqrt((IMAGES**2).mean())
    order = [int(np.abs(scaled - x).sum(1).argmin()) for x in data.x]
    assert sorted(order) == list(range(6))
    np.testing.assert_allclose(data.x, scaled[order], rtol=100 * EPS)
    np.testing.assert_array_equal(data.labels, LABELS[order])


def test_integer_images_and_a_choice_of_classes(tmp_path):
    source = written(tmp_path, images=(255 * IMAGES).astype(np.uint8), labels=LABELS)
    data = load(source, 4, 20, 2, seed=1)
    assert data.x.dtype == np.float64 and set(data.labels) <= {0, 1}


NAN = IMAGES.copy()
NAN[2, 1, 3] = np.nan


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"images": NAN, "labels": LABELS}, ["images", "1 of 120 values", "(2, 1, 3)", "remove or replace"]),
        ({"images": IMAGES + np.inf, "labels": LABELS}, ["120 of 120 values are NaN or infinite"]),
        ({"labels": LABELS}, ["'images' is missing", "3 axes"]),
        ({"images": IMAGES}, ["'labels' is missing", "1 axes"]),
        ({"images": IMAGES[0], "labels": LABELS}, ["'images' is of shape (4, 5)", "3 axes"]),
        ({"images": IMAGES, "labels": LABELS[:, None]}, ["'labels' is of shape (6, 1)", "1 axes"]),
        ({"images": IMAGES, "labels": LABELS[:4]}, ["6 images but 4 labels", "one label per image"]),
        ({"images": IMAGES, "labels": LABELS - 1}, ["labels must be integers 0, 1, ..."]),
        ({"images": IMAGES, "labels": LABELS + 0.5}, ["labels must be integers", "float64"]),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, ["(0, 4, 5) is empty", "at least one sample"]),
        ({"images": IMAGES[:, :0], "labels": LABELS}, ["(6, 0, 5) is empty"]),
        ({"images": 0 * IMAGES, "labels": LABELS}, ["all images are zero", "some content"]),
        ({"images": np.full((6, 4, 5), "a"), "labels": LABELS}, ["images", "not numeric", "give numbers"]),
        (
            {"images": np.full((6, 4, 5), None, dtype=object), "labels": LABELS},
            ["without pickle", "numpy.savez(path, images=..., labels=...)"],
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong_and_the_fix(tmp_path, arrays, said):
    source = written(tmp_path, **arrays)
    with pytest.raises(BadData) as caught:
        load(source, 2, 20, 3)
    for part in (f"--data {source}", *said):
        assert part in str(caught.value)


def test_a_pickled_file_is_refused_without_running_it(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    source = written(tmp_path, images=np.array([Trap()], dtype=object), labels=LABELS)
    with pytest.raises(BadData, match="without pickle"):
        load(source, 2, 20, 3)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("content", [b"images, labels\n1, 2\n", b""])
def test_a_foreign_file_with_the_name_of_an_npz_is_refused(tmp_path, content):
    path = tmp_path / "text.npz"
    path.write_bytes(content)
    with pytest.raises(BadData, match=r"cannot be read as \.npz without pickle") as caught:
        load(str(path), 2, 20, 3)
    assert str(path) in str(caught.value)


# numpy leaves a broken archive open until it is collected, and Python says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_truncated_npz_is_refused(tmp_path):
    whole = Path(written(tmp_path, images=IMAGES, labels=LABELS)).read_bytes()
    path = tmp_path / "cut.npz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadData, match=r"cannot be read as \.npz"):
        load(str(path), 2, 20, 3)
    gc.collect()


def test_a_single_array_with_the_name_of_an_npz_is_refused(tmp_path):
    path = tmp_path / "array.npz"
    with path.open("wb") as file:
        np.save(file, IMAGES)
    with pytest.raises(BadData, match=r"cannot be read as \.npz"):
        load(str(path), 2, 20, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("digits", 0, 64, 10), ["samples = 0", "at least 1"]),
        (("digits", 2, 64, 0), ["outputs = 0", "at least 1"]),
        (("digits", 2, 0, 10), ["input_width = 0", "at least 1"]),
        (("gaussian", 2, 0, 10), ["input_width = 0", "at least 1"]),
        (("digits", 2, 4097, 10), ["input_width = 4097", "64 x 64 = 4096"]),
        (("digits", 1798, 64, 10), ["samples = 1798", "1797 images", "fewer samples or more outputs"]),
        (("digits", 200, 64, 1), ["samples = 200", "178 images", "classes 0 to 0"]),
        (("mnist", 2, 64, 10), ["--data mnist: unknown", "digits, gaussian, sphere", ".npz"]),
        (("nowhere.npz", 2, 64, 10), ["--data nowhere.npz: no such file", "digits, gaussian, sphere"]),
        (("gaussian", 2, 3, 2, 0, 1.5), ["label_noise = 1.5", "[0, 1]"]),
        (("gaussian", 2, 3, 2, 0, -0.5), ["label_noise = -0.5", "[0, 1]"]),
        (("gaussian", 2, 3, 2, 0, float("nan")), ["label_noise = nan", "[0, 1]"]),
        (("gaussian", 2, 3, 1, 0, 0.5), ["label_noise = 0.5", "at least 2 classes", "outputs = 1"]),
    ],
)
def test_a_bad_argument_is_named_with_its_value_and_the_fix(arguments, said):
    with pytest.raises(BadData) as caught:
        load(*arguments)
    for part in said:
        assert part in str(caught.value)


def test_a_single_output_has_only_zero_targets():
    assert not load("digits", 5, 64, 1).y.any()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("width", [0, -4])
def test_an_impossible_input_width_is_named_for_every_source(source, width):
    with pytest.raises(BadData, match=f"input_width = {width} must be at least 1"):
        load(source, 2, width, 2)


def test_complex_images_are_not_cut_to_their_real_part():
    with pytest.raises(BadData, match="not numeric"):
        checked(1j * IMAGES, "images")
