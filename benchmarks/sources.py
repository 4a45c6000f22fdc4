"""Which version of the source a measured verdict speaks of: the modules that its theorem's check reaches."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent
# Every check goes through these.
_SHARED = ("advntk.checks.planning", "advntk.checks.running", "advntk.checks.executors")


@functools.cache
def theorem_digest(theorem: str) -> str:
    """Twelve hexadecimal digits over all modules that statement, trial or the way of measuring import.

    Verdicts on a theorem stay those of the present source as long as its digest does, whatever else changes.
    """
    digest = hashlib.sha256()
    for module in sorted(modules_of(theorem)):
        digest.update(f"{module}\0".encode())
        digest.update(_file(module).read_bytes())
    return digest.hexdigest()[:12]


def modules_of(theorem: str) -> set[str]:
    """Names of all modules of the project that the check of this theorem imports, directly or not."""
    roots = {f"advntk.theorems.{theorem}", f"advntk.checks.trials.{theorem}", *_SHARED}
    return roots.union(*(_graph().find_upstream_modules(root) for root in roots))


@functools.cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("advntk", exclude_type_checking_imports=True)


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
