"""Progress of a run: a live bar on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from advntk.printable import printable
from advntk.speaking import note

Show = Callable[[int, int, str], None]

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress_display(total: int, unit: str = "trials") -> Iterator[Show]:
    """A function to call with (done, total, what) as the work goes on; `unit` is what is counted."""
    if sys.stderr is not None and sys.stderr.isatty():
        with _bar(total) as show:
            yield show
    else:
        yield _lines(unit)


@contextmanager
def _bar(total: int) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=total)
        yield lambda done, total, what: progress.update(
            task, completed=done, total=total, description=printable(what)
        )


def _lines(unit: str) -> Show:
    last = time.monotonic()

    def show(done: int, total: int, what: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES or done == total:
            last = now
            note(f"{done}/{total} {unit}: {what}")

    return show
