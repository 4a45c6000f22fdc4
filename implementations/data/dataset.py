"""What a data set is here: inputs of one resolution, one-hot targets, and how they were made."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from advntk.exceptions import UsageError


class BadData(UsageError):
    """Data that cannot be used; the message names the argument, the value and the fix."""


class Dataset(NamedTuple):
    """`x` is flat, scaled so that ||x||^2 / d is 1 on average; `grid` is its (height, columns)."""

    x: Float[np.ndarray, "m d"]
    y: Float[np.ndarray, "m c"]
    labels: Int[np.ndarray, " m"]
    grid: tuple[int, int]

    @property
    def images(self) -> Float[np.ndarray, "m height columns 1"]:
        """The inputs as one-channel images."""
        return self.x.reshape(-1, *self.grid, 1)


def grid_of(input_width: int) -> tuple[int, int]:
    """The most nearly square (height, columns) with height * columns = input_width.

    64 gives (8, 8), 128 gives (8, 16), a prime p gives (1, p).
    """
    if input_width < 1:
        raise BadData(f"input_width = {input_width} must be at least 1")
    height = next(h for h in range(math.isqrt(input_width), 0, -1) if input_width % h == 0)
    return height, input_width // height


def one_hot(labels: Int[np.ndarray, " m"], outputs: int) -> Float[np.ndarray, "m c"]:
    """Targets: 1 at the label, 0 elsewhere, less the mean 1/c (no offset to be learnt)."""
    return np.eye(outputs)[labels] - 1 / outputs


def add_label_noise(
    labels: Int[np.ndarray, " m"], outputs: int, share: float, rng: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """Replace round(share * m) of the labels, chosen at random, by another class each.

    Args:
      labels: (m,), from 0.
      outputs: number of classes that occur: only these are drawn.
      share: of the labels, from 0 to 1.
      rng: draws samples and classes.

    Returns:
      The labels, noisy, of the same shape.

    Raises:
      BadData: share outside [0, 1], or noise asked for with a single class.
    """
    if not 0 <= share <= 1:
        raise BadData(f"label_noise = {share} must lie in [0, 1]")
    count = round(share * len(labels))
    if count and outputs < 2:
        raise BadData(f"label_noise = {share} needs at least 2 classes; outputs = {outputs}")
    noisy = labels.copy()
    chosen = rng.choice(len(labels), size=count, replace=False)
    noisy[chosen] = (labels[chosen] + rng.integers(1, max(outputs, 2), size=count)) % outputs
    return noisy


def checked(x: np.ndarray, name: str) -> np.ndarray:
    """`x` as float64.

    Raises:
      BadData: not numbers, empty, or not all finite.
    """
    if np.iscomplexobj(x):
        raise BadData(f"{name}: dtype {x.dtype} is not numeric as needed; give real numbers")
    if x.dtype.kind not in "biuf":
        raise BadData(f"{name}: dtype {str(x.dtype)[:60]} is not numeric; give numbers")
    with np.errstate(over="ignore"):  # what double precision cannot hold is found below
        values = np.asarray(x, dtype=np.float64)
    if values.size == 0:
        raise BadData(f"{name}: shape {values.shape} is empty; give at least one sample")
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise BadData(
            f"{name}: {bad} of {values.size} values are NaN or infinite (first at index {first}); "
            "remove or replace them"
        )
    return values
