"""A file that was rewritten, or another one of the same name, is read anew by all that keeps what it read."""

from __future__ import annotations

import os

import numpy as np
import pytest
from official_formats import CIFAR_FILES, CIFAR_IMAGES, CIFAR_LABELS, cifar_bytes

from advntk.checks.axes import DATA, NETWORK
from advntk.checks.spaces import Space
from advntk.checks.trials.shared.building import build
from advntk.implementations.data.loading import load
from advntk.implementations.data.splits import adversarial_split, read_pools
from advntk.implementations.data.stamps import stamp

RNG = np.random.default_rng(3)
# Equal sizes of files: only their contents differ.
FIRST, SECOND = RNG.uniform(0, 1, (2, 30, 4, 4))
LABELS = np.arange(30) % 3


def scenario_of(path):
    return Space(NETWORK, DATA).scenario(data=str(path), samples=4, input_width=16, outputs=3)


READERS = {
    "pools": lambda path: read_pools(str(path)).images,
    "split": lambda path: adversarial_split(str(path), 10, 5, 5, 0, 0.0).images,
    "loaded": lambda path: load(str(path), 4, 16, 3).x,
    "built": lambda path: np.asarray(build(scenario_of(path)).x),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_is_written_again_is_read_again(tmp_path, reader):
    path, read = tmp_path / "own.npz", READERS[reader]
    np.savez(path, images=FIRST, labels=LABELS)
    before = read(path)
    at = path.stat()
    np.savez(path, images=SECOND, labels=LABELS)
    # As coarse as clocks of file systems are, and as sly as a copy that keeps the time.
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    after = read(path)
    assert not np.array_equal(before, after)
    np.savez(tmp_path / "fresh.npz", images=SECOND, labels=LABELS)
    np.testing.assert_array_equal(after, read(tmp_path / "fresh.npz"))


@pytest.mark.parametrize("reader", READERS)
def test_a_name_means_what_it_is_in_the_folder_that_one_is_in(tmp_path, monkeypatch, reader):
    found = []
    for name, images in (("one", FIRST), ("two", SECOND)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "own.npz", images=images, labels=LABELS)
        monkeypatch.chdir(tmp_path / name)
        found.append(READERS[reader]("own.npz"))
    assert not np.array_equal(*found)


def test_a_link_that_is_turned_to_another_file_is_followed(tmp_path):
    for name, images in (("one.npz", FIRST), ("two.npz", SECOND)):
        np.savez(tmp_path / name, images=images, labels=LABELS)
    link = tmp_path / "own.npz"
    link.symlink_to("one.npz")
    before = read_pools(str(link)).images
    link.unlink()
    link.symlink_to("two.npz")
    assert not np.array_equal(before, read_pools(str(link)).images)


def test_files_of_cifar10_that_are_written_again_are_read_again(cifar_folder):
    before = read_pools("cifar10", cifar_folder).images
    (cifar_folder / CIFAR_FILES[0]).write_bytes(cifar_bytes(CIFAR_IMAGES[1], CIFAR_LABELS[0]))
    assert not np.array_equal(before, read_pools("cifar10", cifar_folder).images)


def test_what_did_not_change_is_kept(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, images=FIRST, labels=LABELS)
    assert read_pools(str(path)).images is read_pools(str(path)).images
    assert stamp(path) == stamp(path) != stamp(tmp_path / "none.npz")
