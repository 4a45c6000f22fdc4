"""Evidence made up by hand: as awkward as evidence can be, in as many runs as a test wants."""

from __future__ import annotations

import math
from pathlib import Path

from advntk.checks.evidence import EvidenceStore, TrialRow
from advntk.checks.scenario import Scenario

# Markup of every format that there is, a fence, a formula of a spreadsheet, control characters, a lone
# surrogate, a noncharacter, a right-to-left mark and letters that fonts of TeX lack.
HOSTILE = (
    "=1+1 <script>alert('x')</script> & \"q\" ]]> | a_b *c* `d` ```e``` [f](g) $h$ 50% #1 \\input{i} {j} ~^ "
    "-- ?` [k] http://l.example www.m.example\n# n\r\n- o\t\x00\x07\x1b[31m\x85 \ud800 \ufffe \u202e p 中 "
    "Ξ\u0302"
)
# What SQLite can hold as text of its own.
HOSTILE_NAME = "=<b>n&\"'|_$%#{}~^\\x `` [y]\n\x00\x1b\ufffe Ξ"


def said(verdict="HOLDS", estimate=0.5, low=None, high=None, **changes):
    """What a decider said."""
    decision = {
        "verdict": verdict,
        "statistic": "gap",
        "quantity": "exponent",
        "estimate": estimate,
        "low": estimate - 0.1 if low is None else low,
        "high": estimate + 0.1 if high is None else high,
        "confidence": 0.998,
        "reason": "because it is so",
        "strain": 0.0,
        "detail": {"predicted": 0.5},
    }
    return {**decision, **changes}


def statement(name, text, expected):
    """A claim as evidence keeps it."""
    return {
        "id": name,
        "theorem": name.split(".")[0],
        "statement": f"it holds that {text}",
        "kind": "limit",
        "expected": expected,
        "note": text,
        "assumptions": [text],
        "rate": {"exponent": 0.5, "parameter": "n"},
        "source": {"reference": text, "where": text, "url": ""},
    }


def add_run(
    folder,
    decisions=None,
    text="plain",
    expected="HOLDS",
    finished=True,
    values=(0.4, 0.3, math.nan, -math.inf),
    findings=(),
    outcome="measured",
    environment=True,
    **request,
) -> Path:
    """Add a run to `folder`; `decisions` maps claim ids to what was said of them, with `said`."""
    decisions = {"made_up.claim": [said()]} if decisions is None else decisions
    theorems = {name.split(".")[0] for name in decisions}
    source = {"reference": text, "where": text, "url": ""}
    asked = {
        "profile": text,
        "data": text,
        "seed": 0,
        "pins": {},
        "widths": [],
        "trials": 64,
        "error_rates": {
            "false_alarm": 1e-6,
            "miss": 1e-3,
            "assertions": 1,
            "false_alarm_per_assertion": 1e-6,
        },
        "theorems": {
            name: {"id": name, "title": text, "statement": text, "source": source, "derivation": [text]}
            for name in sorted(theorems)
        },
        "claims": {name: statement(name, text, expected) for name in decisions},
        **request,
    }
    circumstances = {"versions": {"jax": text}, "device": text, "dtype": "float64", "code": text}
    store = EvidenceStore(folder)
    run = store.start_run(asked, {**circumstances, "commit": text} if environment else {})
    scenario = Scenario(data=text)
    for width, value in zip((8, 16, 32, 64), values, strict=False):
        numbers = {"gap": value, "curve": [value, 1.0], "note": text}
        row = TrialRow("t", "f", scenario.at_width(width).as_dict(), width, 0, outcome, numbers, f"k{width}")
        store.add_trials(run, [row])
    for name, items in decisions.items():
        for decision in items:
            store.add_decision(run, name, "t", "f", scenario.as_dict(), "rate", decision)
    for name, finding in findings:
        store.add_finding(run, name, {"scenario": scenario.as_dict(), "unmet": [text], **finding})
    if finished:
        store.finish_run(
            run,
            {
                "wall_time_s": 1.5,
                "compilations": {"number": 1, "seconds": 1.0},
                "peak_memory_bytes": 2**30,
            },
        )
    store.close()
    return folder
