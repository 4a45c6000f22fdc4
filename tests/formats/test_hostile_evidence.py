"""Whatever the evidence holds, every format stays well-formed and shows text as text."""

from __future__ import annotations

import math
import shutil
import subprocess
from itertools import product

import pytest
from format_readers import read_csv, read_html, read_json, read_junit, read_latex, read_markdown, read_summary
from made_up_evidence import HOSTILE, HOSTILE_NAME, said
from pyarrow import parquet

from advntk.checks.evidence import Outcome
from advntk.reports.comparison import comparison_content
from advntk.reports.comparison_html import comparison_page
from advntk.reports.comparison_text import comparison_markdown, comparison_tables
from advntk.reports.formats import FORMATS, rendered, write_reports
from advntk.reports.history import history_content
from advntk.reports.history_html import history_page
from advntk.reports.sanitization import sanitized, sanitized_record
from advntk.reports.summary import to_json

nan, inf = math.nan, math.inf
CLAIM = f"made_up.{HOSTILE_NAME}"
HOSTILE_SAID = said("REFUTED", reason=HOSTILE, quantity=HOSTILE, statistic=HOSTILE)
FINDING = (CLAIM, HOSTILE)
# What a user's trial may keep for figures: curves whose names are anything, and what nobody can draw.
CURVES = {"x": [1.0, 2.0], HOSTILE_NAME: [0.5, 0.25]}

CASES = {
    "plain": {},
    "hostile text": {"decisions": {CLAIM: [HOSTILE_SAID]}, "text": HOSTILE, "findings": [FINDING]},
    "huge text": {"decisions": {"made_up.c": [said("REFUTED", reason="`|<" * 10**5)]}, "text": "<|`" * 1000},
    "nan": {"decisions": {"made_up.c": [said("INCONCLUSIVE", nan, nan, nan)]}},
    "infinities": {"decisions": {"made_up.c": [said("REFUTED", inf, -inf, inf), said(estimate=-inf)]}},
    "a claim without a decision": {"decisions": {"made_up.c": [], "made_up.d": [said()]}},
    "no claims, no trials": {"decisions": {}, "values": ()},
    "no trials": {"decisions": {"made_up.c": []}, "values": ()},
    "interrupted": {"decisions": {"made_up.c": [said()], "made_up.d": []}, "finished": False},
    "interrupted at once": {"decisions": {"made_up.c": []}, "values": (), "finished": False},
    "broken trials": {
        "decisions": {"made_up.c": [said("ERROR", nan, nan, nan, quantity="", confidence=None)]},
        "outcome": Outcome.ERROR,
        "message": HOSTILE_NAME,
        "trace": HOSTILE_NAME,
    },
    "stopped trials": {"outcome": Outcome.NOT_FINITE, "message": HOSTILE_NAME},
    "figures of any kind": {
        "figures": {"curves": CURVES, HOSTILE_NAME: CURVES, "odd": {HOSTILE_NAME: [[1]]}}
    },
    "out of scope": {"decisions": {"made_up.c": [said("OUT_OF_SCOPE")]}},
    "as measured": {"decisions": {"made_up.c": [said("INCONCLUSIVE")]}, "expected": "as measured"},
    "no circumstances": {"environment": False, "trials": None},
}
TEXTS = {
    "html": read_html,
    "json": read_summary,
    "md": read_markdown,
    "junit": read_junit,
    "tex": read_latex,
}


@pytest.mark.parametrize(("name", "case"), list(product(TEXTS, CASES)))
def test_texts_are_well_formed(record, name, case):
    found = record(**CASES[case])
    text = rendered(found, name)
    text.encode()
    TEXTS[name](text)


@pytest.mark.parametrize("case", CASES)
def test_tables_are_well_formed(record, tmp_path, case):
    found = record(**CASES[case])
    files = {name: tmp_path / FORMATS[name].file_name for name in ("csv", "parquet")}
    write_reports(found, files.items())
    rows = sum(map(len, found.trials.values()))
    assert len(read_csv(files["csv"].read_bytes().decode())) == rows
    assert parquet.read_table(files["parquet"]).num_rows == rows


@pytest.mark.parametrize("case", CASES)
def test_comparisons_and_histories_are_well_formed(record, case):
    name = sanitized(HOSTILE)
    plain = (name, sanitized_record(record(folder="plain")))
    other = (name, sanitized_record(record(folder="other", **CASES[case])))
    for pair in ((plain, other), (other, plain), (other, other)):
        content = comparison_content(*pair)
        read_html(comparison_page(content))
        read_markdown(comparison_markdown(content))
        read_json(to_json(content))
        assert comparison_tables(content)
    content = history_content([plain, other, other])
    page = read_html(history_page(content))
    assert len(page.labels) == len(content["claims"]) and all(page.labels)
    read_json(to_json(content))


def test_text_is_shown_as_it_is(record):
    found = record({CLAIM: [HOSTILE_SAID]}, text=HOSTILE, findings=[FINDING])
    one_line = " ".join(sanitized(CLAIM).split())
    (header, row) = read_markdown(rendered(found, "md"))
    assert header[0] == "claim" and row[0] == one_line
    (case,) = read_junit(rendered(found, "junit")).findall(".//testcase[@classname='made_up']")
    assert case.get("name") == sanitized(CLAIM)
    assert sanitized(HOSTILE).replace("\r\n", "\n") in case.find("failure").get("message").replace(
        "\r\n", "\n"
    )
    summary = read_summary(rendered(found, "json"))
    assert summary["claims"][0]["id"] == sanitized(CLAIM)
    texts = "".join(read_html(rendered(found, "html")).texts)
    assert sanitized(CLAIM) in texts and "<script>alert('x')</script>" in texts


def test_a_spreadsheet_runs_nothing(record, tmp_path):
    found = record(text=HOSTILE)
    write_reports(found, [("csv", tmp_path / "t.csv")])
    (row, *_) = read_csv((tmp_path / "t.csv").read_bytes().decode())
    assert row["scenario.data"] == f"'{sanitized(HOSTILE)}" and row["value.gap"] == "0.4"


def test_tex_compiles(record, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here; the structure is tested above")
    found = record(
        {CLAIM: [HOSTILE_SAID], "made_up.[x]": [said(estimate=-inf)], "made_up.*": [said(estimate=1e-9)]},
        text=HOSTILE,
        finished=False,
    )
    (tmp_path / "verdicts.tex").write_text(rendered(found, "tex"))
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage{array,booktabs,longtable}\begin{document}\input{verdicts}\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, errors="replace"
    )
    assert done.returncode == 0, done.stdout[-2000:]
