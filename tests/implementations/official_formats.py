"""Tiny data sets in the official formats of CIFAR-10 and SVHN."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from advntk.implementations.data import cifar10

RNG = np.random.default_rng(0)
CIFAR_FILES = (*cifar10.TRAINING_FILES, cifar10.TEST_FILE)
ROWS = 8


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    return text


# Every file has its own images, and among them every one of its own.
CIFAR_IMAGES = RNG.integers(0, 256, (6, ROWS, 32, 32, 3)).astype(np.uint8)
CIFAR_LABELS = RNG.integers(0, 10, (6, ROWS))
CIFAR_LABELS[:, :2] = 0, 9


def cifar_bytes(images: np.ndarray, labels: np.ndarray) -> bytes:
    """Row by row as the format is described: the label, then all of red, of green, of blue."""
    rows = b""
    for image, label in zip(images, labels, strict=True):
        rows += bytes([label]) + b"".join(image[:, :, colour].tobytes() for colour in range(3))
    return rows


@pytest.fixture
def cifar_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / cifar10.FOLDER
    folder.mkdir(parents=True)
    for name, images, labels in zip(CIFAR_FILES, CIFAR_IMAGES, CIFAR_LABELS, strict=True):
        (folder / name).write_bytes(cifar_bytes(images, labels))
    return folder


SVHN_IMAGES = RNG.integers(0, 256, (24, 32, 32, 3)).astype(np.uint8)
SVHN_LABELS = np.concatenate([np.arange(10), np.arange(14) % 10])


def as_mat(images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """X with the images last, and y with 10 for the digit 0."""
    stored = np.where(labels == 0, 10, labels).astype(np.uint8)
    return {"X": np.stack(list(images), axis=-1), "y": stored[:, None]}


@pytest.fixture
def svhn_folder(tmp_path: Path) -> Path:
    savemat(tmp_path / "train_32x32.mat", as_mat(SVHN_IMAGES[:16], SVHN_LABELS[:16]), do_compression=True)
    savemat(tmp_path / "test_32x32.mat", as_mat(SVHN_IMAGES[16:], SVHN_LABELS[16:]), do_compression=True)
    return tmp_path


# Training images and labels, then those of the test set.
SOURCES = {
    "cifar10": (
        CIFAR_IMAGES[:5].reshape(-1, 32, 32, 3),
        CIFAR_LABELS[:5].reshape(-1),
        CIFAR_IMAGES[5],
        CIFAR_LABELS[5],
    ),
    "svhn": (SVHN_IMAGES[:16], SVHN_LABELS[:16], SVHN_IMAGES[16:], SVHN_LABELS[16:]),
}
