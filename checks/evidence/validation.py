"""What stands in a row, as its dataclass: validated where it is read, so that nothing behind doubts it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict, TypeVar

import msgspec

from advntk.checks.evidence.plain import loads
from advntk.checks.evidence.rows import DecisionRow, RunRequest
from advntk.printable import excerpt
from advntk.theorems.vocabulary import AS_MEASURED, Verdict

T = TypeVar("T")

_EXPECTED = (*Verdict, AS_MEASURED)
# What is read goes through functions that call themselves: they all get through this many lists in lists.
_DEEPEST = 100
_LARGEST_INTEGER = 2**63
_MANY_DIGITS = re.compile(r"\d{19}")


class DamagedRow(ValueError):
    """A row that is no such row; `column` is the one to blame, empty where there is none."""

    def __init__(self, reason: str, column: str = "") -> None:
        self.column = column
        self.reason = excerpt(reason)
        super().__init__(f"{column}: {self.reason}" if column else self.reason)


class _Power(TypedDict):
    test: str
    smallest_effect: float | None
    effect: str
    seeds_needed: int | None


class _Detail(TypedDict, total=False):
    """What reports read of a decision's detail; deciders of one's own may keep more in it."""

    side: str
    against: str
    margin: float
    slope: float
    threshold: float
    predicted: float
    intercept: float | None
    bits: int
    enclosure: str
    certified: bool
    tightness: float | None
    power: _Power | None


def typed(kind: type[T], columns: Mapping[str, Any], json: tuple[str, ...] = ()) -> T:
    """A row as its dataclass, validated.

    Args:
      kind: the dataclass.
      columns: column |-> what the table holds.
      json: columns that hold JSON.  One that is not a field of `kind` holds its other fields.

    Raises:
      DamagedRow: JSON that is none, or values of another type.
    """
    fields = dict(columns)
    whole = next((name for name in json if name not in _fields(kind)), "")
    for name in json:
        if name not in columns:
            continue  # the table has no such column
        try:
            fields[name] = loads(columns[name])
            if _is_suspect(columns[name]):
                fields[name] = _bounded(fields[name], 0)
            if name == whole:
                inside = fields.pop(name)
                if not isinstance(inside, dict):
                    # An empty list would pass for a row of defaults.
                    raise TypeError("no object")
                fields.update(inside)
        except (ValueError, TypeError, RecursionError, AttributeError) as error:
            raise DamagedRow(str(error), name) from error
    try:
        found = msgspec.convert(fields, kind)
        if isinstance(found, DecisionRow):
            msgspec.convert(found.decision.detail, _Detail)
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedRow(str(error), _column(str(error), columns, whole)) from error
    if isinstance(found, RunRequest):
        for name, claim in found.claims.items():
            if name != claim.id:
                raise DamagedRow(f"claim {name!r} is not the one that it names", whole)
            if claim.expected not in _EXPECTED:
                raise DamagedRow(f"claim {name!r} expects {claim.expected!r}, which is no verdict", whole)
    return found


def _is_suspect(text: str) -> bool:
    """Whether numbers beyond 64 bits, or values that lie too deep, can be in a text of JSON at all."""
    return text.count("[") + text.count("{") > _DEEPEST or _MANY_DIGITS.search(text) is not None


def _bounded(value: Any, depth: int) -> Any:
    """The same, with whole numbers beyond 64 bits, which few programs know, as floats."""
    if depth > _DEEPEST:
        raise ValueError(f"nested deeper than {_DEEPEST}")
    if isinstance(value, dict):
        return {k: _bounded(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_bounded(v, depth + 1) for v in value]
    if type(value) is int and abs(value) >= _LARGEST_INTEGER:
        try:
            return float(value)
        except OverflowError:
            raise ValueError("a number that no float can hold") from None
    return value


def _fields(kind: type) -> Mapping[str, Any]:
    return kind.__dataclass_fields__  # type: ignore[attr-defined]


def _column(message: str, columns: Mapping[str, Any], whole: str) -> str:
    """The column that a message of msgspec speaks of: "at `$.seed`", "missing required field `seed`"."""
    found = re.search(r"`\$\.(\w+)", message) or re.search(r"required field `(\w+)`", message)
    return found[1] if found and found[1] in columns else whole
