"""The words in which theorems are stated.  Plain frozen values: no arrays, no JAX, quick to import.

Nothing here knows a theory: which axes a scenario has is said by the theory's own space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What sort of statement a claim is.  Its deciders must be of that sort, or it is refused at load."""

    EXACT = "exact"  # true of every sampled case, up to a derived rounding error
    LIMIT = "limit"  # an error falls along a sweep, decided by its rate over several points
    EFFECT = "effect"  # the median of a statistic over repetitions lies beyond a threshold
    LEVEL = "level"  # a statistic tends to a predicted positive number along a sweep


class Verdict(StrEnum):
    """What the evidence says of a claim."""

    HOLDS = "HOLDS"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"  # not enough evidence at the declared error rates
    OUT_OF_SCOPE = "OUT_OF_SCOPE"  # the claim's assumptions were not met
    ERROR = "ERROR"  # something broke while measuring; says nothing of the claim


AS_MEASURED = "as measured"


@dataclass(frozen=True)
class Source:
    """Where a statement comes from."""

    reference: str
    where: str
    url: str = ""


@dataclass(frozen=True)
class Assumption:
    """A premise, as a sentence and as a predicate on a scenario.

    `holds` gets a scenario, whose axes are its attributes; `axes` names those that it looks at.  A space that
    lacks one of them is refused when the theory is loaded.
    """

    name: str
    statement: str
    holds: Callable[[Any], bool]
    axes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rate:
    """Predicted decay along a sweep: error ~ parameter^(-exponent), for example exponent 1/2 in the width.

    `parameter` is the axis that the claim's check sweeps over.  A negative exponent is an error that grows
    with it: error ~ radius^2 has the exponent -2 in the radius.
    """

    exponent: float
    parameter: str = "width"


@dataclass(frozen=True)
class Step:
    """One step of a derivation that sympy can verify.

    `residual()` returns a list of sympy expressions that must all simplify to zero.
    """

    statement: str
    residual: Callable[[], list[Any]]


@dataclass(frozen=True)
class Claim:
    """One testable statement.

    `expected` is REFUTED for negative controls, with a `note` that says why, and None where theory
    predicts nothing and whatever is measured is the answer.
    """

    id: str
    statement: str
    kind: Kind
    source: Source
    assumptions: tuple[Assumption, ...] = ()
    rate: Rate | None = None
    expected: Verdict | None = Verdict.HOLDS
    note: str = ""

    @property
    def expectation(self) -> str:
        """The expected verdict in words; "as measured" where there is none."""
        return AS_MEASURED if self.expected is None else str(self.expected)

    def unmet(self, scenario: Any) -> list[Assumption]:
        """The assumptions of this claim that `scenario` does not meet."""
        return [a for a in self.assumptions if not a.holds(scenario)]


@dataclass(frozen=True)
class Theorem:
    """A theorem: statement in LaTeX (math between $...$), its claims and its derivation."""

    id: str
    title: str
    statement: str
    source: Source
    claims: tuple[Claim, ...]
    derivation: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        for claim in self.claims:
            if not claim.id.startswith(self.id + "."):
                raise ValueError(f"claim id {claim.id!r} must start with {self.id + '.'!r}")
