"""What broke in a run: in a trial, or in what a claim brings along, with the traceback of the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from advntk.checks.evidence.rows import DecisionRow, RunRecord, TrialRow
from advntk.theorems.vocabulary import Verdict


def failures(rows: Iterable[TrialRow], decisions: Iterable[DecisionRow]) -> list[dict[str, Any]]:
    """What raised, how often, and its traceback; the commonest first, trials before what reads them."""
    broken = [(row.message, row.trace, "trial") for row in rows if row.broke]
    of_trials = {message for message, _, _ in broken}
    broken += [
        (row.decision.reason, str(row.decision.detail.get("trace", "")), "decision")
        for row in decisions
        if row.decision.verdict is Verdict.ERROR and row.decision.reason not in of_trials
    ]
    counts = Counter((what, of) for what, _, of in broken)
    traces = {what: trace for what, trace, _ in reversed(broken)}
    return [
        {"what": what, "count": count, "of": of, "trace": traces[what].strip()}
        for (what, of), count in counts.most_common()
    ]


def failures_of(record: RunRecord) -> list[dict[str, Any]]:
    """Those of a whole run."""
    return failures((row for rows in record.trials.values() for row in rows), record.decisions)
