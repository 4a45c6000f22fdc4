"""The command line as a process of its own, as users and their CI start it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def advntk() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `advntk` with these arguments in the folder `cwd`; whatever it exits with is returned.

    In one process, unless asked for more: the tests themselves run side by side.
    """

    def run(*arguments, cwd=None, jobs=1):
        return subprocess.run(
            [sys.executable, "-m", "advntk", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            check=False,
            env={**os.environ, "ADVNTK_JOBS": str(jobs)},
        )

    return run


@pytest.fixture(scope="session")
def advntk_command(advntk):
    """The same under a name that leaves the module's free."""
    return advntk


def pytest_collection_modifyitems(items):
    """Mark what starts the command, so that it can be left out where seconds of start-up add up."""
    for item in items:
        if {"advntk", "advntk_command"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.command)
