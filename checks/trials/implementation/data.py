"""Trial of data: what is drawn, scaled, split and mislabelled, against the pool that it comes from."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
from jaxtyping import Array
from sklearn.datasets import load_digits

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.trial import trial
from advntk.checks.trials.implementation.comparing import EPS, NONE, count, worst
from advntk.checks.trials.implementation.space import SPLITS_OF_DATA
from advntk.implementations.data.dataset import grid_of
from advntk.implementations.data.loading import load
from advntk.implementations.data.splits import AdversarialSplit, adversarial_split, read_pools

SIZES = 120, 60, 80
CLASSES = 10
_PARTS = ("splits", "labels", "files", "draws")


@trial(
    decides={
        "implementation.data": [
            *(BoundDecider(f"wrong_{name}", "none", "at most") for name in _PARTS),
            BoundDecider("scale_error", "scale_allowed", "at most"),
        ]
    },
    space=SPLITS_OF_DATA.over(label_noise=(0.1, 0.0, 0.37, 1.0), data_seed=tuple(range(8))),
    effort=Effort(quick=Measure(3, 1), standard=Measure(10, 1), thorough=Measure(30, 1)),
    random=False,
)
def data_by_hand(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """How many images, labels, targets and draws are not what their documentation says."""
    del keys
    seed, noise = scenario.data_seed, scenario.label_noise
    pixels, classes = load_digits().images, load_digits().target
    drawn = adversarial_split("digits", *SIZES, seed, noise)
    again, other = (adversarial_split("digits", *SIZES, one, noise) for one in (seed, seed + 1))
    clean = adversarial_split("digits", *SIZES, seed, 0.0)
    # Sixteen levels are exact in single precision.
    scaled = (pixels / 16 - 0.5).astype(np.float32)[..., None]
    wrong_splits = [
        *_from_pool(drawn, scaled, classes),
        *_differences(drawn, again),
        int(_differences(drawn, other)[0] == 0),
        # Noise changes targets, and nothing else.
        sum(_differences(drawn._replace(y=clean.y), clean)),
        *(int(not np.array_equal(flat, images.reshape(len(images), -1))) for flat, images in _flat(drawn)),
    ]
    errors, allowed, wrong_draws = _resolutions(pixels, seed)
    scale = worst((errors, allowed))
    return {
        "wrong_splits": count(*wrong_splits),
        "wrong_labels": count(*_labels(drawn, noise), *_loaded_labels(seed, noise)),
        "wrong_files": count(*_own_file(scenario)),
        "wrong_draws": count(*wrong_draws),
        "scale_error": scale[0],
        "scale_allowed": scale[1],
        "none": NONE,
    }


def _from_pool(drawn: AdversarialSplit, scaled: np.ndarray, classes: np.ndarray) -> list[int]:
    """Images that are not in the pool, there under another label, or drawn more often than it has them."""
    pool: dict[bytes, list[int]] = {}
    for image, label in zip(scaled, classes, strict=True):
        pool.setdefault(image.tobytes(), []).append(int(label))
    sets = (
        (drawn.images, drawn.labels, SIZES[0]),
        (drawn.validation_images, drawn.validation_labels, SIZES[1]),
        (drawn.test_images, drawn.test_labels, SIZES[2]),
    )
    strange, sizes = 0, 0
    for images, labels, wanted in sets:
        sizes += int(images.shape != (wanted, 8, 8, 1)) + int(images.dtype != np.float32)
        sizes += int(images.min() < -0.5) + int(images.max() > 0.5)
        for image, label in zip(images, labels, strict=True):
            left = pool.get(np.ascontiguousarray(image).tobytes(), [])
            if int(label) in left:
                left.remove(int(label))
            else:
                strange += 1
    return [strange, sizes]


def _differences(one: AdversarialSplit, two: AdversarialSplit) -> list[int]:
    return [int((a != b).sum()) for a, b in zip(one, two, strict=True)]


def _flat(drawn: AdversarialSplit) -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        (drawn.x, drawn.images),
        (drawn.validation_x, drawn.validation_images),
        (drawn.test_x, drawn.test_images),
    ]


def _labels(drawn: AdversarialSplit, noise: float) -> list[int]:
    """Wrong labels beyond or short of their share, and targets that are not centred and one-hot."""
    noisy = drawn.y.argmax(1)
    wanted = np.where(np.arange(CLASSES) == noisy[:, None], 0.9, -0.1).astype(np.float32)
    flipped = noisy != drawn.labels
    # Which ones is drawn: neither the first nor the last alone, unless all or none are.
    share = round(noise * SIZES[0])
    spread = 0 < share < SIZES[0] and (
        flipped[:share].all() or flipped[-share:].all() or len(np.unique(noisy[flipped])) < 3
    )
    return [abs(int(flipped.sum()) - share), int((drawn.y != wanted).sum()), int(spread)]


def _loaded_labels(seed: int, noise: float) -> list[int]:
    """The same of what claims are put to: of four classes, of which all occur."""
    clean, noisy = (load("digits", 50, 16, 4, seed, share) for share in (0.0, noise))
    wanted = (np.arange(4) == noisy.labels[:, None]) - 0.25
    return [
        abs(int((clean.labels != noisy.labels).sum()) - round(noise * 50)),
        int(noisy.labels.max() > 3),
        int((noisy.y != wanted).sum()),
        int((noisy.x != clean.x).sum()),
    ]


def _own_file(scenario: Scenario) -> list[int]:
    """A user's own images, with names of classes and three channels: read again as they were written."""
    rng = np.random.default_rng([scenario.data_seed, 51])
    images = rng.integers(3, 250, (40, 3, 5, 3)).astype(np.uint8)
    # Every one different, with the ends of the range.
    images[0, 0, 0], images[1, 0, 0] = 0, 255
    names = np.array(["cat", "ant", "bee"])[rng.permutation(np.arange(40) % 3)]
    with tempfile.TemporaryDirectory(prefix="advntk-") as folder:
        path = Path(folder) / "own.npz"
        np.savez(path, images=images, labels=names)
        pools = read_pools(str(path))
        drawn = adversarial_split(str(path), 20, 10, 10, scenario.data_seed, 0.0)
    wrong = [
        int(pools.class_names != ("ant", "bee", "cat")),
        int((np.array(pools.class_names)[pools.labels] != names).sum()),
        int((pools.images != images).sum()),
        int((pools.smallest, pools.largest) != (0.0, 255.0)),
    ]
    scaled = (images / 255 - 0.5).astype(np.float32)
    seen: list[int] = []
    for some, labels in (
        (drawn.images, drawn.labels),
        (drawn.validation_images, drawn.validation_labels),
        (drawn.test_images, drawn.test_labels),
    ):
        for image, label in zip(some, labels, strict=True):
            (places,) = np.nonzero((scaled == image).all((1, 2, 3)))
            wrong.append(int(len(places) != 1 or names[places[0]] != pools.class_names[label]))
            seen += places.tolist()
    return [*wrong, int(sorted(seen) != list(range(40)))]


def _resolutions(pixels: np.ndarray, seed: int) -> tuple[list[float], list[float], list[int]]:
    """Scale errors and their bounds; draws that differ between resolutions, and laws of made-up inputs."""
    errors, allowed, wrong = [], [], []
    first = load("digits", 20, 64, CLASSES, seed)
    for width, grid in ((64, (8, 8)), (32, (4, 8)), (144, (12, 12)), (13, (1, 13))):
        found = load("digits", 20, width, CLASSES, seed)
        wrong += [int(grid_of(width) != grid), int((found.labels != first.labels).sum())]
        wide = scipy.ndimage.zoom(
            pixels, (1, grid[0] / 8, grid[1] / 8), order=1, mode="nearest", grid_mode=True
        ).reshape(len(pixels), -1)
        wide /= np.sqrt((wide**2).mean())
        # Every image is one of the source's, whose mean square is one.
        apart = np.abs(found.x[:, None] - wide[None]).max(2).min(1)
        errors += apart.tolist()
        allowed += [64 * EPS * float(np.abs(wide).max())] * len(apart)
        # Distinct images.
        wrong.append(len(found.x) - len(np.unique(found.x, axis=0)))
    repeated, other = (load("digits", 20, 64, CLASSES, one) for one in (seed, seed + 1))
    wrong += [int((repeated.x != first.x).sum()), int(np.array_equal(other.x, first.x))]
    for kind in ("gaussian", "sphere"):
        found = load(kind, 400, 50, 4, seed)
        squares = (found.x**2).sum(1) / 50
        if kind == "sphere":
            errors += np.abs(squares - 1).tolist()
            allowed += [64 * EPS] * len(squares)
        # Six standard deviations: of the mean square, of the mean, of any two coordinates' correlation.
        wrong += [
            int(abs((found.x**2).mean() - 1) > 6 * np.sqrt(2 / found.x.size)),
            int(abs(found.x.mean()) > 6 / np.sqrt(found.x.size)),
            int(np.abs(found.x.T @ found.x / 400 - np.eye(50)).max() > 6 * np.sqrt(2 / 400)),
            int((np.bincount(found.labels, minlength=4) < 400 / 4 - 6 * np.sqrt(400 * 3 / 16)).sum()),
        ]
        wrong += _repeats(kind, found, seed)
    return errors, allowed, wrong


def _repeats(kind: str, found: Any, seed: int) -> list[int]:
    again, other = (load(kind, 400, 50, 4, one) for one in (seed, seed + 1))
    return [int((again.x != found.x).sum()), int(np.array_equal(other.x, found.x))]
