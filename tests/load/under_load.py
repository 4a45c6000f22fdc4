"""Runs of the command that are disturbed, and what they left, number by number."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from advntk.checks.evidence import BadEvidence, dumps, read_run

# Two trials, four points each, split by seeds over two processes: all of the machinery, little arithmetic.
CHECK = (
    "check",
    "diagonal_limit.ark",
    "diagonal_limit.ntk",
    "ark_positive_definiteness.gram_psd",
    "--jobs",
    "2",
)
CHECK += ("--axis", "depth=1,activation=erf,parameterization=ntk,samples=4,outputs=3")
CHECK += ("--widths", "32,64,128,256")
TRAIN = (
    "train",
    "--training",
    "60",
    "--validation",
    "40",
    "--test",
    "30",
    "--batch",
    "20",
    "--attack-steps",
    "3",
)
TRAIN += ("--iterations", "300", "--json", "--seed", "3", "--checkpoint-seconds", "0")
# Interruptions are ignored by what is started in the background, tests among it.
RUN = "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler); "
RUN += "runpy.run_module('advntk', run_name='__main__', alter_sys=True)"
PATIENCE_S = 600.0


def start(*arguments, first="", **environment) -> subprocess.Popen[str]:
    """Start the command; `first` is Python that its process runs before."""
    return subprocess.Popen(
        [sys.executable, "-c", first + RUN, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def finish(*arguments, **more) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    process = start(*arguments, **more)
    out, err = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def trials_in(folder: Path) -> int:
    """How many trials the latest run there has measured; 0 where there is no run yet."""
    with contextlib.suppress(BadEvidence):
        return sum(map(len, read_run(folder).trials.values()))
    return 0


def wait_for_trials(process: subprocess.Popen, folder: Path, more_than: int = 0) -> None:
    """Until something has been measured, or nothing will be."""
    deadline = time.monotonic() + PATIENCE_S
    while trials_in(folder) <= more_than and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(process: subprocess.Popen) -> list[int]:
    """Processes that it started and that measure."""
    pid = process.pid
    found = [int(other) for other in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [other for other in found if "spawn_main" in Path(f"/proc/{other}/cmdline").read_text()]


def wait_for_end(pids: list[int]) -> None:
    """Until none of these processes is left."""
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, f"{pids} outlive the run that started them"
        time.sleep(0.1)


def content(folder: Path, run: int | None = None) -> dict[str, object]:
    """All that a finished run says: every number of every trial, and every decision."""
    record = read_run(folder, run)
    assert record.finished
    return {
        "trials": {
            (trial, scenario, row.point, row.seed): (row.outcome, dumps(row.numbers), dumps(row.figures))
            for (trial, scenario), rows in record.trials.items()
            for row in rows
        },
        "decisions": {
            (row.claim, row.scenario_id, row.decider, row.decision.statistic): repr(row.decision)
            for row in record.decisions
        },
    }
