"""Carrying out a plan: batches into the evidence, observations to the deciders, decisions to verdicts.

Every family is looked at several times: where its seeds do not decide, as many again are drawn, until
they do or the looks are used up.  Looks share the error rates, so looking costs no trust.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from advntk.checks.check import Check
from advntk.checks.deciders.decision import Decider, Decision, ErrorRates
from advntk.checks.evidence import EvidenceStore
from advntk.checks.exploring import explore, report_counterexample
from advntk.checks.measuring import Batch, Broken, Observed, Values
from advntk.checks.planning import Family, Plan, PlannedCheck
from advntk.checks.recording import Recorder
from advntk.checks.scenario import Scenario
from advntk.checks.workers import Workers, threads
from advntk.theorems.vocabulary import Claim, Kind, Verdict

Progress = Callable[[int, int, str], None]  # trials done, trials in all so far, what is being measured


@dataclass(frozen=True)
class Decided:
    """One decision on one family, named by its scenario."""

    claim: Claim
    scenario: Scenario
    decision: Decision


@dataclass
class _Course:
    """A family on its way through the looks."""

    planned: PlannedCheck
    family: Family
    look: int = 0
    waiting: int = 0  # batches of this look that are not in yet
    observed: Observed | Broken = field(default_factory=dict)
    decisions: list[tuple[Claim, Decider, Decision]] | None = None

    def batches(self) -> list[Batch]:
        """What this look adds."""
        seeds = self.planned.drawn(self.look)
        return [Batch(self.planned, self.family, rung, seeds) for rung in self.family.rungs]

    def take(self, batch: Batch, values: Values) -> None:
        """Add what a batch gave; one broken batch leaves nothing to decide on."""
        self.waiting -= 1
        if isinstance(self.observed, Broken):
            return
        if isinstance(values, Broken):
            self.observed = values
            return
        before = self.observed.get(batch.rung.width)
        self.observed[batch.rung.width] = (
            {name: np.concatenate([before[name], value]) for name, value in values.items()}
            if before
            else dict(values)
        )


def run_plan(
    plan: Plan,
    store: EvidenceStore,
    run: int,
    on_progress: Progress = lambda *_: None,
    shrink: bool = False,
    older: int | None = None,
    workers: Workers | None = None,
) -> list[Decided]:
    """Measure and decide everything in `plan`, writing to `store` as it goes.

    What the run has measured already, or the `older` one under the same circumstances, is not measured
    again.  An exception inside a trial is recorded
    as that scenario's outcome (verdict ERROR) and the run goes on.  With `shrink`, refuted exact claims
    get the simplest counterexample Hypothesis finds.  `workers` measure; without any, threads of this
    process do.

    Raises:
      WorkerLost: a process that measured is gone.
    """
    if workers is None:
        with threads() as ours:
            return run_plan(plan, store, run, on_progress, shrink, older, ours)
    decided = []
    recorder = Recorder(store, run, plan.request.seed, older)
    courses = [_Course(planned, family) for planned in plan.checks for family in planned.families]
    for planned, of_check in _in_order(plan, courses, recorder, on_progress, workers):
        refuted: dict[str, tuple[Claim, Scenario]] = {}
        for course in of_check:
            for claim, decider, decision in course.decisions or ():
                scenario = course.family.scenario
                recorder.decision(claim.id, planned.check.name, scenario, decider.name, asdict(decision))
                decided.append(Decided(claim, scenario, decision))
                if decision.verdict is Verdict.REFUTED and claim.kind is Kind.EXACT:
                    refuted.setdefault(claim.id, (claim, scenario))
        for claim, first in refuted.values():
            # For a control the counterexample is the result: it is always made as simple as it gets.
            wanted = shrink or claim.expected is Verdict.REFUTED
            report_counterexample(planned, claim, first, plan, store, run, wanted)
        if planned.check.explores:
            explore(planned, plan, store, run)
    return decided


def _in_order(
    plan: Plan, courses: list[_Course], recorder: Recorder, on_progress: Progress, workers: Workers
) -> Iterator[tuple[PlannedCheck, list[_Course]]]:
    """Every check with its decided families, in the order of the plan, as soon as all before are done."""
    done, total = 0, plan.trials
    ahead = list(plan.checks)
    pending: dict[Future, tuple[_Course, Batch]] = {}

    def start(begun: list[_Course]) -> None:
        unknown = []
        for course in begun:
            batches = course.batches()
            course.waiting = len(batches)
            for batch in batches:
                if (values := recorder.find(batch)) is not None:
                    pending[_known(values)] = (course, batch)
                else:
                    unknown.append((course, batch))
        promised = workers.submit([batch for _, batch in unknown], plan.request.seed)
        pending.update(zip(promised, unknown, strict=True))

    # All at once: no worker waits for the last and longest batch of a check.
    start(courses)
    while ahead:
        finished, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in sorted(finished, key=list(pending).index):
            course, batch = pending.pop(future)
            values = future.result()
            recorder.keep(batch, values)
            course.take(batch, values)
            done += len(batch.seeds)
            on_progress(done, total, f"{course.planned.check.name}: {course.family.scenario.label()}")
            if course.waiting == 0 and _decided(course, plan):
                course.look += 1
                total += sum(len(b.seeds) for b in course.batches())
                start([course])
        while ahead and all(c.decisions is not None for c in courses if c.planned is ahead[0]):
            planned = ahead.pop(0)
            yield planned, [c for c in courses if c.planned is planned]


def _known(values: Values) -> Future:
    future: Future = Future()
    future.set_result(values)
    return future


def _decided(course: _Course, plan: Plan) -> bool:
    """Decide a family whose look is complete; whether another look is wanted instead."""
    planned = course.planned
    decisions = _decide(planned, course.family, course.observed, plan.rates_of(planned))
    undecided = any(
        d.more
        and d.verdict is Verdict.INCONCLUSIVE
        # Nobody waits for a verdict on what is reported as it is measured.
        and (claim.expected is not None or course.look + 1 < plan.request.profile.looks_as_measured)
        for claim, _, d in decisions
    )
    if undecided and course.look + 1 < planned.looks:
        return True
    seeds = planned.drawn(course.look).stop
    course.decisions = [
        (
            claim,
            decider,
            replace(d, detail={**d.detail, "look": course.look + 1, "looks": planned.looks, "drawn": seeds}),
        )
        for claim, decider, d in decisions
    ]
    return False


def _decide(
    planned: PlannedCheck, family: Family, observed: Observed | Broken, rates: ErrorRates
) -> list[tuple[Claim, Decider, Decision]]:
    """Every claim on one family."""
    failed, observed = _premises(planned.check, observed)
    decisions = []
    for _, claim in planned.claims:
        in_scope = planned.in_scope(claim, family)
        for decider in planned.check.decides[claim.id]:
            decision = _one_decision(decider, observed, rates)
            unmet = f"outside the assumption '{_unmet(claim, family)}'" if not in_scope else failed
            if unmet and decision.verdict is not Verdict.ERROR:
                decision = replace(
                    decision, verdict=Verdict.OUT_OF_SCOPE, reason=f"{unmet} ({decision.reason})"
                )
            decisions.append((claim, decider, decision))
    return decisions


def _one_decision(decider: Decider, observed: Observed | Broken, rates: ErrorRates) -> Decision:
    if isinstance(observed, Broken):
        nan = float("nan")
        return Decision(Verdict.ERROR, decider.statistic, "", nan, nan, nan, None, observed.error)
    try:
        return decider.decide(observed, rates)
    except KeyError as missing:
        nan = float("nan")
        reason = f"the trial gave no statistic {missing}"
        return Decision(Verdict.ERROR, decider.statistic, "", nan, nan, nan, None, reason)


def _premises(check: Check, observed: Observed | Broken) -> tuple[str, Observed | Broken]:
    """Which measured premise does not hold (empty if all do); a premise not measured breaks the trial."""
    if isinstance(observed, Broken):
        return "", observed
    try:
        return next(filter(None, (p.failure(observed) for p in check.premises)), ""), observed
    except KeyError as missing:
        return "", Broken(f"the trial gave no statistic {missing}")


def _unmet(claim: Claim, family: Family) -> str:
    return "; ".join(dict.fromkeys(a.name for rung in family.rungs for a in claim.unmet(rung)))
