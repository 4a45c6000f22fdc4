"""The mutation score: how many falsehoods, planted on purpose, the claims refute.

`python -m benchmarks.catch` measures it and writes the file that `advntk report --mutation-score` shows.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advntk.reports.sanitization import sanitized
from advntk.theorems.vocabulary import Verdict

_TEXTS = ("claim", "statement", "verdict")


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
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _bad(path, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise _bad(path, "is no JSON") from error
    falsehoods = found.get("falsehoods") if isinstance(found, dict) else None
    if not isinstance(falsehoods, list) or not falsehoods or not isinstance(found.get("code"), str):
        raise _bad(path, "has no `code` or no list of `falsehoods`")
    for index, fault in enumerate(falsehoods):
        if not _is_falsehood(fault):
            raise _bad(path, f"falsehoods[{index}] lacks one of claim, statement, verdict, seconds (above 0)")
    return MutationScore(
        sanitized(found["code"]),
        tuple({**fault, **{name: sanitized(fault[name]) for name in _TEXTS}} for fault in falsehoods),
    )


def _is_falsehood(fault: Any) -> bool:
    if not isinstance(fault, dict) or not all(isinstance(fault.get(name), str) for name in _TEXTS):
        return False
    seconds = fault.get("seconds")
    # They are drawn on a log axis.
    known = isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0
    return known and fault["verdict"] in list(Verdict)


def _bad(path: Path, what: str) -> BadMutationScore:
    return BadMutationScore(
        f"--mutation-score {path}: {what}; name a file that `python -m benchmarks.catch` wrote"
    )
