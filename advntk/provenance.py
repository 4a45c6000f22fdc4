"""What a run's numbers depend on besides its request: the program, its libraries, the device, own data."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advntk.checks.evidence import Provenance
    from advntk.checks.planning import Plan


def provenance(
    plan: Plan, device: str, data: str, theories: Iterable[str] = (), names: Iterable[str] | None = None
) -> Provenance:
    """The provenance of a run, as its evidence keeps it.

    Args:
      plan: what will be measured.
      device: where it computes, in words.
      data: what `--data` was given, or "".
      theories: what `--theory` was given, so that commands in reports find the same theorems.
      names: the theorems and claims as they were asked for; none: all; None: not chosen by name.
    """
    from advntk.checks.digests import digest, digest_of, source_digest
    from advntk.checks.evidence import Provenance
    from advntk.implementations.runtime import versions

    return Provenance(
        versions=versions(),
        device=device,
        dtype="float64",
        code=source_digest(),
        commit=_commit(),
        data_digest=digest([Path(data)]) if data.endswith(".npz") else "",
        theories=tuple(theories),
        names=None if names is None else tuple(names),
        digests={planned.check.name: digest_of(planned) for planned in plan.checks},
    )


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
