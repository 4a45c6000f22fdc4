"""What a run's numbers depend on besides its request: the program, its libraries, the device, own data."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from advntk import checks, implementations, theorems

# What measures and decides.  Reports and the command line can change without changing a number.
_MEASURING = (theorems, implementations, checks)


def environment(
    device: str,
    data: str,
    modules: Iterable[ModuleType],
    theories: Iterable[str] = (),
    names: Iterable[str] | None = None,
) -> dict[str, Any]:
    """The circumstances of a run, as its evidence keeps them.

    Args:
      device: where it computes, in words.
      data: what `--data` was given.
      modules: whose source the numbers depend on besides the program's own.
      theories: what `--theory` was given, so that commands in reports find the same theorems.
      names: the theorems and claims as they were asked for; none: all; None: not chosen by name.
    """
    from advntk.implementations.runtime import versions

    return {
        "versions": versions(),
        "device": device,
        "dtype": "float64",
        "code": source_digest(modules),
        "commit": _commit(),
        "data_digest": _digest([Path(data)]) if data.endswith(".npz") else "",
        "theories": list(theories),
        **({} if names is None else {"names": list(names)}),
    }


def source_digest(modules: Iterable[ModuleType] = ()) -> str:
    """Twelve hexadecimal digits over the source of everything that measures, users' theories included."""
    files = [path for package in _MEASURING for path in Path(package.__path__[0]).rglob("*.py")]
    own = [Path(m.__file__) for m in modules if m.__file__ and not m.__name__.startswith("advntk.theorems.")]
    return _digest([*sorted(files), *own])


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _commit() -> str:
    """The commit of the checkout that runs, with '+' if it has local changes, else the version."""
    from importlib.metadata import version

    here = Path(__file__).resolve().parent.parent
    # An installed copy may lie inside somebody else's repository.
    if not (here / "pyproject.toml").is_file():
        return f"release {version('advntk')}"
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return f"release {version('advntk')}, without its history"
    return f"commit {found.stdout.strip()}"
