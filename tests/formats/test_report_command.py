"""`advntk report` as users meet it: files, standard output, comparisons, histories, errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from format_readers import read_html, read_json, read_junit, read_markdown, read_summary
from made_up_evidence import add_run, said

from advntk.reports.history import history_content
from advntk.reports.history_html import history_page

GOOD, BAD = {"made_up.claim": [said()]}, {"made_up.claim": [said("REFUTED", 0.1)]}


@pytest.fixture
def report(tmp_path):
    """Call `advntk report` with these arguments, in a folder with evidence of one plain run."""
    add_run(tmp_path / "evidence", GOOD)

    def call(*arguments):
        command = [sys.executable, "-m", "advntk", "report", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    return call


def test_every_format_becomes_a_file(report, tmp_path):
    found = report("evidence", "--format", "html,json,md,junit,tex,csv,parquet", "--out", "out")
    assert found.returncode == 0, found.stderr
    names = {
        "index.html",
        "summary.json",
        "summary.md",
        "junit.xml",
        "verdicts.tex",
        "trials.csv",
        "trials.parquet",
    }
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    read_html((tmp_path / "out" / "index.html").read_text())
    read_summary((tmp_path / "out" / "summary.json").read_text())
    read_junit((tmp_path / "out" / "junit.xml").read_text())
    assert all(f"out/{name}" in found.stdout for name in names)


def test_without_options_page_and_summary_lie_beside_the_evidence(report, tmp_path):
    assert report("evidence").returncode == 0
    assert {path.name for path in (tmp_path / "evidence").iterdir()} >= {"index.html", "summary.json"}


def test_one_format_goes_to_standard_output_or_a_file_of_any_name(report, tmp_path):
    found = report("evidence", "--format", "md", "--out", "-")
    assert found.returncode == 0 and found.stderr == ""
    _, row = read_markdown(found.stdout)
    assert row[:2] == ["made_up.claim", "HOLDS"]
    assert report("evidence", "--format", "junit", "--out", "deep/claims.xml").returncode == 0
    read_junit((tmp_path / "deep" / "claims.xml").read_text())


def test_an_interrupted_run_says_what_is_missing(report, tmp_path):
    add_run(tmp_path / "half", {**GOOD, "made_up.late": []}, finished=False)
    found = report("half", "--format", "md,html", "--out", "out")
    assert found.returncode == 0
    assert (
        "missing: The run has not finished: it has measured 4 trials (at least 64 were planned)."
        in found.stdout
    )
    assert "missing: 1 of 2 claims were not decided: made_up.late." in found.stdout
    assert "has not finished" in (tmp_path / "out" / "summary.md").read_text()
    assert "has not finished" in (tmp_path / "out" / "index.html").read_text()


def test_a_comparison_tells_changed_verdicts_and_moved_estimates(report, tmp_path):
    add_run(tmp_path / "now", BAD, seed=1)
    found = report("--compare", "evidence", "now", "--format", "json,md,html", "--out", "out")
    assert found.returncode == 0, found.stderr
    assert "verdicts changed: 1; estimates moved beyond both intervals: 1 of 1" in found.stdout
    content = read_json((tmp_path / "out" / "comparison.json").read_text())
    (change,) = content["changes"]
    assert (change["before"]["verdict"], change["now"]["verdict"]) == ("HOLDS", "REFUTED")
    (move,) = content["moves"]
    assert (move["before"], move["now"]) == ([0.5, 0.4, 0.6], [0.1, 0.0, 0.2])
    assert {"what": "seed", "before": "0", "now": "1"} in content["differs"]
    page = read_html((tmp_path / "out" / "comparison.html").read_text())
    assert "made_up.claim" in "".join(page.texts) and page.labels


def test_two_runs_of_one_folder_are_compared_and_nothing_has_changed(report, tmp_path):
    add_run(tmp_path / "evidence", GOOD)
    found = report("--compare", "evidence")
    assert found.returncode == 0
    assert "verdicts changed: 0; estimates moved beyond both intervals: 0 of 1" in found.stdout


def test_estimates_within_one_anothers_intervals_have_not_moved(report, tmp_path):
    add_run(tmp_path / "now", {"made_up.claim": [said("HOLDS", 0.55)]})
    assert "0 of 1" in report("--compare", "evidence", "now").stdout


def test_a_history_has_every_run_in_the_order_of_their_start(report, tmp_path):
    add_run(tmp_path / "evidence", BAD)
    add_run(tmp_path / "evidence", {**GOOD, "made_up.newer": [said()]})
    found = report("--history", "evidence", "--format", "json,html", "--out", "out")
    assert found.returncode == 0, found.stderr
    content = read_json((tmp_path / "out" / "history.json").read_text())
    points = {claim["claim"]: claim["points"] for claim in content["claims"]}
    assert [(p["run"], p["verdict"]) for p in points["made_up.claim"]] == [
        (1, "HOLDS"),
        (2, "REFUTED"),
        (3, "HOLDS"),
    ]
    assert [p["run"] for p in points["made_up.newer"]] == [3]
    assert len(read_html((tmp_path / "out" / "history.html").read_text()).labels) == 2


def test_a_history_over_many_decades_is_labelled_in_plain_numbers(record):
    runs = [record({"made_up.claim": [said(estimate=10.0**k, low=None, high=None)]}) for k in (1, 5, 9)]
    page = history_page(history_content([("runs", run) for run in runs]))
    ticks = set(re.findall(r">(1e\d+|10+)<", page))
    assert "mathdefault" not in page and len(ticks) >= 3, ticks


def test_the_schema_is_the_published_one_and_rejects_what_is_none(report):
    import jsonschema

    schema = json.loads(report("--schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    summary = json.loads(report("evidence", "--format", "json", "--out", "-").stdout)
    jsonschema.validate(summary, schema)
    summary["claims"][0]["verdict"] = "PERHAPS"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(summary, schema)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evidence", "--format", "pdf"), "--format pdf: unknown format 'pdf'; choose from html, json, md"),
        (("nothing",), "DIR nothing: no evidence.sqlite there; run `advntk check` first"),
        (("evidence", "evidence"), "several; name one, or add --compare or --history"),
        (("evidence", "--run", "7"), "7"),
        (("evidence", "--format", "md,tex", "--out", "-"), "takes one format that is text, not md,tex"),
        (("evidence", "--format", "parquet", "--out", "-"), "takes one format that is text, not parquet"),
        (("evidence", "--format", "md,tex", "--out", "one.md"), "one file cannot hold md,tex"),
        (("evidence", "--format", "md", "--open"), "--open: shows the page; add html"),
        (("evidence", "--out", "evidence/evidence.sqlite/x"), "cannot be written"),
        (("--compare", "evidence"), "takes two runs"),
        (("--compare", "evidence", "nothing"), "DIR nothing: no evidence.sqlite there"),
        (("--compare", "--history", "evidence"), "--compare --history: choose one of them"),
        (("--history", "evidence", "--run", "1"), "--history shows all runs; leave it out"),
        (("--history", "evidence", "--format", "tex"), "unknown format 'tex'"),
    ],
)
def test_what_cannot_be_done_is_one_line_with_the_fix(report, tmp_path, arguments, words):
    before = sorted(path.name for path in tmp_path.rglob("*"))
    found = report(*arguments)
    assert found.returncode == 2 and found.stdout == "" and words in found.stderr, found.stderr
    assert len(found.stderr.strip().splitlines()) == 1 and found.stderr.startswith("error: ")
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
