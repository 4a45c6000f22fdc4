"""The summary of a run: one verdict per claim, from the evidence alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from advntk.checks.coverage import coverage
from advntk.checks.evidence.rows import DecisionRow, FindingRow, RunRecord, StatedClaim
from advntk.reports.completeness import is_unknown, lost_decisions, lost_trials, missing
from advntk.theorems.vocabulary import AS_MEASURED, Verdict

SCHEMA_VERSION = 2
GENERATOR = "advntk report"  # what a file of a run says that it was written by

# What lay outside the assumptions says nothing, so it counts only where nothing else was found.
_WORST_FIRST = (Verdict.REFUTED, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.HOLDS, Verdict.OUT_OF_SCOPE)


def summarise(record: RunRecord) -> dict[str, Any]:
    """The content of summary.json, which `schema` describes: one entry per claim, and whose they are."""
    return {
        "generator": GENERATOR,
        "schema_version": SCHEMA_VERSION,
        "run": _run(record),
        "missing": missing(record),
        "claims": [_claim(record, stated) for stated in record.request.claims.values()],
    }


def schema() -> str:
    """The JSON schema (draft 2020-12) of summary.json, as text."""
    return files("advntk.reports").joinpath("summary.schema.json").read_text(encoding="utf-8")


def worst(verdicts: Iterable[str]) -> Verdict:
    """The verdict on a claim, which is as good as its worst scenario; INCONCLUSIVE if there is none.

    Raises:
      ValueError: one of them is no verdict.
    """
    return Verdict(min(verdicts, key=_WORST_FIRST.index, default=Verdict.INCONCLUSIVE))


def is_expected(verdict: str, expected: str) -> bool:
    """Whether a verdict is the expected one; "as measured" expects whatever was measured, unless it broke."""
    return verdict == expected or (expected == AS_MEASURED and verdict != Verdict.ERROR)


def is_undecided(claim: dict[str, Any]) -> bool:
    """Whether a claim's verdict decides nothing, though nothing else was asked for (reported as measured)."""
    return claim["as_expected"] and claim["verdict"] in (Verdict.INCONCLUSIVE, Verdict.OUT_OF_SCOPE)


def count_expected(claims: Iterable[dict[str, Any]]) -> int:
    """Claims whose verdict is the expected one; what decides nothing is not among them."""
    return sum(claim["as_expected"] and not is_undecided(claim) for claim in claims)


def tally(claims: Sequence[dict[str, Any]], done: str = "as expected") -> str:
    """'36 of 39 claims as expected, 3 undecided'."""
    undecided = sum(map(is_undecided, claims))
    counts = f"{count_expected(claims)} of {len(claims)} claims {done}"
    return f"{counts}, {undecided} undecided" if undecided else counts


def run_excerpt(folder: str, summary: dict[str, Any]) -> dict[str, Any]:
    """What reports on several runs say of one of them; `folder` is the name that its folder is shown by."""
    run = summary["run"]
    known = (
        "id",
        "started",
        "finished",
        "profile",
        "data",
        "seed",
        "code",
        "commit",
        "device",
        "wall_time_s",
    )
    return {
        "folder": folder,
        **{key: run.get(key) for key in known},
        "expected": count_expected(summary["claims"]),
        "claims": len(summary["claims"]),
        "missing": summary["missing"]["words"],
    }


def claim_excerpt(claim: dict[str, Any]) -> dict[str, Any]:
    """What reports on several runs say of a claim: its verdict and the estimate that settles it."""
    return {name: claim[name] for name in ("verdict", "expected", "as_expected", "estimate", "reason")}


def _run(record: RunRecord) -> dict[str, Any]:
    request = record.request
    costs = {name: value for name, value in asdict(record.costs).items() if value is not None}
    return {
        "id": record.id,
        "started": record.started,
        "finished": record.finished,
        "profile": request.profile,
        "data": request.data,
        "seed": request.seed,
        "axes": request.pins,
        "sweeps": request.sweeps,
        "error_rates": asdict(request.error_rates),
        **asdict(record.provenance),
        **costs,
    }


def _claim(record: RunRecord, stated: StatedClaim) -> dict[str, Any]:
    decisions = [row for row in record.decisions if row.claim == stated.id]
    in_scope = _in_scope(decisions)
    scenarios = {(row.trial, row.scenario_id) for row in in_scope}
    critical = _nearest(in_scope)
    verdict = worst(row.decision.verdict for row in decisions)
    unknown = is_unknown(record, stated.id)
    if unknown and verdict is not Verdict.ERROR:
        # One that was lost may have refuted it.
        verdict = Verdict.INCONCLUSIVE
    return {
        "id": stated.id,
        "theorem": stated.theorem,
        "kind": str(stated.kind),
        "verdict": str(verdict),
        "expected": stated.expected,
        # What was not decided is no verdict, whatever was expected.
        "as_expected": bool(decisions) and not unknown and is_expected(verdict, stated.expected),
        "decided": bool(decisions) and not unknown,
        "scenarios": len(scenarios),
        "out_of_scope": len({(row.trial, row.scenario_id) for row in decisions} - scenarios),
        "trials": sum(len(record.trials.get(scenario, ())) for scenario in scenarios),
        "estimate": None if critical is None else _estimate(critical),
        "left_out": {
            "decisions": len(lost_decisions(record, stated.id)),
            "trials": len(lost_trials(record, stated.id)),
        },
        "reason": _reason(record, stated.id, decisions, critical),
        "coverage": _coverage(record, in_scope),
        "power": critical.decision.detail.get("power") if critical else None,
        "certified": _certified(in_scope),
        "tightness": _tightness(in_scope),
        "findings": [_finding(row) for row in record.findings if row.claim == stated.id],
    }


def settling(record: RunRecord, claim: str) -> DecisionRow | None:
    """The decision that settles a claim's verdict; None where nothing in scope was decided."""
    return _nearest(_in_scope([row for row in record.decisions if row.claim == claim]))


def _in_scope(decisions: list[DecisionRow]) -> list[DecisionRow]:
    return [row for row in decisions if row.decision.verdict is not Verdict.OUT_OF_SCOPE]


def _nearest(in_scope: list[DecisionRow]) -> DecisionRow | None:
    """Of the worst verdict, the one nearest to failing."""
    verdict = worst(row.decision.verdict for row in in_scope)
    candidates = [row for row in in_scope if row.decision.verdict is verdict]
    severities = [row.decision.severity for row in candidates]
    order = max(range(len(candidates)), key=lambda i: _known_first(severities[i]), default=None)
    return None if order is None else candidates[order]


def _known_first(severity: float) -> tuple[bool, float]:
    return not math.isnan(severity), severity


def _reason(record: RunRecord, claim: str, decisions: list[DecisionRow], critical: DecisionRow | None) -> str:
    found = critical.decision.reason if critical else _why_nothing(record, decisions)
    if is_unknown(record, claim):
        rest = f"; without them: {critical.decision.verdict}, {found}" if critical else ""
        return f"not known: decisions on it are damaged{rest}"
    lost = " (some trials that it was decided from are left out here)" if lost_trials(record, claim) else ""
    return f"{found}{lost}"


def _why_nothing(record: RunRecord, decisions: list[DecisionRow]) -> str:
    if not decisions and record.finished is None:
        return "not decided: the run has not finished"
    return "nothing was measured" if not decisions else "nothing within its assumptions was measured"


def _finding(row: FindingRow) -> dict[str, Any]:
    return {**asdict(row), "kind": str(row.kind), "unmet": list(row.unmet)}


def _coverage(record: RunRecord, in_scope: list[DecisionRow]) -> dict[str, Any]:
    """Trial |-> what was sampled of its axes; empty for evidence that did not keep axes."""
    found = {}
    for trial in dict.fromkeys(row.trial for row in in_scope):
        check = record.request.checks.get(trial)
        if check is None:
            continue
        choices = {axis.name: axis.choice for axis in check.axes if axis.choice is not None}
        scenarios = {row.scenario_id: row.scenario for row in in_scope if row.trial == trial}
        counted = coverage(choices, scenarios.values())
        found[trial] = {
            "values": counted.values,
            "never": counted.never,
            "pairs_seen": counted.pairs_seen,
            "pairs": counted.pairs,
            "narrow": list(counted.narrow),
            "sweep": check.sweep,
            "points": list(check.points),
        }
    return found


def _claimed(detail: dict) -> str | None:
    """What is claimed of an estimate: "at most 1", "above 0.35", "within ±0.01"; None if not kept."""
    side = detail.get("side", "above")
    if "margin" in detail:
        return f"within a factor {detail['margin']:.3g}"
    if "off" in detail:
        return f"within ±{detail['off']:g}"
    if "threshold" in detail:
        return f"{side} {detail['threshold']:g}"
    # Of the ratio of a value to its bound.
    return f"{side} 1" if "side" in detail else None


def _estimate(row: DecisionRow) -> dict[str, Any]:
    decision = row.decision
    return {
        "quantity": decision.quantity,
        "statistic": decision.statistic,
        "value": decision.estimate,
        "interval": [decision.low, decision.high],
        "confidence": decision.confidence,
        "scenario": row.scenario,
        "required": _claimed(decision.detail),
        "certified": decision.detail.get("certified", False) if "bits" in decision.detail else None,
        "bits": decision.detail.get("bits"),
        "enclosure": decision.detail.get("enclosure"),
    }


def _certified(in_scope: list[DecisionRow]) -> int:
    """Scenarios that have enclosures, all of them in balls and deciding."""
    found: dict[tuple[str, str], bool] = {}
    for row in in_scope:
        if "bits" in row.decision.detail:
            key = (row.trial, row.scenario_id)
            found[key] = found.get(key, True) and row.decision.detail.get("certified", False)
    return sum(found.values())


def _tightness(in_scope: list[DecisionRow]) -> dict[str, float]:
    """Statistic |-> the largest value over its bound."""
    found: dict[str, float] = {}
    for row in in_scope:
        tightness = row.decision.detail.get("tightness")
        if tightness is not None:
            found[row.decision.statistic] = max(found.get(row.decision.statistic, 0.0), tightness)
    return found


def finite(value: Any) -> Any:
    """The same with null for numbers that JSON does not know, and lists for tuples, at any depth."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_json(summary: dict) -> str:
    """Strict JSON; numbers that are not finite become null."""
    return json.dumps(finite(summary), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
