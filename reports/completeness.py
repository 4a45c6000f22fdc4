"""What a run lacks of what was planned, so that no format shows a part as if it were the whole."""

from __future__ import annotations

from typing import Any

from advntk.checks.evidence import RunRecord

_MOST_NAMED = 6


def missing(record: RunRecord) -> dict[str, Any]:
    """What an interrupted or broken run lacks, in numbers and in words.

    `finished`; `claims` without any decision; trials `measured`, `planned` (at the first look of every
    scenario; None where evidence does not say) and `broken`; `words`, a sentence for each lack.
    """
    decided = {decision.claim for decision in record.decisions}
    rows = [row for rows in record.trials.values() for row in rows]
    found = {
        "finished": record.finished is not None,
        "claims": [claim for claim in record.request.claims if claim not in decided],
        "measured": len(rows),
        "planned": record.request.trials,
        "broken": sum(row.broke for row in rows),
    }
    return {**found, "words": _words(found, len(record.request.claims))}


def _words(found: dict[str, Any], claims: int) -> list[str]:
    words = []
    if not found["finished"]:
        planned = "" if found["planned"] is None else f" (at least {found['planned']} were planned)"
        words.append(f"The run has not finished: it has measured {found['measured']} trials{planned}.")
    elif not claims:
        words.append("The run has no claims.")
    if absent := found["claims"]:
        more = f" and {len(absent) - _MOST_NAMED} more" if len(absent) > _MOST_NAMED else ""
        named = ", ".join(absent[:_MOST_NAMED])
        words.append(f"{len(absent)} of {claims} claims were not decided: {named}{more}.")
    if found["broken"]:
        words.append(f"{found['broken']} trials broke; they say nothing of the claims.")
    return words
