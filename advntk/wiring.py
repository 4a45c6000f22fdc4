"""From a request to evidence: the one place where plan, store, executors and records meet.

The command line, the Python API, the pytest plugin, the benchmarks and the tests all go through it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from advntk.exceptions import UsageError
from advntk.implementations.memory import peak_memory_bytes
from advntk.progress import Show, progress_display
from advntk.settings_validation import validate_settings
from advntk.speaking import note
from advntk.theorems.catalogue import Catalogue, load
from advntk.theorems.vocabulary import Claim, Theorem

if TYPE_CHECKING:
    from advntk.checks.efforts import Profile
    from advntk.checks.evidence import Provenance, RunCosts, RunRecord, RunRequest
    from advntk.checks.executors import Costs, Workers
    from advntk.checks.pins import Pin
    from advntk.checks.planning import Plan, PlannedCheck
    from advntk.implementations.runtime import CompilationCount


Selected = list[tuple[Theorem, Claim]]


@dataclass(frozen=True)
class RunSettings:
    """What a run is asked for, in the words of the command line.

    Args:
      claims: ids of claims or theorems; none: all.
      profile: quick, standard or thorough.
      data: where inputs come from; None: each theory's default.
      device: "cpu" or "gpu".
      seed: of scenarios and networks.
      evidence: folder of the evidence.
      axes: texts NAME=VALUE.
      sweeps: texts AXIS=V,V,V,V.
      widths: a text V,V,V,V: short for a sweep over width.
      implementation: which implementation is under test.
      memory_gib: what trials may take in all.
      max_minutes: how long compilation and the like may take in all; None: as the profile says.
      jobs: batches measured at the same time; None: what cores and memory allow.
      shrink: whether counterexamples are made as simple as they get.
      theories: files or modules that state further theorems.
      resume: whether to go on with the latest run.
      allow_changed: whether that run may have been asked for something else.
    """

    claims: tuple[str, ...] = ()
    profile: str = "quick"
    data: str | None = None
    device: str = "cpu"
    seed: int = 0
    evidence: Path = Path("advntk-evidence")
    axes: tuple[str, ...] = ()
    sweeps: tuple[str, ...] = ()
    widths: str | None = None
    implementation: str | None = None
    memory_gib: float | None = None
    max_minutes: float | None = None
    jobs: int | None = None
    shrink: bool = False
    theories: tuple[str, ...] = ()
    resume: bool = False
    allow_changed: bool = False


class BadArgument(UsageError):
    """An argument that cannot be used; the message names it, its value and the fix."""


@dataclass(frozen=True)
class Prepared:
    """A run that has been settled and not begun: its plan, and what its numbers depend on."""

    settings: RunSettings
    plan: Plan
    provenance: Provenance
    compilations: CompilationCount
    started: float = field(default_factory=time.perf_counter)

    def only(self, checks: Sequence[PlannedCheck]) -> Prepared:
        """The same for some of the planned checks."""
        return replace(self, plan=replace(self.plan, checks=tuple(checks)))


def prepare(settings: RunSettings, jobs: int | None = None) -> Prepared:
    """Settle device and plan; everything that can be wrong with a request is found here, and nothing written.

    Args:
      settings: what is asked for.
      jobs: how many batches are measured at a time, for the share of memory that each may take.

    Raises:
      UsageError: with one line that says why.
    """
    return _prepared(settings, read_request(settings), jobs)


def run(
    settings: RunSettings, show_progress: bool = True, ready: Callable[[], None] = lambda: None
) -> RunRecord:
    """Measure, decide and keep the evidence; returns what was recorded.

    `ready` is called when what can be refused at once has been, and refuses what else there is.

    Everything that can be wrong with a request is found out before the evidence is touched.  An interrupted
    run leaves what it measured in the evidence, marked as not finished.

    Raises:
      UsageError: with one line that says why.
      WorkerLost: a process that measured is gone.
    """
    asked = read_request(settings)
    ready()
    with _executor(settings) as (jobs, executor):
        prepared = _prepared(settings, asked, jobs)
        return measure(prepared, executor, show_progress)


def measure(prepared: Prepared, executor: Workers | None = None, show_progress: bool = False) -> RunRecord:
    """Carry out a prepared run and read it back.

    Args:
      prepared: the run.
      executor: who measures; None: threads of this process.
      show_progress: whether progress goes to standard error.
    """
    from advntk.checks.evidence import EvidenceStore, read_run
    from advntk.checks.running import run_plan
    from advntk.resuming import start_or_resume

    settings, plan = prepared.settings, prepared.plan
    with closing(EvidenceStore(settings.evidence)) as store:
        for row in store.left_out:
            note(f"--evidence {settings.evidence}: brought up to date without {row}")
        number, older = start_or_resume(
            store, described(prepared), prepared.provenance, settings.resume, settings.allow_changed
        )
        # What a run takes is what it measures and decides, as its start and its end say.
        prepared = replace(prepared, started=time.perf_counter())
        with _progress(plan.trials, show_progress) as show:
            run_plan(plan, store, number, show, settings.shrink, older, executor)
        store.finish_run(number, costs(prepared, [] if executor is None else executor.costs))
    return read_run(settings.evidence, number)


def described(prepared: Prepared) -> RunRequest:
    """The request as evidence keeps it."""
    from advntk.checks.description import describe

    found = describe(prepared.plan)
    # Theories without data have none to name.
    usual = (planned.space["data"].default for planned in prepared.plan.checks if "data" in planned.space)
    return replace(found, data=prepared.settings.data or str(next(usual, "")))


@contextmanager
def _progress(total: int, wanted: bool) -> Iterator[Show]:
    if not wanted:
        yield lambda *_: None
        return
    with progress_display(total) as show:
        yield show


def costs(prepared: Prepared, elsewhere: Sequence[Costs]) -> RunCosts:
    """What a run has taken so far, over all its processes."""
    from advntk.checks.evidence import Compilations, RunCosts

    here = prepared.compilations
    return RunCosts(
        time.perf_counter() - prepared.started,
        Compilations(
            here.number + sum(cost.compilations for cost in elsewhere),
            here.seconds + sum(cost.seconds for cost in elsewhere),
        ),
        # Each at its own time: together they took at most this.
        peak_memory_bytes() + sum(cost.peak_memory_bytes for cost in elsewhere),
    )


@dataclass(frozen=True)
class Understood:
    """What a request means, as far as it can be said without starting JAX."""

    catalogue: Catalogue
    claims: Selected
    profile: Profile
    pins: tuple[Pin, ...]
    defaults: tuple[Pin, ...]
    sweeps: Mapping[str, tuple[tuple[str, ...], str]]


def read_request(settings: RunSettings) -> Understood:
    """Read a request; all that can be wrong with it without starting JAX is found.

    Raises:
      UsageError: with one line that says why.
    """
    from advntk.checks.efforts import PROFILES

    validate_settings(settings)
    if not isinstance(settings.profile, str) or settings.profile not in PROFILES:
        raise BadArgument(f"--profile {settings.profile}: choose one of: {', '.join(PROFILES)}")
    (hard, soft), swept = pins(settings), sweeps(settings)
    if settings.theories:
        # A user's file may import JAX, which must find its device and precision settled.
        _start_jax(settings)
    catalogue = load(settings.theories)
    chosen = catalogue.select(settings.claims)
    return Understood(catalogue, chosen, PROFILES[settings.profile], hard, soft, swept)


def _prepared(settings: RunSettings, asked: Understood, jobs: int | None) -> Prepared:
    from advntk.implementations.runtime import CompilationCount

    started = time.perf_counter()
    # Hypothesis keeps a cache of its own; it does not belong in the folder that one happens to be in.
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(cache_folder() / "hypothesis"))
    # JAX starts here at the latest; what comes before answers without it.
    device = _start_jax(settings)
    compilations = CompilationCount().watch()

    from advntk.provenance import provenance

    plan = planned(settings, asked, jobs)
    found = provenance(plan, device, settings.data or "", settings.theories, settings.claims)
    return Prepared(settings, plan, found, compilations, started)


def planned(settings: RunSettings, asked: Understood, jobs: int | None = None) -> Plan:
    """The plan of what is asked for; JAX has its device and precision.

    Args:
      settings: the request in its own words.
      asked: what it means (`read_request`).
      jobs: how many batches are measured at a time.

    Raises:
      UsageError: it cannot be done.
    """
    from advntk.checks.planning import CONCURRENT, Request, make_plan

    request = Request(
        profile=asked.profile,
        seed=settings.seed,
        pins=asked.pins,
        defaults=asked.defaults,
        sweeps=asked.sweeps,
        memory=None if settings.memory_gib is None else int(settings.memory_gib * 2**30),
        jobs=jobs or settings.jobs or CONCURRENT,
        minutes=settings.max_minutes,
    )
    return make_plan(request, asked.claims, asked.catalogue.modules)


def pins(settings: RunSettings) -> tuple[tuple[Pin, ...], tuple[Pin, ...]]:
    """Axes to hold, and those to hold where a check does not sample them itself.

    Raises:
      BadArgument: a text that is no NAME=VALUE.
    """
    from advntk.checks.pins import Pin

    hard = []
    for part in _parts(settings.axes):
        name, separator, raw = part.partition("=")
        if not separator or not name.strip():
            raise BadArgument(f"--axis {part}: write NAME=VALUE, for example outputs=3")
        hard.append(Pin(name.strip(), raw, f"--axis {part}"))
    if settings.implementation is not None:
        hard.append(
            Pin("implementation", settings.implementation, f"--implementation {settings.implementation}")
        )
    soft = () if settings.data is None else (Pin("data", settings.data, f"--data {settings.data}"),)
    return tuple(hard), soft


def _parts(texts: Sequence[str]) -> list[str]:
    """NAME=VALUE parts of options; a comma inside a value, such as that of a file, splits nothing."""
    parts: list[str] = []
    for text in texts:
        begins = True
        for piece in text.split(","):
            if begins or "=" in piece:
                parts.append(piece)
            else:
                parts[-1] += f",{piece}"
            begins = False
    return parts


def sweeps(settings: RunSettings) -> Mapping[str, tuple[tuple[str, ...], str]]:
    """Axis |-> texts of its points, and the option as it was written.

    Raises:
      BadArgument: a text that is no AXIS=V,V,..., or two sweeps over one axis.
    """
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    asked = [(text, f"--sweep {text}") for text in settings.sweeps]
    if settings.widths is not None:
        asked.append((f"width={settings.widths}", f"--widths {settings.widths}"))
    for text, said in asked:
        axis, separator, points = text.partition("=")
        if not separator or not axis or not points:
            raise BadArgument(f"{said}: write AXIS=V,V,V,V, for example width=64,128,256,512")
        if axis in found:
            raise BadArgument(f"{found[axis][1]} and {said}: both sweep over {axis}; keep one")
        found[axis] = (tuple(points.split(",")), said)
    return found


def _start_jax(settings: RunSettings) -> str:
    from advntk.implementations.runtime import configure

    return configure(settings.device, cache_folder() / "programs")  # type: ignore[arg-type]


@contextmanager
def _executor(settings: RunSettings) -> Iterator[tuple[int, Workers]]:
    """How many measure at a time, and who; other processes start on their own while the run is planned."""
    from advntk.checks.executors import processes, reasonable_number, threads
    from advntk.checks.planning import CONCURRENT

    if settings.device == "cpu":
        jobs, cache = settings.jobs or reasonable_number(), cache_folder() / "programs"
        found = processes(jobs, "cpu", cache, settings.theories)
    else:
        # Processes would each take a part of the one accelerator's memory.
        jobs = settings.jobs or CONCURRENT
        found = threads(jobs)
    with found as workers:
        yield jobs, workers


def cache_folder() -> Path:
    """Where caches of this program go: they may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "advntk"
