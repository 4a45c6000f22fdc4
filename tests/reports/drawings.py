"""Reading a drawing: its panels, its text, and the words and legend beside it."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from advntk.checks.evidence import Outcome, TrialRow
from advntk.reports.figures.style import figure_style

SVG = "{http://www.w3.org/2000/svg}"


def drawn(figure, *given):
    """The panels under one parsed root, all text in them and in the legend, and the words.

    Whatever a reader sees must be well-formed, and no number of it NaN or infinite.
    """
    with figure_style():
        found = figure(*given)
    root = ElementTree.fromstring(f"<panels>{found.svg}</panels>")
    assert len(root) and all(panel.tag == f"{SVG}svg" for panel in root)
    assert not list(root.iter(f"{SVG}script"))
    texts = ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]
    texts += [key.text for key in found.legend]
    for said in (*texts, found.words):
        assert not any(bad in said.lower().split() for bad in ("nan", "none", "inf", "−inf")), said
    return root, texts, found.words


def lines(root, colour):
    """Curves and dashed lines of that colour."""
    paths = [path.get("style", "") for path in root.iter(f"{SVG}path")]
    return sum("stroke:" in style and colour.lower() in style.split("stroke:")[1] for style in paths)


def row(kind, kept, seed=0, point=None, numbers=None):
    """One measured trial that kept this for a kind of figure, as evidence gives it back."""
    plain = {name: np.asarray(value).tolist() for name, value in kept.items()}
    axis = None if point is None else "width"
    figures = {kind: plain} if kind else {}
    return TrialRow("trial", "s", {}, axis, point, seed, Outcome.MEASURED, numbers or {}, figures)
