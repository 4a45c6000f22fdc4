"""Gaussian and sphere data, for any input width."""

from __future__ import annotations

import numpy as np

from advntk.implementations.data.dataset import Dataset, grid_of, one_hot


def synthetic_samples(
    kind: str, samples: int, input_width: int, outputs: int, rng: np.random.Generator
) -> Dataset:
    """`samples` iid inputs: "gaussian" N(0, I_d), or "sphere" uniform with ||x||^2 = d exactly.

    Labels are uniform over the classes.

    Args:
      kind: "gaussian" or "sphere".
      samples: how many.
      input_width: d.
      outputs: number of classes.
      rng: draws inputs and labels.

    Returns:
      Inputs (samples, input_width), targets and labels.
    """
    x = rng.standard_normal((samples, input_width))
    if kind == "sphere":
        x *= np.sqrt(input_width) / np.linalg.norm(x, axis=1, keepdims=True)
    labels = rng.integers(0, outputs, size=samples)
    return Dataset(x, one_hot(labels, outputs), labels, grid_of(input_width))
