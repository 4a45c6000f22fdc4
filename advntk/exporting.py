"""`advntk export`: the trials of a run as a table for other programs."""

from __future__ import annotations

from pathlib import Path

from advntk.checks.evidence import read_run
from advntk.exceptions import UsageError
from advntk.reports.sanitization import sanitized_record
from advntk.reports.trial_tables import TRIAL_WRITERS


class BadExport(UsageError):
    """A file that cannot be written; the message names it and the fix."""


def export_trials(evidence: Path, out: Path, run: int | None) -> str:
    """Write the table and say how many trials it holds.

    Raises:
      BadExport: an unknown ending, or a place that cannot be written.
      BadEvidence: no such evidence or run.
    """
    write = TRIAL_WRITERS.get(out.suffix)
    if write is None:
        raise BadExport(f"--out {out}: unknown ending {out.suffix!r}; choose {' or '.join(TRIAL_WRITERS)}")
    record = sanitized_record(read_run(evidence, run))
    draft = out.with_name(f".{out.name}.new")
    try:
        count = write(record, draft)
        draft.replace(out)
    except OSError as error:
        raise BadExport(f"--out {out}: cannot be written ({error.strerror}); choose another place") from error
    finally:
        draft.unlink(missing_ok=True)
    return f"{count} trials of run {record.id} written to {out}"
