"""The main job, `advntk check`: a run, shown as a table and a page, and its exit code."""

from __future__ import annotations

import sys
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
from advntk.implementations.foreign_code import contained
from advntk.wiring import RunSettings, run

if TYPE_CHECKING:
    from advntk.checks.evidence import RunRecord


def check_claims(settings: RunSettings, as_json: bool) -> int:
    """Carry out `advntk check`: run, show, and return the exit code."""
    try:
        # A user's code that calls sys.exit() does not choose our exit code.
        with contained():
            record = run(settings, ready=lambda: may_report(settings.evidence))
            summary = write_reports(record, settings.evidence)
    except (KeyboardInterrupt, Terminated) as ended:
        how, code = ("terminated", EXIT_TERMINATED)
        if isinstance(ended, KeyboardInterrupt):
            how, code = ("interrupted", EXIT_INTERRUPTED)
        print(
            f"{how}; what was measured is kept in {settings.evidence}; go on with --resume, or look at it "
            f"with `advntk report {settings.evidence}`",
            file=sys.stderr,
        )
        return code
    except Exception as error:
        if not is_lost_worker(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        return EXIT_INTERNAL
    if as_json:
        from advntk.reports.summary import to_json

        print(to_json(summary), end="")
    else:
        _print_table(summary, settings.evidence)
    if any(claim["verdict"] == "ERROR" for claim in summary["claims"]):
        return EXIT_INTERNAL
    return EXIT_OK if all(c["as_expected"] for c in summary["claims"]) else EXIT_UNEXPECTED


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


def write_reports(record: RunRecord, folder: Path) -> dict[str, Any]:
    """Write summary and page beside the evidence; returns the summary."""
    from advntk.reports.formats import FORMATS
    from advntk.reports.formats import write_reports as write
    from advntk.reports.summary import summarise

    write(record, [(name, folder / FORMATS[name].file_name) for name in _REPORTS])
    return summarise(record)


def _print_table(summary: dict, evidence: Path) -> None:
    from rich.console import Console

    from advntk.reports.terminal import remarks, verdict_table

    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(verdict_table(summary, console.width))
    for line in remarks(summary):
        console.print(line, highlight=False)
    expected = sum(claim["as_expected"] for claim in summary["claims"])
    seconds = summary["run"]["wall_time_s"]
    console.print(
        f"{expected} of {len(summary['claims'])} claims as expected, {seconds:.0f} s; "
        f"page: {evidence / 'index.html'}",
        highlight=False,
        soft_wrap=True,
    )
