"""The mutation score: how many falsehoods, planted by hand or generated, the claims notice.

`advntk mutate` measures it, and `python -m benchmarks.catch` for the falsehoods of this project; both write
the file that `advntk report --mutation-score` shows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec

from advntk.checks.mutation.outcomes import MutantResult, Tally, by_function, tally
from advntk.implementations.inputs import BadInput, read_text
from advntk.printable import excerpt
from advntk.reports.sanitization import sanitized
from advntk.theorems.vocabulary import Verdict

GENERATOR = "advntk mutate"
_TEXTS = ("claim", "statement", "verdict")


class _Falsehood(msgspec.Struct):
    claim: str
    statement: str
    verdict: Verdict
    # Drawn on a log axis.
    seconds: Annotated[float, msgspec.Meta(gt=0, lt=1e9)]


class _File(msgspec.Struct):
    code: str
    falsehoods: list[_Falsehood]
    mutants: list[MutantResult] = []
    left_out: dict[str, str] = {}
    unseen: list[str] = []
    outside: dict[str, str] = {}


class BadMutationScore(ValueError):
    """A file that holds no mutation score; the message names it and the fix."""


@dataclass(frozen=True)
class MutationScore:
    """What became of every planted falsehood and of every generated mutant.

    Attributes:
      code: digest of the source that was measured.
      falsehoods: of each the `claim` that must refute it, the `statement` of what is wrong, the `verdict`
        that the claim got, and the `seconds` that this took.
      mutants: each with its fate.
      left_out: claim id |-> why it could notice no mutant.
      unseen: functions that no claim runs.
      outside: functions that were not made wrong, as no claim is about them |-> why.
    """

    code: str
    falsehoods: tuple[dict[str, Any], ...]
    mutants: tuple[MutantResult, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    outside: Mapping[str, str] = field(default_factory=dict)

    @property
    def refuted(self) -> int:
        """How many falsehoods were refuted, as each must be."""
        return sum(fault["verdict"] == Verdict.REFUTED for fault in self.falsehoods)

    @property
    def tally(self) -> Tally:
        """What became of the mutants."""
        return tally(self.mutants)

    @property
    def functions(self) -> dict[str, Tally]:
        """The same by function."""
        return by_function(self.mutants)

    def is_good(self, percent: float) -> bool:
        """Whether every falsehood was refuted, and of the mutants at least so many per cent noticed."""
        found = self.tally
        return self.refuted == len(self.falsehoods) and 100 * found.caught >= percent * found.falsehoods

    def words(self) -> str:
        """'134 of 134 planted falsehoods refuted: mutation score 100 %'; 100 % only if none was missed."""
        parts = []
        if self.falsehoods:
            total = len(self.falsehoods)
            share = math.floor(1000 * self.refuted / total) / 10
            parts.append(f"{self.refuted} of {total} planted falsehoods refuted: mutation score {share:g} %")
        if self.mutants or not self.falsehoods:
            parts.append(self.tally.words())
        return "; ".join(parts)


def read_mutation_score(path: Path) -> MutationScore:
    """Read what `advntk mutate` or `python -m benchmarks.catch` wrote.

    Raises:
      BadMutationScore: the file cannot be read, or holds something else.
    """
    try:
        found = json.loads(read_text(path))
    except BadInput as error:
        raise _bad(path, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _bad(path, "is no JSON") from error
    try:
        read = msgspec.convert(found, _File)
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"is no mutation score ({excerpt(error)})") from error
    if not read.falsehoods and not read.mutants:
        raise _bad(path, "is no mutation score (nothing was planted)")
    return MutationScore(
        sanitized(found["code"]),
        tuple(
            {**fault, **{name: sanitized(fault[name]) for name in _TEXTS}} for fault in found["falsehoods"]
        ),
        tuple(_sanitized(one) for one in read.mutants),
        _sanitized_texts(read.left_out),
        tuple(map(sanitized, read.unseen)),
        _sanitized_texts(read.outside),
    )


def _sanitized_texts(texts: Mapping[str, str]) -> dict[str, str]:
    return {sanitized(name): sanitized(text) for name, text in texts.items()}


def _sanitized(one: MutantResult) -> MutantResult:
    texts: dict[str, Any] = {n: sanitized(value) for n, value in vars(one).items() if type(value) is str}
    return replace(one, **texts)


def _bad(path: Path, what: str) -> BadMutationScore:
    return BadMutationScore(
        f"--mutation-score {path}: {what}; name a file that `advntk mutate` or "
        "`python -m benchmarks.catch` wrote"
    )
