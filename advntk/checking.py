"""The main job, `advntk check`: a run, shown as a table and a page, and its exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from advntk.exceptions import Terminated
from advntk.exits import (
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_TERMINATED,
    EXIT_UNEXPECTED,
    is_lost_worker,
)
from advntk.implementations.foreign_code import contained, described
from advntk.speaking import complain, console, note, say, show
from advntk.wiring import RunSettings, run

if TYPE_CHECKING:
    from advntk.checks.evidence import RunRecord


def check_claims(settings: RunSettings, as_json: bool, verbose: bool = False) -> int:
    """Carry out `advntk check`: run, show, and return the exit code; `verbose` shows what broke in full."""
    try:
        # A user's code that calls sys.exit() does not choose our exit code.
        with contained():
            record = run(settings, ready=lambda: may_report(settings.evidence))
    except (KeyboardInterrupt, Terminated) as ended:
        how, code = ("terminated", EXIT_TERMINATED)
        if isinstance(ended, KeyboardInterrupt):
            how, code = ("interrupted", EXIT_INTERRUPTED)
        note(
            f"{how}; what was measured is kept in {settings.evidence}; go on with --resume, or look at it "
            f"with `advntk report {settings.evidence}`"
        )
        return code
    except Exception as error:
        if not is_lost_worker(error):
            raise
        complain(error)
        return EXIT_INTERNAL
    summary = _summary(record)
    # First of all the answer: what comes after it may fail.
    if as_json:
        from advntk.reports.summary import to_json

        say(to_json(summary), end="")
    else:
        _print_table(summary)
    if verbose:
        _print_failures(record)
    written = _write_what_is_possible(record, settings.evidence)
    if not as_json:
        _print_last_line(summary, settings.evidence if written else None)
    if not written or any(claim["verdict"] == "ERROR" for claim in summary["claims"]):
        return EXIT_INTERNAL
    return EXIT_OK if all(c["as_expected"] for c in summary["claims"]) else EXIT_UNEXPECTED


def _summary(record: RunRecord) -> dict[str, Any]:
    from advntk.reports.sanitization import sanitized_record
    from advntk.reports.summary import summarise

    return summarise(sanitized_record(record))


def _print_failures(record: RunRecord) -> None:
    from advntk.reports.failures import failures_of

    for found in failures_of(record):
        note(f"{found['count']} x {found['what']}\n{found['trace']}")


def _write_what_is_possible(record: RunRecord, folder: Path) -> bool:
    """Write the reports; whether that went well.  The evidence is there in any case."""
    try:
        write_reports(record, folder)
    except Exception as error:
        complain(f"the page could not be made: {described(error)}; try `advntk report {folder}`")
        return False
    return True


# What a run leaves beside its evidence.
_REPORTS = ("json", "html")


def may_report(folder: Path) -> None:
    """Before anything is measured: somebody's own page or summary in the folder stays.

    Raises:
      BadOutput: there is one.
    """
    from advntk.implementations.outputs import may_write
    from advntk.reports.formats import FORMATS

    for name in _REPORTS:
        may_write(folder / FORMATS[name].file_name, FORMATS[name].kind, "--evidence")


def write_reports(record: RunRecord, folder: Path) -> None:
    """Write summary and page beside the evidence."""
    from advntk.reports.formats import FORMATS
    from advntk.reports.formats import write_reports as write

    write(record, [(name, folder / FORMATS[name].file_name) for name in _REPORTS])


def _print_table(summary: dict) -> None:
    from advntk.reports.terminal import remarks, verdict_table

    show(verdict_table(summary, console().width), *remarks(summary))


def _print_last_line(summary: dict, folder: Path | None) -> None:
    from advntk.reports.summary import tally

    page = f"; page: {folder / 'index.html'}" if folder else ""
    show(f"{tally(summary['claims'])}, {summary['run']['wall_time_s']:.0f} s{page}")
