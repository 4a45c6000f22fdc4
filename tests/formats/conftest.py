"""Makes the helpers of this suite importable by name; `tests` itself is no package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_up_evidence import add_run

from advntk.checks.evidence import read_run


@pytest.fixture
def make_run(tmp_path):
    """Add a made-up run to a folder, and return the folder."""
    return lambda *args, folder="evidence", **kwargs: add_run(tmp_path / folder, *args, **kwargs)


@pytest.fixture
def record(make_run):
    """The record of a run made by `make_run`."""
    return lambda *args, **kwargs: read_run(make_run(*args, **kwargs))
