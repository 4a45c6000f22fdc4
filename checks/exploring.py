"""Findings beside the verdicts: counterexamples, and degenerate cases outside the assumptions."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import partial

import numpy as np

from advntk.checks.deciders.bound import LOOSE
from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence import FindingKind, FindingRow
from advntk.checks.measuring import observe
from advntk.checks.planning import Plan, PlannedCheck, PlannedScenario
from advntk.checks.recording import Recorder
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import listed
from advntk.checks.strategies import smallest
from advntk.implementations.foreign_code import contained, described
from advntk.theorems.vocabulary import Claim, Verdict


def explore(planned: PlannedCheck, plan: Plan, recorder: Recorder) -> None:
    """Search for degenerate cases: the simplest scenarios outside a claim's assumptions where it fails.

    One search per value of the axes that the check explores.  They show which assumptions are needed.
    """
    explores = planned.check.explores
    for values in itertools.product(*(listed(planned.space.choices[name]) for name in explores)):
        space = planned.space.pinned(dict(zip(explores, values, strict=True)))
        for _, claim in planned.claims:
            fails = partial(_fails, planned, claim, plan, False)
            try:
                simplest = smallest(space, fails, plan.request.profile.search)
            except Exception as error:  # an outcome of the search, not a crash of the run
                reason = described(error)
                recorder.finding(FindingRow(claim.id, FindingKind.SEARCH_FAILED, reason))
                continue
            if simplest is not None:
                recorder.finding(_finding(FindingKind.DEGENERATE_CASE, planned, claim, simplest))


def report_counterexample(
    planned: PlannedCheck,
    claim: Claim,
    first: PlannedScenario,
    plan: Plan,
    recorder: Recorder,
    shrink: bool,
) -> None:
    """Keep a counterexample to a claim that is decided without chance.

    Args:
      planned: the check that refuted the claim.
      claim: what was refuted.
      first: the scenario where it was.
      plan: of the run.
      recorder: where the finding goes.
      shrink: whether to search for the simplest one, which can take minutes.
    """
    found = first.scenario
    if shrink and planned.check.sweep is None:
        fails = partial(_fails_soundly, planned, claim, plan)
        found = smallest(planned.space, fails, plan.request.profile.search) or found
    recorder.finding(_finding(FindingKind.COUNTEREXAMPLE, planned, claim, found))


def report_loose_bounds(
    planned: PlannedCheck, decisions: Iterable[tuple[Claim, Decision]], recorder: Recorder
) -> None:
    """Keep the bounds of a check that nothing measured comes near, within the claims' assumptions.

    Args:
      planned: the check.
      decisions: all of it, scenario by scenario.
      recorder: where the findings go.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for claim, decision in decisions:
        tightness = decision.detail.get("tightness")
        if tightness is not None and decision.verdict is not Verdict.OUT_OF_SCOPE:
            found.setdefault((claim.id, decision.statistic), []).append(float(tightness))
    for (claim_id, statistic), values in found.items():
        if max(values) * LOOSE < 1:
            said = (
                f"comes to {max(values):.2g} of its bound at most" if max(values) > 0 else "is 0 everywhere"
            )
            many = f"{len(values)} scenario{'' if len(values) == 1 else 's'}"
            label = f"{statistic} {said}, in {many}: its bound is looser than a factor {LOOSE:g}"
            recorder.finding(FindingRow(claim_id, FindingKind.LOOSE_BOUND, label, (), planned.check.name))


def _finding(kind: FindingKind, planned: PlannedCheck, claim: Claim, scenario: Scenario) -> FindingRow:
    return FindingRow(
        claim.id,
        kind,
        scenario.label(),
        _unmet(claim, scenario),
        planned.check.name,
        scenario.as_dict(),
    )


def _unmet(claim: Claim, scenario: Scenario) -> tuple[str, ...]:
    """Assumptions that do not hold; what one raises is told in its place, and is no end of the run."""
    try:
        with contained():
            return tuple(a.statement for a in claim.unmet(scenario))
    except Exception as error:
        return (described(error),)


def _fails_soundly(planned: PlannedCheck, claim: Claim, plan: Plan, scenario: Scenario) -> bool:
    """Whether the claim fails inside its assumptions; a trial that breaks shows nothing."""
    try:
        return _fails(planned, claim, plan, True, scenario)
    except Exception:  # whatever a trial raises must not end the run, which has its verdicts already
        return False


def _fails(planned: PlannedCheck, claim: Claim, plan: Plan, in_scope: bool, scenario: Scenario) -> bool:
    """Whether the claim fails at a scenario that is inside (or outside) its assumptions."""
    with contained():
        if bool(claim.unmet(scenario)) is in_scope:
            return False
        check = planned.check
        observed = {None: observe(check, scenario, plan.request.seed, np.arange(planned.seeds)).values}
        if any(premise.failure(observed) for premise in check.premises):
            return False
        deciders = check.decides[claim.id]
        return any(decider.decide(observed, plan.rates).verdict is Verdict.REFUTED for decider in deciders)
