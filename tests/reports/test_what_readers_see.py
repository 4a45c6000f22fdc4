"""What a reader takes from a report: counts that agree, colours that are seen, figures or a note."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
from made_up_runs import decision

from advntk.reports import figure_selection
from advntk.reports.comparison import comparison_content
from advntk.reports.comparison_html import comparison_page
from advntk.reports.comparison_text import comparison_markdown, comparison_tables
from advntk.reports.figures import blocks, margin, overfitting, phase, sweep
from advntk.reports.figures.style import figure_style, panels, to_svg
from advntk.reports.junit import to_junit
from advntk.reports.latex import to_latex
from advntk.reports.markdown import to_markdown
from advntk.reports.page import render
from advntk.reports.sanitization import replace_illegal
from advntk.reports.summary import count_expected, summarise, tally


def test_what_decides_nothing_is_counted_apart_everywhere(evidence):
    record = evidence({"made_up.claim": [decision("INCONCLUSIVE")]}, expected="as measured")
    claims = summarise(record)["claims"]
    assert count_expected(claims) == 0 and tally(claims) == "0 of 1 claims as expected, 1 undecided"
    words = "0 of 1 claims came out as expected, 1 undecided"
    assert words in render(record) and words in to_markdown(record) and words in to_latex(record)
    junit = to_junit(record)
    assert re.search(r'<testsuite name="made_up"[^>]* skipped="1"', junit) or "<skipped " in junit
    assert "<failure" not in junit
    # What was expected to hold and is not decided is a failure, as before.
    assert "<failure" in to_junit(evidence({"made_up.claim": [decision("INCONCLUSIVE")]}, expected="HOLDS"))


def test_the_page_of_a_comparison_counts_as_the_terminal_does(evidence):
    before = evidence({"made_up.claim": [decision("HOLDS")]})
    now = evidence({"made_up.other": [decision("HOLDS")]})
    content = comparison_content(("a", before), ("b", now))
    counted = str(comparison_tables(content)[-1])
    assert counted.startswith("verdicts changed: 0; claims in one run only: 2;")
    page = comparison_page(content)
    assert "<h1>Verdicts changed: 0; claims in one run only: 2; estimates moved: 0 of 0</h1>" in page
    assert "Claims in one run only</h2>" in page
    markdown = comparison_markdown(content)
    assert "### Verdicts changed: 0; claims in one run only: 2; estimates moved: 0 of 0" in markdown


def test_legends_are_true_in_both_themes_and_grey_is_seen_in_both():
    """Stronger is darker on white, and lighter on black."""
    for module in (blocks, margin, phase):
        source = Path(module.__file__).read_text()
        assert "darker" not in source and "lighter" not in source
    for module in (overfitting, sweep):
        source = Path(module.__file__).read_text()
        assert "(grey" in source and "color=ASIDE, alpha=0.3" in source


def test_a_figure_that_fails_costs_that_figure(evidence, monkeypatch):
    def fails(*_):
        raise RuntimeError("no backend")

    monkeypatch.setitem(figure_selection._OF_DECIDER, "rate", fails)
    record = evidence({"made_up.claim": [decision("HOLDS")]})
    notes: list[str] = []
    assert figure_selection._drawn_or_noted(fails, "rate", notes) is None
    assert notes == ["The figure 'rate' could not be drawn (RuntimeError: no backend)."]
    assert "made_up.claim" in render(record)


def drawn():
    with figure_style():
        (axis,) = panels(1)
        axis.plot([1, 2], [3, 4])
        axis.set_xlabel("width")
        return to_svg([axis])


def test_a_users_style_is_for_the_users_figures():
    plain = drawn()
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.grid": True, "font.size": 30}):
        assert drawn() == plain
        assert matplotlib.rcParams["lines.linewidth"] == 9


@pytest.mark.parametrize("backend", ["module://nowhere", "banana"])
def test_a_users_backend_is_not_asked_for(tmp_path, backend):
    (tmp_path / "matplotlibrc").write_text("backend: nothing-of-the-sort\nlines.linewidth: 9\n")
    program = "import os, advntk.reports.interval_figures; print(os.environ['MPLBACKEND'])"
    environment = {**os.environ, "MPLBACKEND": backend, "MATPLOTLIBRC": str(tmp_path / "none")}
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert (found.returncode, found.stdout.strip()) == (0, backend), found.stderr


@pytest.mark.parametrize("mark", ["\x1b", "\x9b", "\u202e", "\u2066", "\u200f", "\ud800"])
def test_no_report_holds_what_turns_text_around(mark):
    assert replace_illegal(f"a{mark}b") == "a\ufffdb"


@pytest.mark.parametrize(("trials", "words"), [(1, "1 trial of 1 kind"), (2, "2 trials of 1 kind")])
def test_one_of_a_kind_is_no_plural(evidence, trials, words):
    record = evidence({"made_up.claim": [decision("HOLDS")]})
    key = next(iter(record.trials))
    record.trials[key] = record.trials[key][:1] * trials
    for other in list(record.trials)[1:]:
        del record.trials[other]
    assert words in render(record)
