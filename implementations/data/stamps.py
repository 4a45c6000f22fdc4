"""What tells one state of a file from another, so that a cache never serves what a file once held."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import NamedTuple

# Clocks of file systems are coarse: a file written twice within this time may keep its size and its times.
_RECENT_NS = 2 * 10**9


class Stamp(NamedTuple):
    """Where a file is, whatever the working folder, and the state that it is in."""

    place: str
    inode: tuple[int, int] = (0, 0)
    size: int = -1
    changed: tuple[int, int] = (0, 0)
    content: str = ""


def stamp(path: Path) -> Stamp:
    """The stamp of what is at `path` now; of a file changed a moment ago its content counts as well.

    What cannot be looked at has the stamp of nothing: whoever reads it says why.
    """
    try:
        place = str(path.resolve())
        found = path.stat()
        content = ""
        if not path.is_file():
            return Stamp(place)
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _RECENT_NS:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that no file can have
        return Stamp(str(path.absolute()))
    return Stamp(
        place,
        (found.st_dev, found.st_ino),
        found.st_size,
        (found.st_mtime_ns, found.st_ctime_ns),
        content,
    )
