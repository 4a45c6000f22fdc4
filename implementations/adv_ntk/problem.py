"""What Adv-NTK is trained on: a kernel, training samples with targets, validation samples with labels."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from advntk.implementations.data.dataset import one_hot
from advntk.implementations.kernels.ntk import Kernel


class Problem(NamedTuple):
    """Arrays of one dtype, and the kernel; `y` are the training targets, labels one-hot less 1/c.

    `targets` are the same for the validation samples, against which the perturbations are searched.
    """

    kernel: Kernel
    x: Float[np.ndarray | Array, "m *shape"]
    y: Float[np.ndarray | Array, "m c"]
    validation_x: Float[np.ndarray | Array, "v *shape"]
    targets: Float[np.ndarray | Array, "v c"]
    labels: Int[np.ndarray, " v"]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits over kernel and arrays: whose checkpoint is whose."""
        found = hashlib.sha256(repr(self.kernel).encode())
        for array in self[1:]:
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()[:12]


def problem(
    kernel: Kernel,
    x: Float[np.ndarray, "m *shape"],
    y: Float[np.ndarray, "_m c"],
    validation_x: Float[np.ndarray, "_v *_shape"],
    labels: Int[np.ndarray, " v"],
    low: float = -0.5,
    high: float = 0.5,
    dtype: str = "float32",
) -> Problem:
    """A `Problem` from checked arrays.

    Args:
      kernel: the NTK.
      x: training inputs, (m, *shape).
      y: training targets, (m, c), labels one-hot less 1/c.
      validation_x: (v, *shape).
      labels: of the validation samples, (v,), from 0.
      low: lower end of the box that pixels lie in.
      high: upper end.
      dtype: "float32" or "float64".

    Returns:
      The arrays in `dtype`, with targets for the validation samples.

    Raises:
      ValueError: shapes that do not fit, pixels that are not finite or outside the box, labels out of
        range, a single class; the message names the argument, the value and the fix.
    """
    if len(x) != len(y) or x.shape[1:] != validation_x.shape[1:] or len(validation_x) != len(labels):
        raise ValueError(
            f"x {x.shape} and y {y.shape}, validation_x {validation_x.shape} and labels {labels.shape} do "
            "not fit; give one target or label per sample, and samples of one shape"
        )
    if len(x) < 1 or len(labels) < 1:
        raise ValueError(f"x, validation_x have {len(x)}, {len(labels)} samples; give at least 1 each")
    for name, samples in (("x", x), ("validation_x", validation_x), ("y", y)):
        wrong = np.flatnonzero(~np.isfinite(samples).all(axis=tuple(range(1, samples.ndim))))
        if len(wrong):
            raise ValueError(
                f"{name}[{wrong[0]}] is not finite ({len(wrong)} samples); remove or repair them"
            )
    for name, samples in (("x", x), ("validation_x", validation_x)):
        # Rounding to single precision may carry a pixel past the edge by one unit in the last place.
        if samples.min() < low - 1e-6 or samples.max() > high + 1e-6:
            raise ValueError(
                f"{name} runs from {samples.min():g} to {samples.max():g}, outside the box "
                f"[{low:g}, {high:g}]; scale the pixels or set low and high"
            )
    classes = y.shape[1]
    if classes < 2 or len(np.unique(np.argmax(y, axis=1))) < 2:
        raise ValueError("y has a single class; give samples of at least 2")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}; with {classes} classes they must lie in "
            f"0 ... {classes - 1}"
        )
    return Problem(
        kernel,
        x.astype(dtype),
        y.astype(dtype),
        np.clip(validation_x.astype(dtype), low, high),
        one_hot(labels, classes).astype(dtype),
        labels,
    )


def duplicates(x: Float[np.ndarray, "m *shape"]) -> int:
    """How many samples repeat an earlier one: each makes the kernel singular."""
    flat = np.ascontiguousarray(x).reshape(len(x), -1)
    return len(x) - len(np.unique(flat.view(f"V{flat.shape[1] * flat.itemsize}").ravel()))
