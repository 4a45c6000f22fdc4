"""What a model remembers of its data, so that it is never judged on something else without a word."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float, Shaped

from advntk.implementations.data.images import DIGITS
from advntk.implementations.data.splits import SOURCES, AdversarialSplit, Pools
from advntk.implementations.experiments.presets import Experiment
from advntk.implementations.npz_files import BadFile


class TrainedOn(msgspec.Struct, frozen=True, kw_only=True):
    """The scale of the images (`smallest` became `low`, `largest` `high`), classes, and digests.

    `validation_digests` are those of single images, as `image_digests`; the training images themselves are in
    the model.  Of a model that is older than this, digests are empty, and the scale is NaN unless its source
    has one of its own.
    """

    smallest: float
    largest: float
    low: float
    high: float
    class_names: tuple[str, ...]
    data_digest: str = ""
    training_digest: str = ""
    validation_digests: tuple[str, ...] = ()

    @property
    def has_scale(self) -> bool:
        """Whether it is known how its images were scaled."""
        return self.smallest < self.largest


def trained_on(experiment: Experiment, pools: Pools, split: AdversarialSplit) -> TrainedOn:
    """What is to be kept of an experiment's data."""
    settings = experiment.settings
    return TrainedOn(
        smallest=pools.smallest,
        largest=pools.largest,
        low=settings.low,
        high=settings.high,
        class_names=pools.class_names,
        data_digest=data_digest(pools),
        training_digest=digest(split.images),
        validation_digests=tuple(image_digests(split.validation_images)),
    )


def remembered(about: Mapping[str, Any], experiment: Experiment, classes: int) -> TrainedOn:
    """What a model's file says of its data; of an older one, what its source implies.

    Raises:
      BadFile: what it says is no such thing.
    """
    found = about.get("trained_on")
    if found is None:
        settings = experiment.settings
        nan = float("nan")
        ends = {"digits": (0.0, 16.0)}.get(experiment.data, (0.0, 255.0))
        names = DIGITS if experiment.data in SOURCES else tuple(map(str, range(classes)))
        smallest, largest = ends if experiment.data in SOURCES else (nan, nan)
        return TrainedOn(
            smallest=smallest, largest=largest, low=settings.low, high=settings.high, class_names=names
        )
    try:
        known = msgspec.convert(found, TrainedOn)
    except msgspec.ValidationError as error:
        raise BadFile(f"the model's trained_on is broken ({error}); train anew") from error
    if len(known.class_names) != classes:
        raise BadFile(f"the model has {classes} outputs, names {len(known.class_names)} classes; train anew")
    return known


def data_digest(pools: Pools) -> str:
    """Of all images, labels and names of classes of a source."""
    found = hashlib.sha256(repr(pools.class_names).encode())
    for array in (pools.images, pools.labels, pools.test_images, pools.test_labels):
        if array is not None:
            found.update(f"{array.dtype} {array.shape}".encode())
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:16]


def digest(images: Shaped[np.ndarray, "n *shape"]) -> str:
    """Of a set of images, scaled."""
    return hashlib.sha256(_bits(images).data).hexdigest()[:16]


def image_digests(images: Float[Any, "n *shape"]) -> list[str]:
    """One per image, scaled; equal for equal images."""
    return [hashlib.sha256(row.data).hexdigest()[:16] for row in _bits(images)]


def _bits(images: Any) -> np.ndarray:
    # In single precision, which images are scaled in; adding 0 leaves a single zero.
    return np.ascontiguousarray(np.asarray(images, np.float32) + np.float32(0))
