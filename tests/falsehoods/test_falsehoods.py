"""Every falsehood of the library is REFUTED by the claim it names.

With the environment variable ADVNTK_CATCH_TABLE naming a file, each falsehood leaves a line of JSON there:
what was planted, what was said of it, and on which evidence.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from falsehood import parameters
from library import LIBRARY

from advntk.theorems.catalogue import load

# One by one they take seconds, together minutes.
pytestmark = pytest.mark.slow
LEAST = 40
BY_NAME = {falsehood.name: falsehood for falsehood in LIBRARY}
KINDS = {claim.id: (theorem.id, claim.kind) for theorem, claim in load().claims()}
# The ordinary suite plants one per theorem and kind of claim, the first that takes seconds; `tox -e catch`
# plants all.
FIRST = {KINDS[f.claim]: f.name for f in reversed(LIBRARY) if not f.slow}


@pytest.mark.parametrize(
    "falsehood", parameters({f.name: f.name not in FIRST.values() for f in LIBRARY}, BY_NAME)
)
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
    found = [row.decision for row in measure.record.decisions if row.claim == falsehood.claim]
    refuted = [decision for decision in found if decision.verdict == "REFUTED"]
    if falsehood.by:
        assert {decision.statistic for decision in refuted} == set(falsehood.by)
    if falsehood.worst is not None:
        assert max(decision.estimate for decision in refuted) == pytest.approx(falsehood.worst, rel=1 / 16)


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
    with Path(table).open("a", encoding="utf-8") as file:
        file.write(json.dumps(falsehood.row(claim, seconds)) + "\n")
