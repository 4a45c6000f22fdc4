"""Real images on a resolution ladder: scikit-learn's digits, or a user's own .npz file.

The input width of an image is its number of pixels, so a joint width limit on real data needs the
same images at growing resolution.  They are resampled with bilinear interpolation, each resolution
scaled as a whole so that ||x||^2 / d is 1 on average.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from advntk.implementations.data.dataset import BadData, Dataset, checked, grid_of, one_hot

ImagesAndLabels = tuple[Float[np.ndarray, "n height columns"], Int[np.ndarray, " n"]]

LARGEST_SIDE = 64


@functools.cache
def digits() -> ImagesAndLabels:
    """The 1 797 handwritten digits of scikit-learn, 8 x 8, values 0 to 16, ten classes."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images.astype(np.float64), bunch.target.astype(np.int64)


@functools.cache
def from_npz(path: Path) -> ImagesAndLabels:
    """A user's images: an .npz with `images` (n, height, columns) and integer `labels` (n,).

    No pickle is ever loaded.

    Raises:
      BadData: no such file, not an .npz, a missing or misshapen array, NaN, or negative labels.
    """
    if not path.is_file():
        raise BadData(f"--data {path}: no such file; give digits, gaussian, sphere or an .npz file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy raises many kinds for foreign files
        raise BadData(
            f"--data {path}: cannot be read as .npz without pickle ({error}); "
            "write it with numpy.savez(path, images=..., labels=...)"
        ) from error
    for name, dimensions in (("images", 3), ("labels", 1)):
        found = arrays.get(name)
        if found is None or found.ndim != dimensions:
            shape = "missing" if found is None else f"of shape {found.shape}"
            raise BadData(f"--data {path}: array {name!r} is {shape}; it must have {dimensions} axes")
    images, labels = checked(arrays["images"], f"--data {path}: images"), arrays["labels"]
    if len(labels) != len(images):
        raise BadData(
            f"--data {path}: {len(images)} images but {len(labels)} labels; give one label per image"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise BadData(f"--data {path}: labels must be integers 0, 1, ... (dtype {labels.dtype})")
    if not images.any():
        raise BadData(f"--data {path}: all images are zero; give images with some content")
    return images, labels.astype(np.int64)


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
    """`samples` distinct images of the classes 0 .. outputs-1 at `input_width` pixels.

    `name` is "digits" or the path of an .npz file.  With more outputs than classes, the outputs
    beyond have no positive sample.

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
    images, labels = _images(name)
    grid = grid_of(input_width)
    if input_width > LARGEST_SIDE**2:
        raise BadData(
            f"input_width = {input_width} is a {grid[0]} x {grid[1]} image; the resolution ladder "
            f"of {name} ends at {LARGEST_SIDE} x {LARGEST_SIDE} = {LARGEST_SIDE**2}"
        )
    eligible = np.flatnonzero(labels < outputs)
    if samples > len(eligible):
        raise BadData(
            f"samples = {samples} exceeds the {len(eligible)} images of {name} in classes 0 to "
            f"{outputs - 1}; ask for fewer samples or more outputs"
        )
    chosen = rng.choice(eligible, size=samples, replace=False)
    pixels = resample(images[chosen], grid).reshape(samples, -1) / _scale(name, grid)
    return Dataset(pixels, one_hot(labels[chosen], outputs), labels[chosen], grid)


def _images(name: str) -> ImagesAndLabels:
    return digits() if name == "digits" else from_npz(Path(name))


@functools.cache
def _scale(name: str, grid: tuple[int, int]) -> float:
    """Root mean square pixel of the whole source at one resolution."""
    return float(np.sqrt(np.mean(resample(_images(name)[0], grid) ** 2)))
