"""What a run makes of enclosures and of loose bounds, from the trial to every face of its report."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from made_up_theories import carry_out, theory
from rich.console import Console

from advntk import BoundDecider, EnclosureDecider, enclosed
from advntk.checks.evidence import FindingKind
from advntk.reports.junit import to_junit
from advntk.reports.markdown import to_markdown
from advntk.reports.page import render
from advntk.reports.summary import schema, summarise, to_json
from advntk.reports.terminal import remarks, verdict_table


def record_of(folder, trial, deciders):
    return carry_out(theory(trial, {"mine.claim": deciders}, random=True).plan(), folder)


def summary_of(record):
    summary = summarise(record)
    jsonschema.validate(json.loads(to_json(summary)), json.loads(schema()))
    return summary


def certified(bits=106, low=0.0122345, high=0.0122346):
    def trial(scenario, keys):
        return enclosed("eigenvalue", [(low, high, bits)] * len(keys))

    return trial


ABOVE = [EnclosureDecider("eigenvalue", 0, "above")]


def test_a_certified_claim_says_so_wherever_it_is_shown(tmp_path):
    record = record_of(tmp_path / "e", certified(), ABOVE)
    summary = summary_of(record)
    (claim,) = summary["claims"]
    assert claim["verdict"] == "HOLDS" and claim["certified"] == claim["scenarios"] == 1
    estimate = claim["estimate"]
    assert (estimate["certified"], estimate["bits"]) == (True, 106)
    assert estimate["enclosure"] == "[0.0122, 0.0123]" and estimate["interval"] == [0.0122345, 0.0122346]
    shown = "eigenvalue in [0.0122, 0.0123], certified with 106 bits"
    console = Console(width=200)
    with console.capture() as said:
        console.print(verdict_table(summary, 200))
    page = render(record)
    for face in (said.get(), page, to_junit(record)):
        assert shown in face
    assert "certified with 106 bits" in to_markdown(record)
    assert "Certified in 1 of 1 scenario: computed in ball arithmetic" in page
    ElementTree.fromstring(page.split("\n", 1)[1])
    assert "1 of 1" in page and "<figure" in page


@pytest.mark.parametrize(
    ("trial", "verdict", "reason"),
    [
        (certified(0), "HOLDS", "not certified, all 4 trials"),
        (certified(848, -1e-9, 1e-9), "INCONCLUSIVE", "4 of 4 enclosures reach across"),
        (certified(106, -2.0, -1.0), "REFUTED", "certified, 4 of 4 trials violate it"),
    ],
)
def test_what_is_not_certified_says_so_too(tmp_path, trial, verdict, reason):
    record = record_of(tmp_path / "e", trial, ABOVE)
    (claim,) = summary_of(record)["claims"]
    assert claim["verdict"] == verdict and claim["reason"].startswith(reason)
    assert claim["certified"] == (verdict == "REFUTED")
    sentence = "computed in ball arithmetic" in render(record)
    assert sentence is (verdict == "REFUTED")


def measured(value, bound):
    def trial(scenario, keys):
        return {"value": np.full(len(keys), value), "bound": np.full(len(keys), bound)}

    return trial


@pytest.mark.parametrize(
    ("value", "bound", "loose"),
    [(1.0, 2.0, False), (1.0, 999.0, False), (1.0, 1001.0, True), (0.0, 1.0, True), (0, 0, False)],
)
def test_a_bound_that_nothing_comes_near_is_a_finding(tmp_path, value, bound, loose):
    record = record_of(tmp_path / "e", measured(value, bound), [BoundDecider("value", "bound", "at most")])
    found = [row for row in record.findings if row.kind is FindingKind.LOOSE_BOUND]
    assert [row.claim for row in found] == ["mine.claim"] * loose
    summary = summary_of(record)
    (claim,) = summary["claims"]
    assert claim["verdict"] == "HOLDS"
    assert claim["tightness"] == ({"value": value / bound} if bound else {})
    assert any("looser than a factor 1000" in line for line in remarks(summary)) is loose
    assert ("Loose bound" in render(record)) is loose
    assert ("loose bound" in to_markdown(record)) is loose


def test_a_bound_loosened_by_a_condition_number_becomes_visible(tmp_path):
    decider = BoundDecider("value", "bound", "at most")
    honest = record_of(tmp_path / "honest", measured(1e-13, 4e-12), [decider])
    loosened = record_of(tmp_path / "loosened", measured(1e-13, 4e-12 * 1e5), [decider])
    assert [row.kind for row in honest.findings] == []
    assert [row.kind for row in loosened.findings] == [FindingKind.LOOSE_BOUND]


def test_what_lies_above_a_bound_is_never_loose(tmp_path):
    record = record_of(tmp_path / "e", measured(1e9, 1.0), [BoundDecider("value", "bound", "above")])
    assert record.findings == []
