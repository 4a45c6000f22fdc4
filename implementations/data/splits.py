"""Training, validation and test sets for adversarial training of networks on images.

Pixels are float32 in [-1/2, 1/2], so that an attack radius is a share of their range: 8/255 for CIFAR-10
and SVHN is eight levels of grey.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped

from advntk.implementations.data import cifar10, svhn
from advntk.implementations.data.dataset import BadData, add_label_noise, checked, one_hot
from advntk.implementations.data.fetching import default_folder
from advntk.implementations.data.images import digits, from_npz

SOURCES = ("cifar10", "svhn", "digits")
LOW = -0.5
MOST_CLASSES = 1000
CHANNELS = (1, 3, 4)


class AdversarialSplit(NamedTuple):
    """Three sets that share no image of the source; only the training targets `y` carry noise.

    Pixels lie in [-1/2, 1/2].  `labels` are those of the training images before noise.  Sets of the
    same sizes have the same tree of arrays, so one compiled program serves them.
    """

    images: Float32[np.ndarray, "m height columns channels"]
    y: Float32[np.ndarray, "m c"]
    labels: Int[np.ndarray, " m"]
    validation_images: Float32[np.ndarray, "v height columns channels"]
    validation_labels: Int[np.ndarray, " v"]
    test_images: Float32[np.ndarray, "w height columns channels"]
    test_labels: Int[np.ndarray, " w"]

    # Also of JAX's arrays, once a program is given a split.
    @property
    def x(self) -> Float32[Any, "m d"]:
        """The training images, flat: rows, columns, then channels."""
        return _flat(self.images)

    @property
    def validation_x(self) -> Float32[Any, "v d"]:
        """The validation images, flat."""
        return _flat(self.validation_images)

    @property
    def test_x(self) -> Float32[Any, "w d"]:
        """The test images, flat."""
        return _flat(self.test_images)


class Pools(NamedTuple):
    """All images of a source as they are stored; without test images, every set comes from one pool.

    Pixels lie in [`smallest`, `largest`]; labels are 0 to `classes` - 1.
    """

    images: Shaped[np.ndarray, "n height columns channels"]
    labels: Int[np.ndarray, " n"]
    test_images: Shaped[np.ndarray, "w height columns channels"] | None
    test_labels: Int[np.ndarray, " w"] | None
    classes: int
    smallest: float
    largest: float


def adversarial_split(
    source: str,
    n_train: int,
    n_validation: int,
    n_test: int,
    seed: int,
    noise: float,
    folder: Path | None = None,
) -> AdversarialSplit:
    """Disjoint sets drawn by `seed`; a share `noise` of the training labels is replaced by others.

    `source` is "cifar10", "svhn", "digits" or the path of an .npz with `labels` (n) and `images` (n, height,
    columns) or (n, height, columns, channels).  CIFAR-10 and SVHN are read from `folder` (default:
    `default_folder`), training and validation from their training set, test from their test set; the
    others are one pool.  The digits are those of
    `advntk.implementations.experiments.robust_overfitting.split`.  Pixels
    of an .npz are scaled so that the smallest of the file becomes -1/2 and the largest 1/2.  Images that the
    source holds twice may end up in two sets.  Targets are 1 at the label, 0 elsewhere, less 1/c.

    Args:
      source: see above.
      n_train: number of training samples.
      n_validation: number of validation samples.
      n_test: number of test samples.
      seed: of all that is drawn; equal seeds draw equal numbers.
      noise: share of the training labels that are replaced, from 0 to 1.
      folder: where CIFAR-10 and SVHN are.

    Returns:
      The three sets, in single precision.

    Raises:
      BadData: an unknown or unusable source, more images than there are, noise outside [0, 1].
    """
    for name, value, least in (
        ("n_train", n_train, 1), ("n_validation", n_validation, 0), ("n_test", n_test, 0), ("seed", seed, 0)
    ):  # fmt: skip
        if value < least:
            raise BadData(f"{name} = {value} must be at least {least}")
    pools = read_pools(source, folder)
    ends = [n_train, n_train + n_validation]
    if pools.test_images is None or pools.test_labels is None:
        held_out, held_out_labels = pools.images, pools.labels
        wanted = n_train + n_validation + n_test
        drawn = _draw(f"n_train + n_validation + n_test = {wanted}", wanted, pools.images, source, seed)
        first, second, third = np.split(drawn, ends)
    else:
        held_out, held_out_labels = pools.test_images, pools.test_labels
        wanted = n_train + n_validation
        drawn = _draw(f"n_train + n_validation = {wanted}", wanted, pools.images, f"{source} training", seed)
        first, second = np.split(drawn, ends[:1])
        third = _draw(f"n_test = {n_test}", n_test, held_out, f"{source} test", seed, stream=2)
    labels = pools.labels[first]
    noisy = add_label_noise(labels, pools.classes, noise, np.random.default_rng([seed, 1]))
    return AdversarialSplit(
        _scaled(pools, pools.images[first]),
        one_hot(noisy, pools.classes).astype(np.float32),
        labels,
        _scaled(pools, pools.images[second]),
        pools.labels[second],
        _scaled(pools, held_out[third]),
        held_out_labels[third],
    )


def read_pools(source: str, folder: Path | None = None) -> Pools:
    """All that `source` holds, with what is needed to draw from it.  The one read last is kept in memory.

    Raises:
      BadData: an unknown source, files missing or broken, a single class, labels that number no classes.
    """
    if source not in SOURCES and not source.endswith(".npz"):
        raise BadData(f"--data {source}: unknown; choose {', '.join(SOURCES)} or the path of an .npz file")
    if source not in SOURCES and not Path(source).is_file():
        raise BadData(f"--data {source}: no such file; choose {', '.join(SOURCES)} or an .npz file")
    return _read(source, folder or default_folder())


@functools.lru_cache(maxsize=1)
def _read(source: str, folder: Path) -> Pools:
    if source in ("cifar10", "svhn"):
        read, classes = (cifar10.read, cifar10.CLASSES) if source == "cifar10" else (svhn.read, svhn.CLASSES)
        images, labels, test_images, test_labels = read(folder)
        pools = Pools(images, labels, test_images, test_labels, classes, 0.0, 255.0)
    elif source == "digits":
        pools = Pools(digits()[0][..., None], digits()[1], None, None, 10, 0.0, 16.0)
    else:
        pools = _from_npz(Path(source))
    if len(np.unique(pools.labels)) < 2:
        raise BadData(
            f"--data {source}: all {len(pools.labels)} labels are {pools.labels[0]}; give at least 2 classes"
        )
    return pools


def _from_npz(path: Path) -> Pools:
    images, labels = _with_channels(path) or _grey(path)
    classes = int(labels.max()) + 1
    if classes > MOST_CLASSES:
        raise BadData(
            f"--data {path}: label {classes - 1} is out of range; "
            f"number the classes 0, 1, ... up to {MOST_CLASSES - 1}"
        )
    smallest, largest = float(images.min()), float(images.max())
    if not 0 < largest - smallest < np.inf:
        raise BadData(
            f"--data {path}: pixels from {smallest:g} to {largest:g} cannot be scaled to [-1/2, 1/2]; "
            "give images with some content"
        )
    return Pools(images, labels, None, None, classes, smallest, largest)


def _grey(path: Path) -> tuple[Float[np.ndarray, "n height columns 1"], Int[np.ndarray, " n"]]:
    images, labels = from_npz(path)
    return images[..., None], labels


def _with_channels(
    path: Path,
) -> tuple[Float[np.ndarray, "n height columns channels"], Int[np.ndarray, " n"]] | None:
    """Images of a fourth axis and their labels; None for any other file, which is judged as grey images."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            images, labels = archive["images"], archive["labels"]
    except Exception:  # numpy raises many kinds for foreign files
        return None
    if images.ndim != 4:
        return None
    if images.shape[3] not in CHANNELS:
        raise BadData(
            f"--data {path}: images of shape {images.shape} have {images.shape[3]} channels; "
            f"the last axis must have {' or '.join(map(str, CHANNELS))}"
        )
    images = checked(images, f"--data {path}: images")
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise BadData(
            f"--data {path}: labels of shape {labels.shape}, dtype {labels.dtype}; give an integer 0, 1, ... "
            f"for each of the {len(images)} images"
        )
    return images, labels.astype(np.int64)


def _draw(
    asked: str, wanted: int, images: np.ndarray, kind: str, seed: int, stream: int = 0
) -> Int[np.ndarray, " k"]:
    if wanted > len(images):
        raise BadData(f"{asked} exceeds the {len(images)} {kind} images; ask for fewer")
    return np.random.default_rng([seed, stream]).permutation(len(images))[:wanted]


def _scaled(
    pools: Pools, images: Shaped[np.ndarray, "n height columns channels"]
) -> Float32[np.ndarray, "n height columns channels"]:
    # In single precision from the start where pixels are bytes: a training set has 10^8 of them.
    wide = np.float32 if images.dtype == np.uint8 else np.float64
    pixels = np.subtract(images, pools.smallest, dtype=wide)
    pixels /= pools.largest - pools.smallest
    pixels += LOW
    return pixels.astype(np.float32, copy=False)


def _flat(images: Float32[Any, "n height columns channels"]) -> Float32[Any, "n d"]:
    height, columns, channels = images.shape[1:]
    return images.reshape(len(images), height * columns * channels)
