"""`advntk export`: the trials of a run as a table for other programs."""

from __future__ import annotations

from pathlib import Path

from advntk.checks.evidence import FILE_NAME, read_run
from advntk.exceptions import UsageError
from advntk.implementations.outputs import may_write, replacing, told
from advntk.reports.kinds import TRIALS
from advntk.reports.sanitization import sanitized_record
from advntk.reports.trial_tables import TRIAL_WRITERS


class BadExport(UsageError):
    """A file that cannot be written; the message names it and the fix."""


def export_trials(evidence: Path, out: Path, run: int | None, force: bool = False) -> str:
    """Write the table and say how many trials it holds; with `force` over what is no such table.

    Raises:
      BadOutput: something else is there already, or the place cannot be written.
      BadExport: an unknown ending.
      BadEvidence: no such evidence or run.
    """
    write = TRIAL_WRITERS.get(out.suffix)
    if write is None:
        raise BadExport(f"--out {out}: unknown ending {out.suffix!r}; choose {' or '.join(TRIAL_WRITERS)}")
    may_write(out, TRIALS[out.suffix], inputs=[evidence / FILE_NAME], force=force)
    record = sanitized_record(read_run(evidence, run))
    with told(out), replacing(out) as draft:
        count = write(record, draft)
    return f"{count} trials of run {record.id} written to {out}"
