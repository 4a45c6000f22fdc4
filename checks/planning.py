"""What a run will measure, settled and checked before anything is computed or written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from advntk.checks.axes import Axes, listed
from advntk.checks.check import Check, checks_of
from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.rate import LEAST_WIDTHS
from advntk.checks.profiles import Measure, Profile
from advntk.checks.scenario import Scenario
from advntk.checks.strategies import draw
from advntk.implementations.data.loading import load
from advntk.theorems.notation import plain
from advntk.theorems.vocabulary import Claim, Kind, Theorem

# What one call of a trial may take; small enough to stay in a laptop's memory beside other work.
CHUNK_BYTES = 512 * 2**20
CONCURRENT = 2  # rungs measured at the same time, unless asked for otherwise
IMPLEMENTATION = "implementation"  # an axis that is never sampled, and pinned only where a check has it
_DTYPES = ("float32", "float64")


class BadPlan(ValueError):
    """A request that cannot be carried out; the message names argument, value and fix."""


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line, in plain values."""

    profile: Profile
    data: str = "digits"
    seed: int = 0
    pins: tuple[tuple[str, int | float | str], ...] = ()
    widths: tuple[int, ...] = ()
    false_alarm: float = 1e-6
    miss: float = 1e-3
    memory: int | None = None
    jobs: int = CONCURRENT


@dataclass(frozen=True)
class Family:
    """One scenario and the widths it is measured at (its own only, for exact claims)."""

    scenario: Scenario
    rungs: tuple[Scenario, ...]
    chunk: int


@dataclass(frozen=True)
class PlannedCheck:
    """A check, the claims asked of it, its scenarios, and the seeds per scenario and width.

    `seeds` belong to the first look; every further look, of `looks` in all, doubles what there is.
    """

    check: Check
    claims: tuple[tuple[Theorem, Claim], ...]
    axes: Axes
    families: tuple[Family, ...]
    seeds: int
    looks: int

    def drawn(self, look: int) -> range:
        """The seeds that look number `look`, from 0, adds."""
        return range(self.seeds * 2 ** (look - 1) if look else 0, self.seeds * 2**look)

    def in_scope(self, claim: Claim, family: Family) -> bool:
        """Whether the claim's assumptions hold on every rung."""
        return not any(claim.unmet(rung) for rung in family.rungs)


@dataclass(frozen=True)
class Plan:
    """Everything a run will do, and the error rates every statistical assertion must keep to."""

    request: Request
    checks: tuple[PlannedCheck, ...]
    rates: ErrorRates
    assertions: int

    @property
    def trials(self) -> int:
        """Number of (scenario, width, seed) of the first looks: what is measured at least."""
        return sum(len(f.rungs) * c.seeds for c in self.checks for f in c.families)

    @property
    def most_trials(self) -> int:
        """The same if nothing is decided before the last look."""
        return sum(len(f.rungs) * c.seeds * 2 ** (c.looks - 1) for c in self.checks for f in c.families)

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
      BadData: data that cannot be loaded at these sizes, or hold NaN.
      BadPlan: a claim without a check, an axis pinned to where a claim says nothing, too few widths,
        or a width that does not fit into memory.
    """
    if request.widths and (len(set(request.widths)) < LEAST_WIDTHS or min(request.widths) < 2):
        raise BadPlan(
            f"--widths {','.join(map(str, request.widths))}: a rate needs at least {LEAST_WIDTHS} "
            "different widths, each at least 2"
        )
    wanted = {claim.id: (theorem, claim) for theorem, claim in selected}
    checks = [c for module in modules for c in checks_of(module) if wanted.keys() & set(c.decides)]
    for claim_id in wanted.keys() - {c for check in checks for c in check.decides}:
        raise BadPlan(f"claim {claim_id!r} is stated but no check decides it; write one")
    _consistent(checks, wanted)
    _can_be_tested(request, checks)
    planned = tuple(
        _plan_check(check, [wanted[c] for c in check.decides if c in wanted], request) for check in checks
    )
    # Exact claims draw nothing from the error budget; statistical ones share it equally.
    assertions = sum(
        len(p.check.decides[claim.id]) * sum(p.in_scope(claim, f) for f in p.families)
        for p in planned
        for _, claim in p.claims
        if claim.kind is not Kind.EXACT
    )
    rates = ErrorRates(request.false_alarm / max(assertions, 1), request.miss)
    return Plan(request, planned, rates, assertions)


def _can_be_tested(request: Request, checks: Sequence[Check]) -> None:
    """Whether the implementation that is asked for, if any, can be put to the test.

    Raises:
      BadPlan: it cannot be loaded, lacks part of the contract, or no check takes one.
    """
    name = dict(request.pins).get(IMPLEMENTATION)
    if name is None:
        return
    if not any(IMPLEMENTATION in check.axes for check in checks):
        raise BadPlan(
            f"--implementation {name}: none of the selected claims is about an implementation; "
            "select claims of adv_ntk"
        )
    from advntk.implementations.adv_ntk.contract import implementation

    try:
        found = implementation(str(name))
    except ValueError as error:
        raise BadPlan(f"--implementation {name}: {' '.join(str(error).split())}") from error
    except (Exception, SystemExit) as error:  # whatever a user's module raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadPlan(f"--implementation {name}: cannot be loaded ({reason})") from error
    if str(found.dtype) not in _DTYPES:
        raise BadPlan(
            f"--implementation {name}: dtype = {found.dtype!r} must be one of: {', '.join(_DTYPES)}"
        )


def _consistent(checks: Sequence[Check], wanted: dict[str, tuple[Theorem, Claim]]) -> None:
    """Refuse trials that would be mistaken for one another, and deciders of another rate than claimed."""
    names = [check.name for check in checks]
    for name in names:
        if names.count(name) > 1:
            raise BadPlan(f"two trials are named {name!r}; rename one of the functions")
    for claim_id, deciders in ((c, d) for check in checks for c, d in check.decides.items() if c in wanted):
        claim = wanted[claim_id][1]
        stated = claim.rate.exponent if claim.rate else None
        for decided in (getattr(decider, "exponent", None) for decider in deciders):
            if decided is not None and decided != stated:
                raise BadPlan(
                    f"claim {claim_id!r} states the exponent {stated}, its decider tests {decided:g}; "
                    "make them agree"
                )


def _plan_check(check: Check, claims: list[tuple[Theorem, Claim]], request: Request) -> PlannedCheck:
    profile = (
        request.profile.with_widths(tuple(sorted(set(request.widths)))) if request.widths else request.profile
    )
    measure = profile.of(check.effort)
    # A trial that ignores its keys gives the same number for every seed.
    seeds, looks = (measure.seeds, measure.looks) if check.random else (1, 1)
    axes = _axes(check, claims, request, measure)
    widths = measure.widths

    def rungs(scenario: Scenario) -> tuple[Scenario, ...]:
        return tuple(scenario.at_width(w) for w in widths) if widths else (scenario,)

    def usable(scenario: Scenario) -> bool:
        return bool(check.explores) or any(
            not any(claim.unmet(rung) for rung in rungs(scenario)) for _, claim in claims
        )

    scenarios = draw(axes, measure.scenarios, request.seed, usable)
    families = tuple(Family(s, rungs(s), _chunk(check, rungs(s), seeds, request)) for s in scenarios)
    for rung in (rung for family in families for rung in family.rungs):
        load(rung.data, rung.samples, rung.input_width, rung.outputs, rung.data_seed)
    planned = PlannedCheck(check, tuple(claims), axes, families, seeds, looks)
    # A check that explores may be sent outside the assumptions on purpose, to replay what it found.
    for _, claim in () if check.explores else claims:
        if not any(planned.in_scope(claim, family) for family in families):
            raise BadPlan(_out_of_scope(claim, axes, rungs, request))
    return planned


def _axes(check: Check, claims: list[tuple[Theorem, Claim]], request: Request, measure: Measure) -> Axes:
    held = {name: value for name, value in measure.held if name in check.axes}
    axes = Axes(**check.axes).pinned(held)
    if "data" not in axes:
        axes = axes.pinned({"data": request.data})
    pins = {name: value for name, value in request.pins if name != IMPLEMENTATION or name in axes}
    pinned = axes.pinned(pins)
    for name, value in request.pins:
        joint = "joint" in listed(pinned.get("input_growth", ("joint",)))
        if check.effort != "exact" and (name == "width" or (name == "input_width" and joint)):
            names = ", ".join(claim.id for _, claim in claims)
            raise BadPlan(f"--axis {name}={value}: {names} runs over a ladder of widths; use --widths")
    return pinned


def _out_of_scope(claim: Claim, axes: Axes, rungs, request: Request) -> str:
    pins = " ".join(f"--axis {name}={value}" for name, value in request.pins) or "its axes"
    candidates = draw(axes, 1, request.seed)
    unmet = claim.unmet(rungs(candidates[0])[0]) if candidates else []
    premise = "; ".join(a.statement for a in unmet) or "its assumptions"
    return (
        f"{pins}: outside the scope of {claim.id}, which assumes {plain(premise)}; "
        "choose another value or leave the claim out"
    )


def _chunk(check: Check, rungs: tuple[Scenario, ...], seeds: int, request: Request) -> int:
    """Seeds per call: the largest divisor of `seeds` that keeps a call within bounds."""
    allowed = (request.memory or physical_memory() // 2) // request.jobs
    per_seed, largest = max((check.memory(rung), rung.width) for rung in rungs)
    if per_seed > allowed:
        raise BadPlan(
            f"width {largest}: one network needs about {per_seed / 2**30:.3g} GiB, "
            f"{allowed / 2**30:.3g} GiB are allowed ({request.jobs} run at once); "
            "choose a smaller width (--widths, --axis width=), raise --memory, or lower --jobs"
        )
    fitting = max(1, CHUNK_BYTES // max(per_seed, 1))
    return max(d for d in range(1, seeds + 1) if seeds % d == 0 and d <= fitting)


def physical_memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
