"""The table of how verdicts look: complete, readable in both themes, and of use without colours."""

from __future__ import annotations

import re

import pytest

from advntk.reports.figures.style import PALETTE, with_ids_of
from advntk.reports.template_environment import template_environment
from advntk.reports.verdict_style import STYLES
from advntk.theorems.vocabulary import Verdict


def test_every_verdict_has_a_look_that_needs_no_colours():
    assert list(STYLES) == list(Verdict)
    for name in ("mark", "marker", "shape", "terminal"):
        assert len({getattr(style, name) for style in STYLES.values()}) == len(Verdict)
    assert {style.palette for style in STYLES.values()} <= set(PALETTE)


def luminance(colour):
    """Relative luminance of WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("verdict", STYLES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_verdict_can_be_read_on_its_ground_and_on_the_page(theme, verdict):
    """WCAG's contrast for text, level AA."""
    text, ground = getattr(STYLES[verdict].colour, theme)
    sheet = template_environment().get_template("page.css" if theme == "light" else "dark.css").render()
    paper = re.search(r"--paper: (#\w+)", sheet).group(1)
    assert contrast(text, ground) >= 4.5 and contrast(text, paper) >= 4.5


@pytest.mark.parametrize("name", ["page.css", "base.html.j2"])
def test_pages_take_the_colours_from_the_table(name):
    given = {"title": "", "content": {"generator": "somebody"}} if name.startswith("base") else {}
    sheet = template_environment().get_template(name).render(given)
    for verdict, style in STYLES.items():
        assert f".{verdict} {{ --tone: var(--{style.colour.variable});" in sheet
        for ink, ground in (style.colour.light, style.colour.dark):
            assert f"--{style.colour.variable}: {ink}; --tint-{style.colour.variable}: {ground};" in sheet


def test_two_drawings_on_a_page_keep_their_ids_apart_and_their_labels_as_they_are():
    drawing = (
        '<svg id="top"><defs><clipPath id="p1"/><path id="m"/></defs><g clip-path="url(#p1)">'
        '<use xlink:href="#m"/></g><text>see id="p1" at href="#m", url(#p1)</text></svg>'
    )
    assert with_ids_of("f1", drawing) == (
        '<svg><defs><clipPath id="f1-p1"/><path id="f1-m"/></defs><g clip-path="url(#f1-p1)">'
        '<use xlink:href="#f1-m"/></g><text>see id="p1" at href="#m", url(#p1)</text></svg>'
    )
