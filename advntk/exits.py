"""Exit codes, and how to tell that a process was lost."""

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
EXIT_TERMINATED = 143  # SIGTERM; the same


def is_lost_worker(error: BaseException) -> bool:
    """Whether a process that measured is gone; imports nothing."""
    module = sys.modules.get("advntk.checks.executors")
    return module is not None and isinstance(error, module.WorkerLost)
