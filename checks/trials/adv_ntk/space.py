"""The space of the claims about Adv-NTK: that of adversarial training, and the implementation under test."""

from __future__ import annotations

import sys
from pathlib import Path

from advntk.checks.spaces import Axis, Space
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING

_DTYPES = ("float32", "float64")


def _cannot_be_tested(name: str) -> str:
    """Why an implementation cannot be put to the test; empty if it can."""
    from advntk.implementations.adv_ntk.contract import implementation

    try:
        found = implementation(name)
    except ValueError as error:
        words = str(error).removeprefix(f"--implementation {name}: ")
        return f"{name} cannot be tested: {' '.join(words.split())}"
    except (Exception, SystemExit) as error:  # whatever a user's module raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return f"{name} cannot be loaded ({reason})"
    if str(found.dtype) not in _DTYPES:
        return f"{name} has dtype = {found.dtype!r}, which must be one of: {', '.join(_DTYPES)}"
    return ""


def _file_of(name: str) -> tuple[Path, ...]:
    """The file of a user's own implementation, on which numbers depend; it has been imported."""
    module, separator, _ = name.partition(":")
    file = getattr(sys.modules.get(module), "__file__", None) if separator else None
    return (Path(file),) if file else ()


ADV_NTK = Space(
    ADVERSARIAL_TRAINING,
    Axis(
        "implementation",
        "krylov",
        group="implementation",
        description="implementation of Adv-NTK under test: a name, or package.module:attribute",
        constraint=_cannot_be_tested,
        files=_file_of,
    ),
)
