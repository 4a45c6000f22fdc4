"""The mutation score: how many falsehoods, planted on purpose, the claims refute.

`python -m benchmarks.catch` measures it and writes the file that `advntk report --mutation-score` shows.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from advntk.implementations.inputs import BadInput, read_text
from advntk.printable import excerpt
from advntk.reports.sanitization import sanitized
from advntk.theorems.vocabulary import Verdict

_TEXTS = ("claim", "statement", "verdict")


class _Falsehood(msgspec.Struct):
    claim: str
    statement: str
    verdict: Verdict
    # Drawn on a log axis.
    seconds: Annotated[float, msgspec.Meta(gt=0, lt=1e9)]


class _File(msgspec.Struct):
    code: str
    falsehoods: Annotated[list[_Falsehood], msgspec.Meta(min_length=1)]


class BadMutationScore(ValueError):
    """A file that holds no mutation score; the message names it and the fix."""


@dataclass(frozen=True)
class MutationScore:
    """What became of every planted falsehood.

    Attributes:
      code: digest of the source that was measured.
      falsehoods: of each the `claim` that must refute it, the `statement` of what is wrong, the `verdict`
        that the claim got, and the `seconds` that this took.
    """

    code: str
    falsehoods: tuple[dict[str, Any], ...]

    @property
    def refuted(self) -> int:
        """How many were refuted, as each must be."""
        return sum(fault["verdict"] == Verdict.REFUTED for fault in self.falsehoods)

    def words(self) -> str:
        """'134 of 134 planted falsehoods refuted: mutation score 100 %'; 100 % only if none was missed."""
        total = len(self.falsehoods)
        share = math.floor(1000 * self.refuted / total) / 10
        return f"{self.refuted} of {total} planted falsehoods refuted: mutation score {share:g} %"


def read_mutation_score(path: Path) -> MutationScore:
    """Read what `python -m benchmarks.catch` wrote.

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
        msgspec.convert(found, _File)
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"is no mutation score ({excerpt(error)})") from error
    return MutationScore(
        sanitized(found["code"]),
        tuple(
            {**fault, **{name: sanitized(fault[name]) for name in _TEXTS}} for fault in found["falsehoods"]
        ),
    )


def _bad(path: Path, what: str) -> BadMutationScore:
    return BadMutationScore(
        f"--mutation-score {path}: {what}; name a file that `python -m benchmarks.catch` wrote"
    )
