"""Evidence of earlier versions, as the program of its time wrote it: every report of it, still."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path

import pytest
from format_readers import read_csv, read_html, read_junit, read_latex, read_markdown, read_summary
from pyarrow import parquet

from advntk.checks.evidence import FILE_NAME, read_run
from advntk.gating import GateOutcome, judge
from advntk.reports.comparison import compare, comparison_content
from advntk.reports.comparison_html import comparison_page
from advntk.reports.comparison_text import comparison_markdown
from advntk.reports.formats import rendered, write_reports
from advntk.reports.history import history_content
from advntk.reports.history_html import history_page
from advntk.reports.summary import summarise

KEPT = Path(__file__).parents[1] / "checks" / "old_evidence"
VERSIONS = (1, 2)
TEXTS = {"html": read_html, "json": read_summary, "md": read_markdown, "junit": read_junit, "tex": read_latex}


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """Version |-> the run of a file of that version."""
    found = {}
    for version in VERSIONS:
        folder = tmp_path_factory.mktemp(f"v{version}")
        packed = (KEPT / f"v{version}.sqlite.gz").read_bytes()
        (folder / FILE_NAME).write_bytes(gzip.decompress(packed))
        found[version] = read_run(folder)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_verdicts_and_estimates_are_those_of_its_time(older, version):
    then = json.loads((KEPT / f"v{version}.json").read_text())
    now = {claim["id"]: claim for claim in summarise(older[version])["claims"]}
    assert now.keys() == then.keys()
    for name, kept in then.items():
        found = {what: now[name][what] for what in ("verdict", "scenarios", "trials")}
        assert {**found, "estimate": now[name]["estimate"]["value"]} == kept


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", TEXTS)
def test_it_is_shown_in_every_format(older, version, name):
    text = rendered(older[version], name)
    TEXTS[name](text)
    assert "HOLDS" in text


@pytest.mark.parametrize("version", VERSIONS)
def test_its_trials_are_tables(older, version, tmp_path):
    files = {name: tmp_path / f"trials.{name}" for name in ("csv", "parquet")}
    write_reports(older[version], files.items())
    rows = sum(map(len, older[version].trials.values()))
    assert len(read_csv(files["csv"].read_text())) == parquet.read_table(files["parquet"]).num_rows == rows


@pytest.mark.parametrize("version", VERSIONS)
def test_its_figures_are_drawn_with_their_sweep(older, version):
    """A sweep over width, and curves that were recognised by the names of numbers."""
    texts = " ".join(read_html(rendered(older[version], "html")).texts)
    assert "Error against width" in texts and "both logarithmic" in texts
    assert {1: "Margin of sym(Θ A)", 2: "V(t) of 96 networks"}[version] in texts


@pytest.mark.parametrize("version", VERSIONS)
def test_its_scenarios_have_commands_that_leave_the_sweep_alone(older, version):
    page = rendered(older[version], "html")
    sweeps = [row for row in older[version].decisions if row.decider == "rate"]
    assert sweeps
    commands = [text.split("</code>")[0] for text in page.split('class="command">')[1:]]
    for row in sweeps:
        start, held = f"advntk check {row.claim} ", f"sigma_w={row.scenario['sigma_w']},"
        mine = {command for command in commands if command.startswith(start) and held in command}
        assert len(mine) == 1 and not any(",width=" in command for command in mine)


def test_it_compares_with_itself_and_with_other_versions(older):
    for before, now in ((1, 1), (1, 2), (2, 1)):
        content = comparison_content((f"v{before}", older[before]), (f"v{now}", older[now]))
        read_html(comparison_page(content))
        read_markdown(comparison_markdown(content))
        if before == now:
            assert content["changes"] == content["moves"] == [] and content["compared"] > 0
        else:
            changed = {row["claim"] for row in content["changes"]}
            assert "closed_form.search" not in changed and "diagonal_limit.xi" in changed
    assert compare(older[2], older[2]).compared > 0


def test_its_history_has_every_run(older):
    content = history_content([(f"v{version}", record) for version, record in older.items()])
    points = {claim["claim"]: [point["run"] for point in claim["points"]] for claim in content["claims"]}
    assert points["closed_form.search"] == [1, 2] and len(points["diagonal_limit.xi"]) == 1
    read_html(history_page(content))


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_judged(older, version):
    found = judge(older[version], [], set(), date(2026, 1, 1))
    outcomes = {
        "HOLDS": GateOutcome.AS_EXPECTED,
        "INCONCLUSIVE": GateOutcome.INCONCLUSIVE,
    }
    assert found and all(one.outcome is outcomes[one.verdict] for one in found)
