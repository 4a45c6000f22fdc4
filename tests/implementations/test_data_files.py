"""CIFAR-10 and SVHN in their official formats: what is read, and what is refused."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from official_formats import (
    CIFAR_FILES,
    CIFAR_IMAGES,
    CIFAR_LABELS,
    ROWS,
    SVHN_IMAGES,
    SVHN_LABELS,
    as_mat,
    cifar_bytes,
    one_line,
)
from scipy.io import savemat

from advntk.implementations.data import cifar10, svhn
from advntk.implementations.data.dataset import BadData

EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=40)


@pytest.mark.parametrize("parent", [False, True])
def test_cifar10_is_read_from_its_folder_or_the_parent(cifar_folder, parent):
    found = cifar10.read(cifar_folder.parent if parent else cifar_folder)
    np.testing.assert_array_equal(found.training_images, CIFAR_IMAGES[:5].reshape(-1, 32, 32, 3))
    np.testing.assert_array_equal(found.training_labels, CIFAR_LABELS[:5].reshape(-1))
    np.testing.assert_array_equal(found.test_images, CIFAR_IMAGES[5])
    np.testing.assert_array_equal(found.test_labels, CIFAR_LABELS[5])
    assert found.training_images.dtype == np.uint8 and found.training_labels.dtype == np.int64


def test_cifar10_batches_may_have_different_numbers_of_rows(cifar_folder):
    (cifar_folder / CIFAR_FILES[1]).write_bytes(cifar_bytes(CIFAR_IMAGES[1, :3], CIFAR_LABELS[1, :3]))
    found = cifar10.read(cifar_folder)
    assert len(found.training_images) == len(found.training_labels) == 4 * ROWS + 3


def rewritten(index: int, change):
    def spoil(folder: Path) -> None:
        path = folder / CIFAR_FILES[index]
        path.write_bytes(change(path.read_bytes()))

    return spoil


def label_ten(content: bytes) -> bytes:
    return content[:3073] + b"\x0a" + content[3074:]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (rewritten(0, lambda c: c[:-1]), ["data_batch_1.bin", "24583 bytes", "3073"]),
        (rewritten(2, lambda c: c + b"\x00"), ["data_batch_3.bin", "24585 bytes", "3073"]),
        (rewritten(5, lambda c: b""), ["test_batch.bin", "0 bytes", "at least one"]),
        (rewritten(3, label_ten), ["data_batch_4.bin", "label 10 in row 1", "0 to 9"]),
        (rewritten(1, lambda c: pickle.dumps(c, 2)), ["data_batch_2.bin is a pickle", "never loaded"]),
        (lambda f: (f / CIFAR_FILES[4]).unlink(), ["lacks data_batch_5.bin;"]),
        (lambda f: (f / CIFAR_FILES[0]).unlink(), ["lacks data_batch_1.bin;"]),
        (lambda f: shutil.rmtree(f), ["has no cifar-10-batches-bin"]),
    ],
)
@pytest.mark.parametrize("parent", [False, True])
def test_broken_cifar10_files_are_named_with_the_fix(cifar_folder, spoil, said, parent):
    spoil(cifar_folder)
    with pytest.raises(BadData) as caught:
        cifar10.read(cifar_folder.parent if parent else cifar_folder)
    message = one_line(caught.value)
    assert message.startswith("cifar10: ")
    for part in (*said, f"`advntk data fetch cifar10 --to {cifar_folder.parent}`"):
        assert part in message


@pytest.mark.parametrize("place", [".", "cifar-10-batches-py"])
def test_the_python_version_is_recognised_and_never_loaded(tmp_path, place):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    folder = tmp_path / place
    folder.mkdir(exist_ok=True)
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        (folder / name).write_bytes(pickle.dumps(Trap(), 2))
    for given_folder in {tmp_path, folder}:
        with pytest.raises(BadData) as caught:
            cifar10.read(given_folder)
        message = one_line(caught.value)
        for part in ("python version", "never loaded", "binary version", "cifar-10-binary.tar.gz"):
            assert part in message
        assert message.endswith(f"--to {tmp_path}`")
    # Renamed, they are known by their first byte.
    for name in CIFAR_FILES:
        (folder / name).write_bytes(pickle.dumps(Trap(), 2))
    with pytest.raises(BadData, match="is a pickle, which is never loaded"):
        cifar10.read(folder)
    assert not (tmp_path / "touched").exists()


def test_svhn_is_read_with_ten_as_the_digit_zero(svhn_folder):
    found = svhn.read(svhn_folder)
    np.testing.assert_array_equal(found.training_images, SVHN_IMAGES[:16])
    np.testing.assert_array_equal(found.training_labels, SVHN_LABELS[:16])
    np.testing.assert_array_equal(found.test_images, SVHN_IMAGES[16:])
    np.testing.assert_array_equal(found.test_labels, SVHN_LABELS[16:])
    assert found.training_images.dtype == np.uint8 and found.training_labels.dtype == np.int64


def test_svhn_labels_may_be_matlabs_doubles(svhn_folder):
    arrays = as_mat(SVHN_IMAGES[:16], SVHN_LABELS[:16])
    savemat(svhn_folder / "train_32x32.mat", arrays | {"y": arrays["y"].astype(float)})
    np.testing.assert_array_equal(svhn.read(svhn_folder).training_labels, SVHN_LABELS[:16])


GOOD = as_mat(SVHN_IMAGES[:16], SVHN_LABELS[:16])


def with_label(value, dtype=np.float64):
    labels = GOOD["y"].astype(dtype)
    labels[3, 0] = value
    return GOOD | {"y": labels}


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": GOOD["y"]}, ["X is missing", "uint8 (32, 32, 3, n)"]),
        ({"X": GOOD["X"]}, ["y is missing", "(16, 1)"]),
        (GOOD | {"X": GOOD["X"].astype(float)}, ["X is float64 (32, 32, 3, 16)", "uint8"]),
        (GOOD | {"X": GOOD["X"][:28, :28]}, ["X is uint8 (28, 28, 3, 16)"]),
        (GOOD | {"X": SVHN_IMAGES[:16]}, ["X is uint8 (16, 32, 32, 3)"]),
        (GOOD | {"X": GOOD["X"][..., :0]}, ["(32, 32, 3, 0)"]),
        (GOOD | {"y": GOOD["y"][:9]}, ["y is uint8 (9, 1)", "(16, 1)"]),
        (GOOD | {"y": GOOD["y"].T}, ["y is uint8 (1, 16)", "(16, 1)"]),
        (GOOD | {"y": np.full((16, 1), "7")}, ["y is", "not numbers"]),
        (with_label(0), ["label 0.0 at index 3", "1 to 10"]),
        (with_label(11, np.uint8), ["label 11 at index 3", "1 to 10"]),
        (with_label(-1, np.int16), ["label -1 at index 3"]),
        (with_label(2.5), ["label 2.5 at index 3"]),
        (with_label(np.nan), ["label nan at index 3"]),
    ],
)
def test_svhn_arrays_that_are_not_as_described_are_named(svhn_folder, arrays, said):
    savemat(svhn_folder / "train_32x32.mat", arrays)
    with pytest.raises(BadData) as caught:
        svhn.read(svhn_folder)
    message = one_line(caught.value)
    for part in ("train_32x32.mat", *said, f"`advntk data fetch svhn --to {svhn_folder}`"):
        assert part in message


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:200],
        lambda content: b"",
        lambda content: b"<html>not found</html>" * 20,
        lambda content: pickle.dumps(content),
        lambda content: b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" * 100,
    ],
)
def test_a_file_that_is_no_whole_matlab_5_file_is_refused(svhn_folder, spoil):
    path = svhn_folder / "test_32x32.mat"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(BadData, match=r"test_32x32\.mat") as caught:
        svhn.read(svhn_folder)
    assert "`advntk data fetch svhn" in one_line(caught.value)


@pytest.mark.parametrize("names", [["train_32x32.mat"], ["train_32x32.mat", "test_32x32.mat"]])
def test_missing_svhn_files_are_named(svhn_folder, names):
    for name in names:
        (svhn_folder / name).unlink()
    with pytest.raises(BadData, match=f"lacks {' and '.join(names)};") as caught:
        svhn.read(svhn_folder)
    one_line(caught.value)
