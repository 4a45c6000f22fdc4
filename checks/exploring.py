"""Findings beside the verdicts: counterexamples, and degenerate cases outside the assumptions."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np

from advntk.checks.axes import listed
from advntk.checks.check import Check
from advntk.checks.evidence import EvidenceStore
from advntk.checks.measuring import observe
from advntk.checks.planning import Plan, PlannedCheck
from advntk.checks.scenario import Scenario
from advntk.checks.strategies import smallest
from advntk.theorems.vocabulary import Claim, Verdict


def explore(planned: PlannedCheck, plan: Plan, store: EvidenceStore, run: int) -> None:
    """Search for degenerate cases: the simplest scenarios outside a claim's assumptions where it fails.

    One search per value of the axes that the check explores.  They show which assumptions are needed.
    """
    for values in itertools.product(*(listed(planned.axes[n]) for n in planned.check.explores)):
        axes = planned.axes.pinned(dict(zip(planned.check.explores, values, strict=True)))
        for _, claim in planned.claims:
            fails = partial(_fails, planned.check, claim, plan, False)
            try:
                simplest = smallest(axes, fails, plan.request.profile.search)
            except Exception as error:  # an outcome of the search, not a crash of the run
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                store.add_finding(run, claim.id, {"kind": "search failed", "label": reason})
                continue
            if simplest is not None:
                store.add_finding(run, claim.id, _finding("degenerate case", claim, simplest))


def report_counterexample(
    planned: PlannedCheck,
    claim: Claim,
    first: Scenario,
    plan: Plan,
    store: EvidenceStore,
    run: int,
    shrink: bool,
) -> None:
    """Keep a counterexample to an exact claim, shrunk on request (that can take minutes)."""
    if shrink:
        fails = partial(_fails_soundly, planned.check, claim, plan)
        first = smallest(planned.axes, fails, plan.request.profile.search) or first
    store.add_finding(run, claim.id, _finding("counterexample", claim, first))


def _finding(kind: str, claim: Claim, scenario: Scenario) -> dict:
    return {
        "kind": kind,
        "unmet": [a.statement for a in claim.unmet(scenario)],
        "label": scenario.label(),
        "scenario": scenario.as_dict(),
    }


def _fails_soundly(check: Check, claim: Claim, plan: Plan, scenario: Scenario) -> bool:
    """Whether the claim fails inside its assumptions; a trial that breaks shows nothing."""
    try:
        return _fails(check, claim, plan, True, scenario)
    except Exception:  # whatever a trial raises must not end the run, which has its verdicts already
        return False


def _fails(check: Check, claim: Claim, plan: Plan, in_scope: bool, scenario: Scenario) -> bool:
    """Whether the claim fails at a scenario that is inside (or outside) its assumptions."""
    if bool(claim.unmet(scenario)) is in_scope:
        return False
    seeds = np.arange(plan.request.profile.exact.seeds if check.random else 1)
    observed = {scenario.width: observe(check, scenario, plan.request.seed, seeds)}
    if any(premise.failure(observed) for premise in check.premises):
        return False
    return any(
        decider.decide(observed, plan.rates).verdict is Verdict.REFUTED for decider in check.decides[claim.id]
    )
