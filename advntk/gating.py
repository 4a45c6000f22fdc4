"""`advntk gate`: whether a run came out as expected, as one exit code that a CI job can stop on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from advntk.checks.evidence import BadEvidence, RunRecord, read_run
from advntk.exits import (
    EXIT_INCONCLUSIVE,
    EXIT_INTERNAL,
    EXIT_MOVED,
    EXIT_NOTHING_MEASURED,
    EXIT_OK,
    EXIT_STALE,
    EXIT_UNEXPECTED,
)
from advntk.expectations import Expectation, read_expectations
from advntk.reports.comparison import Comparison, Move, compare
from advntk.reports.sanitization import sanitized, sanitized_record
from advntk.reports.summary import is_expected, summarise, to_json
from advntk.theorems.catalogue import load
from advntk.theorems.vocabulary import Verdict


class GateOutcome(IntEnum):
    """How one claim fares; the value is the exit code of a gate that finds nothing worse."""

    AS_EXPECTED = EXIT_OK
    UNEXPECTED = EXIT_UNEXPECTED
    BROKEN = EXIT_INTERNAL
    INCONCLUSIVE = EXIT_INCONCLUSIVE
    NOTHING_MEASURED = EXIT_NOTHING_MEASURED
    STALE = EXIT_STALE
    MOVED = EXIT_MOVED


# The exit code is that of the first of these that occurs.
_WORST_FIRST = (
    GateOutcome.BROKEN,
    GateOutcome.UNEXPECTED,
    GateOutcome.NOTHING_MEASURED,
    GateOutcome.STALE,
    GateOutcome.INCONCLUSIVE,
    GateOutcome.MOVED,
)


@dataclass(frozen=True)
class Judgement:
    """One line of a gate's answer."""

    claim: str
    outcome: GateOutcome
    verdict: str | None
    expected: str
    text: str
    owner: str = ""


def gate(
    evidence: Path,
    expectations: Path | None,
    baseline: Path | None,
    theories: tuple[str, ...],
    as_json: bool,
) -> tuple[str, int]:
    """The answer in words (or JSON) and the exit code.

    Raises:
      BadEvidence, BadExpectations, UnknownName: one line that says what cannot be used.
    """
    entries = read_expectations(expectations) if expectations else []
    known = {claim.id for _, claim in load(theories).claims()}
    record = sanitized_record(read_run(evidence))
    judgements = judge(record, entries, known, datetime.now(UTC).date())
    comparison = compare(_baseline(baseline), record) if baseline else None
    if comparison:
        judgements += [_moved(move) for move in comparison.moves]
    outcomes = {judgement.outcome for judgement in judgements}
    worst = next((o for o in _WORST_FIRST if o in outcomes), GateOutcome.AS_EXPECTED)
    if as_json:
        return _as_json(record, judgements, comparison, worst), int(worst)
    # Damaged evidence is not judged at all; what an older version of it left open is said.
    notes = [f"left out         {row}" for row in record.left_out]
    # What a file of expectations says may hold anything, and each judgement is a line.
    return sanitized("\n".join([*notes, _as_text(judgements, comparison)])), int(worst)


def _baseline(folder: Path) -> RunRecord:
    try:
        return sanitized_record(read_run(folder))
    except BadEvidence as error:
        raise BadEvidence(f"--baseline {str(error).removeprefix('--evidence ')}") from error


def judge(record: RunRecord, entries: Sequence[Expectation], known: set[str], today: date) -> list[Judgement]:
    """One judgement per claim that was measured or is expected something of.

    Claims without an entry are judged by what their theory expects.
    """
    claims = {claim["id"]: claim for claim in summarise(record)["claims"]}
    by_claim = {entry.claim: entry for entry in entries}
    found = [_stale(entry, known, today) or _listed(record, entry, claims) for entry in entries]
    return found + [_of_theory(record, claim) for name, claim in claims.items() if name not in by_claim]


def _stale(entry: Expectation, known: set[str], today: date) -> Judgement | None:
    def stale(text: str) -> Judgement:
        return Judgement(entry.claim, GateOutcome.STALE, None, entry.expected, text, entry.owner)

    if entry.claim not in known:
        return stale("no such claim: it was renamed or removed; mend or delete the entry")
    if today > entry.expires:
        return stale(f"expired on {entry.expires}: look at it again, then renew or delete the entry")
    return None


def _listed(record: RunRecord, entry: Expectation, claims: dict[str, dict]) -> Judgement:
    claim = claims.get(entry.claim)
    if claim is None:
        text = f"run {record.id} did not measure it"
        return Judgement(entry.claim, GateOutcome.NOTHING_MEASURED, None, entry.expected, text, entry.owner)
    outcome, text = _outcome(record, claim, entry.expected)
    because = f"{text}; expected {entry.expected} because {entry.reason}"
    return Judgement(entry.claim, outcome, claim["verdict"], entry.expected, because, entry.owner)


def _of_theory(record: RunRecord, claim: dict) -> Judgement:
    outcome, text = _outcome(record, claim, claim["expected"])
    return Judgement(claim["id"], outcome, claim["verdict"], claim["expected"], text)


def _outcome(record: RunRecord, claim: dict, expected: str) -> tuple[GateOutcome, str]:
    if record.finished is None:
        return GateOutcome.NOTHING_MEASURED, f"run {record.id} did not finish; go on with check --resume"
    if not claim["scenarios"] and not claim["out_of_scope"]:
        return GateOutcome.NOTHING_MEASURED, "nothing was measured"
    if claim["verdict"] == Verdict.ERROR:
        return GateOutcome.BROKEN, claim["reason"]
    if is_expected(claim["verdict"], expected):
        return GateOutcome.AS_EXPECTED, claim["reason"]
    if claim["verdict"] in (Verdict.INCONCLUSIVE, Verdict.OUT_OF_SCOPE):
        return GateOutcome.INCONCLUSIVE, claim["reason"]
    return GateOutcome.UNEXPECTED, claim["reason"]


def _moved(move: Move) -> Judgement:
    (before, *interval), (now, *_) = move.before, move.now
    text = (
        f"{move.quantity} of {move.statistic} moved from {before:.3g} [{interval[0]:.3g}, {interval[1]:.3g}] "
        f"to {now:.3g} [{move.now[1]:.3g}, {move.now[2]:.3g}] ({move.scenario})"
    )
    return Judgement(move.claim, GateOutcome.MOVED, None, "", text)


def _as_text(judgements: list[Judgement], comparison: Comparison | None) -> str:
    bad = [j for j in judgements if j.outcome is not GateOutcome.AS_EXPECTED]
    lines = [
        f"{j.outcome.name.replace('_', ' ').lower():<16} {j.claim}"
        f"{f' is {j.verdict}' if j.verdict else ''}: {' '.join(j.text.split())}"
        f"{f' (owner: {j.owner})' if j.owner else ''}"
        for j in bad
    ]
    if comparison:
        lines += [f"verdict changed  {c.claim}: {c.before} -> {c.now}" for c in comparison.changes]
        lines.append(f"{comparison.compared} estimates compared with the baseline")
    good = sum(j.outcome is GateOutcome.AS_EXPECTED for j in judgements)
    judged = sum(j.outcome is not GateOutcome.MOVED for j in judgements)
    return "\n".join([*lines, f"{good} of {judged} claims as expected"])


def _as_json(
    record: RunRecord, judgements: list[Judgement], comparison: Comparison | None, worst: GateOutcome
) -> str:
    content: dict[str, Any] = {
        "run": record.id,
        "exit_code": int(worst),
        "outcome": worst.name,
        "claims": [{**asdict(j), "outcome": j.outcome.name} for j in judgements],
        "comparison": asdict(comparison) if comparison else None,
        "left_out": [asdict(row) for row in record.left_out],
    }
    return to_json(content)
