"""The expectations file of a gate: what its owners expect of claims, why, and until when.

[[claim]]
claim = "diagonal_limit.ark"
expected = "HOLDS"
reason = "our proof of Theorem 2 rests on it"
owner = "jane@example.org"
expires = 2027-06-30
"""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from advntk.exceptions import UsageError
from advntk.implementations.inputs import BadInput, read_text
from advntk.printable import excerpt
from advntk.theorems.vocabulary import Verdict

_Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
_SOME_TEXT = "write some text in quotes"
# What broke is never what one expects.
_ALLOWED = tuple(verdict.value for verdict in Verdict if verdict is not Verdict.ERROR)
# Field |-> what it holds, and what to do where it does not.
_FIELDS: dict[str, tuple[Any, str]] = {
    "claim": (_Text, _SOME_TEXT),
    "expected": (Verdict, f"choose {', '.join(_ALLOWED)}"),
    "reason": (_Text, _SOME_TEXT),
    "owner": (_Text, _SOME_TEXT),
    "expires": (date, "write a date, for example 2027-06-30"),
}


class BadExpectations(UsageError):
    """An expectations file that cannot be used; the message names it, the entry and the fix."""


@dataclass(frozen=True)
class Expectation:
    """What is expected of one claim; valid up to and including `expires`."""

    claim: str
    expected: Verdict
    reason: str
    owner: str
    expires: date


def read_expectations(path: Path) -> list[Expectation]:
    """The entries of an expectations file.

    Raises:
      BadExpectations: no such file, no TOML, an unknown field, a missing one, or an id twice.
    """
    try:
        content = tomllib.loads(read_text(path))
    except BadInput as error:
        raise BadExpectations(f"--expectations {path}: {error}; name a TOML file") from error
    except (ValueError, RecursionError) as error:  # no TOML, numbers too long for Python, tables too deep
        raise BadExpectations(
            f"--expectations {path}: is no TOML ({excerpt(error)}); mend it there"
        ) from error
    entries = content.get("claim")
    if not isinstance(entries, list) or not entries or set(content) != {"claim"}:
        raise BadExpectations(f"--expectations {path}: must hold [[claim]] entries and nothing else")
    found = [_entry(path, number, values) for number, values in enumerate(entries, 1)]
    for name, number in Counter(entry.claim for entry in found).items():
        if number > 1:
            raise BadExpectations(
                f"--expectations {path}: claim {excerpt(repr(name))} has {number} entries; keep one"
            )
    return found


def _entry(path: Path, number: int, values: Any) -> Expectation:
    where = f"--expectations {path}: entry {number}"
    if not isinstance(values, dict):
        raise BadExpectations(f"{where} is no table; write [[claim]]")
    for name in [n for n in _FIELDS if n not in values] + [n for n in values if n not in _FIELDS]:
        word = "lacks" if name in _FIELDS else "has the unknown field"
        raise BadExpectations(f"{where} {word} {excerpt(repr(name))}; an entry has {', '.join(_FIELDS)}")
    found = {}
    for name, (kind, fix) in _FIELDS.items():
        try:
            found[name] = msgspec.convert(values[name], kind)
            if found[name] is Verdict.ERROR or isinstance(found[name], datetime):
                raise msgspec.ValidationError(name)
        except (msgspec.ValidationError, RecursionError) as error:
            raise BadExpectations(f"{where}: {name} = {excerpt(repr(values[name]))}; {fix}") from error
    return Expectation(**found)
