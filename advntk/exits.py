"""Exit codes, and which exceptions are a user's mistake rather than ours."""

from __future__ import annotations

import sys

EXIT_OK = 0  # every claim as expected
EXIT_UNEXPECTED = 1  # some claim otherwise
EXIT_USAGE = 2  # the request cannot be met; one line says why
EXIT_INTERNAL = 3  # something broke, inside a trial or in this program
EXIT_INCONCLUSIVE = 4  # gate: the evidence does not decide a claim of which a verdict is expected
EXIT_NOTHING_MEASURED = 5  # gate: a claim was not measured, or the run did not finish
EXIT_STALE = 6  # gate: an expectation matches no claim, or has expired
EXIT_MOVED = 7  # gate: an estimate moved beyond its interval since the baseline
EXIT_INTERRUPTED = 130  # Ctrl-C; what was measured is kept

_USAGE_ERRORS = (
    ("advntk.checking", "BadArgument"),
    ("advntk.expectations", "BadExpectations"),
    ("advntk.exporting", "BadExport"),
    ("advntk.reporting", "BadReport"),
    ("advntk.training", "BadTraining"),
    ("advntk.checks.axes", "BadAxis"),
    ("advntk.checks.evidence", "BadEvidence"),
    ("advntk.checks.planning", "BadPlan"),
    ("advntk.implementations.npz_files", "BadFile"),
    ("advntk.implementations.data.dataset", "BadData"),
    ("advntk.implementations.neural_tangents_adapter", "IncompatibleJax"),
    ("advntk.implementations.runtime", "DeviceUnavailable"),
    ("advntk.theorems.catalogue", "UnknownName"),
)


def is_usage_error(error: BaseException) -> bool:
    """Whether the exception says that the request cannot be met; imports nothing."""
    return _is_one_of(error, _USAGE_ERRORS)


def is_lost_worker(error: BaseException) -> bool:
    """Whether a process that measured is gone; imports nothing."""
    return _is_one_of(error, (("advntk.checks.executors", "WorkerLost"),))


def _is_one_of(error: BaseException, names: tuple[tuple[str, str], ...]) -> bool:
    return isinstance(error, tuple(getattr(sys.modules[m], name) for m, name in names if m in sys.modules))
