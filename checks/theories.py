"""Theories as they are measured: a theorem with the checks that decide its claims, validated when loaded."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any

from advntk.checks.deciders.decision import LEAST_POINTS
from advntk.checks.declarations import BadTheory, shown, validate_declaration
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Space, listed
from advntk.checks.trial import Check
from advntk.implementations.foreign_code import contained, described
from advntk.theorems.vocabulary import Assumption, Claim, Kind, Theorem, Verdict


def checks_of(module: ModuleType) -> list[Check]:
    """The checks of a theorem: in its own module, in the module `trials` of its package, or in its namesake
    in `advntk.checks.trials`."""
    name = module.__name__
    if found := _checks_in(module):
        return found
    if hasattr(module, "__path__") and importlib.util.find_spec(f"{name}.trials"):
        return _checks_in(importlib.import_module(f"{name}.trials"))
    if name.startswith("advntk.theorems."):
        return _checks_in(importlib.import_module(f"advntk.checks.trials.{name.rsplit('.', 1)[-1]}"))
    return []


def _checks_in(module: ModuleType) -> list[Check]:
    found = {id(value): value for value in vars(module).values() if isinstance(value, Check)}
    return list(found.values())


def validate(theorem: Theorem, checks: Iterable[Check]) -> None:
    """Refuse what would be decided otherwise than it is stated.

    Raises:
      BadTheory: with what is wrong, where, and how to mend it.
    """
    found = list(checks)
    ids = [claim.id for claim in theorem.claims]
    for claim in theorem.claims:
        if ids.count(claim.id) > 1:
            raise BadTheory(f"theorem {theorem.id!r}: two claims have the id {claim.id!r}; rename one")
        if not isinstance(claim.kind, Kind):
            raise BadTheory(
                f"claim {claim.id!r}: kind = {shown(claim.kind)}; choose one of {', '.join(Kind)}"
            )
        if not any(claim.expected is one for one in (None, *_EXPECTABLE)):
            raise BadTheory(
                f"claim {claim.id!r}: expected = {shown(claim.expected)}; choose {', '.join(_EXPECTABLE)} or "
                "None (verdicts are members of advntk.Verdict)"
            )
    for check in found:
        validate_declaration(check)
    refuse_namesakes(found)
    claims = {claim.id: claim for claim in theorem.claims}
    for check in found:
        _check_alone(check)
        for claim_id, deciders in check.decides.items():
            if claim_id in claims:
                _claim_by_check(claims[claim_id], check, deciders)


def refuse_namesakes(checks: Sequence[Check]) -> None:
    """Refuse two trials of one name, whose measurements would be taken for each other's.

    Raises:
      BadTheory: with the name.
    """
    names = [check.name for check in checks]
    for name in names:
        if names.count(name) > 1:
            raise BadTheory(f"two trials are named {name!r}; rename one of the functions")


_EXPECTABLE = (Verdict.HOLDS, Verdict.REFUTED)


def _check_alone(check: Check) -> None:
    """What is wrong with a check whatever its claims say."""
    for name in check.explores:
        if name not in check.space.choices:
            raise BadTheory(f"trial {check.name!r}: explores {name!r}, which it does not sample; sample it")
    measures = [m for m in (check.effort.quick, check.effort.standard, check.effort.thorough) if m]
    for measure in measures:
        for name, value in measure.held:
            if name not in check.space or (reason := check.space[name].refusal(value)):
                why = reason if name in check.space else "is an axis that its space lacks"
                raise BadTheory(f"trial {check.name!r}: holds {name}={value!r}, which {why}")
        if check.sweep is None and measure.points:
            raise BadTheory(
                f"trial {check.name!r}: its effort has points {measure.points} and it sweeps over nothing; "
                "give it a sweep, or an effort without points"
            )
    if check.sweep is None:
        return
    axis = check.space.get(check.sweep.axis)
    if axis is None or axis.kind is str:
        raise BadTheory(
            f"trial {check.name!r}: sweeps over {check.sweep.axis!r}, which is no axis of numbers of its "
            f"space; there are: {', '.join(name for name, a in check.space.items() if a.kind is not str)}"
        )
    for measure in measures:
        if len(set(measure.points)) < LEAST_POINTS:
            raise BadTheory(
                f"trial {check.name!r}: its effort has the points {measure.points}; a sweep needs at least "
                f"{LEAST_POINTS} different ones"
            )
        for point in measure.points:
            if reason := axis.refusal(point):
                raise BadTheory(f"trial {check.name!r}: the point {point!r} {reason}")


def _claim_by_check(claim: Claim, check: Check, deciders: Sequence[Any]) -> None:
    """Whether a claim and its deciders say the same."""
    for assumption in claim.assumptions:
        _assumption_on(assumption, claim, check)
    for decider in deciders:
        lacking = [
            name
            for name in ("statistic", "name", "kind", "statistical", "sweeps", "exponent", "decide")
            if not hasattr(decider, name) or isinstance(decider, type)
        ]
        if lacking:
            raise BadTheory(
                f"claim {claim.id!r}: {shown(decider)} is no decider, it lacks {', '.join(lacking)}; "
                "use RateDecider, LevelDecider, MedianDecider, BoundDecider, EnclosureDecider "
                "or one like them"
            )
        if not isinstance(decider.statistic, str) or not isinstance(decider.name, str):
            raise BadTheory(
                f"claim {claim.id!r}: its decider reads the statistic {shown(decider.statistic)}; give "
                "the name of one"
            )
        if decider.kind is not claim.kind:
            raise BadTheory(
                f"claim {claim.id!r} is stated as {claim.kind}, its {decider.name} decider decides "
                f"{decider.kind} claims; make them agree"
            )
        if decider.sweeps and check.sweep is None:
            raise BadTheory(
                f"claim {claim.id!r}: its {decider.name} decider needs a sweep, and trial {check.name!r} has "
                "none; give it one"
            )
        stated = claim.rate.exponent if claim.rate else None
        if decider.exponent != stated and (decider.exponent is not None):
            raise BadTheory(
                f"claim {claim.id!r} states the exponent {stated}, its decider tests {decider.exponent:g}; "
                "make them agree"
            )
    if claim.rate is not None and (check.sweep is None or claim.rate.parameter != check.sweep.axis):
        over = "nothing" if check.sweep is None else repr(check.sweep.axis)
        raise BadTheory(
            f"claim {claim.id!r} states a rate in {claim.rate.parameter!r}, trial {check.name!r} sweeps over "
            f"{over}; make them agree"
        )


def _assumption_on(assumption: Assumption, claim: Claim, check: Check) -> None:
    """Whether the space has what an assumption looks at, and whether it looks at what it says."""
    for name in assumption.axes:
        if name not in check.space:
            raise BadTheory(
                f"claim {claim.id!r}: the assumption {assumption.name!r} looks at the axis {name!r}, which "
                f"the space of trial {check.name!r} lacks; it has: {', '.join(check.space)}"
            )
    watched = _Watched(check.space.simplest())
    try:
        with contained():
            assumption.holds(watched)
    except Exception as error:  # whatever a user's function raises
        raise BadTheory(
            f"claim {claim.id!r}: the assumption {assumption.name!r} raises {described(error)} "
            f"at {watched.label()}; mend it"
        ) from error
    # `and` and `or` look at their second half in some scenarios only.
    for scenario in _varied(check.space):
        # What raises in one of these is an ERROR of the claim in that scenario.
        with suppress(Exception), contained():
            assumption.holds(_Watched(scenario, watched.seen))
    if undeclared := sorted(watched.seen - set(assumption.axes)):
        raise BadTheory(
            f"claim {claim.id!r}: the assumption {assumption.name!r} looks at {', '.join(undeclared)} "
            f"without saying so; add axes={tuple(undeclared)!r}"
        )


def _varied(space: Space) -> Iterator[Scenario]:
    """Scenarios that differ from the simplest and from the last one in one choice at a time."""
    first = {name: listed(choice)[0] for name, choice in space.choices.items()}
    last = {name: listed(choice)[-1] for name, choice in space.choices.items()}
    for corner in (first, last):
        yield space.scenario(**corner)
        for name, choice in space.choices.items():
            for value in choice if isinstance(choice, tuple) else (first[name], last[name]):
                yield space.scenario(**{**corner, name: value})


class _Watched:
    """A scenario that notes which axes are looked at."""

    def __init__(self, scenario: Scenario, seen: set[str] | None = None) -> None:
        self._scenario = scenario
        self.seen: set[str] = set() if seen is None else seen

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._scenario, name)
        self.seen.add(name)
        return value

    def __getitem__(self, name: str) -> Any:
        return self.__getattr__(name)
