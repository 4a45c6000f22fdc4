"""The job of `mutate`: falsehoods and mutants, put to the claims of a theory in processes of their own."""

from __future__ import annotations

import functools
import os
import pickle
import platform
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from advntk.mutation_request import (
    MutationRequest,
    code_of,
    head_of,
    read_falsehoods,
    read_reasons,
    settled,
)
from advntk.mutation_worker import CompareTask, JudgeTask, MeasureTask, PlantTask, serving, small_plan
from advntk.progress import Show, progress_display

if TYPE_CHECKING:
    from advntk.checks.mutation.falsehoods import Falsehood
    from advntk.checks.mutation.functions import MutationTarget
    from advntk.checks.mutation.judging import Baseline
    from advntk.checks.mutation.mutants import Mutant
    from advntk.checks.mutation.outcomes import Ledger, MutantResult
    from advntk.checks.planning import Plan
    from advntk.reports.mutation_score import MutationScore


@dataclass
class Mutation:
    """All that came out, in the order of the functions.

    Attributes:
      results: of every mutant.
      falsehoods: what became of those planted by hand, as `benchmarks.catch` writes them.
      left_out: claim id |-> why it could notice nothing.
      unseen: functions that no claim runs.
      impossible: mutants that cannot be made |-> why.
      code: digest of everything that this depends on.
      outside: functions that were not made wrong, as no claim is about them |-> why.
      seconds: that it took.
    """

    results: list[MutantResult]
    falsehoods: list[dict[str, Any]]
    left_out: dict[str, str]
    unseen: list[str]
    impossible: dict[str, str]
    code: str
    outside: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def score(self) -> MutationScore:
        """What reports show."""
        from advntk.reports.mutation_score import MutationScore

        return MutationScore(
            self.code,
            tuple(self.falsehoods),
            tuple(self.results),
            self.left_out,
            tuple(self.unseen),
            self.outside,
        )

    def facts(self) -> dict[str, Any]:
        """On which machine, with which versions, how long it took."""
        from advntk.implementations.runtime import versions

        return {
            "command": shlex.join(["advntk", *sys.argv[1:]]),
            "versions": versions(),
            "machine": f"{os.cpu_count()} cores ({platform.machine()})",
            "seconds": round(self.seconds, 1),
            "impossible": self.impossible,
        }

    def __repr__(self) -> str:
        return self.score.words()


def mutate(request: MutationRequest, show_progress: bool = True) -> Mutation:
    """Plant falsehoods and mutants one at a time, and say which claims notice.

    Raises:
      UsageError: a request that cannot be met.
      CannotStart: no process gets ready to measure.
    """
    from advntk.checks.mutation.mutants import reason_for
    from advntk.checks.mutation.outcomes import Ledger

    began = time.perf_counter()
    request, targets = settled(request)
    reasons = read_reasons(request)
    outside = {t.id: why for t in targets if (why := reason_for(t.id, reasons.outside))}
    targets = [target for target in targets if target.id not in outside]
    planted = read_falsehoods(request)
    # What cannot be planned is refused here, in one line.
    plan = small_plan(request)
    code = code_of(request, targets)
    ledger = Ledger(request.out / "mutants.jsonl", head_of(request, code))
    results = {one.id: one for one in (ledger.resume() if request.resume else [])}
    if not request.resume:
        ledger.begin()
    falsehoods = list(_falsehoods(request, planted, show_progress))
    found = Mutation([], falsehoods, {}, [], {}, code, outside)
    if request.generated:
        with TemporaryDirectory(prefix="advntk-") as folder:
            baselines = _baselines(request, plan, found, show_progress)
            path = Path(folder) / "baselines"
            path.write_bytes(pickle.dumps(baselines))
            mutants = generated(request, targets, baselines)
            ran = {
                name for one in baselines for calls in (one.measuring, one.deciding) for name in calls.lines
            }
            found.unseen = [target.id for target in targets if target.id not in ran]
            _judged(request, mutants, path, ledger, results, reasons.equivalents, found, show_progress)
            _compared(request, mutants, path, ledger, results, show_progress)
        found.results = [results[mutant.id] for mutant in mutants if mutant.id in results]
    found.seconds = time.perf_counter() - began
    return found


def _falsehoods(
    request: MutationRequest, planted: Sequence[Falsehood], show_progress: bool
) -> Iterator[dict[str, Any]]:
    from advntk.checks.mutation.workers import Lost, carry_out

    if not planted:
        return
    setup = functools.partial(serving, request, None)
    groups = [[PlantTask(place)] for place in range(len(planted))]
    with _shown(len(planted), "falsehoods", show_progress) as show:
        done = {}
        for task, result in carry_out(setup, groups, request.jobs, _memory(request)):
            one = planted[task.place]
            if isinstance(result, Lost):
                result = {
                    "name": one.name, "statement": one.statement, "claim": one.claim, "kind": "",
                    "verdict": "ERROR",
                    "statistic": None, "quantity": None, "estimate": None, "interval": None,
                    "violation": f"{result.how}: {result.what}", "scenarios": 0, "trials": 0,
                    "seconds": round(result.seconds, 1),
                }  # fmt: skip
            done[task.place] = result
            show(len(done), len(planted), one.name)
    yield from (done[place] for place in sorted(done))


def _baselines(request: MutationRequest, plan: Plan, found: Mutation, show_progress: bool) -> list[Baseline]:
    from advntk.checks.mutation.workers import Lost, carry_out

    # The dearest first: nobody waits for the last one.
    order = sorted(
        range(len(plan.checks)), key=lambda n: -sum(len(s.points) for s in plan.checks[n].scenarios)
    )
    setup = functools.partial(serving, request, None)
    done: dict[int, Baseline] = {}
    with _shown(len(order), "checks without a fault", show_progress) as show:
        for task, result in carry_out(
            setup, [[MeasureTask(n)] for n in order], request.jobs, _memory(request)
        ):
            check = plan.checks[task.check]
            if isinstance(result, Lost):
                why = f"{result.how} without any fault: {result.what}"
                found.left_out.update({claim.id: why for _, claim in check.claims})
            else:
                done[task.check] = result
                found.left_out.update(result.unusable)
            show(len(done), len(order), check.check.name)
    return [done[number] for number in sorted(done)]


def generated(
    request: MutationRequest, targets: Sequence[MutationTarget], baselines: Sequence[Baseline]
) -> list[Mutant]:
    """The mutants that are asked for, by what is known of calls."""
    from advntk.checks.mutation.mutants import mutants_of, sampled

    facts: dict[str, dict[str, Any]] = {}
    for baseline in baselines:
        for calls in (baseline.measuring, baseline.deciding):
            for target, places in calls.facts.items():
                known = facts.setdefault(target, {})
                for place, leaf in places.items():
                    known.setdefault(place, leaf)
    every = [m for t in targets for m in mutants_of(t, facts.get(t.id, {}), request.operators)]
    return sampled(every, request.sample, request.seed)


def _judged(
    request: MutationRequest,
    mutants: Sequence[Mutant],
    baselines: Path,
    ledger: Ledger,
    results: dict[str, MutantResult],
    reasons: dict[str, str],
    found: Mutation,
    show_progress: bool,
) -> None:
    """Judge what has no result yet; every result goes to the ledger as it comes."""
    from advntk.checks.mutation.mutants import reason_for
    from advntk.checks.mutation.outcomes import COMPARED, Fate, MutantResult
    from advntk.checks.mutation.workers import Lost, carry_out

    def result(mutant: Mutant, fate: Fate, claim: str, reason: str, trial: str, seconds: float) -> None:
        results[mutant.id] = MutantResult(
            mutant.id, mutant.function, mutant.operator, mutant.description, mutant.before, mutant.after,
            fate, claim, reason, trial, round(seconds, 1),
        )  # fmt: skip
        ledger.add(results[mutant.id])

    noticed: dict[str, Counter[str]] = {}
    for known in results.values():
        if known.trial and known.trial != COMPARED:
            noticed.setdefault(known.function, Counter())[known.trial] += 1
    groups: dict[str, list[Callable[[], JudgeTask]]] = {}
    for mutant in mutants:
        if mutant.id in results:
            continue
        if reason := reason_for(mutant.id, reasons):
            result(mutant, Fate.EQUIVALENT, "", f"declared: {reason}", "", 0.0)
            continue

        def task(mutant: Mutant = mutant) -> JudgeTask:
            seen = noticed.get(mutant.function, Counter())
            return JudgeTask(mutant, tuple(name for name, _ in seen.most_common()))

        groups.setdefault(mutant.function, []).append(task)
    total, began = sum(map(len, groups.values())), time.monotonic()
    done = 0
    setup = functools.partial(serving, request, baselines)
    with _shown(total, "mutants", show_progress) as show:
        for asked, outcome in carry_out(setup, list(groups.values()), request.jobs, _memory(request)):
            mutant = asked.mutant
            if isinstance(outcome, Lost):
                fate = Fate.TIMED_OUT if outcome.how == "timed out" else Fate.ERROR
                result(mutant, fate, "", f"{outcome.how} in {outcome.what}", "", outcome.seconds)
            else:
                judgement, seconds = outcome
                if judgement.status == "impossible":
                    found.impossible[mutant.id] = judgement.reason
                else:
                    by = (judgement.by, judgement.reason, judgement.trial)
                    result(mutant, Fate(judgement.status), *by, seconds)
                    if judgement.trial:
                        noticed.setdefault(mutant.function, Counter())[judgement.trial] += 1
            done += 1
            left = (time.monotonic() - began) / done * (total - done)
            show(done, total, f"about {left / 60:.0f} min left: {mutant.id}")


def _compared(
    request: MutationRequest,
    mutants: Sequence[Mutant],
    baselines: Path,
    ledger: Ledger,
    results: dict[str, MutantResult],
    show_progress: bool,
) -> None:
    """Of those that survived, find those that change nothing; where nobody can tell they have survived."""
    from advntk.checks.mutation.outcomes import COMPARED, Fate
    from advntk.checks.mutation.workers import Lost, carry_out

    left = [
        mutant
        for mutant in mutants
        if mutant.id in results
        and results[mutant.id].fate is Fate.SURVIVED
        and results[mutant.id].trial != COMPARED
    ]
    setup = functools.partial(serving, request, baselines)
    with _shown(len(left), "survivors compared", show_progress) as show:
        groups = [[CompareTask(mutant)] for mutant in left]
        for number, (task, reason) in enumerate(carry_out(setup, groups, request.jobs, _memory(request)), 1):
            before = results[task.mutant.id]
            after = replace(before, trial=COMPARED)
            if not isinstance(reason, Lost) and reason:
                after = replace(after, fate=Fate.EQUIVALENT, reason=reason)
            results[after.id] = after
            ledger.add(after)
            show(number, len(left), after.id)


def _shown(total: int, unit: str, wanted: bool) -> Any:
    from contextlib import nullcontext

    quiet: Show = lambda *_: None  # noqa: E731
    return progress_display(total, unit) if wanted else nullcontext(quiet)


def _memory(request: MutationRequest) -> int:
    """Bytes that each process may take."""
    from advntk.implementations.memory import usable_memory

    allowed = usable_memory() if request.run.memory_gib is None else int(request.run.memory_gib * 2**30)
    return allowed // request.jobs
