"""One door to all data: by source name, input width and seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from advntk.implementations.data.dataset import BadData, Dataset, add_label_noise, one_hot
from advntk.implementations.data.images import classes_that_occur, image_samples
from advntk.implementations.data.stamps import Stamp, stamp
from advntk.implementations.data.synthetic import synthetic_samples

SOURCES = ("digits", "gaussian", "sphere")


def state_of(source: str) -> Stamp | None:
    """What a cache of anything made from `source` goes by besides its name; None where nothing changes."""
    return stamp(Path(source)) if source.endswith(".npz") else None


def load(
    source: str,
    samples: int,
    input_width: int,
    outputs: int,
    seed: int = 0,
    label_noise: float = 0.0,
) -> Dataset:
    """`samples` inputs of `input_width` features with targets over `outputs` classes, float64.

    `source` is "digits", "gaussian", "sphere", or the path of an .npz with `images` and `labels`.
    The same seed draws the same images at every resolution.

    Args:
      source: see above.
      samples: how many.
      input_width: features of an input.
      outputs: number of outputs.
      seed: of all that is drawn; equal seeds draw equal numbers.
      label_noise: share of labels that are replaced, from 0 to 1.

    Returns:
      Inputs (samples, input_width), targets (samples, outputs) and labels.

    Raises:
      BadData: an unknown source, too few samples, NaN, an impossible size.
    """
    if samples < 1:
        raise BadData(f"samples = {samples} must be at least 1")
    if outputs < 1:
        raise BadData(f"outputs = {outputs} must be at least 1")
    if input_width < 1:
        raise BadData(f"input_width = {input_width} must be at least 1")
    rng = np.random.default_rng([seed, 0])
    occurring = outputs
    if source in ("gaussian", "sphere"):
        dataset = synthetic_samples(source, samples, input_width, outputs, rng)
    elif source == "digits" or source.endswith(".npz"):
        dataset = image_samples(source, samples, input_width, outputs, rng)
        occurring = min(outputs, classes_that_occur(source))
    else:
        raise BadData(f"--data {source}: unknown; choose {', '.join(SOURCES)} or the path of an .npz file")
    if label_noise:
        noise = np.random.default_rng([seed, 1])
        labels = add_label_noise(dataset.labels, occurring, label_noise, noise)
        dataset = dataset._replace(labels=labels, y=one_hot(labels, outputs))
    return dataset
