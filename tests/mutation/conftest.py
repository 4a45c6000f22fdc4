"""Makes helpers of this suite importable by name, in other processes too; `tests` itself is no package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from advntk.checks.mutation.functions import targets_of
from advntk.checks.mutation.planting import is_whole


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Write a module, import it, and have its functions by name; all are what they were when a test ends."""
    made, names = [], []

    def write(source, name="toy_module"):
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        module = importlib.import_module(name)
        names.append(name)
        targets = {target.name: target for target in targets_of([module])}
        made.append(targets)
        return module, targets

    yield write
    for name in names:
        sys.modules.pop(name, None)
    assert all(is_whole(targets) for targets in made)
