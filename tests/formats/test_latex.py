"""What a row of the LaTeX table says of a verdict."""

from __future__ import annotations

import pytest
from format_readers import read_latex
from made_up_evidence import said

from advntk.reports.formats import rendered


@pytest.mark.parametrize(
    ("verdict", "expected", "cell"),
    [
        ("HOLDS", "HOLDS", "HOLDS"),
        ("REFUTED", "REFUTED", "REFUTED (as expected)"),
        ("REFUTED", "HOLDS", "REFUTED (expected HOLDS)"),
        ("INCONCLUSIVE", "as measured", "INCONCLUSIVE (as measured)"),
    ],
)
def test_a_control_that_is_refuted_is_told_from_a_failure(record, verdict, expected, cell):
    rows = read_latex(rendered(record({"made_up.claim": [said(verdict)]}, expected=expected), "tex"))
    (row,) = [row.split(" & ") for row in rows if "claim" in row]
    assert row[1] == cell and row[2] == r"exponent \(0.5\) {[}\(0.4\), \(0.6\){]}" and row[3] == r"\(0.5\)"
