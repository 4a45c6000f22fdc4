"""Calling code that a user wrote: whatever it raises is an outcome, but an interruption stays one."""

from __future__ import annotations

import signal
import threading
import traceback
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

from advntk.exceptions import Terminated


class Raised(Exception):
    """Code raised what is no `Exception`: SystemExit, KeyboardInterrupt, or anything else derived so."""


class contained:
    """Within, what is raised and is no `Exception` becomes one (`Raised`), from which a run can go on.

    So `sys.exit()` in a trial cannot end the run, with whatever exit code.  What a signal caused (Ctrl-C, or
    the request of a scheduler to end) passes through; Python delivers signals to the main thread alone, so
    that in any other thread it was the code itself that raised it.
    """

    def __enter__(self) -> None:
        self._signalled = False
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                # Where a signal is ignored, or handled outside of Python, there is nothing to notice.
                if callable(before):
                    self._before[number] = before
                    signal.signal(number, self._noticed)

    def _noticed(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True
        self._before[number](number, frame)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        if error is None or isinstance(error, Exception):
            return
        if isinstance(error, KeyboardInterrupt | Terminated) and self._signalled:
            return
        raise Raised(_words(error)) from error


@dataclass(frozen=True)
class Failure:
    """Code that raised instead of answering: one line, and where it happened."""

    error: str
    trace: str = ""


def failure(error: BaseException, what: str = "") -> Failure:
    """An exception that was caught, as an outcome; `what` raised it, in words."""
    words = f"{what} raised {described(error)}" if what else described(error)
    try:
        with contained():
            return Failure(words, "".join(traceback.format_exception(error)))
    except Exception:  # what the code attached to it cannot be written
        return Failure(words)


def described(error: BaseException) -> str:
    """An exception on one line: its type and what it says of itself."""
    words = str(error) if isinstance(error, Raised) else _words(error)
    return " ".join(words.split())


def _words(error: BaseException) -> str:
    try:
        with contained():
            return f"{type(error).__name__}: {error}"
    except Exception:  # its text is the user's code as well
        return f"{type(error).__name__}: (its message cannot be shown)"
