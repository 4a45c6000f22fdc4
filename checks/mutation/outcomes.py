"""What became of every mutant, kept line by line as it comes, and the score."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from advntk.exceptions import UsageError
from advntk.printable import excerpt


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"  # a claim says otherwise
    ERROR = "error"  # measuring or deciding breaks, so that a claim is an ERROR
    TIMED_OUT = "timed out"  # it takes many times as long
    SURVIVED = "survived"  # every claim that runs it says what it says without
    NOT_RUN = "not run"  # no claim runs it: a gap of the theory
    EQUIVALENT = "equivalent"  # no falsehood, for a reason


# In place of a trial: calls of a survivor were made again.
COMPARED = "(calls compared)"
# A claim that breaks or never ends is noticed, too.
CAUGHT = (Fate.KILLED, Fate.ERROR, Fate.TIMED_OUT)


@dataclass(frozen=True)
class MutantResult:
    """A mutant and its fate; `claim` noticed, `reason` is what it said, or why it is no falsehood.

    The other fields are those of `advntk.checks.mutation.mutants.Mutant`.
    """

    id: str
    function: str
    operator: str
    description: str
    before: str
    after: str
    fate: Fate
    claim: str = ""
    reason: str = ""
    trial: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Tally:
    """How many mutants had which fate."""

    of: Counter[Fate]

    @property
    def caught(self) -> int:
        """Those that a claim noticed, whether it was refuted, broke, or never ended."""
        return sum(self.of[fate] for fate in CAUGHT)

    @property
    def falsehoods(self) -> int:
        """Those that are wrong: all but the equivalent."""
        return sum(self.of.values()) - self.of[Fate.EQUIVALENT]

    @property
    def score(self) -> float:
        """Per cent of the falsehoods that were noticed; never rounded up.  NaN where there is none."""
        if not self.falsehoods:
            return math.nan
        return math.floor(1000 * self.caught / self.falsehoods) / 10

    def words(self) -> str:
        """'120 of 124 mutants noticed by claims: mutation score 96.7 %', and what the others are."""
        rest = [
            f"{self.of[fate]} {fate}"
            for fate in (Fate.SURVIVED, Fate.NOT_RUN, Fate.EQUIVALENT)
            if self.of[fate]
        ]
        apart = [f"{self.of[fate]} by {how}" for fate, how in _HOW if self.of[fate]]
        noticed = f"{self.caught} of {self.falsehoods} mutants noticed by claims"
        noticed += f" ({', '.join(apart)})" if apart else ""
        score = "no mutant to judge by" if not self.falsehoods else f"mutation score {self.score:g} %"
        return f"{noticed}: {score}" + (f"; {', '.join(rest)}" if rest else "")


_HOW = ((Fate.ERROR, "an error"), (Fate.TIMED_OUT, "taking too long"))


def tally(results: Iterable[MutantResult]) -> Tally:
    """Count fates."""
    return Tally(Counter(result.fate for result in results))


class BadProgress(UsageError):
    """A file of results that cannot be gone on with; the message names it and the fix."""


class Ledger:
    """Results on disk, one JSON object a line; the first line says what they are results of."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        """`head` are the circumstances: other results than those of the same ones are not taken over."""
        self.path, self._head = path, head

    def begin(self) -> None:
        """Start anew."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(msgspec.json.encode(self._head) + b"\n")

    def resume(self) -> list[MutantResult]:
        """What is there of the same circumstances; starts anew where nothing is.

        Raises:
          BadProgress: results of something else, or no results.
        """
        if not self.path.exists():
            self.begin()
            return []
        lines = self.path.read_bytes().splitlines()
        try:
            head = msgspec.json.decode(lines[0]) if lines else None
        except ValueError:
            head = None
        if not isinstance(head, dict):
            raise BadProgress(f"--resume: {self.path} holds no results of mutants; leave --resume out")
        for name, value in self._head.items():
            if head.get(name) != value:
                raise BadProgress(
                    f"--resume: {self.path} has results of another {name}, {excerpt(head.get(name))} and not "
                    f"{excerpt(value)}; leave --resume out to start anew"
                )
        found: dict[str, MutantResult] = {}
        for line in lines[1:]:
            try:
                one = msgspec.json.decode(line, type=MutantResult)
            except ValueError:
                break  # the line that an interruption cut
            found[one.id] = one
        # What was cut goes.
        self.begin()
        for one in found.values():
            self.add(one)
        return list(found.values())

    def add(self, result: MutantResult) -> None:
        """Keep one more."""
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")


def by_function(results: Sequence[MutantResult]) -> dict[str, Tally]:
    """Tallies by function, in the order of the results."""
    found: dict[str, list[MutantResult]] = {}
    for result in results:
        found.setdefault(result.function, []).append(result)
    return {function: tally(each) for function, each in found.items()}


def kills_by_claim(results: Iterable[MutantResult]) -> Counter[str]:
    """How many mutants each claim noticed, the first of those that would."""
    return Counter(result.claim for result in results if result.fate in CAUGHT and result.claim)
