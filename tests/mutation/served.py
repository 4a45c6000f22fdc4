"""What other processes do in tests of workers; they find this module by its name."""

from __future__ import annotations

import os
import time


def setup(announce):
    """Tasks by name: answer, hang, die, eat memory, raise, or say which process this is."""
    kept = []

    def serve(task):
        what = task[0]
        announce({"hang": 0.2, "spin": 1.0}.get(what, 60.0), f"doing {what}")
        if what == "hang":
            time.sleep(600)
        while what == "spin":
            pass
        if what == "die":
            os._exit(9)
        if what == "eat":
            kept.append(bytearray(8 * 2**30))
        if what == "raise":
            raise ValueError("no such task")
        return os.getpid() if what == "who" else task

    return serve


def broken(announce):
    """A process that never gets ready."""
    raise RuntimeError("nothing is installed here")
