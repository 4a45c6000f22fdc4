"""How much memory this process has taken, and how much it can have."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path


def peak_memory_bytes() -> int:
    """The most that was resident at once since the program was started."""
    try:
        status = Path("/proc/self/status").read_text()
        # getrusage would count what the process that started this one held at that moment.
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def usable_memory(groups: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this process can have: the machine's, or fewer by its control group or a resource limit.

    Args:
      groups: where the system lists the control groups of this process.
      mount: where control groups are mounted, of version 2 or (below `memory`) of version 1.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_group_limits(groups, mount)]
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    return min(limits)


def _group_limits(groups: Path, mount: Path) -> list[int]:
    """What every control group around this process allows; a group has no more than those above it."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:  # no control groups here
        return []
    found = []
    for line in lines:
        number, controllers, name = line.split(":", 2)
        if number == "0" and not controllers:
            top, file = mount, "memory.max"
        elif "memory" in controllers.split(","):
            top, file = mount / "memory", "memory.limit_in_bytes"
        else:
            continue
        parts = [part for part in name.split("/") if part and part != ".."]
        # In a container the path may be the host's, and the group itself be mounted at the top.
        for depth in range(len(parts) + 1):
            found += _bytes_in(top.joinpath(*parts[:depth], file))
    return found


def _bytes_in(file: Path) -> list[int]:
    try:
        return [int(file.read_text())]
    except (OSError, ValueError):  # there is none, or it says "max"
        return []
