"""What commands say: the one place where text goes to standard output and standard error.

Whatever a theory, a file or an exception puts into a text, no terminal obeys it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from advntk.printable import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console

_WITHOUT_TERMINAL = 160


class OutputLost(Exception):
    """Standard output cannot be written; the message says why."""


# Where answers go while what others print goes to standard error.
_answers: TextIO | None = None


def say(text: str, end: str = "\n") -> None:
    """Write an answer to standard output.  A reader who has seen enough (`| head`) is no fault.

    Raises:
      OutputLost: it cannot be written, as on a full disk.
    """
    _out(printable(text) + end)


def show(*parts: Any) -> None:
    """Print tables and lines as rich does, to the width of the terminal.

    Raises:
      OutputLost: as `say`.
    """
    from rich.segment import Segment, Segments

    where = console()
    with where.capture() as captured:
        for part in parts:
            if isinstance(part, str):
                where.print(printable(part), highlight=False, markup=False, soft_wrap=True)
                continue
            # Rich writes the escapes of colours itself; those of the text are not obeyed.
            found = where.render(part)
            where.print(Segments(Segment(printable(s.text), s.style, s.control) for s in found), end="")
    _out(captured.get())


def console() -> Console:
    """Standard output as rich sees it; wide where it is no terminal."""
    from rich.console import Console

    found = Console(file=_answers or sys.stdout)
    if not found.is_terminal:
        found.width = _WITHOUT_TERMINAL
    return found


def complain(message: object, kind: str = "error") -> None:
    """One short line on standard error; where that cannot be written there is nobody to tell."""
    note(one_line(f"{kind}: {message}"))


def note(text: str) -> None:
    """A line on standard error about what goes on."""
    if sys.stderr is None:
        return
    try:
        print(_encodable(printable(text), sys.stderr), file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


@contextmanager
def answers_alone() -> Iterator[None]:
    """Within, standard output holds what is said here and nothing else.

    What a user's code prints, and what programs that it starts print, goes to standard error.
    """
    global _answers
    if _answers is not None or sys.stdout is None or sys.stderr is None:
        yield
        return
    printed = sys.stdout
    try:
        sys.stdout.flush()
        kept = os.dup(1) if sys.stdout.fileno() == 1 else None
    except (OSError, ValueError):  # no file, but something that a test or a notebook put there
        kept = None
    if kept is None:
        _answers = sys.stdout
    else:
        os.dup2(2, 1)
        _answers = os.fdopen(kept, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = printed
        said, _answers = _answers, None
        if kept is not None:
            with suppress(OSError):
                sys.stdout.flush()
            os.dup2(kept, 1)
            with suppress(OSError):
                said.close()


def _out(text: str) -> None:
    stream = _answers or sys.stdout
    if stream is None:
        return
    try:
        stream.write(_encodable(text, stream))
        stream.flush()
    except BrokenPipeError:
        _discard(stream)
    except OSError as error:
        _discard(stream)
        raise OutputLost(f"standard output cannot be written ({error.strerror or error})") from error


def _encodable(text: str, stream: Any) -> str:
    """The text with what the stream's encoding lacks written out."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in text)
    return text


def _discard(stream: Any) -> None:
    """What is left in a stream that cannot be written goes nowhere, so that leaving is quiet."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
