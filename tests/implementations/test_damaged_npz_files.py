"""Models and checkpoints that are damaged, or none: one line that names the file, whatever its bytes are."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from advntk.implementations.adv_ntk import files
from advntk.implementations.adv_ntk.problem import problem
from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.adv_ntk.training import init
from advntk.implementations.kernels.described import described, network
from advntk.implementations.kernels.ntk import kernel_of
from advntk.implementations.npz_files import BadFile, read, write
from advntk.implementations.outputs import npz_kind

SETTINGS = Settings(0.1, iterations=2)
KERNEL = kernel_of(network("mlp3", "relu", 1.7, 0.2))
ABOUT = {"kernel": described(KERNEL), "settings": SETTINGS.as_dict(), "stopped": "", "about": {}}
TRAINING = np.linspace(-0.5, 0.5, 12, dtype=np.float32).reshape(3, 2, 2, 1)
ARRAYS = {
    "training": TRAINING,
    "weights": np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2),
    "strengths": np.ones(3),
    "course": np.zeros((2, 7)),
}


def model(path, about=None, **changed):
    """A model with some of its parts changed; None: left out."""
    arrays = {name: value for name, value in {**ARRAYS, **changed}.items() if value is not None}
    write(path, "advntk model 1", {**ABOUT, **(about or {})}, **arrays)
    return path


def members(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, found, how=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return path


def refused(path, words, load=files.load_model):
    with pytest.raises(BadFile) as raised:
        load(path)
    said = str(raised.value)
    assert said.startswith(f"{path}: ") and words in said, said
    assert "\n" not in said and len(said) < 250 + len(str(path))


def test_a_good_one_is_read(tmp_path):
    predictor, about = files.load_model(model(tmp_path / "m.npz"))
    np.testing.assert_array_equal(predictor.x_train, TRAINING)
    assert predictor.kernel == KERNEL and about["settings"] == SETTINGS.as_dict()


def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path):
    path = model(tmp_path / "m.npz")
    good = path.read_bytes()
    whole = files.load_model(path)
    noticed = 0
    for at in range(0, len(good), 7):
        bad = bytearray(good)
        bad[at] ^= 1 << at % 8
        path.write_bytes(bad)
        try:
            predictor, about = files.load_model(path)
        except BadFile as error:
            assert "\n" not in str(error) and str(error).startswith(f"{path}: ")
            noticed += 1
        else:
            assert about == whole[1] and predictor.kernel == KERNEL
            np.testing.assert_array_equal(predictor.x_train, whole[0].x_train)
            np.testing.assert_array_equal(predictor.weights, whole[0].weights)
    assert noticed > len(good) / 7 / 2


def test_what_is_no_file_is_not_waited_for(tmp_path):
    path = tmp_path / "m.npz"
    refused(path, "no such file")
    os.mkfifo(path)
    refused(path, "a FIFO, not a file")
    refused(tmp_path, "a folder, not a file")
    path.unlink()
    path.symlink_to(path)
    refused(path, "cannot be read (")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"x" * 1000, bytes(1000)])
def test_what_is_no_archive(tmp_path, content):
    path = tmp_path / "m.npz"
    path.write_bytes(content)
    refused(path, "no advntk model, or a broken one")
    assert npz_kind(path) is None


def header(shape: str, dtype: str = "<f8") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    "shape",
    ["(1099511627776,)", "(9223372036854775807, 9223372036854775807)", "(-1,)", "(1.5,)", "3", "(" * 500],
)
def test_nothing_is_made_room_for_that_is_not_there(tmp_path, shape):
    """Arrays that declare terabytes, and archives of zeros packed a thousandfold."""
    path = model(tmp_path / "m.npz")
    found = members(path)
    packed(path, {**found, "weights.npy": header(shape) + bytes(64)})
    tracemalloc.start()
    refused(path, "no advntk model, or a broken one")
    about = {**found, "about.npy": header("(1099511627776,)", "<U4") + bytes(64)}
    assert npz_kind(packed(path, about)) is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6


def test_packed_archives_are_none_of_ours(tmp_path):
    path = model(tmp_path / "m.npz")
    stream = io.BytesIO()
    np.save(stream, np.zeros(10**6))
    packed(path, {**members(path), "weights.npy": stream.getvalue()}, zipfile.ZIP_DEFLATED)
    refused(path, "is compressed, or larger than the file")


def test_pickled_objects_are_never_loaded(tmp_path):
    path = model(tmp_path / "m.npz")
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], object), allow_pickle=True)
    for name in ("weights.npy", "about.npy"):
        packed(path, {**members(model(path)), name: stream.getvalue()})
        refused(path, "no advntk model, or a broken one")
        assert npz_kind(path) == ("advntk model 1" if name == "weights.npy" else None)


WRONG = {
    "no weights": ({}, {"weights": None}, "no 'weights'"),
    "no training": ({}, {"training": None}, "no 'training'"),
    "weights of other samples": ({}, {"weights": np.ones((4, 2))}, "weights is float64 of shape (4, 2)"),
    "weights that are whole": ({}, {"weights": np.ones((3, 2), int)}, "weights is int64"),
    "weights that are text": ({}, {"weights": np.full((3, 2), "x")}, "weights is <U1"),
    "weights in one dimension": ({}, {"weights": np.ones(3)}, "weights is float64 of shape (3,)"),
    "weights that are none": ({}, {"weights": np.full((3, 2), np.nan)}, "weights is not finite"),
    "images that are none": ({}, {"training": np.full((3, 2, 2, 1), np.inf)}, "training is not finite"),
    "images in three dimensions": ({}, {"training": np.ones((3, 2, 2))}, "training is float64"),
    "images of complex numbers": ({}, {"training": np.ones((3, 4), complex)}, "training is complex128"),
    "an unknown kernel": ({"kernel": {"banana": {}}}, {}, "no 'architecture'"),
    "a kernel that is a list": ({"kernel": []}, {}, "incomplete or damaged"),
    "no depth": ({"kernel": {"architecture": {"family": "mlp"}}}, {}, "missing required field `depth`"),
    "settings that are text": ({"settings": "as ever"}, {}, "incomplete or damaged"),
    "no settings": ({"settings": {}}, {}, "missing required field `radius`"),
    "a radius that is text": ({"settings": SETTINGS.as_dict() | {"radius": "wide"}}, {}, "$.radius"),
    "a negative radius": ({"settings": SETTINGS.as_dict() | {"radius": -1.0}}, {}, "radius = -1"),
    "settings of later versions": ({"settings": SETTINGS.as_dict() | {"warp": 9}}, {}, "no 'warp'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_arrays_and_values_of_another_type(tmp_path, wrong):
    about, arrays, words = WRONG[wrong]
    refused(model(tmp_path / "m.npz", about, **arrays), words)


@pytest.mark.parametrize("field", ["depth", "sigma_w", "activation", "family", "readout", "parameterization"])
@pytest.mark.parametrize("value", [None, "banana", -3, [], 10**30, {}])
def test_kernels_of_another_type(tmp_path, field, value):
    values = {**described(KERNEL)["architecture"], field: value}
    refused(model(tmp_path / "m.npz", {"kernel": {"architecture": values}}), "incomplete or damaged (")


@pytest.mark.parametrize(
    "text", ["", "null", "7", "[]", "{}", '{"kind": 3}', '{"kind": "other"}', "[" * 10**5]
)
def test_what_says_nothing_about_itself(tmp_path, text):
    path = model(tmp_path / "m.npz")
    stream = io.BytesIO()
    np.save(stream, np.array(text))
    packed(path, {**members(path), "about.npy": stream.getvalue()})
    refused(path, "")
    assert npz_kind(path) is None


class TestCheckpoint:
    @pytest.fixture
    def made(self, tmp_path):
        x = np.asarray(TRAINING)
        labels = np.arange(3) % 2
        found = problem(KERNEL, x, np.eye(2)[labels] - 0.5, x, labels)
        path = tmp_path / "checkpoint.npz"
        files.save_checkpoint(path, found, SETTINGS, init(found, SETTINGS))
        return path, found

    def test_parts_of_another_type(self, made):
        path, found = made
        about, arrays = read(path, "advntk checkpoint 2")
        assert files.load_checkpoint(path, found, SETTINGS).iteration == 0
        for name, value in (
            ("settings", None), ("settings", []), ("problem", 3), ("iteration", -1), ("iteration", "two"),
            ("iteration", 10**30), ("implementation", {}),
        ):  # fmt: skip
            kept = {key: part for key, part in {**about, name: value}.items() if key != "kind"}
            write(path, "advntk checkpoint 2", kept, **arrays)
            refused(path, "", lambda p: files.load_checkpoint(p, found, SETTINGS))
        del about["kind"]
        for name, value in (
            ("strengths", np.ones(4)), ("strengths", np.full(3, "x")), ("strengths", None),
            ("course", np.zeros((2, 3))), ("course", np.array("x")), ("course", np.full((1, 7), np.nan)),
        ):  # fmt: skip
            kept = {key: part for key, part in {**arrays, name: value}.items() if part is not None}
            write(path, "advntk checkpoint 2", about, **kept)
            refused(path, "incomplete or damaged (", lambda p: files.load_checkpoint(p, found, SETTINGS))
