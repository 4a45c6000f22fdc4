"""Text that any format can hold: characters that XML, HTML or UTF-8 refuse are replaced by a visible one."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Any

from advntk.checks.evidence import RunRecord, TrialRow

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Control characters other than tab and line ends, lone surrogates (no UTF-8), and noncharacters: XML 1.0
# forbids most, HTML the rest.  And marks that turn the order of what stands beside them around.
_ILLEGAL_CHARACTERS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def replace_illegal(text: str) -> str:
    """The text with a replacement character for each that no format should hold."""
    return _ILLEGAL_CHARACTERS.sub(REPLACEMENT, text)


# Names and labels of a run come again and again.
sanitized = lru_cache(maxsize=65536)(replace_illegal)


def sanitized_record(record: RunRecord) -> RunRecord:
    """The same run with sanitized text throughout; numbers as they are."""
    return _deep(record)


def _row(row: TrialRow) -> TrialRow:
    return replace(
        row,
        trial=sanitized(row.trial),
        scenario_id=sanitized(row.scenario_id),
        scenario=_deep(row.scenario),
        axis=_deep(row.axis),
        numbers=_numbers(row.numbers),
        figures={sanitized(kind): _numbers(parts) for kind, parts in row.figures.items()},
        message=sanitized(row.message),
        trace=sanitized(row.trace),
        device=sanitized(row.device),
        key=sanitized(row.key),
    )


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    return {sanitized(name): _measured(value) for name, value in values.items()}


def _measured(value: Any) -> Any:
    """A statistic is nearly always a number or an array of them, with nothing to look for inside."""
    plain = value
    while isinstance(plain, list) and plain:
        plain = plain[0]
    return value if isinstance(plain, int | float) else _deep(value)


def _deep(value: Any) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return sanitized(value)
    if isinstance(value, TrialRow):
        return _row(value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{part.name: _deep(getattr(value, part.name)) for part in fields(value)})
    if isinstance(value, dict):
        return {_deep(k) if isinstance(k, tuple) else sanitized(str(k)): _deep(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_deep(v) for v in value)
    return value
