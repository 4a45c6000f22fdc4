"""The main job, `advntk check`: from arguments through plan, run and evidence to table and page."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from advntk.exits import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_OK, EXIT_UNEXPECTED, is_lost_worker
from advntk.implementations.memory import peak_memory_bytes
from advntk.progress import progress_display
from advntk.theorems.catalogue import Catalogue, load

if TYPE_CHECKING:
    from advntk.checks.planning import Plan
    from advntk.checks.executors import Costs, Workers
    from advntk.implementations.runtime import CompilationCount


@dataclass(frozen=True)
class Arguments:
    """What the command line was given."""

    claims: tuple[str, ...] = ()
    profile: str = "quick"
    data: str = "digits"
    device: str = "cpu"
    seed: int = 0
    evidence: Path = Path("advntk-evidence")
    axes: tuple[str, ...] = ()
    widths: str | None = None
    implementation: str | None = None
    memory_gib: float | None = None
    jobs: int | None = None
    shrink: bool = False
    theories: tuple[str, ...] = ()
    as_json: bool = False
    resume: bool = False
    allow_changed: bool = False


class Started(NamedTuple):
    """What a run needs once JAX has been started: its plan, the device, and the modules that it tests."""

    plan: Plan
    device: str
    modules: tuple[ModuleType, ...]
    compilations: CompilationCount


class BadArgument(ValueError):
    """An argument that cannot be used; the message names it, its value and the fix."""


def check_claims(arguments: Arguments) -> int:
    """Carry out `advntk check`: run, show, and return the exit code."""
    try:
        summary = run_check(arguments)
    except KeyboardInterrupt:
        print(
            f"interrupted; what was measured is kept in {arguments.evidence}; go on with --resume, or look "
            f"at it with `advntk report {arguments.evidence}`",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED
    except Exception as error:
        if not is_lost_worker(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        return EXIT_INTERNAL
    _show(arguments, summary)
    if any(claim["verdict"] == "ERROR" for claim in summary["claims"]):
        return EXIT_INTERNAL
    return EXIT_OK if all(c["as_expected"] for c in summary["claims"]) else EXIT_UNEXPECTED


def run_check(arguments: Arguments) -> dict[str, Any]:
    """Measure, decide, write evidence, summary and page; returns the summary.

    Everything that can be wrong with a request is found out before the evidence is touched.  An
    interrupted run leaves what it measured in the evidence, marked as not finished.

    Raises:
      one of the exceptions that `advntk.exits.is_usage_error` knows, with one line that says why.
    """
    started = time.perf_counter()
    selected = _selected(arguments)

    # After what can be refused at once: these take longer than a refusal.
    from advntk.circumstances import environment
    from advntk.resuming import begin

    with _workers(arguments) as (jobs, workers):
        plan, device, modules, compilations = _started(arguments, selected, jobs)

        # These import what measures; JAX is settled now.
        from advntk.checks.description import describe
        from advntk.checks.evidence import EvidenceStore
        from advntk.checks.running import run_plan

        circumstances = environment(device, arguments.data, modules, arguments.theories, arguments.claims)
        with closing(EvidenceStore(arguments.evidence)) as store:
            run, older = begin(
                store, describe(plan), circumstances, arguments.resume, arguments.allow_changed
            )
            with progress_display(plan.trials) as show:
                run_plan(plan, store, run, show, arguments.shrink, older, workers)
            store.finish_run(run, _spent(started, compilations, workers.costs))
    return _write_reports(arguments.evidence, run)


def _spent(started: float, here: CompilationCount, elsewhere: list[Costs]) -> dict[str, Any]:
    """What the run has taken, over all its processes."""
    return {
        "wall_time_s": time.perf_counter() - started,
        "compilations": {
            "number": here.number + sum(cost.compilations for cost in elsewhere),
            "seconds": here.seconds + sum(cost.seconds for cost in elsewhere),
        },
        # Each at its own time: together they took at most this.
        "peak_memory_bytes": peak_memory_bytes() + sum(cost.peak_memory_bytes for cost in elsewhere),
    }


def start(arguments: Arguments) -> Started:
    """Settle the device and the plan, before any evidence is touched.

    Raises: as `run_check`.
    """
    from advntk.checks.planning import CONCURRENT

    return _started(arguments, _selected(arguments), arguments.jobs or CONCURRENT)


def _selected(arguments: Arguments) -> tuple[Catalogue, list]:
    """The theorems known and the claims asked for; all that can be wrong without starting JAX is found."""
    if arguments.theories:
        # A user's file may import JAX, which must find its device and precision settled.
        _start_jax(arguments)
    catalogue = load(arguments.theories)
    selected = catalogue.select(arguments.claims)
    _arguments_alone(arguments)
    return catalogue, selected


def _started(arguments: Arguments, selected: tuple[Catalogue, list], jobs: int) -> Started:
    # Importing this starts nothing.
    from advntk.implementations.runtime import CompilationCount

    # Hypothesis keeps a cache of its own; it does not belong in the folder that one happens to be in.
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(cache_folder() / "hypothesis"))
    # JAX starts here at the latest; what comes before answers without it.
    device = _start_jax(arguments)
    compilations = CompilationCount().watch()
    plan = _plan(arguments, *selected, jobs)
    return Started(plan, device, (*selected[0].modules, *_under_test(plan)), compilations)


def _start_jax(arguments: Arguments) -> str:
    from advntk.implementations.runtime import configure

    return configure(arguments.device, cache_folder() / "programs")  # type: ignore[arg-type]


@contextmanager
def _workers(arguments: Arguments) -> Iterator[tuple[int, Workers]]:
    """How many measure at a time, and who; other processes start on their own while the run is planned."""
    from advntk.checks.planning import CONCURRENT
    from advntk.checks.executors import processes, reasonable_number, threads

    if arguments.device == "cpu":
        jobs, cache = arguments.jobs or reasonable_number(), cache_folder() / "programs"
        found = processes(jobs, "cpu", cache, arguments.theories)
    else:
        # Processes would each take a part of the one accelerator's memory.
        jobs = arguments.jobs or CONCURRENT
        found = threads(jobs)
    with found as workers:
        yield jobs, workers


def _under_test(plan: Plan) -> list[ModuleType]:
    """The module of a user's own implementation, which the plan has imported."""
    from advntk.checks.planning import IMPLEMENTATION

    module, separator, _ = str(dict(plan.request.pins).get(IMPLEMENTATION, "")).partition(":")
    return [sys.modules[module]] if separator else []


def cache_folder() -> Path:
    """Where caches of this program go: they may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "advntk"


def _arguments_alone(arguments: Arguments) -> None:
    """What can be checked without starting JAX: axes and widths that cannot be meant."""
    from advntk.checks.axes import parse_pin

    for text in arguments.axes:
        parse_pin(text)
    _widths(arguments.widths)


def _plan(arguments: Arguments, catalogue: Catalogue, selected: list, jobs: int) -> Plan:
    from advntk.checks.axes import parse_pin
    from advntk.checks.planning import IMPLEMENTATION, Request, make_plan
    from advntk.checks.efforts import PROFILES

    pins = tuple(parse_pin(text) for text in arguments.axes)
    if arguments.implementation is not None:
        pins = (*pins, (IMPLEMENTATION, arguments.implementation))
    request = Request(
        profile=PROFILES[arguments.profile],
        data=arguments.data,
        seed=arguments.seed,
        pins=pins,
        widths=_widths(arguments.widths),
        memory=None if arguments.memory_gib is None else int(arguments.memory_gib * 2**30),
        jobs=jobs,
    )
    return make_plan(request, selected, catalogue.modules)


def _widths(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadArgument(f"--widths {text}: write whole numbers, for example 64,128,256,512") from None


def _write_reports(folder: Path, run: int) -> dict[str, Any]:
    from advntk.checks.evidence import read_run
    from advntk.reports.formats import FORMATS, write_reports
    from advntk.reports.summary import summarise

    record = read_run(folder, run)
    write_reports(record, [(name, folder / FORMATS[name].file_name) for name in ("json", "html")])
    return summarise(record)


def _show(arguments: Arguments, summary: dict[str, Any]) -> None:
    from advntk.reports.summary import to_json

    if arguments.as_json:
        print(to_json(summary), end="")
    else:
        _print_table(summary, arguments.evidence)


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
