"""The command line as a process of its own, as users and their CI start it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def advntk_command() -> Callable[..., subprocess.CompletedProcess[str]]:
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


@pytest.fixture
def in_process(capfd, monkeypatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same without a process of its own: seconds of start-up less, programs that are traced already."""
    from advntk.cli import answer

    monkeypatch.setenv("ADVNTK_JOBS", "1")

    def run(*arguments, cwd=None):
        with monkeypatch.context() as there:
            if cwd is not None:
                there.chdir(cwd)
            capfd.readouterr()
            code = answer([str(argument) for argument in arguments])
            return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def advntk(advntk_command):
    """The same under a short name, which a module may give to `in_process`."""
    return advntk_command


def pytest_collection_modifyitems(items):
    """Mark what goes through the command line: one version of Python is enough for it."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.command)
