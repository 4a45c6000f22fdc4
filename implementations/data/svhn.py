"""SVHN, house numbers seen from the street, from its official cropped-digit files.

Source: Y. Netzer et al., Reading digits in natural images with unsupervised feature learning (2011),
http://ufldl.stanford.edu/housenumbers.  Each file is MATLAB 5 with X (32, 32, 3, n), uint8, and
y (n, 1), in which 10 stands for the digit 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from advntk.implementations.data.cifar10 import TrainingAndTest
from advntk.implementations.data.dataset import BadData

TRAINING_FILE, TEST_FILE = "train_32x32.mat", "test_32x32.mat"
CLASSES = 10


def read(folder: Path) -> TrainingAndTest:
    """The images (row, column, then red, green, blue) in `folder`, labelled with their digits 0 to 9.

    Any number of images per file is read; the official files have 73 257 and 26 032.

    Raises:
      BadData: a file is missing, cannot be read as MATLAB 5, or lacks X and y as described.
    """
    missing = [path.name for path in files(folder) if not path.is_file()]
    if missing:
        raise BadData(f"svhn: {folder} lacks {' and '.join(missing)}; {_fix(folder)}")
    training, test = files(folder)
    return TrainingAndTest(*_read_file(training), *_read_file(test))


def files(folder: Path) -> tuple[Path, Path]:
    """The training and the test file in `folder`."""
    return folder / TRAINING_FILE, folder / TEST_FILE


def _read_file(path: Path) -> tuple[UInt8[np.ndarray, "n 32 32 3"], Int[np.ndarray, " n"]]:
    from scipy.io import loadmat

    try:
        with path.open("rb") as file:
            # A file of another kind is named before scipy interprets it; its reader loads no pickle.
            if file.read(6) != b"MATLAB":
                raise ValueError("it does not begin like one")
            file.seek(0)
            found = loadmat(file, variable_names=("X", "y"))
    except Exception as error:  # scipy raises many kinds for broken files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadData(
            f"svhn: {path} cannot be read as a MATLAB 5 file ({reason}); {_fix(path.parent)}"
        ) from error
    # Sparse matrices and the like are not arrays, and not what these files hold.
    images, labels = (v if isinstance(v, np.ndarray) else None for v in map(found.get, ("X", "y")))
    if images is None or images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3):
        raise BadData(f"svhn: {path}: X {_is(images)}, not uint8 (32, 32, 3, n); {_fix(path.parent)}")
    count = images.shape[3]
    if not count:
        raise BadData(f"svhn: {path}: X {_is(images)}, no image at all; {_fix(path.parent)}")
    if labels is None or labels.dtype.kind not in "iuf" or labels.shape != (count, 1):
        raise BadData(f"svhn: {path}: y {_is(labels)}, not numbers ({count}, 1); {_fix(path.parent)}")
    known = np.isin(labels[:, 0], np.arange(1, CLASSES + 1))
    if not known.all():
        first = int(np.argmin(known))
        raise BadData(
            f"svhn: {path}: y has label {labels[first, 0]} at index {first}, labels are 1 to 10 (10 for the "
            f"digit 0); {_fix(path.parent)}"
        )
    return np.ascontiguousarray(np.moveaxis(images, 3, 0)), labels[:, 0].astype(np.int64) % CLASSES


def _is(array: np.ndarray | None) -> str:
    return "is missing" if array is None else f"is {array.dtype} {array.shape}"


def _fix(folder: Path) -> str:
    return f"fetch both files with `advntk data fetch svhn --to {folder}`"
