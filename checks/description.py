"""A plan and its claims as plain values, so that evidence explains itself years later."""

from __future__ import annotations

from typing import Any

from advntk.checks.coverage import describe_axes
from advntk.checks.planning import Plan, PlannedCheck
from advntk.theorems.vocabulary import Claim, Theorem


def describe(plan: Plan) -> dict[str, Any]:
    """The request, the error rates, and the statements that the run decides on."""
    request = plan.request
    selected = [pair for planned in plan.checks for pair in planned.claims]
    return {
        "profile": request.profile.name,
        "data": request.data,
        "seed": request.seed,
        "pins": dict(request.pins),
        "widths": list(request.widths),
        "trials": plan.trials,
        "most_trials": plan.most_trials,
        "error_rates": {
            "false_alarm": request.false_alarm,
            "miss": request.miss,
            "assertions": plan.assertions,
            "false_alarm_per_assertion": plan.rates.false_alarm,
        },
        "theorems": {theorem.id: describe_theorem(theorem) for theorem, _ in selected},
        "claims": {claim.id: describe_claim(theorem, claim) for theorem, claim in selected},
        "trials_of": {planned.check.name: describe_check(planned) for planned in plan.checks},
    }


def describe_check(planned: PlannedCheck) -> dict[str, Any]:
    """What a trial may be sampled along, before anything was held; its ladder and its seeds."""
    return {
        "axes": describe_axes(planned.check.axes),
        "widths": sorted({rung.width for family in planned.families for rung in family.rungs}),
        "effort": planned.check.effort,
        "seeds": planned.seeds,
        "looks": planned.looks,
    }


def describe_theorem(theorem: Theorem) -> dict[str, Any]:
    """A theorem without its claims."""
    return {
        "id": theorem.id,
        "title": theorem.title,
        "statement": theorem.statement,
        "source": _source(theorem.source),
        "derivation": [step.statement for step in theorem.derivation],
    }


def describe_claim(theorem: Theorem, claim: Claim) -> dict[str, Any]:
    """A claim with its assumptions spelled out."""
    return {
        "id": claim.id,
        "theorem": theorem.id,
        "statement": claim.statement,
        "kind": str(claim.kind),
        "expected": claim.expectation,
        "note": claim.note,
        "assumptions": [a.statement for a in claim.assumptions],
        "rate": None
        if claim.rate is None
        else {"exponent": claim.rate.exponent, "parameter": claim.rate.parameter},
        "source": _source(claim.source),
    }


def _source(source) -> dict[str, str]:
    return {"reference": source.reference, "where": source.where, "url": source.url}
