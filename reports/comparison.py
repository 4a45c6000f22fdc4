"""What changed between two runs: verdicts, and estimates that moved beyond both their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from advntk.checks.evidence import RunRecord
from advntk.checks.scenario import from_dict
from advntk.reports.summary import summarise


@dataclass(frozen=True)
class Move:
    """An estimate of one statistic in one scenario, before and now, as (value, low, high)."""

    claim: str
    statistic: str
    quantity: str
    scenario: str
    before: tuple[float, float, float]
    now: tuple[float, float, float]


@dataclass(frozen=True)
class Change:
    """A claim's verdict before and now; None where a run has nothing on it."""

    claim: str
    before: str | None
    now: str | None


@dataclass(frozen=True)
class Comparison:
    """All that changed, and how many estimates both runs have."""

    changes: tuple[Change, ...]
    moves: tuple[Move, ...]
    compared: int


def compare(before: RunRecord, now: RunRecord) -> Comparison:
    """Compare estimates of the same claim, scenario and statistic.

    An estimate has moved where each of the two lies outside the interval of the other: noise alone does
    that less often than either interval misses.  Exact claims have no interval; there the verdict speaks.
    """
    old, new = _estimates(before), _estimates(now)
    both = [key for key in new if key in old]
    moves = tuple(
        Move(
            key[0],
            key[3],
            new[key]["quantity"],
            from_dict(new[key]["scenario"]).label(),
            _interval(old[key]),
            _interval(new[key]),
        )
        for key in both
        if _moved(old[key], new[key])
    )
    verdicts = [{c["id"]: c["verdict"] for c in summarise(record)["claims"]} for record in (before, now)]
    changes = tuple(
        Change(claim, verdicts[0].get(claim), verdicts[1].get(claim))
        for claim in {**verdicts[0], **verdicts[1]}
        if verdicts[0].get(claim) != verdicts[1].get(claim)
    )
    return Comparison(changes, moves, len(both))


def _estimates(record: RunRecord) -> dict[tuple[str, str, str, str], dict[str, Any]]:
    return {
        (d["claim"], d["trial"], d["family"], d["statistic"]): d
        for d in record.decisions
        if d["confidence"] is not None and math.isfinite(d["estimate"])
    }


def _interval(decision: dict[str, Any]) -> tuple[float, float, float]:
    return decision["estimate"], decision["low"], decision["high"]


def _moved(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return not (old["low"] <= new["estimate"] <= old["high"]) and not (
        new["low"] <= old["estimate"] <= new["high"]
    )
