"""What measures mutants in processes of its own: plans and finds everything once, then takes tasks."""

from __future__ import annotations

import pickle
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from advntk.mutation_request import MutationRequest, read_falsehoods, settled
from advntk.wiring import prepare

if TYPE_CHECKING:
    from advntk.checks.mutation.judging import Announce, Baseline
    from advntk.checks.mutation.mutants import Mutant
    from advntk.checks.mutation.workers import Serve
    from advntk.checks.planning import Plan


@dataclass(frozen=True)
class MeasureTask:
    """A task: a check without any fault."""

    check: int


@dataclass(frozen=True)
class JudgeTask:
    """A task: a mutant, and the trials that noticed others of its function."""

    mutant: Mutant
    first: tuple[str, ...]


@dataclass(frozen=True)
class CompareTask:
    """A task: whether a mutant that survived changes anything in the calls that claims make."""

    mutant: Mutant


@dataclass(frozen=True)
class PlantTask:
    """A task: a falsehood, by its place in its file."""

    place: int


def small_plan(request: MutationRequest) -> Plan:
    """The plan of the run with fewer scenarios, those in scope first; error rates stay those of the run."""
    prepared = prepare(request.run)
    checks = []
    for planned in prepared.plan.checks:
        scenarios = sorted(
            planned.scenarios,
            key=lambda s: not any(planned.in_scope(claim, s) for _, claim in planned.claims),
        )
        checks.append(replace(planned, scenarios=tuple(scenarios[: request.scenarios])))
    return replace(prepared.plan, checks=tuple(checks))


def serving(request: MutationRequest, baselines: Path | None, announce: Announce) -> Serve:
    """What carries tasks out in a process, which has planned and found everything once."""
    from advntk.checks.mutation.equivalence import unchanged
    from advntk.checks.mutation.judging import Judge

    plan = small_plan(request)
    _, targets = settled(request)
    by_id = {target.id: target for target in targets}
    roots = tuple(
        dict.fromkeys(
            [
                *(target.module.partition(".")[0] for target in targets),
                *(planned.check.module.partition(".")[0] for planned in plan.checks),
                __name__.partition(".")[0],
            ]
        )
    )
    judge = Judge(plan, by_id, roots, announce, request.least_seconds)
    known: list[Baseline] = [] if baselines is None else pickle.loads(baselines.read_bytes())

    def serve(task: Any) -> Any:
        if isinstance(task, MeasureTask):
            return judge.baseline(task.check)
        if isinstance(task, PlantTask):
            announce(3600.0, "a falsehood")
            return _planted(request, task.place, roots)
        if isinstance(task, CompareTask):
            announce(600.0, "calls made again")
            return unchanged(plan, known, task.mutant, by_id[task.mutant.function], roots)
        began = time.perf_counter()
        found = judge.judge(task.mutant, known, task.first)
        return found, time.perf_counter() - began

    return serve


def _planted(request: MutationRequest, place: int, roots: tuple[str, ...]) -> dict[str, Any]:
    from advntk.checks.mutation.falsehoods import patches
    from advntk.checks.mutation.planting import forget
    from advntk.reports.summary import summarise
    from advntk.settings_validation import texts_of_axes
    from advntk.wiring import measure

    falsehood = read_falsehoods(request)[place]
    began = time.perf_counter()
    with TemporaryDirectory(prefix="advntk-") as folder, patches() as patch:
        forget(roots)
        falsehood.plant(patch)
        settings = replace(
            request.run,
            claims=(falsehood.claim,),
            axes=(*request.run.axes, *texts_of_axes(falsehood.pins)),
            widths=",".join(map(str, falsehood.widths)) or None,
            evidence=Path(folder),
        )
        (claim,) = summarise(measure(prepare(settings)))["claims"]
    forget(roots)
    return falsehood.row(claim, time.perf_counter() - began)
