"""What several runs say together, as plain values: two compared, or many in the order of their start."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from advntk.checks.evidence import RunRecord
from advntk.reports.comparison import compare
from advntk.reports.summary import summarise

SCHEMA_VERSION = 1

# What a reader wants to know of two runs whose results differ.
_CIRCUMSTANCES = (
    "profile",
    "data",
    "seed",
    "axes",
    "widths",
    "device",
    "dtype",
    "code",
    "commit",
    "data_digest",
)


def compared(before: tuple[str, RunRecord], now: tuple[str, RunRecord]) -> dict[str, Any]:
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
        "schema_version": SCHEMA_VERSION,
        "before": _head(before[0], old),
        "now": _head(now[0], new),
        "differs": _differences(old["run"], new["run"]),
        "compared": found.compared,
        "changes": [claim for claim in claims if claim["claim"] in changed],
        "moves": [asdict(move) for move in found.moves],
        "claims": claims,
    }


def history(runs: list[tuple[str, RunRecord]]) -> dict[str, Any]:
    """The content of history.json: `runs` from the oldest to the latest, and for each claim its points.

    A point has the number of its run (from 1), the verdict and the estimate that settles it; runs that did
    not ask for a claim have none.
    """
    ordered = sorted(runs, key=lambda named: (named[1].started, named[0], named[1].id))
    summaries = [summarise(record) for _, record in ordered]
    claims: dict[str, dict[str, Any]] = {}
    for number, ((_, record), summary) in enumerate(zip(ordered, summaries, strict=True), start=1):
        for claim in summary["claims"]:
            rate = record.request["claims"][claim["id"]].get("rate")
            theorem = record.request["theorems"].get(claim["theorem"], {})
            entry = claims.setdefault(claim["id"], {"claim": claim["id"], "theorem": claim["theorem"]})
            entry["title"] = theorem.get("title", claim["theorem"])
            entry["predicted_exponent"] = rate["exponent"] if rate else None
            entry.setdefault("points", []).append({"run": number, **_point(claim)})
    return {
        "schema_version": SCHEMA_VERSION,
        "runs": [
            {"number": number, **_head(name, summary)}
            for number, ((name, _), summary) in enumerate(zip(ordered, summaries, strict=True), start=1)
        ],
        "claims": list(claims.values()),
    }


def _head(name: str, summary: dict) -> dict[str, Any]:
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
        "folder": name,
        **{key: run.get(key) for key in known},
        "expected": sum(claim["as_expected"] for claim in summary["claims"]),
        "claims": len(summary["claims"]),
        "missing": summary["missing"]["words"],
    }


def _point(claim: dict) -> dict[str, Any]:
    return {name: claim[name] for name in ("verdict", "expected", "as_expected", "estimate", "reason")}


def _both(name: str, old: dict | None, new: dict | None) -> dict[str, Any]:
    return {
        "claim": name,
        "before": None if old is None else _point(old),
        "now": None if new is None else _point(new),
    }


def _differences(old: dict, new: dict) -> list[dict[str, str]]:
    pairs = {name: (old.get(name), new.get(name)) for name in _CIRCUMSTANCES}
    versions = [run.get("versions") or {} for run in (old, new)]
    pairs |= {name: (versions[0].get(name), versions[1].get(name)) for name in {**versions[0], **versions[1]}}
    return [
        {"what": name, "before": _words(before), "now": _words(now)}
        for name, (before, now) in pairs.items()
        if before != now
    ]


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={held}" for name, held in value.items()) or "none held"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "as planned"
    return "unknown" if value is None else str(value)
