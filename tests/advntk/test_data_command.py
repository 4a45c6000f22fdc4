"""`advntk data`: what is said of what is there, and one line when there is nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.io import savemat
from typer.testing import CliRunner

from advntk import fetching
from advntk.cli import app
from advntk.implementations.data import cifar10
from advntk.implementations.data.fetching import REMOTE

FILES = (*cifar10.TRAINING_FILES, cifar10.TEST_FILE)
# Refused at once: nothing listens there, and nothing leaves the machine.
NOWHERE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


@pytest.fixture
def cifar_folder(tmp_path):
    """Twenty images per file, two of every class."""
    rows = np.zeros((20, 3073), np.uint8)
    rows[:, 0] = np.arange(20) % 10
    (tmp_path / cifar10.FOLDER).mkdir()
    for name in FILES:
        (tmp_path / cifar10.FOLDER / name).write_bytes(rows.tobytes())
    return tmp_path


def test_check_says_in_words_what_is_found(advntk, cifar_folder):
    found = advntk("data", "check", "cifar10", "--data-dir", cifar_folder)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [
        f"cifar10 in {cifar_folder}: 10 classes",
        "  training: 100 images, 32 x 32, 3 channels; 10 per class",
        "  test: 20 images, 32 x 32, 3 channels; 2 per class",
    ]


def test_check_says_it_as_json_and_takes_the_folder_from_the_environment(advntk, cifar_folder, monkeypatch):
    monkeypatch.setenv("ADVNTK_DATA", str(cifar_folder))
    found = advntk("data", "check", "cifar10", "--json")
    assert json.loads(found.stdout) == {
        "source": "cifar10",
        "folder": str(cifar_folder),
        "classes": 10,
        "names": list("0123456789"),
        "not_trainable": None,
        "sets": {
            "training": {"images": 100, "shape": [32, 32, 3], "per_class": [10] * 10},
            "test": {"images": 20, "shape": [32, 32, 3], "per_class": [2] * 10},
        },
    }


def test_check_looks_at_svhn_digits_and_own_images(advntk, tmp_path):
    arrays = {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.array([[10], [1], [1], [2]])}
    for name in ("train_32x32.mat", "test_32x32.mat"):
        savemat(tmp_path / name, arrays)
    np.savez(tmp_path / "own.npz", images=np.arange(24.0).reshape(4, 2, 3), labels=[0, 1, 1, 1])

    svhn = advntk("data", "check", "svhn", "--data-dir", tmp_path, "--json")
    assert json.loads(svhn.stdout)["sets"]["test"]["per_class"] == [1, 2, 1] + [0] * 7
    digits = advntk("data", "check", "digits")
    assert "  all: 1797 images, 8 x 8, 1 channel; 174 to 183 per class" in digits.stdout
    own = advntk("data", "check", "own.npz", cwd=tmp_path)
    assert own.stdout == "own.npz: 2 classes\n  all: 4 images, 2 x 3, 1 channel; 1 to 3 per class\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data", "check", "cifar10", "--data-dir", "."], ["cifar-10-batches-bin", "data fetch cifar10"]),
        (["data", "check", "svhn", "--data-dir", "no"], ["no lacks train_32x32.mat", "data fetch svhn"]),
        (["data", "check", "mnist"], ["--data mnist: unknown", "cifar10, svhn, digits"]),
        (["data", "check", "none.npz"], ["--data none.npz: no such file"]),
        (["data", "check", "nan.npz"], ["1 of 16 values are NaN", "remove"]),
        (["data", "fetch", "mnist"], ["mnist", "cifar10", "svhn"]),
        (["data", "fetch", "cifar10", "--to", "file"], ["file cannot be written"]),
        (
            ["data", "fetch", "svhn", "--to", "."],
            [REMOTE["svhn"][0].url, "cannot be fetched", "put it at train_32x32.mat"],
        ),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else None,
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_one_line_and_leaves_nothing(
    advntk, tmp_path, monkeypatch, arguments, words
):
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "file").write_text("a file, not a folder")
    images = np.ones((4, 2, 2))
    images[1, 1, 1] = np.nan
    np.savez(tmp_path / "nan.npz", images=images, labels=[0, 1, 0, 1])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    found = advntk(*arguments, cwd=tmp_path)

    assert found.returncode == 2, found.stderr
    message = found.stderr.strip().splitlines()[-1]
    assert message.lower().startswith("error: ")
    assert [word for word in words if word not in message] == []
    assert "Traceback" not in found.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_fetch_shows_progress_on_standard_error_and_then_what_is_there(cifar_folder, monkeypatch):
    def fetched(name, folder, show):
        for done in (0, 1_000_000, 3_000_000):
            show(done, 3_000_000, "archive")

    monkeypatch.setattr(fetching, "fetch", fetched)
    found = CliRunner().invoke(app, ["data", "fetch", "cifar10", "--to", str(cifar_folder)])
    assert found.exit_code == 0, found.output
    assert "archive: 3 of 3 MB" in found.stderr and "MB" not in found.stdout
    assert found.stdout.startswith(f"cifar10 in {cifar_folder}: 10 classes")


def test_on_a_terminal_there_is_a_bar(cifar_folder, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with fetching._progress() as show:
        show(0, 0, "archive")
        show(1_500_000, 3_000_000, "archive")
        show(3_000_000, 3_000_000, "archive")
    assert "archive" in capsys.readouterr().err
