"""The command `mutate`: falsehoods and mutants, put to the claims of a theory in processes of their own."""

from __future__ import annotations

import functools
import pickle
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from advntk.exceptions import UsageError
from advntk.progress import Show, progress_display
from advntk.wiring import BadArgument, RunSettings, prepare, read_request

if TYPE_CHECKING:
    from types import ModuleType

    from advntk.checks.mutation.falsehoods import Falsehood
    from advntk.checks.mutation.functions import Target
    from advntk.checks.mutation.judging import Announce, Baseline, Judgement
    from advntk.checks.mutation.mutants import Mutant
    from advntk.checks.mutation.outcomes import Ledger, MutantResult
    from advntk.checks.mutation.workers import Lost, Serve
    from advntk.checks.planning import Plan
    from advntk.reports.mutation_score import MutationScore

# What is made wrong unless something else is named: all that computes, and all that decides.
OURS = ("advntk.implementations", "advntk.checks.deciders")


@dataclass(frozen=True)
class MutationRequest:
    """What is asked for.

    Args:
      run: the claims and the theories, axes, data and implementation that they are measured with.
      only: MODULE[:FUNCTION] to make wrong; none: the theories' own modules, or all of advntk's.
      operators: names of operators; none: all.
      sample: how many mutants at most, equally many of each function; None: all.
      seed: of the sample.
      scenarios: how many scenarios of each check are measured at most.
      falsehoods: a file of falsehoods that are planted as well.
      equivalents: a file that says which mutants are no falsehoods, and why.
      out: folder of the results.
      resume: whether to go on with the results that are there.
      generated: whether mutants are generated; else falsehoods alone are planted.
    """

    run: RunSettings = field(default_factory=RunSettings)
    only: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0
    scenarios: int = 3
    falsehoods: Path | None = None
    equivalents: Path | None = None
    out: Path = Path("advntk-mutation")
    resume: bool = False
    generated: bool = True

    @property
    def jobs(self) -> int:
        """How many processes measure."""
        from advntk.checks.executors import reasonable_number

        return self.run.jobs or reasonable_number()


@dataclass(frozen=True)
class _Measure:
    """A task: a check without any fault."""

    check: int


@dataclass(frozen=True)
class _Judge:
    """A task: a mutant, and the trials that noticed others of its function."""

    mutant: Mutant
    first: tuple[str, ...]


@dataclass(frozen=True)
class _Compare:
    """A task: whether a mutant that survived changes anything in the calls that claims make."""

    mutant: Mutant


@dataclass(frozen=True)
class _Plant:
    """A task: a falsehood, by its place in its file."""

    place: int


# --- what is to be made wrong


def settled(request: MutationRequest) -> tuple[MutationRequest, list[Target]]:
    """The request with the claims that it means, and the functions to make wrong.

    Raises:
      UsageError: something is asked for that does not exist.
    """
    from advntk.checks.mutation.functions import chosen, modules_named, targets_of
    from advntk.checks.mutation.mutants import ALL_OPERATORS

    for name in request.operators:
        if name not in ALL_OPERATORS:
            raise BadArgument(f"--operators {name}: there is none; choose from: {', '.join(ALL_OPERATORS)}")
    understood = read_request(request.run)
    own = understood.catalogue.modules[len(understood.catalogue.modules) - len(set(request.run.theories)) :]
    if not request.run.theories:
        own = ()
    if own and not request.run.claims:
        request = replace(request, run=replace(request.run, claims=tuple(m.THEOREM.id for m in own)))
    modules = {m.__name__: m for name in _usual(request, own) for m in modules_named(name)}
    extra: dict[str, ModuleType] = {}
    for only in request.only:
        name = only.partition(":")[0]
        if not any(f".{name}." in f".{module}." for module in modules):
            extra.update({m.__name__: m for m in modules_named(name)})
    targets = targets_of([*modules.values(), *extra.values()])
    if request.only:
        wanted = {t.id for only in request.only for t in chosen(targets, only)}
        targets = [t for t in targets if t.id in wanted]
    return request, targets


def _usual(request: MutationRequest, own: Sequence[ModuleType]) -> list[str]:
    """Names of modules that are made wrong where nobody says otherwise."""
    from advntk.checks.theories import checks_of

    if request.run.implementation and ":" in request.run.implementation:
        return [request.run.implementation.partition(":")[0]]
    if not own:
        return list(OURS)
    found = {}
    for module in own:
        for name in (module.__name__, *(check.module for check in checks_of(module))):
            package = getattr(sys.modules[name], "__package__", "")
            found[package or name] = None
    return list(found)


# --- in the processes that measure


def small_plan(request: MutationRequest) -> Plan:
    """The plan of the run with fewer scenarios, those in scope first; error rates stay those of the run."""
    prepared = prepare(request.run)
    checks = []
    for planned in prepared.plan.checks:
        scenarios = sorted(
            planned.scenarios, key=lambda s: not any(planned.in_scope(claim, s) for _, claim in planned.claims)
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
    judge = Judge(plan, by_id, roots, announce)
    known: list[Baseline] = [] if baselines is None else pickle.loads(baselines.read_bytes())

    def serve(task: Any) -> Any:
        if isinstance(task, _Measure):
            return judge.baseline(task.check)
        if isinstance(task, _Plant):
            announce(3600.0, "a falsehood")
            return _planted(request, task.place, roots)
        if isinstance(task, _Compare):
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
    estimate = claim["estimate"] or {}
    return {
        "name": falsehood.name,
        "statement": falsehood.statement,
        "claim": claim["id"],
        "kind": claim["kind"],
        "verdict": claim["verdict"],
        "statistic": estimate.get("statistic"),
        "quantity": estimate.get("quantity"),
        "estimate": estimate.get("value"),
        "interval": estimate.get("interval"),
        "violation": claim["reason"],
        "scenarios": claim["scenarios"],
        "trials": claim["trials"],
        "seconds": round(time.perf_counter() - began, 1),
    }


# --- in the process that asks


@dataclass
class Mutation:
    """All that came out, in the order of the functions.

    Attributes:
      results: of every mutant.
      falsehoods: what became of those planted by hand, as `benchmarks.catch` writes them.
      left_out: claim id |-> why it could kill nothing.
      unseen: functions that no claim runs.
      impossible: mutants that cannot be made, with the reason.
    """

    results: list[MutantResult]
    falsehoods: list[dict[str, Any]]
    left_out: dict[str, str]
    unseen: list[str]
    impossible: dict[str, str]
    code: str
    seconds: float = 0.0


def mutate(request: MutationRequest, show_progress: bool = True) -> Mutation:
    """Plant falsehoods and mutants one at a time, and say which claims notice.

    Raises:
      UsageError: a request that cannot be met.
      CannotStart: no process gets ready to measure.
    """
    from advntk.checks.mutation.outcomes import Ledger

    began = time.perf_counter()
    request, targets = settled(request)
    reasons = read_equivalents(request)
    planted = read_falsehoods(request)
    # What cannot be planned is refused here, in one line.
    plan = small_plan(request)
    code = code_of(request, targets)
    ledger = Ledger(request.out / "mutants.jsonl", _head(request, code))
    results = {one.id: one for one in (ledger.resume() if request.resume else [])}
    if not request.resume:
        ledger.begin()
    falsehoods = list(_falsehoods(request, planted, show_progress))
    found = Mutation([], falsehoods, {}, [], {}, code)
    if request.generated:
        with TemporaryDirectory(prefix="advntk-") as folder:
            baselines = _baselines(request, plan, found, show_progress)
            path = Path(folder) / "baselines"
            path.write_bytes(pickle.dumps(baselines))
            mutants = generated(request, targets, baselines)
            ran = {name for one in baselines for calls in (one.measuring, one.deciding) for name in calls.lines}
            found.unseen = [target.id for target in targets if target.id not in ran]
            _judged(request, mutants, path, ledger, results, reasons, found, show_progress)
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
    groups = [[_Plant(place)] for place in range(len(planted))]
    with _shown(len(planted), "falsehoods", show_progress) as show:
        done = {}
        for task, result in carry_out(setup, groups, request.jobs, _memory(request)):
            one = planted[task.place]
            if isinstance(result, Lost):
                result = {
                    "name": one.name, "statement": one.statement, "claim": one.claim, "kind": "", "verdict": "ERROR",
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
    order = sorted(range(len(plan.checks)), key=lambda n: -sum(len(s.points) for s in plan.checks[n].scenarios))
    setup = functools.partial(serving, request, None)
    done: dict[int, Baseline] = {}
    with _shown(len(order), "checks without a fault", show_progress) as show:
        for task, result in carry_out(setup, [[_Measure(n)] for n in order], request.jobs, _memory(request)):
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
    request: MutationRequest, targets: Sequence[Target], baselines: Sequence[Baseline]
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
    from advntk.checks.mutation.mutants import declared_equivalent
    from advntk.checks.mutation.outcomes import Fate, MutantResult
    from advntk.checks.mutation.workers import Lost, carry_out

    def result(mutant: Mutant, fate: Fate, claim: str, reason: str, trial: str, seconds: float) -> None:
        results[mutant.id] = MutantResult(
            mutant.id, mutant.function, mutant.operator, mutant.description, mutant.before, mutant.after,
            fate, claim, reason, trial, round(seconds, 1),
        )  # fmt: skip
        ledger.add(results[mutant.id])

    noticed: dict[str, Counter[str]] = {}
    for known in results.values():
        if known.trial:
            noticed.setdefault(known.function, Counter())[known.trial] += 1
    groups: dict[str, list[Callable[[], _Judge]]] = {}
    for mutant in mutants:
        if mutant.id in results:
            continue
        if reason := declared_equivalent(mutant, reasons):
            result(mutant, Fate.EQUIVALENT, "", f"declared: {reason}", "", 0.0)
            continue

        def task(mutant: Mutant = mutant) -> _Judge:
            seen = noticed.get(mutant.function, Counter())
            return _Judge(mutant, tuple(name for name, _ in seen.most_common()))

        groups.setdefault(mutant.function, []).append(task)
    total, began = sum(map(len, groups.values())), time.monotonic()
    done = 0
    setup = functools.partial(serving, request, baselines)
    with _shown(total, "mutants", show_progress) as show:
        for task, outcome in carry_out(setup, list(groups.values()), request.jobs, _memory(request)):
            mutant = task.mutant
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
        groups = [[_Compare(mutant)] for mutant in left]
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


def code_of(request: MutationRequest, targets: Sequence[Target]) -> str:
    """Digest of everything that a result depends on: the program, the targets, the theories."""
    from advntk.checks.digests import digest, source_digest

    files = {Path(target.function.__code__.co_filename) for target in targets}
    files |= {Path(name) for name in request.run.theories if name.endswith(".py")}
    return f"{source_digest()}-{digest(sorted(files))}"


def _head(request: MutationRequest, code: str) -> dict[str, Any]:
    run = request.run
    return {
        "source": code,
        "claims": list(run.claims),
        "axes": list(run.axes),
        "data": run.data,
        "implementation": run.implementation,
        "scenarios": request.scenarios,
    }


def read_equivalents(request: MutationRequest) -> dict[str, str]:
    """Pattern of ids |-> why such mutants are no falsehoods, from a TOML file.

    Raises:
      BadArgument: the file cannot be read, or says something else.
    """
    import tomllib

    from advntk.implementations.inputs import BadInput, read_text

    path = request.equivalents
    if path is None:
        return {}
    fix = 'write lines such as "module:function:operator:*" = "why" under [equivalents]'
    try:
        found = tomllib.loads(read_text(path)).get("equivalents")
    except (BadInput, tomllib.TOMLDecodeError) as error:
        raise BadArgument(f"--equivalents {path}: {error}; {fix}") from error
    if not isinstance(found, dict) or not all(isinstance(why, str) and why for why in found.values()):
        raise BadArgument(f"--equivalents {path}: says no reasons; {fix}")
    return found


def read_falsehoods(request: MutationRequest) -> list[Falsehood]:
    """The falsehoods of a file that fit the claims that are asked for.

    Raises:
      UsageError: the file cannot be loaded, or holds none.
    """
    from advntk.checks.mutation.falsehoods import falsehoods_in
    from advntk.theorems.catalogue import load_file

    path = request.falsehoods
    if path is None:
        return []
    found = falsehoods_in(load_file(str(path), "--falsehoods"))
    if not found:
        raise BadArgument(f"--falsehoods {path}: holds none; make some with `advntk.refuted_by`")
    known = {claim.id for _, claim in read_request(request.run).claims}
    return [one for one in found if one.claim in known]


def command() -> str:
    """The command line of this process, for people."""
    return shlex.join(["advntk", *sys.argv[1:]])


def score_of(found: Mutation) -> MutationScore:
    """What reports show."""
    from advntk.reports.mutation_score import MutationScore

    return MutationScore(found.code, tuple(found.falsehoods), tuple(found.results), found.left_out, tuple(found.unseen))


__all__ = ["Mutation", "MutationRequest", "UsageError", "mutate"]
