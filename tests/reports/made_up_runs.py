"""Runs made up for the tests of reports: statements, decisions, and evidence of them."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from advntk.checks.axes import WIDTH
from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence import (
    Compilations,
    DecisionRow,
    EvidenceStore,
    Outcome,
    Provenance,
    RunCosts,
    RunRequest,
    TrialRow,
    read_run,
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

HTML = "{http://www.w3.org/1999/xhtml}"
HOSTILE = "<script>alert('x')</script> & \"quotes\""


def claim_text(claim_id, expected="HOLDS", statement="it holds"):
    return StatedClaim(
        claim_id,
        claim_id.split(".")[0],
        statement,
        Kind.LIMIT,
        expected,
        StatedSource(HOSTILE, ""),
        HOSTILE,
        (HOSTILE,),
        StatedRate(0.5, "n"),
    )


def decision(verdict, severity=0.0, **changes):
    said = Decision(
        Verdict(verdict),
        "gap",
        "exponent",
        0.5,
        0.4,
        0.6,
        0.998,
        f"because {HOSTILE}",
        severity,
        detail={"predicted": 0.5, "intercept": 0.0, "seeds": 4},
    )
    return replace(said, **changes)


def stated_check(scenario, sweep="width"):
    """A check along one sampled axis, swept over width."""
    axes = tuple(
        StatedAxis(name, axis.default, axis.symbol, axis.unit, choice=[1, 2] if name == "depth" else None)
        for name, axis in scenario.space.items()
    )
    return StatedCheck(axes, sweep, (8, 16, 32, 64), 4, 1, {"f": WIDTH.changed(scenario)})


@pytest.fixture
def evidence(tmp_path):
    """Write a run with these decisions per claim and these errors over a sweep of widths; read it back."""

    def make(
        decisions,
        errors=(0.4, 0.3, 0.2, 0.1),
        expected="HOLDS",
        statement="it holds",
        finish=True,
        change=lambda row: row,
    ):
        store = EvidenceStore(tmp_path / "evidence")
        claims = {name: claim_text(name, expected, statement) for name in decisions}
        scenario = ADVERSARIAL_TRAINING.scenario()
        source = StatedSource(HOSTILE, HOSTILE)
        request = RunRequest(
            "quick",
            0,
            StatedRates(1e-6, 1e-3, 1, 1e-6),
            {"made_up": StatedTheorem("made_up", HOSTILE, statement, source, (HOSTILE,))},
            claims,
            {"t": stated_check(scenario)},
            trials=16,
        )
        run = store.start_run(request, Provenance({"jax": HOSTILE}, HOSTILE, "float64", "x"))
        rows = [
            TrialRow(
                "t",
                "f",
                WIDTH.at(scenario, width).as_dict(),
                "width",
                width,
                seed,
                Outcome.MEASURED,
                {"gap": error * (1 + seed)},
            )
            for width, error in zip((8, 16, 32, 64), errors, strict=True)
            for seed in range(4)
        ]
        store.add_trials(run, map(change, rows))
        for name, items in decisions.items():
            for said in items:
                row = DecisionRow(name, "t", "f", scenario.as_dict(), "a label", "rate", said)
                store.add_decision(run, row)
        if finish:
            store.finish_run(run, RunCosts(1.0, Compilations(1, 1.0), 2**30))
        store.close()
        return read_run(tmp_path / "evidence")

    return make


def well_formed(text):
    """The page as strict XML; fails where it is none."""
    return ElementTree.fromstring(text)


def articles(text):
    """The parts of a page that speak of one claim each."""
    return re.findall(r"<article.*?</article>", text, re.S)
