"""Text that any format can hold: characters that XML, HTML or UTF-8 refuse are replaced by a visible one."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from advntk.checks.evidence import RunRecord, TrialRow

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Control characters other than tab and line ends, lone surrogates (no UTF-8), and noncharacters: XML 1.0
# forbids most, HTML the rest.
_ILLEGAL_CHARACTERS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def replace_illegal(text: str) -> str:
    """The text with a replacement character for each that no format should hold."""
    return _ILLEGAL_CHARACTERS.sub(REPLACEMENT, text)


# Names and labels of a run come again and again.
sanitized = lru_cache(maxsize=65536)(replace_illegal)


def sanitized_record(record: RunRecord) -> RunRecord:
    """The same run with sanitized text throughout; numbers as they are."""
    return replace(
        record,
        request=_deep(record.request),
        environment=_deep(record.environment),
        result=_deep(record.result),
        decisions=_deep(record.decisions),
        findings=_deep(record.findings),
        trials={
            (sanitized(trial), sanitized(family)): [_row(row) for row in rows]
            for (trial, family), rows in record.trials.items()
        },
    )


def _row(row: TrialRow) -> TrialRow:
    return TrialRow(
        sanitized(row.trial),
        sanitized(row.family),
        _deep(row.scenario),
        row.width,
        row.seed,
        sanitized(row.outcome),
        {sanitized(name): _measured(value) for name, value in row.numbers.items()},
        row.key,
    )


def _measured(value: Any) -> Any:
    """A statistic is nearly always a number or a list of them, with nothing to look for inside."""
    plain = value[0] if isinstance(value, list) and value else value
    return value if isinstance(plain, int | float) else _deep(value)


def _deep(value: Any) -> Any:
    if isinstance(value, str):
        return sanitized(value)
    if isinstance(value, dict):
        return {sanitized(str(k)): _deep(v) for k, v in value.items()}
    return [_deep(v) for v in value] if isinstance(value, list | tuple) else value
