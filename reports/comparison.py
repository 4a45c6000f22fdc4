"""What changed between two runs: verdicts, and estimates that moved beyond both their intervals."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence import DecisionRow, RunRecord
from advntk.reports.kinds import COMPARISON_GENERATOR
from advntk.reports.summary import claim_excerpt, run_excerpt, summarise

CONTENT_VERSION = 1

# What a reader wants to know of two runs whose results differ.
_CIRCUMSTANCES = (
    "profile",
    "data",
    "seed",
    "axes",
    "sweeps",
    "device",
    "dtype",
    "code",
    "commit",
    "data_digest",
)


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
            new[key].decision.quantity,
            new[key].label,
            _interval(old[key].decision),
            _interval(new[key].decision),
        )
        for key in both
        if _moved(old[key].decision, new[key].decision)
    )
    verdicts = [{c["id"]: c["verdict"] for c in summarise(record)["claims"]} for record in (before, now)]
    changes = tuple(
        Change(claim, verdicts[0].get(claim), verdicts[1].get(claim))
        for claim in {**verdicts[0], **verdicts[1]}
        if verdicts[0].get(claim) != verdicts[1].get(claim)
    )
    return Comparison(changes, moves, len(both))


def comparison_content(before: tuple[str, RunRecord], now: tuple[str, RunRecord]) -> dict[str, Any]:
    """The content of comparison.json; each run comes with the name that its folder is shown by.

    `differs` has the circumstances that are not the same, `changes` the claims whose verdict is not, `moves`
    the estimates that each lie outside the interval of the other run, and `claims` the estimate that settles
    each verdict, before and now.  `compared` is the number of estimates that both runs have.
    """
    found = compare(before[1], now[1])
    old, new = summarise(before[1]), summarise(now[1])
    of = [{claim["id"]: claim for claim in summary["claims"]} for summary in (old, new)]
    claims = [_both(name, of[0].get(name), of[1].get(name)) for name in {**of[0], **of[1]}]
    changed = {change.claim for change in found.changes}
    return {
        "generator": COMPARISON_GENERATOR,
        "schema_version": CONTENT_VERSION,
        "before": run_excerpt(before[0], old),
        "now": run_excerpt(now[0], new),
        "differs": _differences(old["run"], new["run"]),
        "compared": found.compared,
        "changes": [claim for claim in claims if claim["claim"] in changed],
        "moves": [asdict(move) for move in found.moves],
        "claims": claims,
    }


def _estimates(record: RunRecord) -> dict[tuple[str, str, str, str], DecisionRow]:
    return {
        (row.claim, row.trial, row.scenario_id, row.decision.statistic): row
        for row in record.decisions
        if row.decision.confidence is not None and math.isfinite(row.decision.estimate)
    }


def _interval(decision: Decision) -> tuple[float, float, float]:
    return decision.estimate, decision.low, decision.high


def _moved(old: Decision, new: Decision) -> bool:
    return not (old.low <= new.estimate <= old.high) and not (new.low <= old.estimate <= new.high)


def _both(name: str, old: dict | None, new: dict | None) -> dict[str, Any]:
    return {
        "claim": name,
        "before": None if old is None else claim_excerpt(old),
        "now": None if new is None else claim_excerpt(new),
    }


def _differences(old: dict, new: dict) -> list[dict[str, str]]:
    pairs = {name: (old.get(name), new.get(name)) for name in _CIRCUMSTANCES}
    versions = [run.get("versions") or {} for run in (old, new)]
    pairs |= {name: (versions[0].get(name), versions[1].get(name)) for name in {**versions[0], **versions[1]}}
    return [
        {"what": name, "before": _words(name, before), "now": _words(name, now)}
        for name, (before, now) in pairs.items()
        if before != now
    ]


def _words(what: str, value: Any) -> str:
    if what == "sweeps":
        texts = (f"{axis}={','.join(map(str, points))}" for axis, points in value.items())
        return ", ".join(texts) or "as planned"
    if isinstance(value, dict):
        return ", ".join(f"{name}={held}" for name, held in value.items()) or "none held"
    return "unknown" if value in (None, "") else str(value)
