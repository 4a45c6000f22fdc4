"""How numbers, estimates and commands are written, the same on the terminal and on the page."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from advntk.theorems.vocabulary import AS_MEASURED, Verdict

if TYPE_CHECKING:
    from advntk.checks.evidence.rows import (
        DecisionRow,
        FindingRow,
        Provenance,
        RunRecord,
        RunRequest,
        StatedAxis,
        Value,
    )

# What the verdict of a claim looks like beside the expected one.
AS_EXPECTED, UNEXPECTED, NOT_DECIDED = "as expected", "unexpected", "not decided"


def number(value: float | None) -> str:
    """Three significant digits; a dash for what is not known."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.3g}"
    return text.replace("-", "−")


def words(name: str) -> str:
    """A name as one says it: 'xi gap' for xi_gap."""
    return name.replace("_", " ")


def counted(number: int, what: str) -> str:
    """'1 scenario', '3 scenarios'."""
    return f"{number} {noun(number, what)}"


def noun(number: int, what: str) -> str:
    """'scenario' for one, 'scenarios' for any other number."""
    return what if number == 1 else f"{what}s"


def estimate(found: dict | None) -> str:
    """What was measured, and what is claimed of it: 'exponent 0.48 [0.42, 0.53] (above 0.35)'."""
    required = found and found.get("required")
    return f"{measured(found)} ({required})" if required else measured(found)


def measured(found: dict | None) -> str:
    """'exponent 0.48 [0.42, 0.53]', 'value / bound 0.3'; a dash where there is no estimate."""
    if found is None:
        return "–"
    low, high = found["interval"]
    if found.get("enclosure") is not None:
        how = f"certified with {found['bits']} bits" if found["certified"] else "not certified"
        return f"{quantity(found)} in {found['enclosure']}, {how}"
    text = f"{quantity(found)} {number(found['value'])}"
    return text if found["confidence"] is None else f"{text} [{number(low)}, {number(high)}]"


def quantity(found: dict) -> str:
    """What an estimate is of, in words: 'exponent', 'median gain'."""
    if found["quantity"] == "median":
        return f"median {words(found['statistic'])}"
    return found["quantity"]


def interval(value: float, low: float, high: float) -> str:
    """'0.48 [0.4, 0.57]', or the value alone where there is no interval around it."""
    if not any(math.isfinite(end) and end != value for end in (low, high)):
        return number(value)
    return f"{number(value)} [{number(low)}, {number(high)}]"


def expectation(claim: dict) -> str:
    """'as expected' or 'unexpected'; 'as measured' where theory predicts nothing; or 'not decided'."""
    if not claim.get("decided", True):
        return NOT_DECIDED
    if claim["expected"] == AS_MEASURED and claim["as_expected"]:
        return AS_MEASURED
    return AS_EXPECTED if claim["as_expected"] else UNEXPECTED


def verdict_note(claim: dict) -> str:
    """What stands behind the verdict of a claim: nothing if it HOLDS as it should, else what was expected.

    '(as expected)' of a control that is refuted, '(as measured)', or '(expected HOLDS)' where it was not.
    """
    if not claim["as_expected"]:
        return f"(expected {claim['expected']})"
    return "" if claim["expected"] == Verdict.HOLDS else f"({expectation(claim)})"


def replay(
    claim: str,
    trial: str,
    scenario: Mapping[str, Value],
    request: RunRequest,
    provenance: Provenance,
    swept: Iterable[str] = (),
) -> str:
    """The command that measures one scenario of a run again, with the same random numbers.

    An axis is held where the trial samples it, or where its value is not its default.

    Args:
      claim: id of the claim.
      trial: name of the trial that measured the scenario.
      scenario: axis |-> value.
      request: what the run was asked for.
      provenance: where the run's further theorems are.
      swept: axes that the sweep moves, which are not held; none for a scenario that is measured alone.

    Returns:
      One line for a shell.
    """
    check, left_out = request.checks.get(trial), set(swept)
    pins = {
        name: value
        for name, value in scenario.items()
        if name not in left_out and (check is None or _away(check.axis(name), value))
    }
    sweeps = {axis: points for axis, points in request.sweeps.items() if axis in left_out}
    parts = ["advntk", "check", claim, "--profile", request.profile, "--seed", str(request.seed)]
    return _line([*parts, *_held(pins), *_swept(sweeps)], provenance)


def replay_decision(row: DecisionRow, record: RunRecord) -> str:
    """The command that measures the scenario of a decision again, at every point of its sweep."""
    rows = record.trials.get((row.trial, row.scenario_id), [])
    own = {found.axis for found in rows if found.axis is not None}
    check = record.request.checks.get(row.trial)
    followed = () if check is None else check.swept.get(row.scenario_id, ())
    return replay(row.claim, row.trial, row.scenario, record.request, record.provenance, own.union(followed))


def replay_finding(row: FindingRow, record: RunRecord) -> str | None:
    """The command that measures a finding again; None where it has no scenario."""
    if row.scenario is None:
        return None
    # Older evidence does not say which trial found it.
    trial = row.trial or next((d.trial for d in record.decisions if d.claim == row.claim), "")
    return replay(row.claim, trial, row.scenario, record.request, record.provenance)


def run_again(record: RunRecord) -> str:
    """The command that does the whole run again."""
    request, names = record.request, record.provenance.names
    # Runs of test items, and evidence from before names were kept, list their claims.
    parts = ["advntk", "check", *(request.claims if names is None else names), "--profile", request.profile]
    parts += ["--data", request.data] if request.data else []
    parts += ["--seed", str(request.seed), *_held(request.pins), *_swept(request.sweeps)]
    return _line(parts, record.provenance)


def _away(axis: StatedAxis, value: Value) -> bool:
    return axis.choice is not None or value != axis.default


def _held(pins: Mapping[str, Value]) -> list[str]:
    """Options that hold axes: one for all, and one for each value with a comma in it."""
    texts = [f"{name}={value}" for name, value in pins.items()]
    plain = ",".join(text for text in texts if "," not in text)
    found = [plain, *(text for text in texts if "," in text)]
    return [part for text in found if text for part in ("--axis", text)]


def _swept(sweeps: Mapping[str, Iterable[Value]]) -> list[str]:
    texts = [f"{axis}={','.join(map(str, points))}" for axis, points in sweeps.items()]
    return [part for text in texts for part in ("--sweep", text)]


def _line(parts: list[str], provenance: Provenance) -> str:
    return shlex.join([*parts, *(part for theory in provenance.theories for part in ("--theory", theory))])
