"""CIFAR-10 from the six files of its official binary version.

Source: A. Krizhevsky, Learning multiple layers of features from tiny images (2009),
https://www.cs.toronto.edu/~kriz/cifar.html.  A file is rows of 3073 bytes: the label, then 1024 red,
1024 green and 1024 blue pixels, each the rows of a 32 x 32 image.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from advntk.implementations.data.dataset import BadData

FOLDER = "cifar-10-batches-bin"
TRAINING_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILE = "test_batch.bin"
CLASSES = 10

_ROW = 1 + 3 * 32 * 32
# Every pickle of protocol 2 or later, as the python version's are, begins with this byte; no label is 128.
_PICKLE = b"\x80"
_PYTHON_VERSION = ("cifar-10-batches-py", "cifar-10-python.tar.gz", "data_batch_1", "batches.meta")


class TrainingAndTest(NamedTuple):
    """A training and a test set of color images, pixels 0 to 255, labels 0 to 9."""

    training_images: UInt8[np.ndarray, "n 32 32 3"]
    training_labels: Int[np.ndarray, " n"]
    test_images: UInt8[np.ndarray, "w 32 32 3"]
    test_labels: Int[np.ndarray, " w"]


def read(folder: Path) -> TrainingAndTest:
    """The images (row, column, then red, green, blue) of the binary version in `folder`.

    `folder` holds the files, or a folder `cifar-10-batches-bin` that does.  The official files have
    10 000 rows each; any whole number of rows is read, so that excerpts can be used.  No pickle is
    ever loaded.

    Raises:
      BadData: a file is missing, empty, cut off, or has labels above 9; or it is the python version.
    """
    place = files(folder)[0].parent
    missing = [path.name for path in files(folder) if not path.is_file()]
    if missing:
        raise BadData(_what_is_missing(folder, place, missing))
    parts = [_read_file(place / name) for name in TRAINING_FILES]
    test_images, test_labels = _read_file(place / TEST_FILE)
    return TrainingAndTest(
        np.concatenate([images for images, _ in parts]),
        np.concatenate([labels for _, labels in parts]),
        test_images,
        test_labels,
    )


def files(folder: Path) -> tuple[Path, ...]:
    """The six files, in `folder` if any of them is there, else in its folder `cifar-10-batches-bin`."""
    names = (*TRAINING_FILES, TEST_FILE)
    place = folder if any((folder / name).is_file() for name in names) else folder / FOLDER
    return tuple(place / name for name in names)


def _read_file(path: Path) -> tuple[UInt8[np.ndarray, "n 32 32 3"], Int[np.ndarray, " n"]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadData(f"cifar10: {path} cannot be read ({error.strerror}); make it readable") from error
    if content.startswith(_PICKLE):
        raise BadData(f"cifar10: {path} is a pickle, which is never loaded; {_fix(path.parent)}")
    if not content or len(content) % _ROW:
        raise BadData(
            f"cifar10: {path} has {len(content)} bytes, not a whole number of rows of {_ROW} bytes, "
            f"at least one (the official file has 10 000); {_fix(path.parent)}"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, _ROW)
    labels = rows[:, 0].astype(np.int64)
    if labels.max() >= CLASSES:
        first = int(np.argmax(labels >= CLASSES))
        raise BadData(
            f"cifar10: {path} has label {labels[first]} in row {first}, labels are 0 to 9; "
            f"{_fix(path.parent)}"
        )
    return np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels


def _what_is_missing(folder: Path, place: Path, missing: list[str]) -> str:
    found = [name for name in _PYTHON_VERSION if (folder / name).exists() or (place / name).exists()]
    if found:
        return (
            f"cifar10: {folder} holds {found[0]} of the python version, which is pickled and never loaded; "
            f"{_fix(folder)}"
        )
    where = f"{place} lacks {', '.join(missing)}" if place.is_dir() else f"{folder} has no {FOLDER}"
    return f"cifar10: {where}; {_fix(folder)}"


def _fix(folder: Path) -> str:
    # Whoever names the folder of the files is told to fetch into its parent, where it is made.
    to = folder.parent if folder.name in (FOLDER, _PYTHON_VERSION[0]) else folder
    return f"fetch the binary version, cifar-10-binary.tar.gz, with `advntk data fetch cifar10 --to {to}`"
