"""Where the time of a run goes: `python -m benchmarks.quick [--profile quick] [--data digits]`.

Runs the profile once in this process, from a cold start, one trial after the other, and writes a table
(stage, wall time, of it compiling, compilations, trials) and what store and deciders take of it to
benchmarks/quick.md, or to the file given with --out.  `advntk check` measures two trials at a time.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

START = time.perf_counter()


class Stopwatch:
    """Adds up the time inside the functions that it is put around; nested calls count once."""

    def __init__(self) -> None:
        self.seconds, self._inside = 0.0, False

    def put_around(self, owner: Any, *names: str) -> None:
        """Replace functions of a module or class by timed ones."""
        for name in names:
            setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, function: Callable) -> Callable:
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside, start = True, time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._inside = False
                self.seconds += time.perf_counter() - start

        return timed


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("quick.md"))
    options = parser.parse_args()

    from advntk.implementations.runtime import CompilationCount, configure, versions

    configure("cpu")
    compilations = CompilationCount().watch()
    stages: list[tuple[str, float, float, int, int]] = []
    mark = [START, 0.0, 0]

    def stage(name: str, trials: int = 0) -> None:
        now = time.perf_counter()
        spent = compilations.seconds - mark[1], compilations.number - int(mark[2])
        stages.append((name, now - mark[0], *spent, trials))
        mark[:] = [now, compilations.seconds, compilations.number]

    from advntk.checks import running
    from advntk.checks.evidence import EvidenceStore, read_run
    from advntk.checks.recording import Recorder
    from advntk.reports.page import render
    from advntk.wiring import RunSettings, costs, described, prepare

    keeping = Stopwatch()
    keeping.put_around(Recorder, "find", "keep", "decision")
    keeping.put_around(running, "decide")
    stage("start and imports")
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(RunSettings(profile=options.profile, data=options.data, evidence=Path(folder)))
        stage("planning: sampling scenarios, loading data")
        store = EvidenceStore(Path(folder))
        run = store.start_run(described(prepared), prepared.provenance)
        for planned in prepared.plan.checks:
            part = prepared.only([planned]).plan
            running.run_plan(part, store, run)
            stage(f"trial `{planned.check.name}`", part.trials)
        store.finish_run(run, costs(prepared, []))
        store.close()
        render(read_run(Path(folder)))
        stage("page")
    text = _table(stages, options, versions())
    whole = sum(wall for _, wall, *_ in stages)
    text += f"\nStore and deciders: {keeping.seconds:.1f} s, {keeping.seconds / whole:.1%} of the run.\n"
    options.out.write_text(text, encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


def _table(stages: list, options: argparse.Namespace, found: dict[str, str]) -> str:
    total = [sum(column) for column in list(zip(*stages, strict=True))[1:]]
    rows = [*stages, ("**total**", *total)]
    lines = [
        f"# Where the time of a {options.profile} run on {options.data} goes",
        "",
        f"`python -m benchmarks.quick --profile {options.profile} --data {options.data}`, one cold run, "
        f"{os.cpu_count()} cores ({platform.machine()}), Python {found['python']}, JAX {found['jax']}.",
        "",
        "| stage | wall s | of it compiling s | compilations | trials |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [f"| {name} | {wall:.1f} | {comp:.1f} | {n} | {t or ''} |" for name, wall, comp, n, t in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
