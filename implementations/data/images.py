"""Real images on a resolution ladder: scikit-learn's digits, or a user's own .npz file.

The input width of an image is its number of pixels, so a joint width limit on real data needs the
same images at growing resolution.  They are resampled with bilinear interpolation, each resolution
scaled as a whole so that ||x||^2 / d is 1 on average.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from advntk.implementations.data.dataset import BadData, Dataset, grid_of, one_hot
from advntk.implementations.data.own_images import own_images
from advntk.implementations.data.stamps import Stamp, stamp

ImagesAndLabels = tuple[Float[np.ndarray, "n height columns"], Int[np.ndarray, " n"]]

LARGEST_SIDE = 64
DIGITS = tuple("0123456789")


@functools.cache
def digits() -> ImagesAndLabels:
    """The 1 797 handwritten digits of scikit-learn, 8 x 8, values 0 to 16, ten classes."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images.astype(np.float64), bunch.target.astype(np.int64)


def resample(
    images: Float[np.ndarray, "n height columns"], grid: tuple[int, int]
) -> Float[np.ndarray, "n new_height new_columns"]:
    """Bilinear interpolation of every image to `grid`, pixel areas aligned, edges extended."""
    from scipy.ndimage import zoom

    factors = (1.0, grid[0] / images.shape[1], grid[1] / images.shape[2])
    return zoom(images, factors, order=1, mode="nearest", grid_mode=True)


def image_samples(
    name: str, samples: int, input_width: int, outputs: int, rng: np.random.Generator
) -> Dataset:
    """`samples` distinct images of the first `outputs` classes at `input_width` pixels.

    `name` is "digits" or the path of an .npz file, whose classes are those that occur, in the order of their
    names.  With more outputs than classes, the outputs beyond have no positive sample.

    Args:
      name: see above.
      samples: how many.
      input_width: pixels of an image once it is resized.
      outputs: number of outputs.
      rng: draws the images.

    Returns:
      Inputs (samples, input_width), targets and labels.

    Raises:
      BadData: too few images, or a resolution beyond 64 x 64.
    """
    source = _source(name)
    grid = grid_of(input_width)
    if input_width > LARGEST_SIDE**2:
        raise BadData(
            f"input_width = {input_width} is a {grid[0]} x {grid[1]} image; the resolution ladder "
            f"of {name} ends at {LARGEST_SIDE} x {LARGEST_SIDE} = {LARGEST_SIDE**2}"
        )
    eligible = np.flatnonzero(source.labels < outputs)
    if samples > len(eligible):
        raise BadData(
            f"samples = {samples} exceeds the {len(eligible)} images of {name} in "
            f"{_named(source.class_names[:outputs])}; ask for fewer samples or more outputs"
        )
    chosen = rng.choice(eligible, size=samples, replace=False)
    labels = source.labels[chosen]
    if not source.images[chosen].any():
        raise BadData(
            f"samples = {samples}: the images of {name} that are drawn are all zero; leave such images out"
        )
    pixels = resample(source.images[chosen], grid).reshape(samples, -1) / _scale(name, source.state, grid)
    return Dataset(pixels, one_hot(labels, outputs), labels, grid)


def classes_that_occur(name: str) -> int:
    """How many classes `name`, "digits" or the path of an .npz file, has images of.

    Raises:
      BadData: a file that cannot be used.
    """
    return len(_source(name).class_names)


class _Source(NamedTuple):
    images: Float[np.ndarray, "n height columns"]
    labels: Int[np.ndarray, " n"]
    class_names: tuple[str, ...]
    state: Stamp | None


def _source(name: str) -> _Source:
    if name == "digits":
        images, labels = digits()
        return _Source(images, labels, DIGITS, None)
    path = Path(name)
    state = stamp(path)
    found = own_images(path)
    if found.images.shape[3] != 1:
        raise BadData(
            f"--data {path}: array 'images' is of shape {found.images.shape}; claims are put to images of "
            "one channel, it must have 3 axes: give images.mean(axis=3)"
        )
    if not found.images.any():
        raise BadData(f"--data {path}: all images are zero; give images with some content")
    return _Source(found.images[..., 0], found.labels, found.class_names, state)


@functools.lru_cache(maxsize=256)
def _scale(name: str, _: Stamp | None, grid: tuple[int, int]) -> float:
    """Root mean square pixel of the whole source at one resolution."""
    return float(np.sqrt(np.mean(resample(_source(name).images, grid) ** 2)))


def _named(names: tuple[str, ...]) -> str:
    if names == tuple(map(str, range(len(names)))):
        return f"classes 0 to {len(names) - 1}"
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"classes {shown}"
