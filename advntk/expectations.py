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
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from advntk.exceptions import UsageError
from advntk.theorems.vocabulary import Verdict

_FIELDS = ("claim", "expected", "reason", "owner", "expires")


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
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise BadExpectations(
            f"--expectations {path}: cannot be read ({reason}); name a TOML file"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise BadExpectations(f"--expectations {path}: is no TOML ({error}); mend it there") from error
    entries = content.get("claim")
    if not isinstance(entries, list) or not entries or set(content) != {"claim"}:
        raise BadExpectations(f"--expectations {path}: must hold [[claim]] entries and nothing else")
    found = [_entry(path, number, values) for number, values in enumerate(entries, 1)]
    names = [entry.claim for entry in found]
    for name in names:
        if names.count(name) > 1:
            raise BadExpectations(f"--expectations {path}: claim {name!r} has two entries; keep one")
    return found


def _entry(path: Path, number: int, values: Any) -> Expectation:
    where = f"--expectations {path}: entry {number}"
    if not isinstance(values, dict):
        raise BadExpectations(f"{where} is no table; write [[claim]]")
    for name in [n for n in _FIELDS if n not in values] + [n for n in values if n not in _FIELDS]:
        word = "lacks" if name in _FIELDS else "has the unknown field"
        raise BadExpectations(f"{where} {word} {name!r}; an entry has {', '.join(_FIELDS)}")
    for name in ("claim", "expected", "reason", "owner"):
        if not isinstance(values[name], str) or not values[name].strip():
            raise BadExpectations(f"{where}: {name} = {values[name]!r}; write some text in quotes")
    return Expectation(
        values["claim"],
        _verdict(where, values["expected"]),
        values["reason"],
        values["owner"],
        _date(where, values["expires"]),
    )


def _verdict(where: str, text: str) -> Verdict:
    # What broke is never what one expects.
    allowed = [v for v in Verdict if v is not Verdict.ERROR]
    if text not in allowed:
        raise BadExpectations(f"{where}: expected = {text!r}; choose {', '.join(allowed)}")
    return Verdict(text)


def _date(where: str, value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadExpectations(f"{where}: expires = {value!r}; write a date, for example 2027-06-30") from None
