"""`advntk data check FILE.npz`: every dtype and shape, each read rightly or refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from advntk.cli import app
from advntk.exceptions import UsageError
from advntk.implementations.data.own_images import own_images

GREY = np.random.default_rng(0).integers(0, 2, (12, 3, 4))
GREY[0, 0, :2] = 0, 1
LABELS = np.arange(12) % 3
NUMERIC = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "g", "?"]


def spoilt(value, at=(1, 2, 3)) -> np.ndarray:
    images = GREY.astype(float)
    images[at] = value
    return images


RECORD = np.zeros(12, [("class", "i8"), ("weight", "f8")])
# name -> (images, labels, names of the classes that are found)
ACCEPTED = {
    **{f"images of {dtype}": (GREY.astype(dtype), LABELS, "012") for dtype in NUMERIC},
    **{f"labels of {dtype}": (GREY, LABELS.astype(dtype), "012") for dtype in NUMERIC[:-1]},
    "labels of bool": (GREY, LABELS == 1, "01"),
    "big-endian": (GREY.astype(">f8"), LABELS.astype(">i4"), "012"),
    "negative pixels": (GREY - 0.5, LABELS, "012"),
    "large pixels": (GREY * 1e300, LABELS, "012"),
    "tiny pixels": (GREY * 1e-300, LABELS, "012"),
    "labels from 1": (GREY, LABELS + 1, "123"),
    "labels 3 and 7": (GREY, np.where(LABELS > 0, 7, 3), "37"),
    "label 999": (GREY, LABELS + 997, ("997", "998", "999")),
    "labels by name": (GREY, np.array(["cat", "dog", "élan"])[LABELS], ("cat", "dog", "élan")),
    "one sample": (GREY[:1], LABELS[:1], "0"),
    "one class": (GREY, LABELS * 0 + 2, "2"),
    "constant images": (GREY * 0 + 3, LABELS, "012"),
    "one pixel": (GREY[:, :1, :1], LABELS, "012"),
    "a single row": (GREY[:, :1], LABELS, "012"),
    "one channel": (GREY[..., None], LABELS, "012"),
    "three channels": (np.repeat(GREY[..., None], 3, axis=3), LABELS, "012"),
    "four channels": (np.repeat(GREY[..., None], 4, axis=3), LABELS, "012"),
}
# name -> (images, labels, the array at fault, what is said of its value, the fix)
REFUSED = {
    "images of str": (GREY.astype(str), LABELS, "images", "dtype <U21 is not numeric", "give numbers"),
    "images of bytes": (GREY.astype("S"), LABELS, "images", "dtype |S21 is not numeric", "give numbers"),
    "images of dates": (GREY.astype("M8[s]"), LABELS, "images", "datetime64[s]", "give numbers"),
    "images of times": (GREY.astype("m8[s]"), LABELS, "images", "timedelta64[s]", "give numbers"),
    "images of objects": (GREY.astype(object), LABELS, "pickle", "Object arrays", "numpy.savez"),
    "records": (np.zeros((12, 3, 4), RECORD.dtype), LABELS, "images", "is not numeric", "give numbers"),
    "images of complex": (GREY * 1j, LABELS, "images", "complex128", "give real numbers"),
    "void images": (np.zeros((12, 3, 4), "V4"), LABELS, "images", "dtype |V4", "give numbers"),
    "NaN": (spoilt(np.nan), LABELS, "images", "1 of 144 values are NaN", "remove or replace"),
    "inf": (spoilt(np.inf), LABELS, "images", "first at index (1, 2, 3)", "remove or replace"),
    "-inf": (spoilt(-np.inf), LABELS, "images", "first at index (1, 2, 3)", "remove or replace"),
    "beyond doubles": (GREY.astype("g") * np.longdouble("1e4000"), LABELS, "images", "infinite", "replace"),
    "labels of bytes": (GREY, LABELS.astype("S1"), "labels", "dtype |S1", "labels.astype(str)"),
    "labels of dates": (GREY, LABELS.astype("M8[D]"), "labels", "datetime64[D]", "number the classes"),
    "labels of times": (GREY, LABELS.astype("m8[D]"), "labels", "timedelta64[D]", "number the classes"),
    "labels of objects": (GREY, LABELS.astype(object), "pickle", "Object arrays", "numpy.savez"),
    "records as labels": (GREY, RECORD, "labels", "'class'", "number the classes"),
    "labels of complex": (GREY, LABELS * 1j, "labels", "complex128", "number the classes"),
    "label 2^63": (GREY, LABELS.astype("u8") + np.uint64(2**63), "label", f"{2**63 + 2}", "up to 999"),
    "label 1000": (GREY, LABELS + 998, "label", "1000", "up to 999"),
    "label 1e300": (GREY, LABELS * 1e300, "label", "is out of range", "up to 999"),
    "label -1": (GREY, LABELS - 1, "labels", "labels[0] is -1", "leave out images without a label"),
    "label -1.0": (GREY, LABELS - 1.0, "labels", "labels[0] is -1.0", "leave out images without a label"),
    "label 0.5": (GREY, LABELS / 2, "labels", "labels[1] is 0.5", "round"),
    "label NaN": (GREY, np.where(LABELS == 2, np.nan, LABELS), "labels", "labels[2] is nan", "round"),
    "label inf": (GREY, np.where(LABELS == 2, np.inf, LABELS), "label", "inf", "up to 999"),
    "label ''": (GREY, np.array(["a", "", "b"])[LABELS], "labels", "''", "printable characters"),
    "label with an escape": (GREY, np.array(["a", "\x1b[2J", "b"])[LABELS], "labels", r"\x1b", "printable"),
    "a long label": (GREY, np.array(["a", "b", "c" * 41])[LABELS], "labels", "ccc", "1 to 40"),
    "one-hot": (GREY, np.eye(3, dtype=int)[LABELS], "labels", "(12, 3)", "labels.argmax(axis=1)"),
    "one-hot of floats": (GREY, np.eye(3)[LABELS], "labels", "(12, 3)", "labels.argmax(axis=1)"),
    "scores": (GREY, np.eye(3)[LABELS] + 0.1, "labels", "(12, 3)", "one label per image"),
    "a column": (GREY, LABELS[:, None], "labels", "(12, 1)", "labels.ravel()"),
    "a row": (GREY, LABELS[None], "labels", "(1, 12)", "labels.ravel()"),
    "a single label": (GREY, np.int64(1), "labels", "()", "one label per image"),
    "too few labels": (GREY, LABELS[:5], "labels", "12 images but 5 labels", "one label per image"),
    "no labels": (GREY, LABELS[:0], "labels", "12 images but 0 labels", "one label per image"),
    "nothing": (GREY[:0], LABELS[:0], "images", "(0, 3, 4) is empty", "at least one sample"),
    "no rows": (GREY[:, :0], LABELS, "images", "(12, 0, 4) is empty", "at least one"),
    "no columns": (GREY[..., :0], LABELS, "images", "(12, 3, 0) is empty", "at least one"),
    "no channels": (GREY[..., None][..., :0], LABELS, "images", "(12, 3, 4, 0) is empty", "at least one"),
    "a scalar": (np.float64(1), LABELS, "images", "()", "3 axes"),
    "a vector": (GREY[:, 0, 0], LABELS, "images", "(12,)", "reshape it to (n, height, columns)"),
    "flat images": (GREY.reshape(12, 12), LABELS, "images", "(12, 12)", "reshape it to (n, height, columns)"),
    "two channels": (np.repeat(GREY[..., None], 2, axis=3), LABELS, "images", "2 channels", "1 or 3 or 4"),
    "channels first": (
        np.repeat(GREY[:, None], 3, axis=1), LABELS, "images", "(12, 3, 3, 4)", None,
    ),
    "channels first, square": (
        np.ones((12, 3, 8, 8)), LABELS, "images", "(12, 3, 8, 8)", "images.transpose(0, 2, 3, 1)",
    ),
    "videos": (GREY[:, None, ..., None], LABELS, "images", "(12, 1, 3, 4, 1)", "not videos"),
}  # fmt: skip
# Of height 3 and four columns these are images of four channels as well.
ACCEPTED["channels first, ambiguous"] = (*REFUSED.pop("channels first")[:2], "012")


def check(path):
    return CliRunner().invoke(app, ["data", "check", str(path)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("own")


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_can_be_used_is_read_as_it_is(folder, name):
    images, labels, names = ACCEPTED[name]
    path = folder / "own.npz"
    np.savez(path, images=images, labels=labels)
    found = check(path)
    assert found.exit_code == 0, found.exception
    assert found.stdout.startswith(f"{path}: {len(names)} class{'es' * (len(names) > 1)}\n")
    read = own_images(path)
    kept = images if images.ndim == 4 else images[..., None]
    np.testing.assert_array_equal(read.images, kept.astype(np.float64))
    assert read.class_names == tuple(names)
    np.testing.assert_array_equal([read.class_names[k] for k in read.labels], [
        str(label) if isinstance(label, str) else str(int(label)) for label in labels
    ])  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_one_line_with_file_array_value_and_fix(folder, name):
    images, labels, array, value, fix = REFUSED[name]
    path = folder / "own.npz"
    np.savez(path, allow_pickle=True, images=images, labels=labels)
    found = check(path)
    assert isinstance(found.exception, UsageError), found.output
    message = str(found.exception)
    for part in (f"--data {path}", array, value, fix):
        assert part in message, message
    assert "\n" not in message and message.isprintable() and len(message) <= 300


def test_what_training_has_no_use_for_is_said(folder):
    path = folder / "own.npz"
    for labels, images, words in (
        (LABELS * 0 + 4, GREY, "not to be trained on: all 12 labels are 4; give at least 2 classes"),
        (LABELS, GREY * 0 + 7, "not to be trained on: pixels from 7 to 7 cannot be scaled"),
        (LABELS + 1, GREY, "no image is labelled 0: the classes are those that occur"),
        (np.array(["a", "b", "c"])[LABELS], GREY, "labels: a, b, c"),
    ):
        np.savez(path, images=images, labels=labels)
        assert words in check(path).stdout


def test_a_file_without_the_arrays_says_what_is_there(folder):
    path = folder / "own.npz"
    np.savez(path, x_train=GREY, y_train=LABELS)
    message = str(check(path).exception)
    assert "array 'images' is missing (there is 'x_train', 'y_train')" in message
