"""A plan and its claims as typed rows, so that evidence explains itself years later."""

from __future__ import annotations

from advntk.checks.coverage import describe_choice
from advntk.checks.evidence.rows import (
    RunRequest,
    StatedAxis,
    StatedCheck,
    StatedClaim,
    StatedRate,
    StatedRates,
    StatedSource,
    StatedTheorem,
)
from advntk.checks.planning import Plan, PlannedCheck
from advntk.checks.spaces import Value, listed
from advntk.theorems.vocabulary import Claim, Source, Theorem


def describe(plan: Plan) -> RunRequest:
    """The request, the error rates, and the statements that the run decides on."""
    request = plan.request
    selected = [pair for planned in plan.checks for pair in planned.claims]
    defaults = {pin.axis: pin.raw for pin in request.defaults}
    return RunRequest(
        profile=request.profile.name,
        data=defaults.get("data", ""),
        seed=request.seed,
        pins={pin.axis: _held(plan, pin.axis) for pin in request.pins},
        sweeps={axis: _points(plan, axis) for axis in request.sweeps},
        trials=plan.trials,
        most_trials=plan.most_trials,
        error_rates=StatedRates(request.false_alarm, request.miss, plan.assertions, plan.rates.false_alarm),
        theorems={theorem.id: describe_theorem(theorem) for theorem, _ in selected},
        claims={claim.id: describe_claim(theorem, claim) for theorem, claim in selected},
        checks={planned.check.name: describe_check(planned) for planned in plan.checks},
    )


def _held(plan: Plan, axis: str) -> Value:
    """The value that an axis is held at."""
    return next(listed(planned.space.choices[axis])[0] for planned in plan.checks if axis in planned.space)


def _points(plan: Plan, axis: str) -> list[int | float]:
    """The points at which the checks that sweep over `axis` are measured."""
    return sorted(
        {
            at.point
            for planned in plan.checks
            if planned.check.sweep is not None and planned.check.sweep.axis == axis
            for scenario in planned.scenarios
            for at in scenario.points
            if at.point is not None
        }
    )


def describe_check(planned: PlannedCheck) -> StatedCheck:
    """What a trial may be sampled along, before anything was held; its sweep and its seeds."""
    check = planned.check
    return StatedCheck(
        axes=tuple(
            StatedAxis(
                axis.name,
                axis.default,
                axis.symbol,
                axis.unit,
                axis.description,
                axis.group,
                axis.shown,
                {str(value): text for value, text in axis.written.items()},
                describe_choice(check.space.choices[name]) if name in check.space.choices else None,
            )
            for name, axis in check.space.items()
        ),
        sweep=None if check.sweep is None else check.sweep.axis,
        points=tuple(
            sorted({at.point for s in planned.scenarios for at in s.points if at.point is not None})
        ),
        seeds=planned.seeds,
        looks=planned.looks,
        swept={s.scenario.id: s.swept for s in planned.scenarios},
    )


def describe_theorem(theorem: Theorem) -> StatedTheorem:
    """A theorem without its claims."""
    return StatedTheorem(
        theorem.id,
        theorem.title,
        theorem.statement,
        _source(theorem.source),
        tuple(step.statement for step in theorem.derivation),
    )


def describe_claim(theorem: Theorem, claim: Claim) -> StatedClaim:
    """A claim with its assumptions spelled out."""
    return StatedClaim(
        claim.id,
        theorem.id,
        claim.statement,
        claim.kind,
        claim.expectation,
        _source(claim.source),
        claim.note,
        tuple(a.statement for a in claim.assumptions),
        None if claim.rate is None else StatedRate(claim.rate.exponent, claim.rate.parameter),
    )


def _source(source: Source) -> StatedSource:
    return StatedSource(source.reference, source.where, source.url)
