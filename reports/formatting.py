"""How numbers, estimates and commands are written, the same on the terminal and on the page."""

from __future__ import annotations

import math
import shlex

from advntk.checks.scenario import DEFAULT_IMPLEMENTATION
from advntk.theorems.vocabulary import AS_MEASURED, Verdict

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
    text = f"{quantity(found)} {number(found['value'])}"
    return text if found["confidence"] is None else f"{text} [{number(low)}, {number(high)}]"


def quantity(found: dict) -> str:
    """What an estimate is of, in words: 'exponent', 'median gain'."""
    if found["quantity"] == "median":
        return f"median {found['statistic'].replace('_', ' ')}"
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


def replay(claim_id: str, scenario: dict, run: dict, sweep: bool) -> str:
    """The command that measures one scenario of a run again, with the same random numbers."""
    skipped = {"data", "implementation"} | ({"width"} if sweep else set())
    if sweep and scenario["input_growth"] == "joint":
        skipped.add("input_width")
    pins = ",".join(f"{k}={v}" for k, v in scenario.items() if k not in skipped)
    parts = ["advntk", "check", claim_id, "--profile", run["profile"], "--seed", str(run["seed"])]
    parts += ["--data", str(scenario["data"]), "--axis", pins]
    if scenario.get("implementation", DEFAULT_IMPLEMENTATION) != DEFAULT_IMPLEMENTATION:
        parts += ["--implementation", str(scenario["implementation"])]
    if sweep and run["widths"]:
        parts += ["--widths", ",".join(map(str, run["widths"]))]
    for theory in run.get("theories", ()):
        parts += ["--theory", str(theory)]
    return shlex.join(parts)
