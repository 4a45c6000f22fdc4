"""Texts stay below the size that they may have, and say what they leave out."""

from __future__ import annotations

import pytest
from format_readers import read_markdown
from made_up_evidence import said

from advntk.reports.comparison import comparison_content
from advntk.reports.comparison_text import comparison_markdown
from advntk.reports.markdown import to_markdown
from advntk.reports.truncation import truncated


def many(verdict, count=400):
    return {f"made_up.claim_{i}": [said(verdict)] for i in range(count)}


@pytest.mark.parametrize("limit", [3_000, 10_000, 60_000])
def test_a_summary_is_cut_at_its_limit_and_counts_what_is_left_out(record, limit):
    found = record(many("REFUTED"))
    text = to_markdown(found, limit)
    assert len(text.encode()) <= limit < len(to_markdown(found).encode())
    rows = [row for row in read_markdown(text) if row[0].startswith("made_up")]
    assert f"shown are {len(rows)} of 400 claims" in text
    # As much as fits.
    assert len(text.encode()) > 0.6 * limit


def test_what_is_unexpected_is_left_out_last(record):
    found = record({**many("HOLDS"), "made_up.zzz": [said("REFUTED")]})
    text = to_markdown(found, 6_000)
    assert "made\\_up.zzz" in text and "made\\_up.claim\\_399" not in text


def test_a_comparison_is_cut_too(record):
    before, now = record(many("HOLDS"), folder="a"), record(many("REFUTED"), folder="b")
    content = comparison_content(("a", before), ("b", now))
    text = comparison_markdown(content, 8_000)
    assert 4_000 < len(text.encode()) <= 8_000 < len(comparison_markdown(content).encode())


def test_a_limit_that_not_even_the_heading_fits_is_refused(record):
    with pytest.raises(ValueError, match="limit=10: less than the text takes without any item"):
        to_markdown(record(), 10)


@pytest.mark.parametrize("limit", range(0, 30))
def test_fitting_takes_as_many_as_fit(limit):
    text = truncated(lambda count: "é" * count, 12, limit)
    assert len(text) == min(12, limit // 2)
