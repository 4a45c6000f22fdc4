"""Training, validation and test sets for adversarial training of networks on images.

Pixels are float32 in [-1/2, 1/2], so that an attack radius is a share of their range: 8/255 for CIFAR-10
and SVHN is eight levels of grey.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int, Shaped

from advntk.implementations.data import cifar10, svhn
from advntk.implementations.data.dataset import BadData, add_label_noise, one_hot
from advntk.implementations.data.fetching import default_folder
from advntk.implementations.data.images import DIGITS, digits
from advntk.implementations.data.own_images import own_images
from advntk.implementations.data.stamps import Stamp, stamp

SOURCES = ("cifar10", "svhn", "digits")
LOW = -0.5


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

    Pixels lie in [`smallest`, `largest`]; labels index `class_names`.
    """

    images: Shaped[np.ndarray, "n height columns channels"]
    labels: Int[np.ndarray, " n"]
    test_images: Shaped[np.ndarray, "w height columns channels"] | None
    test_labels: Int[np.ndarray, " w"] | None
    class_names: tuple[str, ...]
    smallest: float
    largest: float

    @property
    def classes(self) -> int:
        """How many."""
        return len(self.class_names)

    @property
    def held_out(self) -> tuple[Shaped[np.ndarray, "w height columns channels"], Int[np.ndarray, " w"]]:
        """Images and labels to test on: the test set, or all where there is one pool."""
        if self.test_images is None or self.test_labels is None:
            return self.images, self.labels
        return self.test_images, self.test_labels


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
    _trainable(pools, source)
    ends = [n_train, n_train + n_validation]
    held_out, held_out_labels = pools.held_out
    if pools.test_images is None:
        wanted = n_train + n_validation + n_test
        drawn = _draw(f"n_train + n_validation + n_test = {wanted}", wanted, pools.images, source, seed)
        first, second, third = np.split(drawn, ends)
    else:
        wanted = n_train + n_validation
        drawn = _draw(f"n_train + n_validation = {wanted}", wanted, pools.images, f"{source} training", seed)
        first, second = np.split(drawn, ends[:1])
        third = _draw(f"n_test = {n_test}", n_test, held_out, f"{source} test", seed, stream=2)
    labels = pools.labels[first]
    noisy = add_label_noise(labels, pools.classes, noise, np.random.default_rng([seed, 1]))
    return AdversarialSplit(
        scaled(pools.images[first], pools.smallest, pools.largest),
        one_hot(noisy, pools.classes).astype(np.float32),
        labels,
        scaled(pools.images[second], pools.smallest, pools.largest),
        pools.labels[second],
        scaled(held_out[third], pools.smallest, pools.largest),
        held_out_labels[third],
    )


def read_pools(source: str, folder: Path | None = None) -> Pools:
    """All that `source` holds, with what is needed to draw from it.

    The one read last is kept in memory, as long as its files are what was read.

    Raises:
      BadData: an unknown source, files missing or broken.
    """
    if source not in SOURCES and not source.endswith(".npz"):
        raise BadData(f"--data {source}: unknown; choose {', '.join(SOURCES)} or the path of an .npz file")
    if source not in SOURCES and not Path(source).is_file():
        raise BadData(f"--data {source}: no such file; choose {', '.join(SOURCES)} or an .npz file")
    folder = folder or default_folder()
    files: tuple[Path, ...] = ()
    if source == "cifar10":
        files = cifar10.files(folder)
    elif source == "svhn":
        files = svhn.files(folder)
    elif source not in SOURCES:
        files = (Path(source),)
    return _read(source, folder, tuple(map(stamp, files)))


@functools.lru_cache(maxsize=1)
def _read(source: str, folder: Path, _: tuple[Stamp, ...]) -> Pools:
    if source in ("cifar10", "svhn"):
        read, classes = (cifar10.read, cifar10.CLASSES) if source == "cifar10" else (svhn.read, svhn.CLASSES)
        images, labels, test_images, test_labels = read(folder)
        return Pools(images, labels, test_images, test_labels, tuple(map(str, range(classes))), 0.0, 255.0)
    if source == "digits":
        return Pools(digits()[0][..., None], digits()[1], None, None, DIGITS, 0.0, 16.0)
    own = own_images(Path(source))
    ends = float(own.images.min()), float(own.images.max())
    return Pools(own.images, own.labels, None, None, own.class_names, *ends)


def not_trainable(pools: Pools) -> str:
    """Why nothing can be trained on these images, with the fix; empty where something can.

    They may do to evaluate a model on.
    """
    if len(np.unique(pools.labels)) < 2:
        only = pools.class_names[pools.labels[0]]
        return f"all {len(pools.labels)} labels are {only}; give at least 2 classes"
    smallest, largest = pools.smallest, pools.largest
    if not 0 < largest - smallest < np.inf:
        return (
            f"pixels from {smallest:g} to {largest:g} cannot be scaled to [-1/2, 1/2]; "
            "give images with some content"
        )
    return ""


def _trainable(pools: Pools, source: str) -> None:
    if reason := not_trainable(pools):
        raise BadData(f"--data {source}: {reason}")


def _draw(
    asked: str, wanted: int, images: np.ndarray, kind: str, seed: int, stream: int = 0
) -> Int[np.ndarray, " k"]:
    if wanted > len(images):
        raise BadData(f"{asked} exceeds the {len(images)} {kind} images; ask for fewer")
    return np.random.default_rng([seed, stream]).permutation(len(images))[:wanted]


def scaled(
    images: Shaped[np.ndarray, "n height columns channels"], smallest: float, largest: float
) -> Float32[np.ndarray, "n height columns channels"]:
    """Pixels of `smallest` at -1/2 and of `largest` at 1/2, rounded once, whatever dtype they come in."""
    if images.dtype == np.uint8:
        # By table, in single precision from the start: a training set has 10^8 pixels.
        return scaled(np.arange(256.0).reshape(-1, 1, 1, 1), smallest, largest).ravel()[images]
    with np.errstate(over="ignore", invalid="ignore"):  # far outside the scale, which whoever asks looks at
        pixels = (images - smallest) / (largest - smallest) + LOW
        return pixels.astype(np.float32)


def _flat(images: Float32[Any, "n height columns channels"]) -> Float32[Any, "n d"]:
    height, columns, channels = images.shape[1:]
    return images.reshape(len(images), height * columns * channels)
