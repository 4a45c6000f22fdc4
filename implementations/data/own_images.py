"""A user's own images: an .npz file of `images` and `labels`, every dtype and shape judged in one place.

No pickle is ever loaded.  Classes are what occurs among the labels; they keep the names that they have
there, and are numbered in the order of these.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from advntk.implementations.data.dataset import BadData, checked
from advntk.implementations.data.stamps import Stamp, stamp

MOST_CLASSES = 1000
CHANNELS = (1, 3, 4)
_LONGEST_NAME = 40


class OwnImages(NamedTuple):
    """Images as they are stored, in double precision; labels index `class_names`, which all occur."""

    images: Float[np.ndarray, "n height columns channels"]
    labels: Int[np.ndarray, " n"]
    class_names: tuple[str, ...]


def own_images(path: Path) -> OwnImages:
    """What an .npz holds: `images` (n, height, columns) or (n, height, columns, channels), and `labels` (n).

    The two files read last are kept in memory, as long as they are what was read.

    Raises:
      BadData: no such file, not an .npz, or arrays that cannot be used; which, what they are, and the fix.
    """
    return _read(path, stamp(path))


@functools.lru_cache(maxsize=2)
def _read(path: Path, _: Stamp) -> OwnImages:
    where = f"--data {path}"
    arrays = _arrays(path, where)
    images = _images(arrays["images"], where)
    labels, names = _classes(arrays["labels"], len(images), where)
    for array in (images, labels):
        # They are shared by all who read the file.
        array.flags.writeable = False
    return OwnImages(images, labels, names)


def _arrays(path: Path, where: str) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise BadData(f"{where}: no such file; give digits, gaussian, sphere or an .npz file")
    wanted = ("images", "labels")
    try:
        # Opened here: numpy leaves open what it cannot read.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            there = list(archive.files)
            arrays = {name: archive[name] for name in wanted if name in there}
    except Exception as error:  # numpy raises many kinds for foreign files
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise BadData(
            f"{where}: cannot be read as .npz without pickle ({reason}); "
            "write it with numpy.savez(path, images=..., labels=...)"
        ) from error
    for name, axes in (("images", "3 axes (n, height, columns), or 4 with channels"), ("labels", "1 axes")):
        if name not in arrays:
            others = ", ".join(map(repr, there[:4]))[:80] or "nothing"
            raise BadData(
                f"{where}: array {name!r} is missing (there is {others}); it must have {axes}; "
                "write it with numpy.savez(path, images=..., labels=...)"
            )
    return arrays


def _images(images: np.ndarray, where: str) -> Float[np.ndarray, "n height columns channels"]:
    if images.ndim not in (3, 4):
        fix = (
            "reshape it to (n, height, columns)" if images.ndim < 3 else "give images, not videos or volumes"
        )
        raise BadData(
            f"{where}: array 'images' is of shape {images.shape}; it must have 3 axes (n, height, columns), "
            f"or 4 with channels; {fix}"
        )
    if images.ndim == 4 and images.shape[3] not in CHANNELS and images.size:
        first = images.shape[1] in CHANNELS
        raise BadData(
            f"{where}: images of shape {images.shape} have {images.shape[3]} channels; "
            f"the last axis must have {' or '.join(map(str, CHANNELS))}"
            + ("; move the channels there with images.transpose(0, 2, 3, 1)" if first else "")
        )
    found = checked(images, f"{where}: images")
    return found[..., None] if found.ndim == 3 else found


def _classes(labels: np.ndarray, count: int, where: str) -> tuple[Int[np.ndarray, " n"], tuple[str, ...]]:
    """Numbers of classes that occur, and their names in that order.

    Raises:
      BadData: labels that are no classes, one for each of the `count` images.
    """
    said = f"{where}: array 'labels' is of shape {labels.shape}"
    if labels.ndim != 1:
        if labels.ndim == 2 and labels.shape[1] > 1 and _one_hot(labels):
            fix = "it looks one-hot, give labels.argmax(axis=1)"
        else:
            fix = "give labels.ravel()" if labels.size == count else "give one label per image"
        raise BadData(f"{said}; it must have 1 axes; {fix}")
    if len(labels) != count:
        raise BadData(
            f"{where}: labels of shape {labels.shape}: {count} images but {len(labels)} labels; "
            "give one label per image"
        )
    if labels.dtype.kind == "U":
        names, numbers = np.unique(labels, return_inverse=True)
        _check_names(names, where)
    else:
        whole, numbers = np.unique(_whole(labels, where), return_inverse=True)
        names = whole.astype(str)
    if len(names) > MOST_CLASSES:
        raise BadData(
            f"{where}: labels have {len(names)} values, more than {MOST_CLASSES} classes; "
            "give classes as labels"
        )
    return numbers.astype(np.int64), tuple(map(str, names))


def _one_hot(labels: np.ndarray) -> bool:
    if labels.dtype.kind not in "biuf" or not labels.size:
        return False
    return bool(((labels != 0).sum(axis=1) == 1).all())


def _check_names(names: np.ndarray, where: str) -> None:
    for name in map(str, names):
        if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise BadData(
                f"{where}: labels: {name[:_LONGEST_NAME]!r} is no name of a class; "
                f"give 1 to {_LONGEST_NAME} printable characters, or numbers 0, 1, ..."
            )


def _whole(labels: np.ndarray, where: str) -> Int[np.ndarray, " n"]:
    must = f"{where}: labels must be integers 0, 1, ..."
    if labels.dtype.kind not in "biuf":
        fix = (
            "give labels.astype(str)"
            if labels.dtype.kind == "S"
            else "number the classes, or name them by str"
        )
        raise BadData(f"{must} (dtype {str(labels.dtype)[:60]}); {fix}")
    # Compared before they are converted, which would wrap what no integer of 64 bits can hold.
    for wrong, fix in (
        (
            ~(labels == np.floor(labels)) if labels.dtype.kind == "f" else np.zeros(len(labels), bool),
            "round them",
        ),
        (labels < 0, "leave out images without a label"),
    ):
        if wrong.any():
            at = int(np.argmax(wrong))
            raise BadData(f"{must}: labels[{at}] is {labels[at]} (dtype {labels.dtype}); {fix}")
    largest = labels.max()
    if largest >= MOST_CLASSES:
        shown = f"{largest:g}" if labels.dtype.kind == "f" else f"{largest}"
        raise BadData(
            f"{where}: label {shown} is out of range; number the classes 0, 1, ... up to {MOST_CLASSES - 1}"
        )
    return labels.astype(np.int64)
