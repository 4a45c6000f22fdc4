"""Carrying out a plan: trials into the evidence, observations to the deciders, decisions to verdicts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np

from checks.check import Check
from checks.deciders.decision import Decider, Decision, ErrorRates
from checks.evidence import EvidenceStore, TrialRow
from checks.exploring import explore, report_counterexample
from checks.measuring import Broken, Measured, Observed, collect, submit, workers
from checks.planning import Family, Plan, PlannedCheck
from checks.scenario import Scenario
from theorems.vocabulary import Claim, Kind, Verdict

GAVE_UP = "gave_up"

Progress = Callable[[int, int, str], None]  # trials done, trials in all, what is being measured


def run_plan(
    plan: Plan,
    store: EvidenceStore,
    run: int,
    on_progress: Progress = lambda *_: None,
    shrink: bool = False,
) -> None:
    """Measure and decide everything in `plan`, writing to `store` as it goes.

    An exception inside a trial is recorded as that scenario's outcome (verdict ERROR) and the run
    goes on.  With `shrink`, refuted exact claims get the simplest counterexample Hypothesis finds.
    """
    done = 0
    with workers() as pool:
        # All at once: no worker waits for the last and longest rung of a check.
        tasks = [submit(planned, plan, pool) for planned in plan.checks]
        for planned, submitted in zip(plan.checks, tasks, strict=True):
            name = planned.check.name
            on_progress(done, plan.trials, name)
            refuted: dict[str, tuple[Claim, Scenario]] = {}
            results = collect(planned, submitted)
            for family, rungs in itertools.groupby(results, key=lambda result: result.family):
                observed: Observed | Broken = {}
                for result in rungs:
                    store.add_trials(run, _rows(planned.check, result))
                    observed = _joined(observed, result)
                    done += planned.seeds
                    on_progress(done, plan.trials, f"{name}: {family.scenario.label()}")
                for claim in _decide(planned, family, observed, plan.rates, store, run):
                    refuted.setdefault(claim.id, (claim, family.scenario))
            for claim, first in refuted.values():
                # For a control the counterexample is the result: it is always made as simple as it gets.
                wanted = shrink or claim.expected is Verdict.REFUTED
                report_counterexample(planned, claim, first, plan, store, run, wanted)
            if planned.check.explores:
                on_progress(done, plan.trials, f"{name}: searching for degenerate cases")
                explore(planned, plan, store, run)


def _joined(observed: Observed | Broken, result: Measured) -> Observed | Broken:
    """The observations of a family with one more rung; one broken rung leaves nothing to decide on."""
    if isinstance(observed, Broken):
        return observed
    if isinstance(result.values, Broken):
        return result.values
    return {**observed, result.rung.width: dict(result.values)}


def _rows(check: Check, result: Measured) -> list[TrialRow]:
    if isinstance(result.values, Broken):
        outcome, values = f"error: {result.values.error}", {}
    else:
        outcome, values = "measured", dict(result.values)
    # A trial may say per seed that its integrator gave up: recorded, and no crash.
    stopped = np.asarray(values.get(GAVE_UP, np.zeros(len(result.seeds), dtype=bool)), dtype=bool)
    return [
        TrialRow(
            check.name,
            result.family.scenario.id,
            result.rung.as_dict(),
            result.rung.width,
            int(seed),
            "integrator gave up" if stopped[i] else outcome,
            {name: value[i] for name, value in values.items()},
        )
        for i, seed in enumerate(result.seeds)
    ]


def _decide(
    planned: PlannedCheck,
    family: Family,
    observed: Observed | Broken,
    rates: ErrorRates,
    store: EvidenceStore,
    run: int,
) -> list[Claim]:
    """Decide every claim on one scenario; the exact claims that it refutes."""
    refuted = []
    failed, observed = _premises(planned.check, observed)
    for _, claim in planned.claims:
        in_scope = planned.in_scope(claim, family)
        for decider in planned.check.decides[claim.id]:
            decision = _one_decision(decider, observed, rates)
            unmet = f"outside the assumption '{_unmet(claim, family)}'" if not in_scope else failed
            if unmet and decision.verdict is not Verdict.ERROR:
                decision = replace(
                    decision, verdict=Verdict.OUT_OF_SCOPE, reason=f"{unmet} ({decision.reason})"
                )
            if decision.verdict is Verdict.REFUTED and claim.kind is Kind.EXACT:
                refuted.append(claim)
            store.add_decision(
                run,
                claim.id,
                planned.check.name,
                family.scenario.id,
                family.scenario.as_dict(),
                decider.name,
                asdict(decision),
            )
    return refuted


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
