"""Classes are what occurs among the labels, by the names that they have there."""

from __future__ import annotations

import numpy as np
import pytest

from advntk.checks.axes import DATA, NETWORK
from advntk.checks.spaces import Space
from advntk.checks.trials.ark_positive_definiteness.spectra import limit_kernel
from advntk.implementations.data.dataset import BadData, one_hot
from advntk.implementations.data.images import image_samples
from advntk.implementations.data.loading import load
from advntk.implementations.data.splits import adversarial_split, read_pools

RNG = np.random.default_rng(2)
IMAGES = RNG.uniform(0, 1, (60, 4, 4))
WHICH = np.arange(60) % 10
LABELLINGS = {
    "from 1": (WHICH + 1, [str(k) for k in range(1, 11)]),
    "3 and 7": (np.where(WHICH < 5, 7, 3), ["3", "7"]),
    "with a gap": (WHICH * 2, [str(k) for k in range(0, 20, 2)]),
    "by name": (np.array([*"jihgfedcba"])[WHICH], [*"abcdefghij"]),
    "floats": (WHICH + 1.0, [str(k) for k in range(1, 11)]),
}


@pytest.fixture
def write(tmp_path):
    def written(labels, images=IMAGES):
        np.savez(tmp_path / "own.npz", images=images, labels=labels)
        return str(tmp_path / "own.npz")

    return written


@pytest.mark.parametrize("name", LABELLINGS)
@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
def test_training_has_the_classes_that_occur_and_noise_draws_no_other(write, name, noise):
    labels, names = LABELLINGS[name]
    path = write(labels)
    assert read_pools(path).class_names == tuple(names)
    found = adversarial_split(path, 40, 10, 10, 3, noise)
    assert found.y.shape == (40, len(names))
    drawn = np.asarray(found.y).argmax(1)
    assert (drawn != found.labels).sum() == round(40 * noise)
    # The images tell which label was theirs.
    pool = read_pools(path).images
    back = [(image + 0.5) * (pool.max() - pool.min()) + pool.min() for image in found.images]
    where = [int(np.abs(pool - image).sum((1, 2, 3)).argmin()) for image in back]
    said = [names[k] for k in found.labels]
    assert said == [str(int(v)) if not isinstance(v, str) else v for v in labels[where].tolist()]


@pytest.mark.parametrize("name", LABELLINGS)
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_claims_are_put_to_the_first_classes_that_occur(write, name, noise):
    labels, names = LABELLINGS[name]
    # One output more than there are classes: noise never draws it.
    outputs = len(names) + 1
    data = load(write(labels), 30, 16, outputs, 0, noise)
    assert data.y.shape == (30, outputs) and set(data.labels) <= set(range(len(names)))
    np.testing.assert_array_equal(data.y, one_hot(data.labels, outputs))


def test_too_few_images_of_the_first_classes_names_the_classes(write):
    path = write(WHICH + 1)
    with pytest.raises(BadData, match=r"exceeds the 12 images of .* in classes 1, 2; ask for"):
        image_samples(path, 20, 16, 2, np.random.default_rng(0))


def test_degenerate_images_of_ones_own_are_counted_for_the_limit_kernel(write):
    images = IMAGES.copy()
    images[1:] = images[0]
    scenario = Space(NETWORK, DATA).scenario(
        data=write(WHICH, images), samples=4, input_width=16, outputs=10, activation="relu", sigma_b=0.0
    )
    found = limit_kernel.trial(scenario, np.zeros(1))
    assert found["degenerate_inputs"] == [3.0]
    assert "is 3, beyond 0" in limit_kernel.premises[0].failure({16: found})


def test_images_that_are_all_zero_where_they_are_drawn_are_refused(write):
    images = np.zeros_like(IMAGES)
    images[-1] = 1
    with pytest.raises(BadData, match="that are drawn are all zero"):
        load(write(WHICH, images), 2, 16, 10)
