"""Files that the user names to be read: looked at before they are opened, and read as a whole."""

from __future__ import annotations

import stat
from pathlib import Path

from advntk.exceptions import UsageError

# What people write by hand, or a run writes of itself, is far smaller.
_MOST_BYTES = 2**26


class BadInput(UsageError):
    """A file that cannot be read; the message names it and the reason."""


def regular_file(path: Path) -> int:
    """The size of the file at `path`, in bytes; to open a FIFO or a device would be to wait for ever.

    Raises:
      BadInput: no such file, one that may not be read, or something else than a file.
    """
    try:
        status = path.stat()
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError in some versions of Python
        raise BadInput(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(f"cannot be read ({kind_in_words(status.st_mode)}, not a file)")
    return status.st_size


def kind_in_words(mode: int) -> str:
    """'a folder', 'a FIFO', 'a socket' or 'a device', by the mode of what is no regular file."""
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def read_text(path: Path) -> str:
    """All of a file of UTF-8 text; a byte order mark, which some editors write, is no part of it.

    Raises:
      BadInput: it cannot be read, is no text, or larger than any such file is.
    """
    if regular_file(path) > _MOST_BYTES:
        raise BadInput(f"cannot be read (larger than {_MOST_BYTES >> 20} MiB)")
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise BadInput("cannot be read (not UTF-8 text)") from error
