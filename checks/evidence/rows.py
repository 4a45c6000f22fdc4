"""What evidence holds, as typed rows: everything that comes back from a store is one of these."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from advntk.checks.deciders.decision import Decision
from advntk.theorems.vocabulary import Kind, Verdict

Value = int | float | str


class Outcome(StrEnum):
    """How one trial ended."""

    MEASURED = "measured"
    ERROR = "error"  # the trial raised; its row says what
    MAX_STEPS_REACHED = "max_steps_reached"  # the integrator took as many steps as it may
    DTMIN_REACHED = "dtmin_reached"  # it wanted a smaller step than it may take
    NOT_FINITE = "not_finite"  # numbers overflowed
    BREAKDOWN = "breakdown"  # a system of equations inside it could not be solved
    STOPPED = "stopped"  # it gave up, and older evidence does not say why


@dataclass(frozen=True)
class TrialRow:
    """One seed at one point of one scenario.

    `scenario` has the values at this point; `axis` is what the sweep runs over and `point` its value there,
    both None where nothing sweeps.  `numbers` are the statistics; `figures` says, by kind of figure, what was
    kept for drawing.  `message` says in one line why a trial broke or stopped.
    """

    trial: str
    scenario_id: str
    scenario: dict[str, Value]
    axis: str | None
    point: int | float | None
    seed: int
    outcome: Outcome
    numbers: dict[str, Any]
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    message: str = ""
    trace: str = ""
    device: str = ""
    key: str = ""

    @property
    def broke(self) -> bool:
        """Whether the trial raised."""
        return self.outcome is Outcome.ERROR


@dataclass(frozen=True)
class DecisionRow:
    """What a decider said of one claim in one scenario; `scenario` is the sampled one, off the sweep."""

    claim: str
    trial: str
    scenario_id: str
    scenario: dict[str, Value]
    label: str
    decider: str
    decision: Decision


class FindingKind(StrEnum):
    """What was found beside the verdicts."""

    COUNTEREXAMPLE = "counterexample"
    DEGENERATE_CASE = "degenerate case"  # the simplest scenario outside the assumptions where a claim fails
    SEARCH_FAILED = "search failed"
    LOOSE_BOUND = "loose bound"  # never within a factor 1e3 of what was measured


@dataclass(frozen=True)
class FindingRow:
    """One finding; `label` describes the scenario, or says why there is none."""

    claim: str
    kind: FindingKind
    label: str
    unmet: tuple[str, ...] = ()
    trial: str = ""
    scenario: dict[str, Value] | None = None


@dataclass(frozen=True)
class StatedSource:
    """Where a statement comes from."""

    reference: str
    where: str
    url: str = ""


@dataclass(frozen=True)
class StatedTheorem:
    """A theorem without its claims."""

    id: str
    title: str
    statement: str
    source: StatedSource
    derivation: tuple[str, ...] = ()


@dataclass(frozen=True)
class StatedRate:
    """A predicted rate: error ~ parameter^-exponent."""

    exponent: float
    parameter: str


@dataclass(frozen=True)
class StatedClaim:
    """A claim with its assumptions spelled out; `expected` is a verdict or "as measured"."""

    id: str
    theorem: str
    statement: str
    kind: Kind
    expected: str
    source: StatedSource
    note: str = ""
    assumptions: tuple[str, ...] = ()
    rate: StatedRate | None = None


@dataclass(frozen=True)
class StatedAxis:
    """An axis of a check's space; `choice` is what was sampled: a list, a range {"low", "high"}, or None."""

    name: str
    default: Value
    symbol: str = ""
    unit: str = ""
    description: str = ""
    group: str = ""
    shown: bool = False
    written: dict[str, str] = field(default_factory=dict)
    choice: list[Value] | dict[str, float] | None = None


@dataclass(frozen=True)
class StatedCheck:
    """What a trial may be sampled along, before anything was held; its sweep and its seeds."""

    axes: tuple[StatedAxis, ...]
    sweep: str | None
    points: tuple[int | float, ...]
    seeds: int
    looks: int
    swept: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def axis(self, name: str) -> StatedAxis:
        """The axis of that name; one without a description where evidence has none."""
        return next((axis for axis in self.axes if axis.name == name), StatedAxis(name, ""))


@dataclass(frozen=True)
class StatedRates:
    """The error rates that a run keeps to."""

    false_alarm: float
    miss: float
    assertions: int
    false_alarm_per_assertion: float


@dataclass(frozen=True)
class RunRequest:
    """What a run was asked for, and the statements that it decides on.

    `pins` are axes held, `sweeps` points asked for; `checks` is by the name of the trial.  `trials` counts
    those of the first looks, None where evidence does not say.
    """

    profile: str
    seed: int
    error_rates: StatedRates
    theorems: dict[str, StatedTheorem]
    claims: dict[str, StatedClaim]
    checks: dict[str, StatedCheck] = field(default_factory=dict)
    data: str = "digits"
    pins: dict[str, Value] = field(default_factory=dict)
    sweeps: dict[str, list[int | float]] = field(default_factory=dict)
    trials: int | None = None
    most_trials: int | None = None


@dataclass(frozen=True)
class Provenance:
    """What a run's numbers depend on besides its request.

    `digests` is by the name of the trial: the source that its numbers depend on.  `names` are the theorems
    and claims as they were asked for; None: they were not chosen by name.
    """

    versions: dict[str, str] = field(default_factory=dict)
    device: str = ""
    dtype: str = ""
    code: str = ""
    commit: str = ""
    data_digest: str = ""
    theories: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Compilations:
    """Programs compiled, and the seconds that it took."""

    number: int
    seconds: float


@dataclass(frozen=True)
class RunCosts:
    """What a run took; None where it was not measured."""

    wall_time_s: float | None = None
    compilations: Compilations | None = None
    peak_memory_bytes: int | None = None


@dataclass(frozen=True)
class RunHead:
    """A run without what it measured."""

    id: int
    started: str
    finished: str | None
    request: RunRequest
    provenance: Provenance
    costs: RunCosts


@dataclass(frozen=True)
class LeftOut:
    """A row that was left out of what was read, and whose it was, as far as that is known.

    Attributes:
      table: that it is in.
      row: its number (SQLite's rowid); None: an unknown number of rows.
      column: that is damaged; empty: another reason.
      reason: in one line.
      claim: of a decision or finding; None: unknown.
      trial: name of the trial; None: unknown.
      scenario_id: of a trial or decision; None: unknown.
      damaged: otherwise it was left out by a migration, as ambiguous.
    """

    table: str
    row: int | None
    column: str
    reason: str
    claim: str | None = None
    trial: str | None = None
    scenario_id: str | None = None
    damaged: bool = True

    def __str__(self) -> str:
        """'row 3 of table trial is damaged (numbers: no object)'."""
        what = f"table {self.table}" if self.row is None else f"row {self.row} of table {self.table}"
        why = f"{self.column}: {self.reason}" if self.column else self.reason
        return f"{what} is {'damaged' if self.damaged else 'ambiguous'} ({why})"


@dataclass(frozen=True)
class RunRecord:
    """One run read back; `trials` are by (trial, scenario_id), each in the order of point and seed.

    `left_out` are rows that are missing from it: none, unless evidence was salvaged or migrated.
    """

    id: int
    started: str
    finished: str | None
    request: RunRequest
    provenance: Provenance
    costs: RunCosts
    decisions: list[DecisionRow]
    findings: list[FindingRow]
    trials: dict[tuple[str, str], list[TrialRow]]
    left_out: tuple[LeftOut, ...] = ()


__all__ = [
    "Compilations",
    "Decision",
    "DecisionRow",
    "FindingKind",
    "FindingRow",
    "LeftOut",
    "Outcome",
    "Provenance",
    "RunCosts",
    "RunHead",
    "RunRecord",
    "RunRequest",
    "StatedAxis",
    "StatedCheck",
    "StatedClaim",
    "StatedRate",
    "StatedRates",
    "StatedSource",
    "StatedTheorem",
    "TrialRow",
    "Verdict",
]
