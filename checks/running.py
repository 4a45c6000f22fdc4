"""Carrying out a plan: batches into the evidence, observations to the deciders, decisions to verdicts.

Every scenario is looked at several times: where its seeds do not decide, as many again are drawn, until
they do or the looks are used up.  Looks share the error rates, so looking costs no trust.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace

import numpy as np

from advntk.checks.deciders.decision import Decider, Decision, ErrorRates
from advntk.checks.evidence import EvidenceStore
from advntk.checks.executors import Executor, threads
from advntk.checks.exploring import explore, report_counterexample, report_loose_bounds
from advntk.checks.measuring import Batch, Measured, Observed, measured
from advntk.checks.planning import Plan, PlannedCheck, PlannedScenario
from advntk.checks.recording import Recorder
from advntk.checks.trial import Check
from advntk.implementations.foreign_code import Failure, contained, failure
from advntk.theorems.vocabulary import Claim, Verdict

Progress = Callable[[int, int, str], None]  # trials done, trials in all so far, what is being measured


@dataclass(frozen=True)
class Decided:
    """One decision on one scenario."""

    claim: Claim
    planned: PlannedScenario
    decider: Decider
    decision: Decision


@dataclass
class _Looking:
    """A scenario on its way through the looks."""

    planned: PlannedCheck
    scenario: PlannedScenario
    look: int = 0
    waiting: int = 0  # batches of this look that are not in yet
    parts: dict[tuple, Measured] = field(default_factory=dict)  # by (place of the point, first seed)
    broken: Failure | None = None
    decisions: list[tuple[Claim, Decider, Decision]] | None = None

    def batches(self) -> list[Batch]:
        """What this look adds."""
        seeds = self.planned.drawn(self.look)
        return [Batch(self.planned, self.scenario, at, seeds) for at in self.scenario.points]

    def take(self, batch: Batch, found: Measured | Failure) -> None:
        """Add what a batch gave; one broken batch leaves nothing to decide on."""
        self.waiting -= 1
        if isinstance(found, Failure):
            self.broken = self.broken or found
        else:
            self.parts[self.scenario.points.index(batch.at), batch.seeds.start] = found

    def observed(self) -> Observed | Failure:
        """All values by point, seeds in their order whatever order batches came in."""
        if self.broken is not None:
            return self.broken
        found: Observed = {}
        for place, at in enumerate(self.scenario.points):
            parts = [self.parts[key].values for key in sorted(self.parts) if key[0] == place]
            try:
                found[at.point] = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
            except (KeyError, ValueError) as error:
                return Failure(f"its values differ between batches ({error})")
        return found


def run_plan(
    plan: Plan,
    store: EvidenceStore,
    run: int,
    on_progress: Progress = lambda *_: None,
    shrink: bool = False,
    older: int | None = None,
    executor: Executor | None = None,
) -> list[Decided]:
    """Measure and decide everything in `plan`, writing to `store` as it goes.

    An exception inside a trial is recorded as that scenario's outcome (verdict ERROR) and the run goes on.

    Args:
      plan: what to measure.
      store: where the evidence goes.
      run: id of the run in the store.  What it has measured already is not measured again.
      on_progress: called with trials done, trials in all so far, and what is being measured.
      shrink: whether refuted exact claims get the simplest counterexample that Hypothesis finds.
      older: a run whose measurements are taken over where the circumstances are the same.
      executor: who measures; None: threads of this process.

    Returns:
      Every decision, in the order of the plan.

    Raises:
      WorkerLost: a process that measured is gone.
    """
    if executor is None:
        with threads() as ours:
            return run_plan(plan, store, run, on_progress, shrink, older, ours)
    decided = []
    recorder = Recorder(store, run, plan.request.seed, older)
    looking = [_Looking(planned, scenario) for planned in plan.checks for scenario in planned.scenarios]
    for planned, of_check in _in_order(plan, looking, recorder, on_progress, executor):
        refuted: dict[str, tuple[Claim, PlannedScenario]] = {}
        for one in of_check:
            for claim, decider, decision in one.decisions or ():
                recorder.decision(claim.id, planned.check.name, one.scenario, decider.name, decision)
                decided.append(Decided(claim, one.scenario, decider, decision))
                if decision.verdict is Verdict.REFUTED and not decider.statistical:
                    refuted.setdefault(claim.id, (claim, one.scenario))
        said = [(claim, decision) for one in of_check for claim, _, decision in one.decisions or ()]
        report_loose_bounds(planned, said, recorder)
        for claim, first in refuted.values():
            # For a control the counterexample is the result: it is always made as simple as it gets.
            wanted = shrink or claim.expected is Verdict.REFUTED
            report_counterexample(planned, claim, first, plan, recorder, wanted)
        if planned.check.explores:
            explore(planned, plan, recorder)
    return decided


def _in_order(
    plan: Plan, looking: list[_Looking], recorder: Recorder, on_progress: Progress, executor: Executor
) -> Iterator[tuple[PlannedCheck, list[_Looking]]]:
    """Every check with its decided scenarios, in the order of the plan, as soon as all before are done."""
    done, total = 0, plan.trials
    ahead = list(plan.checks)
    pending: dict[Future, tuple[_Looking, Batch]] = {}

    def start(begun: list[_Looking]) -> None:
        unknown = []
        for one in begun:
            *others, last = one.batches()
            # The last point is the dearest: no worker waits for the one that has it.
            batches = [*others, *last.parts(executor.splits)]
            one.waiting = len(batches)
            for batch in batches:
                if (known := _unmeasurable(one) or recorder.find(batch)) is not None:
                    pending[_known(known)] = (one, batch)
                else:
                    unknown.append((one, batch))
        promised = executor.submit([batch for _, batch in unknown], plan.request.seed)
        pending.update(zip(promised, unknown, strict=True))

    # All at once: no worker waits for the last and longest batch of a check.
    start(looking)
    while ahead:
        finished, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in sorted(finished, key=list(pending).index):
            one, batch = pending.pop(future)
            found = future.result()
            recorder.keep(batch, found)
            one.take(batch, found)
            done += len(batch.seeds)
            on_progress(done, total, f"{one.planned.check.name}: {one.scenario.label}")
            if one.waiting == 0 and _decided(one, plan):
                one.look += 1
                total += sum(len(b.seeds) for b in one.batches())
                start([one])
        while ahead and all(c.decisions is not None for c in looking if c.planned is ahead[0]):
            planned = ahead.pop(0)
            yield planned, [c for c in looking if c.planned is planned]


def _unmeasurable(one: _Looking) -> Failure | None:
    """Why a scenario is not measured: there is no claim on it that did not break while it was planned."""
    broken = one.scenario.broken
    if not all(claim.id in broken for _, claim in one.planned.claims):
        return None
    found = dict.fromkeys(broken.values())
    return Failure("; ".join(one.error for one in found), "\n".join(one.trace for one in found))


def _known(values: Measured | Failure) -> Future:
    future: Future = Future()
    future.set_result(values)
    return future


def _decided(one: _Looking, plan: Plan) -> bool:
    """Decide a scenario whose look is complete; whether another look is wanted instead."""
    planned = one.planned
    decisions = decide(planned, one.scenario, one.observed(), plan.rates_of(planned))
    if wants_another_look(plan, planned, one.look, decisions):
        return True
    seeds = planned.drawn(one.look).stop
    one.decisions = [
        (
            claim,
            decider,
            replace(d, detail={**d.detail, "look": one.look + 1, "looks": planned.looks, "drawn": seeds}),
        )
        for claim, decider, d in decisions
    ]
    return False


def wants_another_look(
    plan: Plan, planned: PlannedCheck, look: int, decisions: list[tuple[Claim, Decider, Decision]]
) -> bool:
    """Whether more seeds are drawn after look number `look`, from 0, which gave these decisions."""
    undecided = any(
        d.can_improve
        and d.verdict is Verdict.INCONCLUSIVE
        # Nobody waits for a verdict on what is reported as it is measured.
        and (claim.expected is not None or look + 1 < plan.request.profile.looks_as_measured)
        for claim, _, d in decisions
    )
    return undecided and look + 1 < planned.looks


def observed_by_look(
    plan: Plan, planned: PlannedCheck, scenario: PlannedScenario
) -> Iterator[Observed | Failure]:
    """What a scenario gives, measured here and now: after its first look, its second, and so on."""
    one = _Looking(planned, scenario)
    for look in range(planned.looks):
        one.look = look
        for batch in one.batches():
            found = _unmeasurable(one) or measured(
                planned.check, batch.at.scenario, batch.seeds, scenario.chunk, plan.request.seed
            )
            one.take(batch, found)
        yield one.observed()


def decide(
    planned: PlannedCheck, scenario: PlannedScenario, observed: Observed | Failure, rates: ErrorRates
) -> list[tuple[Claim, Decider, Decision]]:
    """Every claim of a check on one scenario, from what was observed there."""
    failed, observed = _premises(planned.check, observed)
    decisions = []
    for _, claim in planned.claims:
        in_scope = planned.in_scope(claim, scenario)
        for decider in planned.check.decides[claim.id]:
            reason = scenario.broken.get(claim.id)
            decision = _one_decision(decider, reason or observed, rates)
            unmet = f"outside the assumption '{_unmet(claim, scenario)}'" if not in_scope else failed
            if unmet and decision.verdict is not Verdict.ERROR:
                decision = replace(
                    decision, verdict=Verdict.OUT_OF_SCOPE, reason=f"{unmet} ({decision.reason})"
                )
            decisions.append((claim, decider, decision))
    return decisions


def _one_decision(decider: Decider, observed: Observed | Failure, rates: ErrorRates) -> Decision:
    if isinstance(observed, Failure):
        return _error(decider, observed)
    try:
        with contained():
            found = decider.decide(observed, rates)
    except KeyError as missing:
        return _error(decider, Failure(f"the trial gave no statistic {missing}", failure(missing).trace))
    except Exception as error:  # whatever a user's decider raises is an outcome, not a crash of the run
        return _error(decider, failure(error, f"the decider {decider.name}"))
    if not isinstance(found, Decision):
        kind = type(found).__name__
        return _error(decider, Failure(f"the decider {decider.name} gave a {kind}, no Decision"))
    return found


def _error(decider: Decider, broken: Failure) -> Decision:
    nan = float("nan")
    detail = {"trace": broken.trace} if broken.trace else {}
    return Decision(Verdict.ERROR, decider.statistic, "", nan, nan, nan, None, broken.error, detail=detail)


def _premises(check: Check, observed: Observed | Failure) -> tuple[str, Observed | Failure]:
    """Which measured premise does not hold (empty if all do); a premise not measured breaks the trial."""
    if isinstance(observed, Failure):
        return "", observed
    try:
        with contained():
            return next(filter(None, (p.failure(observed) for p in check.premises)), ""), observed
    except KeyError as missing:
        return "", Failure(f"the trial gave no statistic {missing}")
    except Exception as error:  # as a decider's
        return "", failure(error, f"a premise of trial {check.name}")


def _unmet(claim: Claim, scenario: PlannedScenario) -> str:
    return "; ".join(dict.fromkeys(a.name for at in scenario.points for a in claim.unmet(at.scenario)))
