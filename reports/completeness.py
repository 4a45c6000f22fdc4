"""What a run lacks of what was planned or measured, so that no part is shown as if it were the whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from advntk.checks.evidence import DecisionRow, LeftOut, RunRecord
from advntk.theorems.vocabulary import Verdict

_MOST_NAMED = 6


def missing(record: RunRecord) -> dict[str, Any]:
    """What an interrupted, broken or damaged run lacks, in numbers and in words.

    `finished`; `claims` without any decision, or with decisions that were lost; trials `measured`, `planned`
    (at the first look of every scenario; None where evidence does not say) and `broken`; `left_out`, the rows
    that could not be read, and `affected`, the claims that trials among them were decided on; `words`, a
    sentence for each lack.
    """
    decided = {decision.claim for decision in record.decisions}
    rows = [row for rows in record.trials.values() for row in rows]
    found = {
        "finished": record.finished is not None,
        "claims": [c for c in record.request.claims if c not in decided or is_unknown(record, c)],
        "measured": len(rows),
        "planned": record.request.trials,
        "broken": sum(row.broke for row in rows),
        "left_out": [asdict(one) for one in record.left_out],
        "affected": [claim for claim in record.request.claims if lost_trials(record, claim)],
    }
    return {**found, "words": _words(found, record)}


def lost_decisions(record: RunRecord, claim: str) -> list[LeftOut]:
    """Decisions that were left out and are, or may be, of this claim."""
    return [one for one in record.left_out if one.table == "decision" and one.claim in (None, claim)]


def lost_trials(record: RunRecord, claim: str) -> list[LeftOut]:
    """Trials that were left out and that a decision on this claim rests on, or may rest on."""
    decisions = [row for row in record.decisions if row.claim == claim]
    lost = [one for one in record.left_out if one.table == "trial"]
    return [one for one in lost if any(_rests_on(row, one) for row in decisions)]


def is_unknown(record: RunRecord, claim: str) -> bool:
    """Whether a decision that was lost could have settled the verdict otherwise; no other undoes REFUTED."""
    refuted = (row.decision.verdict is Verdict.REFUTED for row in record.decisions if row.claim == claim)
    return bool(lost_decisions(record, claim)) and not any(refuted)


def _rests_on(row: DecisionRow, lost: LeftOut) -> bool:
    return lost.trial in (None, row.trial) and lost.scenario_id in (None, row.scenario_id)


def _words(found: dict[str, Any], record: RunRecord) -> list[str]:
    claims = len(record.request.claims)
    words = _words_of_loss(record)
    if not found["finished"]:
        planned = "" if found["planned"] is None else f" (at least {found['planned']} were planned)"
        words.append(f"The run has not finished: it has measured {found['measured']} trials{planned}.")
    elif not claims:
        words.append("The run has no claims.")
    if absent := [claim for claim in found["claims"] if not lost_decisions(record, claim)]:
        words.append(f"{len(absent)} of {claims} claims were not decided: {_named(absent)}.")
    if found["broken"]:
        words.append(f"{found['broken']} trials broke; they say nothing of the claims.")
    return words


def _words_of_loss(record: RunRecord) -> list[str]:
    words = []
    if damaged := [one for one in record.left_out if one.damaged]:
        counts = Counter(one.table for one in damaged)
        of = ", ".join(f"{number} of table {table}" for table, number in counts.items())
        more = f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        words.append(
            f"The evidence is damaged, and what was damaged was left out ({of}): {damaged[0]}{more}."
        )
    if ambiguous := [one for one in record.left_out if not one.damaged]:
        more = f", and {len(ambiguous) - 1} more" if len(ambiguous) > 1 else ""
        words.append(f"{len(ambiguous)} trials of older evidence were left out: {ambiguous[0]}{more}.")
    claims = record.request.claims
    if unknown := [claim for claim in claims if is_unknown(record, claim)]:
        words.append(f"Decisions on {_named(unknown)} are, or may be, among them: not known.")
    if affected := [c for c in claims if lost_trials(record, c) and not is_unknown(record, c)]:
        words.append(f"Decided from trials that are, or may be, among them: {_named(affected)}.")
    return words


def _named(claims: list[str]) -> str:
    more = f" and {len(claims) - _MOST_NAMED} more" if len(claims) > _MOST_NAMED else ""
    return f"{', '.join(claims[:_MOST_NAMED])}{more}"
