"""Evidence made up by hand: as awkward as evidence can be, in as many runs as a test wants."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from advntk.checks.axes import WIDTH
from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence import (
    Compilations,
    DecisionRow,
    EvidenceStore,
    FindingKind,
    FindingRow,
    Outcome,
    Provenance,
    RunCosts,
    RunRequest,
    TrialRow,
)
from advntk.checks.evidence.rows import (
    StatedAxis,
    StatedCheck,
    StatedClaim,
    StatedRate,
    StatedRates,
    StatedSource,
    StatedTheorem,
)
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.theorems.vocabulary import Kind, Verdict

POINTS = (8, 16, 32, 64)

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
    decision = Decision(
        Verdict(verdict),
        "gap",
        "exponent",
        estimate,
        estimate - 0.1 if low is None else low,
        estimate + 0.1 if high is None else high,
        0.998,
        "because it is so",
        detail={"predicted": 0.5},
    )
    return replace(decision, **changes)


def statement(name, text, expected):
    """A claim as evidence keeps it."""
    return StatedClaim(
        name,
        name.split(".")[0],
        f"it holds that {text}",
        Kind.LIMIT,
        expected,
        StatedSource(text, text),
        text,
        (text,),
        StatedRate(0.5, "n"),
    )


def checked(text, scenario):
    """A check as evidence keeps it, swept over an axis that says of itself what `text` says."""
    axes = [StatedAxis(name, axis.default, axis.symbol) for name, axis in scenario.space.items()]
    axes = [replace(axis, symbol=text, unit=text) if axis.name == "width" else axis for axis in axes]
    return StatedCheck(tuple(axes), "width", POINTS, 1, 1, {"f": WIDTH.changed(scenario)})


def add_run(
    folder,
    decisions=None,
    text="plain",
    expected="HOLDS",
    finished=True,
    values=(0.4, 0.3, math.nan, -math.inf),
    findings=(),
    outcome=Outcome.MEASURED,
    message="",
    trace="",
    figures=None,
    environment=True,
    **request,
) -> Path:
    """Add a run to `folder`; `decisions` maps claim ids to what was said of them, with `said`."""
    decisions = {"made_up.claim": [said()]} if decisions is None else decisions
    theorems = {name.split(".")[0] for name in decisions}
    source = StatedSource(text, text)
    scenario = ADVERSARIAL_TRAINING.scenario(data=text)
    asked = RunRequest(
        **{
            "profile": text,
            "data": text,
            "seed": 0,
            "trials": 64,
            "error_rates": StatedRates(1e-6, 1e-3, 1, 1e-6),
            "theorems": {name: StatedTheorem(name, text, text, source, (text,)) for name in sorted(theorems)},
            "claims": {name: statement(name, text, expected) for name in decisions},
            "checks": {"t": checked(text, scenario)},
            **request,
        }
    )
    circumstances = Provenance({"jax": text}, text, "float64", text, text) if environment else Provenance()
    store = EvidenceStore(folder)
    column = text.replace("\ud800", "")  # SQLite's own text has no surrogates
    run = store.start_run(asked, circumstances)
    for width, value in zip(POINTS, values, strict=False):
        numbers = {"gap": value, "several": [value, 1.0], "note": text}
        at = WIDTH.at(scenario, width).as_dict()
        row = TrialRow(
            "t",
            "f",
            at,
            "width",
            width,
            0,
            outcome,
            numbers,
            figures or {},
            message,
            trace,
            column,
            f"k{width}",
        )
        store.add_trials(run, [row])
    for name, items in decisions.items():
        for decision in items:
            row = DecisionRow(name, "t", "f", scenario.as_dict(), column, "rate", decision)
            store.add_decision(run, row)
    for name, label in findings:
        store.add_finding(
            run, FindingRow(name, FindingKind.COUNTEREXAMPLE, label, (text,), "t", scenario.as_dict())
        )
    if finished:
        store.finish_run(run, RunCosts(1.5, Compilations(1, 1.0), 2**30))
    store.close()
    return folder
