"""The command line as a process of its own, as users and their CI start it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def advntk() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `advntk` with these arguments in the folder `cwd`; whatever it exits with is returned."""

    def run(*arguments, cwd=None):
        return subprocess.run(
            [sys.executable, "-m", "advntk", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            check=False,
        )

    return run
