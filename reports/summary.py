"""The summary of a run: one verdict per claim, from the evidence alone."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from advntk.checks.coverage import coverage
from advntk.checks.evidence import RunRecord
from advntk.reports.completeness import missing
from advntk.theorems.vocabulary import AS_MEASURED, Verdict

SCHEMA_VERSION = 1

# What lay outside the assumptions says nothing, so it counts only where nothing else was found.
_WORST_FIRST = (Verdict.REFUTED, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.HOLDS, Verdict.OUT_OF_SCOPE)


def summarise(record: RunRecord) -> dict[str, Any]:
    """The content of summary.json: `schema_version`, `run`, `missing` and `claims`; see `schema`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run": _run(record),
        "missing": missing(record),
        "claims": [_claim(record, stated) for stated in record.request["claims"].values()],
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
        "expected": sum(claim["as_expected"] for claim in summary["claims"]),
        "claims": len(summary["claims"]),
        "missing": summary["missing"]["words"],
    }


def claim_excerpt(claim: dict[str, Any]) -> dict[str, Any]:
    """What reports on several runs say of a claim: its verdict and the estimate that settles it."""
    return {name: claim[name] for name in ("verdict", "expected", "as_expected", "estimate", "reason")}


def _run(record: RunRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "started": record.started,
        "finished": record.finished,
        "profile": record.request["profile"],
        "data": record.request["data"],
        "seed": record.request["seed"],
        "axes": record.request["pins"],
        "widths": record.request["widths"],
        "error_rates": record.request["error_rates"],
        **record.environment,
        **record.result,
    }


def _claim(record: RunRecord, stated: dict) -> dict[str, Any]:
    decisions = [d for d in record.decisions if d["claim"] == stated["id"]]
    in_scope = [d for d in decisions if d["verdict"] != Verdict.OUT_OF_SCOPE]
    families = {(d["trial"], d["family"]) for d in in_scope}
    critical = _critical(in_scope)
    verdict = str(worst(d["verdict"] for d in decisions))
    return {
        "id": stated["id"],
        "theorem": stated["theorem"],
        "kind": stated["kind"],
        "verdict": verdict,
        "expected": stated["expected"],
        # What was not decided is no verdict, whatever was expected.
        "as_expected": bool(decisions) and is_expected(verdict, stated["expected"]),
        "decided": bool(decisions),
        "scenarios": len(families),
        "out_of_scope": len({(d["trial"], d["family"]) for d in decisions} - families),
        "trials": sum(len(record.trials.get(family, ())) for family in families),
        "estimate": None if critical is None else _estimate(critical),
        "reason": critical["reason"] if critical else _why_nothing(record, decisions),
        "coverage": _coverage(record, in_scope),
        "power": critical["detail"].get("power") if critical else None,
        "findings": [f for f in record.findings if f["claim"] == stated["id"]],
    }


def _why_nothing(record: RunRecord, decisions: list[dict]) -> str:
    if not decisions and record.finished is None:
        return "not decided: the run has not finished"
    return "nothing was measured" if not decisions else "nothing within its assumptions was measured"


def _coverage(record: RunRecord, in_scope: list[dict]) -> dict[str, Any]:
    """Trial |-> what was sampled of its axes; empty for evidence of versions that did not keep axes."""
    described = record.request.get("trials_of", {})
    found = {}
    for trial in dict.fromkeys(d["trial"] for d in in_scope):
        if trial not in described:
            continue
        scenarios = {d["family"]: d["scenario"] for d in in_scope if d["trial"] == trial}
        counted = coverage(described[trial]["axes"], scenarios.values())
        found[trial] = {
            "values": counted.values,
            "never": counted.never,
            "pairs_seen": counted.pairs_seen,
            "pairs": counted.pairs,
            "narrow": list(counted.narrow),
            "widths": described[trial]["widths"],
        }
    return found


def _critical(in_scope: list[dict]) -> dict | None:
    """The decision that settles the verdict: of the worst verdict, the one nearest to failing."""
    verdict = worst(d["verdict"] for d in in_scope)
    candidates = [d for d in in_scope if d["verdict"] == verdict]
    return max(candidates, key=lambda d: (not math.isnan(d["strain"]), d["strain"]), default=None)


def _claimed(detail: dict) -> str | None:
    """What is claimed of an estimate: "at most 1", "above 0.35", "within a factor 1.41"; None if not kept."""
    side = detail.get("side", "above")
    if "margin" in detail:
        return f"within a factor {detail['margin']:.3g}"
    if "threshold" in detail:
        return f"{side} {detail['threshold']:g}"
    # Of the ratio of a value to its bound.
    return f"{side} 1" if "side" in detail else None


def _estimate(decision: dict) -> dict[str, Any]:
    return {
        "quantity": decision["quantity"],
        "statistic": decision["statistic"],
        "value": decision["estimate"],
        "interval": [decision["low"], decision["high"]],
        "confidence": decision["confidence"],
        "scenario": decision["scenario"],
        "required": _claimed(decision.get("detail") or {}),
    }


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


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` as a whole, so that no reader sees half a file."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
