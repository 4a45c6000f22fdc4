"""Carrying out a plan: trials into the evidence, observations to the deciders, decisions to verdicts."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np

from checks.axes import listed
from checks.check import Check
from checks.deciders.decision import Decider, Decision, ErrorRates
from checks.evidence import EvidenceStore, TrialRow
from checks.planning import Family, Plan, PlannedCheck
from checks.scenario import Scenario
from checks.strategies import smallest
from theorems.vocabulary import Claim, Kind, Verdict

Progress = Callable[[int, int, str], None]  # trials done, trials in all, what is being measured
Observed = dict[int, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Broken:
    """A trial that raised instead of measuring."""

    error: str


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
    for planned in plan.checks:
        refuted: dict[str, tuple[Claim, Scenario]] = {}
        for family in planned.families:
            observed = _measure(planned, family, plan, store, run, done, on_progress)
            done += planned.seeds * len(family.rungs)
            for claim in _decide(planned, family, observed, plan.rates, store, run):
                refuted.setdefault(claim.id, (claim, family.scenario))
        for claim, first in refuted.values():
            _report_counterexample(planned, claim, first, plan, store, run, shrink)
        if planned.check.explores:
            on_progress(done, plan.trials, f"{planned.check.name}: searching for degenerate cases")
            _explore(planned, plan, store, run)


def keys_for(check: Check, rung: Scenario, run_seed: int, seeds: np.ndarray):
    """Random keys of a trial: a function of the run's seed, the trial, the rung and the seed number."""
    import jax

    name = zlib.crc32(f"{check.name}/{rung.id}".encode())
    base = jax.random.fold_in(jax.random.key(run_seed), name)
    return jax.vmap(lambda s: jax.random.fold_in(base, s))(seeds)


def observe(check: Check, rung: Scenario, run_seed: int, seeds: np.ndarray) -> dict[str, np.ndarray]:
    """One call of the trial, as numpy arrays with a leading axis over `seeds`."""
    found = check.trial(rung, keys_for(check, rung, run_seed, seeds))
    return {name: np.asarray(value) for name, value in found.items()}


def _measure(
    planned: PlannedCheck,
    family: Family,
    plan: Plan,
    store: EvidenceStore,
    run: int,
    done: int,
    on_progress: Progress,
) -> Observed | Broken:
    check, observed = planned.check, {}
    for rung in family.rungs:
        chunks = []
        for start in range(0, planned.seeds, family.chunk):
            on_progress(done, plan.trials, f"{check.name}: {rung.label()}, n={rung.width}")
            seeds = np.arange(start, start + family.chunk)
            try:
                values = observe(check, rung, plan.request.seed, seeds)
            except Exception as error:  # whatever a trial raises is an outcome, not a crash of the run
                broken = Broken(f"{type(error).__name__}: {error}".splitlines()[0])
                store.add_trials(run, _rows(check, family, rung, seeds, f"error: {broken.error}", {}))
                return broken
            store.add_trials(run, _rows(check, family, rung, seeds, "measured", values))
            chunks.append(values)
            done += family.chunk
        observed[rung.width] = {name: np.concatenate([c[name] for c in chunks]) for name in chunks[0]}
    on_progress(done, plan.trials, f"{check.name}: {family.scenario.label()}")
    return observed


def _rows(
    check: Check,
    family: Family,
    rung: Scenario,
    seeds: np.ndarray,
    outcome: str,
    values: Mapping[str, np.ndarray],
) -> list[TrialRow]:
    return [
        TrialRow(
            check.name,
            family.scenario.id,
            rung.as_dict(),
            rung.width,
            int(seed),
            outcome,
            {name: value[i] for name, value in values.items()},
        )
        for i, seed in enumerate(seeds)
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
    for _, claim in planned.claims:
        in_scope = planned.in_scope(claim, family)
        for decider in planned.check.decides[claim.id]:
            decision = _one_decision(decider, observed, rates)
            if not in_scope and decision.verdict is not Verdict.ERROR:
                unmet = _unmet(claim, family)
                decision = replace(
                    decision,
                    verdict=Verdict.OUT_OF_SCOPE,
                    reason=f"outside the assumption '{unmet}' ({decision.reason})",
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
    return decider.decide(observed, rates)


def _unmet(claim: Claim, family: Family) -> str:
    return "; ".join(dict.fromkeys(a.name for rung in family.rungs for a in claim.unmet(rung)))


def _explore(planned: PlannedCheck, plan: Plan, store: EvidenceStore, run: int) -> None:
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


def _report_counterexample(
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
        fails = partial(_fails, planned.check, claim, plan, True)
        first = smallest(planned.axes, fails, plan.request.profile.search) or first
    store.add_finding(run, claim.id, _finding("counterexample", claim, first))


def _finding(kind: str, claim: Claim, scenario: Scenario) -> dict:
    return {
        "kind": kind,
        "unmet": [a.statement for a in claim.unmet(scenario)],
        "label": scenario.label(),
        "scenario": scenario.as_dict(),
    }


def _fails(check: Check, claim: Claim, plan: Plan, in_scope: bool, scenario: Scenario) -> bool:
    """Whether the claim fails at a scenario that is inside (or outside) its assumptions."""
    if bool(claim.unmet(scenario)) is in_scope:
        return False
    seeds = np.arange(plan.request.profile.exact.seeds if check.random else 1)
    observed = {scenario.width: observe(check, scenario, plan.request.seed, seeds)}
    return any(
        decider.decide(observed, plan.rates).verdict is Verdict.REFUTED for decider in check.decides[claim.id]
    )
