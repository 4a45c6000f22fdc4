"""CIFAR-10, SVHN, splits for adversarial training, and fetching: tiny files in the official formats.

Nothing here uses a network: what would be downloaded is a local file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import re
import shutil
import tarfile
from pathlib import Path

import jax
import numpy as np
import pooch
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from implementations.data import cifar10, fetching, splits, svhn
from implementations.data.dataset import BadData, one_hot
from implementations.data.fetching import REMOTE, Remote, default_folder, fetch, unpack
from implementations.data.splits import adversarial_split, read_pools
from implementations.dynamics.robust_overfitting import split as split_of_digits

EPS32 = float(np.finfo(np.float32).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=40)
RNG = np.random.default_rng(0)
CIFAR_FILES = (*cifar10.TRAINING_FILES, cifar10.TEST_FILE)
ROWS = 8


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    return text


# Every file has its own images, and among them every one of its own.
CIFAR_IMAGES = RNG.integers(0, 256, (6, ROWS, 32, 32, 3)).astype(np.uint8)
CIFAR_LABELS = RNG.integers(0, 10, (6, ROWS))
CIFAR_LABELS[:, :2] = 0, 9


def cifar_bytes(images: np.ndarray, labels: np.ndarray) -> bytes:
    """Row by row as the format is described: the label, then all of red, of green, of blue."""
    rows = b""
    for image, label in zip(images, labels, strict=True):
        rows += bytes([label]) + b"".join(image[:, :, colour].tobytes() for colour in range(3))
    return rows


@pytest.fixture
def cifar_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / cifar10.FOLDER
    folder.mkdir(parents=True)
    for name, images, labels in zip(CIFAR_FILES, CIFAR_IMAGES, CIFAR_LABELS, strict=True):
        (folder / name).write_bytes(cifar_bytes(images, labels))
    return folder


@pytest.mark.parametrize("parent", [False, True])
def test_cifar10_is_read_from_its_folder_or_the_parent(cifar_folder, parent):
    found = cifar10.read(cifar_folder.parent if parent else cifar_folder)
    np.testing.assert_array_equal(found.training_images, CIFAR_IMAGES[:5].reshape(-1, 32, 32, 3))
    np.testing.assert_array_equal(found.training_labels, CIFAR_LABELS[:5].reshape(-1))
    np.testing.assert_array_equal(found.test_images, CIFAR_IMAGES[5])
    np.testing.assert_array_equal(found.test_labels, CIFAR_LABELS[5])
    assert found.training_images.dtype == np.uint8 and found.training_labels.dtype == np.int64


def test_cifar10_batches_may_have_different_numbers_of_rows(cifar_folder):
    (cifar_folder / CIFAR_FILES[1]).write_bytes(cifar_bytes(CIFAR_IMAGES[1, :3], CIFAR_LABELS[1, :3]))
    found = cifar10.read(cifar_folder)
    assert len(found.training_images) == len(found.training_labels) == 4 * ROWS + 3


def rewritten(index: int, change):
    def spoil(folder: Path) -> None:
        path = folder / CIFAR_FILES[index]
        path.write_bytes(change(path.read_bytes()))

    return spoil


def label_ten(content: bytes) -> bytes:
    return content[:3073] + b"\x0a" + content[3074:]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (rewritten(0, lambda c: c[:-1]), ["data_batch_1.bin", "24583 bytes", "3073"]),
        (rewritten(2, lambda c: c + b"\x00"), ["data_batch_3.bin", "24585 bytes", "3073"]),
        (rewritten(5, lambda c: b""), ["test_batch.bin", "0 bytes", "at least one"]),
        (rewritten(3, label_ten), ["data_batch_4.bin", "label 10 in row 1", "0 to 9"]),
        (rewritten(1, lambda c: pickle.dumps(c, 2)), ["data_batch_2.bin is a pickle", "never loaded"]),
        (lambda f: (f / CIFAR_FILES[4]).unlink(), ["lacks data_batch_5.bin;"]),
        (lambda f: (f / CIFAR_FILES[0]).unlink(), ["lacks data_batch_1.bin;"]),
        (lambda f: shutil.rmtree(f), ["has no cifar-10-batches-bin"]),
    ],
)
@pytest.mark.parametrize("parent", [False, True])
def test_broken_cifar10_files_are_named_with_the_fix(cifar_folder, spoil, said, parent):
    spoil(cifar_folder)
    with pytest.raises(BadData) as caught:
        cifar10.read(cifar_folder.parent if parent else cifar_folder)
    message = one_line(caught.value)
    assert message.startswith("cifar10: ")
    for part in (*said, f"`advntk data fetch cifar10 --to {cifar_folder.parent}`"):
        assert part in message


@pytest.mark.parametrize("place", [".", "cifar-10-batches-py"])
def test_the_python_version_is_recognised_and_never_loaded(tmp_path, place):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    folder = tmp_path / place
    folder.mkdir(exist_ok=True)
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        (folder / name).write_bytes(pickle.dumps(Trap(), 2))
    for given_folder in {tmp_path, folder}:
        with pytest.raises(BadData) as caught:
            cifar10.read(given_folder)
        message = one_line(caught.value)
        for part in ("python version", "never loaded", "binary version", "cifar-10-binary.tar.gz"):
            assert part in message
        assert message.endswith(f"--to {tmp_path}`")
    # Renamed, they are known by their first byte.
    for name in CIFAR_FILES:
        (folder / name).write_bytes(pickle.dumps(Trap(), 2))
    with pytest.raises(BadData, match="is a pickle, which is never loaded"):
        cifar10.read(folder)
    assert not (tmp_path / "touched").exists()


SVHN_IMAGES = RNG.integers(0, 256, (24, 32, 32, 3)).astype(np.uint8)
SVHN_LABELS = np.concatenate([np.arange(10), np.arange(14) % 10])


def as_mat(images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """X with the images last, and y with 10 for the digit 0."""
    stored = np.where(labels == 0, 10, labels).astype(np.uint8)
    return {"X": np.stack(list(images), axis=-1), "y": stored[:, None]}


@pytest.fixture
def svhn_folder(tmp_path: Path) -> Path:
    savemat(tmp_path / "train_32x32.mat", as_mat(SVHN_IMAGES[:16], SVHN_LABELS[:16]), do_compression=True)
    savemat(tmp_path / "test_32x32.mat", as_mat(SVHN_IMAGES[16:], SVHN_LABELS[16:]), do_compression=True)
    return tmp_path


def test_svhn_is_read_with_ten_as_the_digit_zero(svhn_folder):
    found = svhn.read(svhn_folder)
    np.testing.assert_array_equal(found.training_images, SVHN_IMAGES[:16])
    np.testing.assert_array_equal(found.training_labels, SVHN_LABELS[:16])
    np.testing.assert_array_equal(found.test_images, SVHN_IMAGES[16:])
    np.testing.assert_array_equal(found.test_labels, SVHN_LABELS[16:])
    assert found.training_images.dtype == np.uint8 and found.training_labels.dtype == np.int64


def test_svhn_labels_may_be_matlabs_doubles(svhn_folder):
    arrays = as_mat(SVHN_IMAGES[:16], SVHN_LABELS[:16])
    savemat(svhn_folder / "train_32x32.mat", arrays | {"y": arrays["y"].astype(float)})
    np.testing.assert_array_equal(svhn.read(svhn_folder).training_labels, SVHN_LABELS[:16])


GOOD = as_mat(SVHN_IMAGES[:16], SVHN_LABELS[:16])


def with_label(value, dtype=np.float64):
    labels = GOOD["y"].astype(dtype)
    labels[3, 0] = value
    return GOOD | {"y": labels}


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": GOOD["y"]}, ["X is missing", "uint8 (32, 32, 3, n)"]),
        ({"X": GOOD["X"]}, ["y is missing", "(16, 1)"]),
        (GOOD | {"X": GOOD["X"].astype(float)}, ["X is float64 (32, 32, 3, 16)", "uint8"]),
        (GOOD | {"X": GOOD["X"][:28, :28]}, ["X is uint8 (28, 28, 3, 16)"]),
        (GOOD | {"X": SVHN_IMAGES[:16]}, ["X is uint8 (16, 32, 32, 3)"]),
        (GOOD | {"X": GOOD["X"][..., :0]}, ["(32, 32, 3, 0)"]),
        (GOOD | {"y": GOOD["y"][:9]}, ["y is uint8 (9, 1)", "(16, 1)"]),
        (GOOD | {"y": GOOD["y"].T}, ["y is uint8 (1, 16)", "(16, 1)"]),
        (GOOD | {"y": np.full((16, 1), "7")}, ["y is", "not numbers"]),
        (with_label(0), ["label 0.0 at index 3", "1 to 10"]),
        (with_label(11, np.uint8), ["label 11 at index 3", "1 to 10"]),
        (with_label(-1, np.int16), ["label -1 at index 3"]),
        (with_label(2.5), ["label 2.5 at index 3"]),
        (with_label(np.nan), ["label nan at index 3"]),
    ],
)
def test_svhn_arrays_that_are_not_as_described_are_named(svhn_folder, arrays, said):
    savemat(svhn_folder / "train_32x32.mat", arrays)
    with pytest.raises(BadData) as caught:
        svhn.read(svhn_folder)
    message = one_line(caught.value)
    for part in ("train_32x32.mat", *said, f"`advntk data fetch svhn --to {svhn_folder}`"):
        assert part in message


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:200],
        lambda content: b"",
        lambda content: b"<html>not found</html>" * 20,
        lambda content: pickle.dumps(content),
        lambda content: b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" * 100,
    ],
)
def test_a_file_that_is_no_whole_matlab_5_file_is_refused(svhn_folder, spoil):
    path = svhn_folder / "test_32x32.mat"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(BadData, match=r"test_32x32\.mat") as caught:
        svhn.read(svhn_folder)
    assert "`advntk data fetch svhn" in one_line(caught.value)


@pytest.mark.parametrize("names", [["train_32x32.mat"], ["train_32x32.mat", "test_32x32.mat"]])
def test_missing_svhn_files_are_named(svhn_folder, names):
    for name in names:
        (svhn_folder / name).unlink()
    with pytest.raises(BadData, match=f"lacks {' and '.join(names)};") as caught:
        svhn.read(svhn_folder)
    one_line(caught.value)


def places(images: np.ndarray, pool: np.ndarray) -> list[int]:
    """Where in `pool` (bytes, all different) each image in [-1/2, 1/2] is."""
    back = np.rint((images.astype(np.float64) + 0.5) * 255).astype(np.uint8)
    flat = pool.reshape(len(pool), -1)
    return [int(np.flatnonzero((flat == one.reshape(-1)).all(1))[0]) for one in back]


SOURCES = {
    "cifar10": (
        CIFAR_IMAGES[:5].reshape(-1, 32, 32, 3),
        CIFAR_LABELS[:5].reshape(-1),
        CIFAR_IMAGES[5],
        CIFAR_LABELS[5],
    ),
    "svhn": (SVHN_IMAGES[:16], SVHN_LABELS[:16], SVHN_IMAGES[16:], SVHN_LABELS[16:]),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_colour_splits_are_disjoint_and_keep_training_and_test_apart(
    source, noise, cifar_folder, svhn_folder
):
    folder = cifar_folder if source == "cifar10" else svhn_folder
    pool, labels, test_pool, test_labels = SOURCES[source]
    found = adversarial_split(source, 10, 5, 6, 3, noise, folder)
    first, second = places(found.images, pool), places(found.validation_images, pool)
    third = places(found.test_images, test_pool)
    assert len({*first, *second}) == 15 and len(set(third)) == 6
    np.testing.assert_array_equal(found.labels, labels[first])
    np.testing.assert_array_equal(found.validation_labels, labels[second])
    np.testing.assert_array_equal(found.test_labels, test_labels[third])
    # Eight bits, one division and one subtraction in single precision.
    expected = pool[first] / 255 - 0.5
    np.testing.assert_allclose(found.images, expected, rtol=0, atol=2 * EPS32)
    assert found.images.dtype == found.y.dtype == found.x.dtype == np.float32
    assert found.images.shape == (10, 32, 32, 3) and found.x.shape == (10, 3072)
    assert found.validation_x.shape == (5, 3072) and found.test_x.shape == (6, 3072)
    noisy = found.y.argmax(1)
    np.testing.assert_array_equal(found.y, one_hot(noisy, 10).astype(np.float32))
    assert (noisy != found.labels).sum() == round(noise * 10)


def test_black_and_white_are_exactly_the_ends_of_the_range(cifar_folder):
    images = np.zeros((ROWS, 32, 32, 3), np.uint8)
    images[:, :, :16] = 255
    for name in CIFAR_FILES:
        (cifar_folder / name).write_bytes(cifar_bytes(images, CIFAR_LABELS[0]))
    # The same image everywhere: duplicates are no error.
    found = adversarial_split("cifar10", 20, 20, ROWS, 0, 0.0, cifar_folder)
    for part in (found.images, found.validation_images, found.test_images):
        assert (part[:, :, :16] == 0.5).all() and (part[:, :, 16:] == -0.5).all()


@EXACT
@given(
    seed=st.integers(0, 2**31),
    sizes=st.tuples(st.integers(1, 40), st.integers(0, 40), st.integers(0, 40)),
    noise=st.floats(0, 1),
)
def test_digits_are_split_as_for_the_infinite_width_predictor(seed, sizes, noise):
    ours, theirs = adversarial_split("digits", *sizes, seed, noise), split_of_digits(seed, *sizes, noise)
    for field in theirs._fields:
        expected = getattr(theirs, field)
        wanted = expected if "labels" in field else expected.astype(np.float32)
        np.testing.assert_array_equal(getattr(ours, field), wanted)
    assert ours.images.shape == (sizes[0], 8, 8, 1)


def test_a_seed_fixes_the_split_and_another_seed_changes_it(cifar_folder):
    first, again, other = (
        adversarial_split("cifar10", 12, 6, 4, seed, 0.3, cifar_folder) for seed in (1, 1, 2)
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.images, other.images)
    assert not np.array_equal(first.test_images, other.test_images)


def test_noise_leaves_everything_but_the_targets_as_it_is(cifar_folder):
    clean, noisy = (adversarial_split("cifar10", 12, 6, 4, 1, share, cifar_folder) for share in (0.0, 1.0))
    for field in set(clean._fields) - {"y"}:
        np.testing.assert_array_equal(getattr(clean, field), getattr(noisy, field))
    assert (clean.y.argmax(1) != noisy.y.argmax(1)).all()


def test_a_whole_data_set_can_be_used(svhn_folder):
    found = adversarial_split("svhn", 10, 6, 8, 0, 0.0, svhn_folder)
    assert sorted(places(np.concatenate([found.images, found.validation_images]), SVHN_IMAGES[:16])) == list(
        range(16)
    )
    assert sorted(places(found.test_images, SVHN_IMAGES[16:])) == list(range(8))


def test_a_split_goes_through_compiled_programs():
    found = adversarial_split("digits", 4, 3, 2, 0, 0.0)

    @jax.jit
    def flat(split):
        return split.x, split.validation_x, split.test_x

    for given_back, expected in zip(flat(found), (found.x, found.validation_x, found.test_x), strict=True):
        np.testing.assert_array_equal(given_back, expected)
        assert given_back.dtype == np.float32


OWN = RNG.normal(3.0, 10.0, (20, 4, 5))
OWN_LABELS = np.arange(20) % 3


def own(folder: Path, images=OWN, labels=OWN_LABELS) -> str:
    path = folder / "own.npz"
    np.savez(path, images=images, labels=labels)
    return str(path)


def test_own_images_are_one_pool_scaled_by_their_own_range(tmp_path):
    found = adversarial_split(own(tmp_path), 9, 6, 5, 2, 0.0)
    together = np.concatenate([found.images, found.validation_images, found.test_images])
    assert together.shape == (20, 4, 5, 1) and found.y.shape == (9, 3)
    assert together.min() == -0.5 and together.max() == 0.5
    scaled = (OWN - OWN.min()) / (OWN.max() - OWN.min()) - 0.5
    order = [int(np.abs(scaled - image[..., 0]).sum((1, 2)).argmin()) for image in together]
    assert sorted(order) == list(range(20))
    np.testing.assert_allclose(together[..., 0], scaled[order], rtol=0, atol=EPS32)
    labels = np.concatenate([found.labels, found.validation_labels, found.test_labels])
    np.testing.assert_array_equal(labels, OWN_LABELS[order])


NAN = OWN.copy()
NAN[7, 1, 1] = np.nan


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"images": NAN}, ["1 of 400 values are NaN", "(7, 1, 1)", "remove"]),
        ({"labels": OWN_LABELS - 1}, ["labels must be integers 0, 1, ..."]),
        ({"labels": OWN_LABELS + 0.5}, ["labels must be integers"]),
        ({"labels": OWN_LABELS + 10**9}, ["label 1000000002 is out of range", "up to 999"]),
        ({"labels": 0 * OWN_LABELS + 4}, ["all 20 labels are 4", "at least 2 classes"]),
        ({"labels": 0 * OWN_LABELS}, ["all 20 labels are 0", "at least 2 classes"]),
        ({"images": 0 * OWN + 5}, ["pixels from 5 to 5 cannot be scaled", "some content"]),
        ({"labels": OWN_LABELS[:7]}, ["20 images but 7 labels"]),
    ],
)
def test_own_images_that_cannot_be_used_are_named(tmp_path, arrays, said):
    source = own(tmp_path, **arrays)
    with pytest.raises(BadData) as caught:
        adversarial_split(source, 5, 5, 5, 0, 0.0)
    for part in (f"--data {source}", *said):
        assert part in one_line(caught.value)


def test_a_colour_set_of_one_class_is_refused(cifar_folder):
    for name in CIFAR_FILES:
        (cifar_folder / name).write_bytes(cifar_bytes(CIFAR_IMAGES[0], 0 * CIFAR_LABELS[0] + 6))
    with pytest.raises(BadData, match="--data cifar10: all 40 labels are 6; give at least 2 classes"):
        adversarial_split("cifar10", 5, 5, 5, 0, 0.0, cifar_folder)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cifar10", 36, 5, 8, 0, 0.0), ["training + validation = 41", "40 cifar10 training", "fewer"]),
        (("cifar10", 10, 5, 9, 0, 0.0), ["test = 9", "8 cifar10 test images", "fewer"]),
        (("digits", 1000, 700, 98, 0, 0.0), ["training + validation + test = 1798", "1797 digits images"]),
        (("digits", 0, 5, 5, 0, 0.0), ["training = 0", "at least 1"]),
        (("digits", 5, -1, 5, 0, 0.0), ["validation = -1", "at least 0"]),
        (("digits", 5, 5, -2, 0, 0.0), ["test = -2", "at least 0"]),
        (("digits", 5, 5, 5, -3, 0.0), ["seed = -3", "at least 0"]),
        (("digits", 5, 5, 5, 0, 1.5), ["label_noise = 1.5", "[0, 1]"]),
        (("digits", 5, 5, 5, 0, float("nan")), ["label_noise = nan", "[0, 1]"]),
        (("mnist", 5, 5, 5, 0, 0.0), ["--data mnist: unknown", "cifar10, svhn, digits", ".npz"]),
        (("none.npz", 5, 5, 5, 0, 0.0), ["--data none.npz: no such file", "cifar10, svhn, digits"]),
    ],
)
def test_a_split_that_cannot_be_drawn_names_argument_value_and_fix(cifar_folder, arguments, said):
    with pytest.raises(BadData) as caught:
        adversarial_split(*arguments, cifar_folder)
    for part in said:
        assert part in one_line(caught.value)


def test_the_default_folder_follows_the_environment(monkeypatch, cifar_folder, tmp_path):
    monkeypatch.delenv("ADVNTK_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_folder() == tmp_path / "cache" / "advntk" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "advntk" / "data"
    monkeypatch.setenv("ADVNTK_DATA", str(cifar_folder.parent))
    assert default_folder() == cifar_folder.parent
    assert len(read_pools("cifar10").images) == 5 * ROWS


def packed(path: Path, members: dict[str, bytes | tarfile.TarInfo]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def folder_entry() -> tarfile.TarInfo:
    info = tarfile.TarInfo(cifar10.FOLDER)
    info.type = tarfile.DIRTYPE
    return info


CIFAR_MEMBERS: dict[str, bytes | tarfile.TarInfo] = {
    cifar10.FOLDER: folder_entry(),
    **{
        f"{cifar10.FOLDER}/{name}": cifar_bytes(images, labels)
        for name, images, labels in zip(CIFAR_FILES, CIFAR_IMAGES, CIFAR_LABELS, strict=True)
    },
    f"{cifar10.FOLDER}/batches.meta.txt": b"airplane\n",
    f"{cifar10.FOLDER}/readme.html": b"<html>",
}


class Server:
    """Stands in for pooch's downloader: a folder of files, and a count of what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.failure = folder, [], None

    def __call__(self, progressbar=False, chunk_size=1024, **_):
        def download(url, output_file, pooch):
            self.asked.append(url)
            content = (self.folder / url.rsplit("/", 1)[1]).read_bytes()
            if progressbar:
                progressbar.total = len(content)
            for start in range(0, len(content), chunk_size):
                Path(output_file).write_bytes(content[: start + chunk_size])
                if self.failure:
                    raise self.failure
                if progressbar:
                    progressbar.update(chunk_size)
            if progressbar:
                progressbar.reset()
                progressbar.update(len(content))
                progressbar.close()

        return download


@pytest.fixture
def server(tmp_path, monkeypatch) -> Server:
    """The official addresses, with tiny files and their checksums."""
    folder = tmp_path / "server"
    folder.mkdir()
    packed(folder / "cifar-10-binary.tar.gz", CIFAR_MEMBERS)
    savemat(folder / "train_32x32.mat", as_mat(SVHN_IMAGES[:16], SVHN_LABELS[:16]))
    savemat(folder / "test_32x32.mat", as_mat(SVHN_IMAGES[16:], SVHN_LABELS[16:]))
    for name, remotes in REMOTE.items():
        tiny = tuple(Remote(r.url, md5((folder / r.name).read_bytes())) for r in remotes)
        monkeypatch.setitem(REMOTE, name, tiny)
    here = Server(folder)
    monkeypatch.setattr(pooch, "HTTPDownloader", here)
    return here


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_official_addresses_and_checksums():
    assert {r.name: r.md5 for remotes in REMOTE.values() for r in remotes} == {
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
        svhn.TRAINING_FILE: "e26dedcc434d2e4c54c9b2d4a06d8373",
        svhn.TEST_FILE: "eb5a983be6a315427106f1b164d9cef3",
    }


@pytest.mark.parametrize("name", REMOTE)
def test_what_is_fetched_can_be_read_and_is_not_fetched_again(tmp_path, server, name):
    folder = tmp_path / "new" / "place"
    assert fetch(name, folder) == folder
    assert server.asked == [remote.url for remote in REMOTE[name]]
    pool, labels, test_pool, test_labels = SOURCES[name]
    for found, expected in zip(
        read_pools(name, folder)[:4], (pool, labels, test_pool, test_labels), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    before = everything(folder)
    fetch(name, folder)
    assert len(server.asked) == len(REMOTE[name]) and everything(folder) == before
    expected = {remote.name for remote in REMOTE[name]}
    if name == "cifar10":
        expected |= {f"{cifar10.FOLDER}/{file}" for file in CIFAR_FILES}
    assert set(before) == expected


def test_only_what_is_missing_or_wrong_is_fetched(tmp_path, server):
    folder = tmp_path / "data"
    fetch("svhn", folder)
    server.asked.clear()
    (folder / svhn.TEST_FILE).write_bytes(b"cut off")
    fetch("svhn", folder)
    assert [url.rsplit("/", 1)[1] for url in server.asked] == [svhn.TEST_FILE]
    svhn.read(folder)


def test_unpacked_files_that_were_damaged_are_unpacked_anew(tmp_path, server):
    fetch("cifar10", tmp_path)
    (tmp_path / cifar10.FOLDER / CIFAR_FILES[2]).write_bytes(b"damaged")
    (tmp_path / cifar10.FOLDER / CIFAR_FILES[3]).unlink()
    fetch("cifar10", tmp_path)
    assert len(server.asked) == 1
    assert len(cifar10.read(tmp_path).training_images) == 5 * ROWS


def test_an_archive_that_was_put_there_by_hand_needs_no_connection(tmp_path, server):
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(server.folder / "cifar-10-binary.tar.gz", folder)
    fetch("cifar10", folder)
    assert server.asked == []
    cifar10.read(folder)


def test_progress_is_shown_in_bytes_up_to_all_of_them(tmp_path, server):
    seen = []
    fetch("svhn", tmp_path, lambda *args: seen.append(args))
    for remote in REMOTE["svhn"]:
        size = (server.folder / remote.name).stat().st_size
        steps = [(done, total) for done, total, what in seen if what == remote.name]
        done = [one for one, _ in steps]
        assert done == sorted(done) and steps[-1] == (size, size) and {t for _, t in steps} == {size}


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (requests.ConnectionError("Max retries\nexceeded"), "ConnectionError"),
        (requests.Timeout(), "Timeout"),
        (requests.exceptions.ChunkedEncodingError("broken off"), "ChunkedEncodingError"),
    ],
)
def test_without_a_connection_it_is_said_what_to_put_where(tmp_path, server, failure, said):
    server.failure = failure
    folder = tmp_path / "data"
    with pytest.raises(BadData) as caught:
        fetch("cifar10", folder)
    message = one_line(caught.value)
    url = REMOTE["cifar10"][0].url
    for part in (url, f"({said})", f"put it at {folder / 'cifar-10-binary.tar.gz'} and run this again"):
        assert part in message
    assert everything(folder) == {}


def test_an_error_of_the_server_is_named_by_its_number(tmp_path, server):
    response = requests.Response()
    response.status_code = 404
    server.failure = requests.HTTPError("Not Found", response=response)
    with pytest.raises(BadData, match=r"\(HTTPError 404\)"):
        fetch("svhn", tmp_path)


def test_another_checksum_is_not_kept_and_harms_nothing(tmp_path, server):
    folder = tmp_path / "data"
    fetch("svhn", folder)
    (folder / svhn.TRAINING_FILE).write_bytes(b"wrong")
    (server.folder / svhn.TRAINING_FILE).write_bytes(b"<html>moved</html>")
    before = everything(folder)
    with pytest.raises(BadData) as caught:
        fetch("svhn", folder)
    assert "has not the MD5 checksum" in one_line(caught.value)
    assert str(folder / svhn.TRAINING_FILE) in str(caught.value)
    assert everything(folder) == before


def test_an_unknown_name_and_a_folder_that_is_a_file_are_refused(tmp_path, server):
    with pytest.raises(BadData, match="data mnist: unknown; choose cifar10 or svhn"):
        fetch("mnist", tmp_path)
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BadData, match=f"{re.escape(str(place))} cannot be written") as caught:
            fetch("svhn", place)
        one_line(caught.value)
    assert server.asked == []


FIRST = f"{cifar10.FOLDER}/{CIFAR_FILES[0]}"


@pytest.mark.parametrize(
    "members",
    [
        {"../evil": b"evil"},
        {"/tmp/advntk-evil": b"evil"},
        {f"{cifar10.FOLDER}/../../evil": b"evil"},
        {"evil": b"evil"},
        {FIRST: link(FIRST, "/etc/passwd")},
        {FIRST: link(FIRST, "../../secret", tarfile.LNKTYPE)},
        {"link": link(cifar10.FOLDER + "2", "/tmp")},
    ],
    ids=["parent", "absolute", "dots", "elsewhere", "symlink", "hardlink", "folder"],
)
@pytest.mark.parametrize("filters", [True, False], ids=["filters", "no-filters"])
def test_an_archive_that_reaches_outside_is_refused_before_anything_is_written(
    tmp_path, members, filters, monkeypatch
):
    if not filters and hasattr(tarfile, "data_filter"):
        monkeypatch.delattr(tarfile, "data_filter")
    outside = tmp_path / "outside"
    folder = outside / "data"
    folder.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    archive = packed(tmp_path / "evil.tar.gz", CIFAR_MEMBERS | members)
    with pytest.raises(BadData, match="does not belong there; nothing was unpacked") as caught:
        unpack(archive, folder)
    one_line(caught.value)
    assert everything(outside) == {} and list(folder.iterdir()) == []
    assert not Path("/tmp/advntk-evil").exists()


def test_a_member_that_comes_twice_is_refused(tmp_path):
    path = tmp_path / "twice.tar.gz"
    packed(path, CIFAR_MEMBERS)
    inner = gzip.decompress(path.read_bytes())
    extra = io.BytesIO()
    with tarfile.open(fileobj=extra, mode="w") as archive:
        info = tarfile.TarInfo(FIRST)
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    # Without the blocks of zeros that end an archive, the next one goes on with it.
    content = inner.rstrip(b"\x00")
    content += bytes(-len(content) % 512)
    path.write_bytes(gzip.compress(content + extra.getvalue()))
    with pytest.raises(BadData, match="does not belong"):
        unpack(path, tmp_path)


@pytest.mark.parametrize("filters", [True, False], ids=["filters", "no-filters"])
def test_only_the_six_files_are_unpacked(tmp_path, filters, monkeypatch):
    if not filters and hasattr(tarfile, "data_filter"):
        monkeypatch.delattr(tarfile, "data_filter")
    folder = tmp_path / "data"
    folder.mkdir()
    harmless = {f"{cifar10.FOLDER}/link": link(f"{cifar10.FOLDER}/link", "/etc/passwd")}
    unpack(packed(tmp_path / "a.tar.gz", CIFAR_MEMBERS | harmless), folder)
    assert set(everything(folder)) == {f"{cifar10.FOLDER}/{name}" for name in CIFAR_FILES}


def test_an_archive_without_all_six_files_leaves_what_is_there(tmp_path):
    members = {name: content for name, content in CIFAR_MEMBERS.items() if name != FIRST}
    archive = packed(tmp_path / "five.tar.gz", members)
    with pytest.raises(BadData, match=rf"lacks '{FIRST}'; nothing was unpacked"):
        unpack(archive, tmp_path)
    assert set(everything(tmp_path)) == {"five.tar.gz"}


@pytest.mark.parametrize(
    "spoil",
    [lambda c: c[: len(c) // 2], lambda c: c[:30], lambda c: b"", lambda c: b"no gzip" * 99],
    ids=["half", "start", "empty", "foreign"],
)
def test_a_broken_archive_leaves_nothing_behind(tmp_path, spoil):
    archive = packed(tmp_path / "a.tar.gz", CIFAR_MEMBERS)
    archive.write_bytes(spoil(archive.read_bytes()))
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(BadData, match=r"a\.tar\.gz") as caught:
        unpack(archive, folder)
    assert "fetch it again" in one_line(caught.value)
    assert list(folder.iterdir()) == []


def test_reading_imports_nothing_that_only_fetching_needs(fresh_python):
    code = (
        "import sys; from implementations.data.splits import read_pools; read_pools('digits');"
        "print([m for m in ('pooch', 'requests', 'jax') if m in sys.modules])"
    )
    found = fresh_python(code)
    assert found.stdout.strip() == "[]", found.stderr


def test_one_data_set_is_kept_in_memory(cifar_folder, monkeypatch):
    splits._read.cache_clear()
    reads = []
    real = cifar10.read
    monkeypatch.setattr(cifar10, "read", lambda folder: reads.append(folder) or real(folder))
    for seed in range(3):
        adversarial_split("cifar10", 4, 2, 2, seed, 0.0, cifar_folder)
    assert reads == [cifar_folder]


def test_the_downloader_is_asked_for_bytes_as_they_are(tmp_path, monkeypatch):
    asked = {}

    def refuse(**options):
        asked.update(options)
        raise requests.ConnectionError

    monkeypatch.setattr(pooch, "HTTPDownloader", refuse)
    with pytest.raises(BadData):
        fetching.fetch("cifar10", tmp_path)
    assert asked["headers"] == {"Accept-Encoding": "identity"} and asked["progressbar"] is False
