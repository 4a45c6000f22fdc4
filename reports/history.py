"""Many runs in the order of their start, as plain values: the content of history.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from advntk.checks.evidence import RunRecord
from advntk.reports.kinds import HISTORY_GENERATOR
from advntk.reports.summary import claim_excerpt, run_excerpt, summarise

CONTENT_VERSION = 1


def history_content(runs: list[tuple[str, RunRecord]], left_out: Sequence[str] = ()) -> dict[str, Any]:
    """The content of history.json: `runs` from the oldest to the latest, and for each claim its points.

    A point has the number of its run (from 1), the verdict and the estimate that settles it; runs that did
    not ask for a claim have none.  `left_out` says in sentences which runs could not be read.
    """
    ordered = sorted(runs, key=lambda named: (named[1].started, named[0], named[1].id))
    summaries = [summarise(record) for _, record in ordered]
    claims: dict[str, dict[str, Any]] = {}
    for number, ((_, record), summary) in enumerate(zip(ordered, summaries, strict=True), start=1):
        for claim in summary["claims"]:
            rate = record.request.claims[claim["id"]].rate
            theorem = record.request.theorems.get(claim["theorem"])
            entry = claims.setdefault(claim["id"], {"claim": claim["id"], "theorem": claim["theorem"]})
            entry["title"] = claim["theorem"] if theorem is None else theorem.title
            entry["predicted_exponent"] = None if rate is None else rate.exponent
            entry.setdefault("points", []).append({"run": number, **claim_excerpt(claim)})
    return {
        "generator": HISTORY_GENERATOR,
        "schema_version": CONTENT_VERSION,
        "runs": [
            {"number": number, **run_excerpt(name, summary)}
            for number, ((name, _), summary) in enumerate(zip(ordered, summaries, strict=True), start=1)
        ],
        "claims": list(claims.values()),
        "left_out": list(left_out),
    }
