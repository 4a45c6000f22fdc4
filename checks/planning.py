"""What a run will measure, settled and checked before anything is computed or written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from advntk.checks.asking import claims_by_check
from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.efforts import Measure, Profile
from advntk.checks.pins import Pin
from advntk.checks.scenario import Scenario
from advntk.checks.scope import assumptions_hold, is_settled_against, out_of_scope
from advntk.checks.spaces import Space, Value, listed
from advntk.checks.strategies import draw
from advntk.checks.sweeps import Point
from advntk.checks.theories import checks_of, refuse_namesakes, validate
from advntk.checks.trial import Check
from advntk.exceptions import UsageError
from advntk.implementations.foreign_code import Failure, contained, failure
from advntk.implementations.memory import usable_memory
from advntk.theorems.vocabulary import Claim, Theorem

# What one call of a trial may take; small enough to stay in a laptop's memory beside other work.
CHUNK_BYTES = 512 * 2**20
CONCURRENT = 2  # batches measured at the same time, unless asked for otherwise


class BadPlan(UsageError):
    """A request that cannot be carried out; the message names argument, value and fix."""


@dataclass(frozen=True)
class Request:
    """What was asked for, in plain values.

    Args:
      profile: how much is measured.
      pins: axes to hold.  A pin counts for every check whose space has the axis.
      defaults: the same for checks that do not sample the axis themselves.
      sweeps: axis |-> texts of the points instead of the profile's, and the option as written.
      false_alarm: chance that the run refutes any true claim.
      miss: chance that an assertion holds for a false claim.
      memory: bytes that trials may take in all; None: half of the machine's.
      jobs: batches measured at the same time.
      minutes: how long compilation and the like may take in all; None: as the profile says.
    """

    profile: Profile
    seed: int = 0
    pins: tuple[Pin, ...] = ()
    defaults: tuple[Pin, ...] = ()
    sweeps: Mapping[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    false_alarm: float = 1e-6
    miss: float = 1e-3
    memory: int | None = None
    jobs: int = CONCURRENT
    minutes: float | None = None


@dataclass(frozen=True)
class PlannedPoint:
    """One point of a sweep (None where nothing sweeps), and the scenario there."""

    point: Point
    scenario: Scenario


@dataclass(frozen=True)
class PlannedScenario:
    """A sampled scenario and where it is measured; `chunk` seeds go into one call of the trial.

    `broken`: claim id |-> what the claim's assumptions, or the trial's estimates of its costs, raised here.
    `seconds`: what the trial says that it takes here before its first seed is measured.
    """

    scenario: Scenario
    points: tuple[PlannedPoint, ...]
    chunk: int
    swept: tuple[str, ...] = ()
    broken: Mapping[str, Failure] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def label(self) -> str:
        """The scenario for people, without what the sweep changes."""
        return self.scenario.label(self.swept)


@dataclass(frozen=True)
class PlannedCheck:
    """A check, the claims asked of it, its scenarios, and the seeds per scenario and point.

    `seeds` belong to the first look; every further look, of `looks` in all, doubles what there is.
    """

    check: Check
    claims: tuple[tuple[Theorem, Claim], ...]
    space: Space
    scenarios: tuple[PlannedScenario, ...]
    seeds: int
    looks: int

    def drawn(self, look: int) -> range:
        """The seeds that look number `look`, from 0, adds."""
        return range(self.seeds * 2 ** (look - 1) if look else 0, self.seeds * 2**look)

    def in_scope(self, claim: Claim, planned: PlannedScenario) -> bool:
        """Whether the claim's assumptions hold at every point; where they broke, nobody knows otherwise."""
        return claim.id in planned.broken or not any(claim.unmet(at.scenario) for at in planned.points)


@dataclass(frozen=True)
class Plan:
    """Everything a run will do, and the error rates every statistical assertion must keep to."""

    request: Request
    checks: tuple[PlannedCheck, ...]
    rates: ErrorRates
    assertions: int

    @property
    def trials(self) -> int:
        """Number of (scenario, point, seed) of the first looks: what is measured at least."""
        return sum(len(s.points) * c.seeds for c in self.checks for s in c.scenarios)

    @property
    def most_trials(self) -> int:
        """The same if nothing is decided before the last look."""
        return sum(len(s.points) * c.seeds * 2 ** (c.looks - 1) for c in self.checks for s in c.scenarios)

    def rates_of(self, planned: PlannedCheck) -> ErrorRates:
        """What one look may spend: looks share an assertion's rates equally (a union bound)."""
        return ErrorRates(self.rates.false_alarm / planned.looks, self.rates.miss / planned.looks)


def make_plan(
    request: Request,
    selected: Sequence[tuple[Theorem, Claim]],
    modules: Sequence[ModuleType],
) -> Plan:
    """Sample scenarios for the selected claims and check that all of it can be done.

    Raises:
      BadTheory: a theory that contradicts itself.
      BadPlan: a claim without a check, an axis pinned to where a claim says nothing, a sweep that nothing
        makes, a scenario that does not fit into memory, or more than the minutes allowed.
      UsageError: what a check's `prepare` refuses, such as data that cannot be loaded at these sizes.
    """
    wanted = {claim.id: (theorem, claim) for theorem, claim in selected}
    checks = _wanted_checks(wanted, modules)
    _requested(request, checks)
    asked = claims_by_check(checks, wanted.keys(), request.pins)
    planned = tuple(
        _plan_check(check, [wanted[c] for c in asked[check.name]], request)
        for check in checks
        if asked[check.name]
    )
    _in_time(planned, request)
    # A decider that cannot be wrong by chance draws nothing from the budget; the others share it equally.
    assertions = sum(
        sum(decider.statistical for decider in p.check.decides[claim.id])
        * sum(p.in_scope(claim, s) for s in p.scenarios)
        for p in planned
        for _, claim in p.claims
    )
    rates = ErrorRates(request.false_alarm / max(assertions, 1), request.miss)
    return Plan(request, planned, rates, assertions)


def _wanted_checks(wanted: Mapping[str, tuple[Theorem, Claim]], modules: Sequence[ModuleType]) -> list[Check]:
    checks = []
    theorems = {theorem.id: theorem for theorem, _ in wanted.values()}
    for module in modules:
        theorem = theorems.get(getattr(module.THEOREM, "id", ""))
        if theorem is None:
            continue
        found = checks_of(module)
        validate(theorem, found)
        # In the order of the claims that they decide.
        places = {claim.id: place for place, claim in enumerate(theorem.claims)}
        found.sort(key=lambda check: min((places.get(c, len(places)) for c in check.decides), default=0))
        checks += [check for check in found if wanted.keys() & set(check.decides)]
    for claim_id in wanted.keys() - {c for check in checks for c in check.decides}:
        raise BadPlan(f"claim {claim_id!r} is stated but no check decides it; write one")
    refuse_namesakes(checks)
    return checks


def _requested(request: Request, checks: Sequence[Check]) -> None:
    """Whether what is asked for means something for one check at least, and does not contradict itself."""
    pinned: dict[str, Pin] = {}
    for pin in (*request.defaults, *request.pins):
        before = pinned.setdefault(pin.axis, pin)
        having = [check for check in checks if pin.axis in check.space]
        if not having:
            known = dict.fromkeys(name for check in checks for name in check.space)
            raise BadPlan(
                f"{pin.said}: none of the selected claims has an axis {pin.axis!r}; "
                f"they have: {', '.join(known)}"
            )
        for check in having:
            # One value may be written in two ways.
            if _value(check.space, pin) != _value(check.space, before):
                raise BadPlan(
                    f"{before.said} and {pin.said} contradict each other: {pin.axis} can be held at one "
                    "value only; keep one"
                )
    for axis, (texts, said) in request.sweeps.items():
        sweeping = [check for check in checks if check.sweep is not None and check.sweep.axis == axis]
        if not sweeping:
            over = dict.fromkeys(check.sweep.axis for check in checks if check.sweep is not None)
            what = f"they sweep over {', '.join(over)}" if over else "they sweep over nothing"
            raise BadPlan(f"{said}: none of the selected claims sweeps over {axis}; {what}")
        for check in sweeping:
            _points(check, texts, said)


def _value(space: Space, pin: Pin) -> Value:
    try:
        return space[pin.axis].parse(pin.raw)
    except UsageError as error:
        raise BadPlan(f"{pin.said}: {error}") from None


def _points(check: Check, texts: Sequence[str], said: str) -> tuple[int | float, ...]:
    assert check.sweep is not None
    try:
        return check.sweep.parse(check.space, list(texts))
    except UsageError as error:
        raise BadPlan(f"{said}: {error}") from None


def _plan_check(check: Check, claims: list[tuple[Theorem, Claim]], request: Request) -> PlannedCheck:
    measure = check.effort.of(request.profile)
    # A trial that ignores its keys gives the same number for every seed.
    seeds, looks = (measure.seeds, measure.looks) if check.random else (1, 1)
    space = _space(check, claims, request, measure)
    points: tuple[Point, ...] = measure.points
    if check.sweep is not None and check.sweep.axis in request.sweeps:
        points = _points(check, *request.sweeps[check.sweep.axis])

    def at_points(scenario: Scenario) -> tuple[PlannedPoint, ...]:
        if check.sweep is None:
            return (PlannedPoint(None, scenario),)
        return tuple(PlannedPoint(p, check.sweep.at(scenario, p)) for p in points if p is not None)

    def usable(scenario: Scenario) -> bool:
        # What breaks is kept: it is an ERROR of the claim, not a scenario that nobody hears of.
        return bool(check.explores) or any(
            assumptions_hold(claim, swept(scenario)) is not False for _, claim in claims
        )

    def swept(scenario: Scenario) -> list[Scenario]:
        return [at.scenario for at in at_points(scenario)]

    def not_settled() -> bool:
        return not all(is_settled_against(claim, space, swept, request.seed) for _, claim in claims)

    sampled = draw(space, measure.scenarios, request.seed, usable, not_settled)
    scenarios = tuple(
        _plan_scenario(check, claims, scenario, at_points(scenario), seeds, request) for scenario in sampled
    )
    planned = PlannedCheck(check, tuple(claims), space, scenarios, seeds, looks)
    # A check that explores may be sent outside the assumptions on purpose, to replay what it found.
    for _, claim in () if check.explores else claims:
        if not any(planned.in_scope(claim, scenario) for scenario in scenarios):
            pins = " ".join(pin.said for pin in request.pins) or "its axes"
            raise BadPlan(f"{pins}: {out_of_scope(claim, space, swept, request.seed)}")
    return planned


def _plan_scenario(
    check: Check,
    claims: list[tuple[Theorem, Claim]],
    scenario: Scenario,
    points: tuple[PlannedPoint, ...],
    seeds: int,
    request: Request,
) -> PlannedScenario:
    """A scenario with what breaks while it is planned, and how many of its seeds are measured at once."""
    held = {claim.id: assumptions_hold(claim, [at.scenario for at in points]) for _, claim in claims}
    broken = {name: reason for name, reason in held.items() if isinstance(reason, Failure)}
    swept = check.sweep.changed(scenario) if check.sweep is not None else ()
    asked: tuple[tuple[str, Callable[[Scenario], Any]], ...] = (
        ("the memory estimate", lambda at: _amount(check.memory(at))),
        ("the time estimate", lambda at: _amount(check.seconds(at))),
        ("`prepare`", check.prepare),
    )
    found = {}
    for what, function in asked:
        try:
            with contained():
                found[what] = [function(at.scenario) for at in points]
        except UsageError:
            raise
        except Exception as error:  # whatever a user's function raises
            reason = failure(error, f"{what} of trial {check.name}")
            return PlannedScenario(scenario, points, 1, swept, {claim.id: reason for _, claim in claims})
        if what == "the memory estimate":
            # Before anything is loaded or made for it.
            needed = [(bytes_, at.scenario) for bytes_, at in zip(found[what], points, strict=True)]
            chunk = _chunk(check, needed, seeds, request)
    seconds = sum(found["the time estimate"])
    return PlannedScenario(scenario, points, chunk, swept, broken, seconds)


def _amount(found: Any) -> float:
    """What an estimate gives, as a number."""
    if isinstance(found, bool) or not isinstance(found, int | float | np.number) or not 0 <= found < math.inf:
        raise TypeError(f"it gave {found!r}; give a finite number that is not negative")
    return float(found)


def _space(check: Check, claims: list[tuple[Theorem, Claim]], request: Request, measure: Measure) -> Space:
    held = {name: value for name, value in measure.held if name in check.space.choices}
    pins = [pin for pin in request.pins if pin.axis in check.space]
    defaults = [p for p in request.defaults if p.axis in check.space and p.axis not in check.space.choices]
    space = check.space.pinned(held)
    space = space.pinned({pin.axis: _value(check.space, pin) for pin in (*defaults, *pins)})
    if check.sweep is not None:
        names = ", ".join(claim.id for _, claim in claims)
        growing = [set(check.sweep.changed(scenario)) for scenario in (space.simplest(), _last(space))]
        for pin in pins:
            # A scenario where the sweep chose it would not be the one that was asked for.
            if any(pin.axis in changed for changed in growing):
                raise BadPlan(
                    f"{pin.said}: {names} runs over a sweep that chooses {pin.axis} itself; "
                    f"use --sweep {check.sweep.axis}=..."
                )
    return space


def _last(space: Space) -> Scenario:
    return space.scenario(**{name: listed(choice)[-1] for name, choice in space.choices.items()})


def _chunk(check: Check, needed: list[tuple[float, Scenario]], seeds: int, request: Request) -> int:
    """Seeds per call: the largest divisor of `seeds` that keeps a call within bounds.

    `needed` are the bytes that one seed takes at each point.
    """
    allowed = (request.memory or usable_memory() // 2) // request.jobs
    per_seed, largest = max(needed, key=lambda found: found[0])
    if per_seed > allowed:
        smaller = "" if check.sweep is None else f" (--sweep {check.sweep.axis}=...)"
        raise BadPlan(
            f"{check.name} at {largest.label()}: one seed needs about {per_seed / 2**30:.3g} GiB, "
            f"{allowed / 2**30:.3g} GiB are allowed ({request.jobs} run at once); "
            f"choose smaller sizes{smaller}, raise --memory, or lower --jobs"
        )
    fitting = max(1, int(CHUNK_BYTES // max(per_seed, 1)))
    return max(d for d in range(1, seeds + 1) if seeds % d == 0 and d <= fitting)


def _in_time(planned: Sequence[PlannedCheck], request: Request) -> None:
    """Refuse a run that would compile, or solve its first systems, for longer than anybody waits."""
    taken = [(one.seconds, check, one) for check in planned for one in check.scenarios]
    allowed = request.profile.minutes if request.minutes is None else request.minutes
    minutes = sum(seconds for seconds, _, _ in taken) / request.jobs / 60
    if minutes <= allowed:
        return
    _, check, dearest = max(taken, key=lambda found: found[0])
    raise BadPlan(
        f"{check.check.name} at {dearest.label}: this run takes about {minutes:.0f} minutes to compile and "
        f"begin, {allowed:g} are allowed; choose smaller sizes, or allow more with --max-minutes"
    )
