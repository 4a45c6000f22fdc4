"""Every falsehood of the library is REFUTED by the claim it names; without it the same claims HOLD.

With the environment variable ADVNTK_CATCH_TABLE naming a file, each falsehood leaves a line of JSON there:
what was planted, what was said of it, and on which evidence.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from library import LIBRARY

from theorems.catalogue import load

LEAST = 40
_SLOW = (pytest.mark.slow, pytest.mark.evidence)


def _parameters(slow_of: Mapping[str, bool], values: Mapping[str, object]) -> list:
    return [pytest.param(value, id=i, marks=_SLOW if slow_of[i] else ()) for i, value in values.items()]


def _controls() -> dict[str, list]:
    """Per situation (pins and widths) every claim that some falsehood puts to the test there."""
    found: dict[tuple, list] = {}
    for falsehood in LIBRARY:
        if falsehood.needs_no_plant:
            continue
        pins = falsehood.pins if falsehood.control is None else falsehood.control
        key = tuple(sorted(pins.items())), falsehood.widths
        claims, slow = found.setdefault(key, [set(), False])
        claims |= {falsehood.claim, *falsehood.also}
        found[key][1] = slow or falsehood.slow
    return {
        f"{number} {sorted(claims)[0]}": [sorted(claims), dict(pins), widths, slow]
        for number, ((pins, widths), (claims, slow)) in enumerate(found.items(), 1)
    }


CONTROLS = _controls()
BY_NAME = {falsehood.name: falsehood for falsehood in LIBRARY}


@pytest.mark.parametrize("falsehood", _parameters({f.name: f.slow for f in LIBRARY}, BY_NAME))
def test_a_falsehood_is_refuted(measure, monkeypatch, falsehood):
    start = time.perf_counter()
    falsehood.plant(monkeypatch)
    claims = [falsehood.claim, *falsehood.also, *falsehood.spares]
    summary = measure(claims, falsehood.pins, widths=falsehood.widths)
    of = {claim["id"]: claim for claim in summary["claims"]}
    _record(falsehood, of[falsehood.claim], time.perf_counter() - start)

    wanted = dict.fromkeys((falsehood.claim, *falsehood.also), "REFUTED")
    wanted |= dict.fromkeys(falsehood.spares, "HOLDS")
    assert {name: claim["verdict"] for name, claim in of.items()} == wanted, {
        name: claim["reason"] for name, claim in of.items()
    }
    if of[falsehood.claim]["kind"] == "exact":
        assert "counterexample" in {f["kind"] for f in of[falsehood.claim]["findings"]}
    refuted = [
        d for d in measure.record.decisions if d["claim"] == falsehood.claim and d["verdict"] == "REFUTED"
    ]
    if falsehood.by:
        assert {d["statistic"] for d in refuted} == set(falsehood.by)
    if falsehood.worst is not None:
        assert max(d["estimate"] for d in refuted) == pytest.approx(falsehood.worst, rel=1 / 16)


@pytest.mark.parametrize("control", _parameters({name: c[3] for name, c in CONTROLS.items()}, CONTROLS))
def test_without_the_falsehood_the_claim_holds(measure, control):
    claims, pins, widths, _ = control
    summary = measure(claims, pins, widths=widths)
    assert {claim["id"]: claim["verdict"] for claim in summary["claims"]} == dict.fromkeys(claims, "HOLDS"), [
        claim["reason"] for claim in summary["claims"]
    ]


def test_the_library_is_large_and_names_what_exists():
    assert len(BY_NAME) == len(LIBRARY) >= LEAST
    known = {claim.id: claim for _, claim in load().claims()}
    for falsehood in LIBRARY:
        assert {falsehood.claim, *falsehood.also, *falsehood.spares} <= known.keys(), falsehood.name
        assert falsehood.statement.endswith("."), falsehood.name
        # What is false as stated must be stated as such; everything else is planted into what is true.
        expected = "REFUTED" if falsehood.needs_no_plant else "HOLDS"
        assert known[falsehood.claim].expected == expected, falsehood.name


def _record(falsehood, claim: dict, seconds: float) -> None:
    """Append what was found to the table, whatever it is: a miss must be seen there, too."""
    table = os.environ.get("ADVNTK_CATCH_TABLE")
    if not table:
        return
    estimate = claim["estimate"] or {}
    line = {
        "name": falsehood.name,
        "statement": falsehood.statement,
        "claim": claim["id"],
        "kind": claim["kind"],
        "verdict": claim["verdict"],
        "statistic": estimate.get("statistic"),
        "quantity": estimate.get("quantity"),
        "estimate": estimate.get("value"),
        "interval": estimate.get("interval"),
        "violation": claim["reason"],
        "scenarios": claim["scenarios"],
        "trials": claim["trials"],
        "seconds": round(seconds, 1),
    }
    with Path(table).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
