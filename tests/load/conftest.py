"""What the disturbed runs are compared with."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import under_load


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """Content of a run that nothing disturbs, and the seconds that it takes once its programs are cached."""
    for _ in range(2):
        folder = tmp_path_factory.mktemp("undisturbed")
        began = time.monotonic()
        found = under_load.finish(*under_load.CHECK, "--evidence", folder)
        assert found.returncode == 0, found.stderr
    return under_load.content(folder), time.monotonic() - began


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Arrays of a model that was trained without disturbance, and the seconds that it takes."""
    for _ in range(2):
        model = tmp_path_factory.mktemp("trained") / "whole.npz"
        began = time.monotonic()
        found = under_load.finish(*under_load.TRAIN, "--out", model)
        assert found.returncode == 0, found.stderr
    with np.load(model) as kept:
        return {name: kept[name] for name in ("strengths", "weights")}, time.monotonic() - began


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, and a function that gives it another size in KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(kib, *more):
        options = ",".join([f"size={kib}k", *more])
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)

    mounting = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder, resize
    subprocess.run(["umount", "-l", str(folder)], check=True)
