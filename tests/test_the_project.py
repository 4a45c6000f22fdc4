"""Promises that the project makes about itself as a whole."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_tensorflow_is_neither_installed_nor_locked():
    installed = {(found.metadata["Name"] or "").lower() for found in distributions()}
    assert not {"tensorflow", "tf2jax", "tensorflow-cpu"} & installed
    locked = {package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    assert not {"tensorflow", "tf2jax"} & locked
    assert "tensorflow" not in (ROOT / "requirements.txt").read_text()


def test_modules_stay_small_enough_to_read():
    long = {
        str(path.relative_to(ROOT)): lines
        for room in ("theorems", "implementations", "checks", "reports", "advntk", "tests", "benchmarks")
        for path in (ROOT / room).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


def test_no_two_classes_share_a_name():
    places: dict[str, list[str]] = {}
    for room in ("theorems", "implementations", "checks", "reports", "advntk"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_only_the_adapter_touches_private_jax_names():
    users = [
        str(path.relative_to(ROOT))
        for room in ("theorems", "implementations", "checks", "reports", "advntk")
        for path in (ROOT / room).rglob("*.py")
        if any(
            name in path.read_text() for name in ("jax._src", "import neural_tangents", "jax.interpreters")
        )
    ]
    assert users == ["implementations/neural_tangents_adapter.py"]


def test_the_import_direction_is_kept():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
