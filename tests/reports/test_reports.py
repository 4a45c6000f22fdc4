"""What is shown: summary, page and formatting, from made-up evidence that is as awkward as can be."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import HOSTILE, HTML, articles, decision, well_formed

from advntk.checks.evidence import (
    DecisionRow,
    FindingKind,
    FindingRow,
    Outcome,
)
from advntk.implementations.outputs import write_text
from advntk.reports.formatting import (
    estimate,
    expectation,
    number,
)
from advntk.reports.mathematics import to_html
from advntk.reports.page import render
from advntk.reports.summary import summarise, to_json
from advntk.reports.terminal import verdict_table
from advntk.theorems.catalogue import load
from advntk.theorems.notation import plain


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        (["HOLDS", "HOLDS"], "HOLDS"),
        (["HOLDS", "OUT_OF_SCOPE"], "HOLDS"),
        (["OUT_OF_SCOPE"], "OUT_OF_SCOPE"),
        (["HOLDS", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["INCONCLUSIVE", "REFUTED", "HOLDS"], "REFUTED"),
        (["REFUTED", "ERROR"], "REFUTED"),
        (["HOLDS", "ERROR"], "ERROR"),
        ([], "INCONCLUSIVE"),
    ],
    ids=str,
)
def test_a_claim_is_as_good_as_its_worst_scenario_and_nothing_measured_is_no_pass(
    evidence, verdicts, together
):
    summary = summarise(evidence({"made_up.claim": [decision(v) for v in verdicts]}))
    assert summary["claims"][0]["verdict"] == together


@pytest.mark.parametrize(
    ("expected", "verdict", "agrees", "words"),
    [
        ("HOLDS", "HOLDS", True, "as expected"),
        ("HOLDS", "REFUTED", False, "unexpected"),
        ("HOLDS", "ERROR", False, "unexpected"),
        ("REFUTED", "REFUTED", True, "as expected"),
        ("REFUTED", "HOLDS", False, "unexpected"),
        *(
            ("as measured", verdict, True, "as measured")
            for verdict in ("HOLDS", "REFUTED", "INCONCLUSIVE", "OUT_OF_SCOPE")
        ),
        ("as measured", "ERROR", False, None),
    ],
)
def test_as_expected(evidence, expected, verdict, agrees, words):
    record = evidence({"made_up.claim": [decision(verdict)]}, expected=expected)
    (claim,) = summarise(record)["claims"]
    assert (claim["verdict"], claim["expected"], claim["as_expected"]) == (verdict, expected, agrees)
    assert words is None or expectation(claim) == words
    undecided = verdict in ("INCONCLUSIVE", "OUT_OF_SCOPE") and agrees
    counted = f"{int(agrees and not undecided)} of 1 claims came out as expected"
    assert counted + (", 1 undecided" if undecided else "<") in render(record)
    # The table on the terminal names what was expected where it did not come.
    shown = verdict_table({**summarise(record)}).columns[1]._cells[0].plain
    assert (f"(expected {expected})" in shown) is not agrees


@pytest.mark.parametrize("width", [80, 160])
def test_no_id_and_no_verdict_is_broken_on_a_terminal(evidence, width):
    from rich.console import Console

    (claim,) = summarise(evidence({"made_up.claim": [decision("HOLDS")]}))["claims"]
    claim = {**claim, "id": "xi_fading.robust_overfitting_clean_labels", "expected": "as measured"}
    summary = {**summarise(evidence({"made_up.claim": [decision("HOLDS")]})), "claims": [claim]}
    console = Console(width=width, record=True)
    console.print(verdict_table(summary, width))
    text = console.export_text()
    assert claim["id"] in text and "HOLDS (as measured)" in text and "exponent 0.5 [0.4, 0.6]" in text
    assert ("scenarios" in text) is (width == 160)


def test_the_estimate_shown_is_that_of_the_scenario_nearest_to_failing(evidence):
    decisions = [decision("HOLDS", severity=s, estimate=e) for s, e in ((0.1, 0.9), (0.7, 0.3), (0.2, 0.8))]
    (claim,) = summarise(evidence({"made_up.claim": decisions}))["claims"]
    assert claim["estimate"]["value"] == 0.3


@pytest.mark.parametrize("side", ["at most", "above"])
def test_the_ratio_of_an_exact_claim_comes_with_what_is_asked_of_it(evidence, side):
    exact = decision("HOLDS", quantity="value / bound", confidence=None, detail={"side": side})
    (claim,) = summarise(evidence({"made_up.claim": [exact]}))["claims"]
    assert estimate(claim["estimate"]) == f"value / bound 0.5 ({side} 1)"


@pytest.mark.parametrize(
    ("quantity", "detail", "words"),
    [
        ("exponent", {"threshold": 0.35}, "exponent 0.5 [0.4, 0.6] (above 0.35)"),
        ("median", {"threshold": 0.02, "side": "below"}, "median the_fall 0.5 [0.4, 0.6] (below 0.02)"),
        (
            "ratio to prediction",
            {"margin": 2**0.5},
            "ratio to prediction 0.5 [0.4, 0.6] (within a factor 1.41)",
        ),
        ("exponent", {}, "exponent 0.5 [0.4, 0.6]"),  # of evidence that did not keep it
    ],
)
def test_a_statistical_estimate_comes_with_what_is_claimed_of_it(evidence, quantity, detail, words):
    one = decision("HOLDS", quantity=quantity, statistic="the_fall", detail=detail)
    (claim,) = summarise(evidence({"made_up.claim": [one]}))["claims"]
    assert estimate(claim["estimate"]) == words.replace("_", " ")


def test_what_was_not_decided_is_not_as_expected_whatever_was(evidence):
    record = evidence({"made_up.claim": []}, expected="as measured")
    (claim,) = summarise(record)["claims"]
    assert (claim["decided"], claim["as_expected"], expectation(claim)) == (False, False, "not decided")
    page = render(record)
    assert "0 of 1 claims came out as expected" in page and "INCONCLUSIVE off" not in page


def test_intervals_come_with_their_confidence(evidence):
    decisions = [decision("HOLDS", confidence=0.9993, severity=s) for s in (0.1, 0.2)]
    assert "Intervals are at 99.93 % confidence" in render(evidence({"made_up.claim": decisions}))
    exact = decision("HOLDS", quantity="value / bound", confidence=None, detail={"side": "above"})
    assert "Intervals are at" not in render(evidence({"made_up.claim": [exact]}))


def test_a_range_of_estimates_is_that_of_the_estimates():
    from advntk.reports.figures.estimates import estimates_figure

    found = [
        decision(
            "HOLDS", quantity="ratio to prediction", estimate=e, low=e / 2, high=2 * e, detail={"margin": 1.4}
        )
        for e in (0.9, 1.1)
    ]
    drawing = estimates_figure([DecisionRow("c", "t", str(d.estimate), {}, "", "level", d) for d in found])
    assert "2 of 2 scenarios hold, estimates from 0.9 to 1.1." in drawing.words
    assert [key.text for key in drawing.legend] == ["HOLDS, with its interval", "predicted", "what decides"]


def test_summary_json_is_strict_and_keeps_what_is_not_finite_as_null(evidence):
    record = evidence({"made_up.claim": [decision("INCONCLUSIVE", low=-math.inf, high=math.inf)]})

    def refuse(token):
        raise AssertionError(f"not strict JSON: {token}")

    found = json.loads(to_json(summarise(record)), parse_constant=refuse)
    assert found["claims"][0]["estimate"]["interval"] == [None, None]
    assert json.loads(to_json({"interval": (0.5, math.nan)})) == {"interval": [0.5, None]}


def test_the_page_is_well_formed_escapes_everything_and_fetches_nothing(evidence):
    text = render(evidence({"made_up.claim": [decision("HOLDS")]}, statement=f"$x < y$ {HOSTILE}"))
    root = well_formed(text)
    assert "&lt;script&gt;" in text and len(list(root.iter(f"{HTML}script"))) == 1
    for name in ("src", "href", "{http://www.w3.org/1999/xlink}href"):
        found = [element.get(name) or "#" for element in root.iter()]
        assert all(value == "data:," or value.startswith(("#", "data:image/png")) for value in found)
    assert not re.search(r"url\((?!#)|@import", text)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    labels = [figure.get("aria-labelledby") for figure in root.iter(f"{HTML}figure")]
    assert len(labels) >= 1 and set(labels) <= set(ids)
    links = {a.get("href")[1:] for a in root.iter(f"{HTML}a")}
    assert links <= set(ids)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
def test_a_page_of_numbers_that_cannot_be_drawn_says_so_without_a_figure(evidence, bad):
    record = evidence({"made_up.claim": [decision("INCONCLUSIVE", estimate=math.nan)]}, (bad, 0.3, 0.2, 0.1))
    text = render(record)
    (article,) = articles(text)
    assert "INCONCLUSIVE" in article and "<svg" not in article
    well_formed(text)


def test_an_unfinished_run_says_so(evidence):
    text = render(evidence({"made_up.claim": [decision("HOLDS")]}, finish=False))
    assert "has not finished" in text
    well_formed(text)


def test_an_unexpected_verdict_stands_out_in_words(evidence):
    text = render(evidence({"made_up.claim": [decision("REFUTED")]}))
    assert "0 of 1 claims came out as expected" in text and "(unexpected)" in text


def test_the_figure_says_slope_seeds_and_prediction(evidence):
    record = evidence({"made_up.claim": [decision("HOLDS")]})
    (article,) = articles(render(record))
    svg = article.split("<svg")[1].split("</svg>")[0]
    for words in (
        "exponent 0.5 [0.4, 0.6], predicted 0.5",
        "a label, 4 seeds",
        "width n = d (neurons, inputs)",
        ">64<",
    ):
        assert words in svg
    for words in ("every seed", "predicted slope", "gap: exponent 0.5 [0.4, 0.6]"):
        assert words in article
    # The same evidence gives the same page, to the byte.
    assert render(record) == render(record)


def test_every_statement_becomes_mathml_and_plain_text():
    for theorem, claim in load().claims():
        for statement in (theorem.statement, claim.statement, *(s.statement for s in theorem.derivation)):
            if "$" in statement:
                assert "<math" in to_html(statement) and "<code>" not in to_html(statement)
            assert "$" not in plain(statement) and "\\" not in plain(statement)


def test_a_formula_that_cannot_be_converted_is_shown_as_it_is():
    found = to_html(r"before $\frac{$ after <b>")
    assert "after &lt;b&gt;" in found and "before" in found


def test_numbers_are_written_short_and_never_as_nan():
    assert [number(v) for v in (0.123456, -2.0, math.inf, -math.inf, math.nan, None)] == [
        "0.123",
        "−2",
        "∞",
        "−∞",
        "–",
        "–",
    ]
    assert estimate(None) == "–"


def test_what_broke_comes_with_its_traceback_and_what_stopped_is_counted(evidence):
    def change(row):
        if row.seed == 0:
            message, trace = f"ValueError: {HOSTILE}", f"Traceback of {HOSTILE}"
            return replace(row, outcome=Outcome.ERROR, message=message, trace=trace)
        if row.seed == 1:
            return replace(row, outcome=Outcome.MAX_STEPS_REACHED, message="as many steps as it may")
        # Older evidence may say nothing but how it ended.
        return replace(row, outcome=Outcome.NOT_FINITE) if row.seed == 2 else row

    page = render(evidence({"made_up.claim": [decision("ERROR")]}, change=change))
    root = well_formed(page)
    said = {
        name.text: "".join(text.itertext())
        for facts in root.iter(f"{HTML}dl")
        for name, text in zip(facts.findall(f"{HTML}dt"), facts.findall(f"{HTML}dd"), strict=True)
    }
    assert said["Broken trials"].startswith(f"4 × ValueError: {HOSTILE}")
    assert said["Stopped trials"] == "4 × as many steps as it may; 4 × not finite"
    (trace,) = root.iter(f"{HTML}pre")
    assert trace.text == f"Traceback of {HOSTILE}"
    assert summarise_broken(page) == 4


def summarise_broken(page):
    """How many trials the page says are missing."""
    return int(re.search(r"(\d+) trials broke", page).group(1))


def test_a_summary_has_sweeps_pins_and_whole_findings(evidence):
    record = evidence({"made_up.claim": [decision("REFUTED")]})
    finding = FindingRow("made_up.claim", FindingKind.SEARCH_FAILED, "no time left")
    request = replace(record.request, pins={"depth": 2}, sweeps={"alpha": [0.5, 1]})
    summary = summarise(replace(record, request=request, findings=[finding]))
    assert summary["schema_version"] == 2
    assert (summary["run"]["axes"], summary["run"]["sweeps"]) == ({"depth": 2}, {"alpha": [0.5, 1]})
    assert summary["run"]["versions"] == {"jax": HOSTILE} and summary["run"]["dtype"] == "float64"
    (claim,) = summary["claims"]
    assert claim["findings"] == [
        {
            "claim": "made_up.claim",
            "kind": "search failed",
            "label": "no time left",
            "unmet": [],
            "scenario": None,
            "trial": "",
        }
    ]
    covered = claim["coverage"]["t"]
    assert (covered["sweep"], covered["points"]) == ("width", [8, 16, 32, 64])
    assert covered["never"] == {"depth": ["2"]}


def test_mathematics_in_a_note_is_set_as_mathematics(evidence):
    record = evidence({"made_up.claim": [decision("HOLDS")]})
    stated = replace(record.request.claims["made_up.claim"], note=r"As far as $2\rho$.")
    page = render(replace(record, request=replace(record.request, claims={stated.id: stated})))
    assert "<math" in page and r"$2\rho$" not in page


def test_ticks_say_what_lies_beyond_the_ends_of_the_axis():
    from advntk.reports.figures.bound import _ratio_label

    assert [_ratio_label(x, 0) for x in (1e-6, 1e-5, 0.01, 1, 1e12)] == [
        "≤1e−6",
        "1e−5",
        "0.01",
        "1",
        "≥1e12",
    ]


def test_files_are_replaced_as_a_whole(tmp_path):
    path = tmp_path / "summary.json"
    write_text(path, "first")
    write_text(path, "second")
    assert path.read_text() == "second" and [p.name for p in tmp_path.iterdir()] == ["summary.json"]


def test_degenerate_cases_are_listed_with_their_replay(measure):
    summary = measure(["ark_positive_definiteness.limit_kernel"], {"depth": 1})
    (claim,) = summary["claims"]
    cases = {f["scenario"]["activation"]: f["scenario"]["arrangement"] for f in claim["findings"]}
    # Parity: phi' even; phi'(u) + phi'(-u) = 1; phi' of degree 0.
    assert cases == {
        "erf": "antipodal",
        "tanh": "antipodal",
        "sigmoid": "antipodal",
        "gelu": "two_antipodal",
        "softplus": "two_antipodal",
        "relu": "parallel",
        "leaky_relu": "parallel",
    }
    text = render(measure.record)
    assert text.count("Degenerate case:") == 7 and "arrangement=antipodal" in text
    well_formed(text)
    assert np.isfinite([c["trials"] for c in summary["claims"]]).all()
