"""Statements with LaTeX between dollar signs, as HTML with MathML: readable without scripts."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

_MATH = re.compile(r"\$([^$]+)\$")


def to_html(statement: str) -> str:
    """Text escaped, mathematics as MathML; a formula that cannot be converted is shown as LaTeX."""
    parts, end = [], 0
    for match in _MATH.finditer(statement):
        parts.append(html.escape(statement[end : match.start()]))
        parts.append(_formula(match.group(1)))
        end = match.end()
    parts.append(html.escape(statement[end:]))
    return "".join(parts)


def _formula(latex: str) -> str:
    try:
        return convert(latex)
    except Exception:  # the converter raises its own kinds for syntax it does not know
        return f"<code>{html.escape(latex)}</code>"
