"""Verdicts as a LaTeX table, for the appendix of a paper."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

from markupsafe import Markup
from pylatexenc.latexencode import UnicodeToLatexEncoder

from advntk.checks.evidence.rows import RunRecord, StatedClaim
from advntk.reports.formatting import quantity
from advntk.reports.summary import GENERATOR, summarise, tally
from advntk.reports.template_environment import LATEX_SYNTAX, template_environment

# Two characters that TeX's fonts would join into another one, and brackets or stars that would become an
# argument of the line end before them.
_LIGATURE = re.compile(r"(?<=-)(?=-)|(?<=[?!`])(?=`)|(?<=')(?=')|(?<=,)(?=,)")
_ARGUMENT = re.compile(r"[\[\]*]")


def to_latex(record: RunRecord) -> str:
    """A run of sanitized text as a `longtable`: a row per claim, grouped by theorem.

    Needs the packages array, booktabs and longtable.
    """
    summary = summarise(record)
    stated = record.request.claims
    theorems = [
        {
            "title": theorem.title,
            "claims": [_row(c, stated) for c in summary["claims"] if c["theorem"] == name],
        }
        for name, theorem in record.request.theorems.items()
    ]
    environment = template_environment(
        text, {"interval": _estimate, "power": _number, "breakable": _breakable}, LATEX_SYNTAX
    )
    return environment.get_template("verdicts.tex.j2").render(
        generator=Markup(GENERATOR),
        run=summary["run"],
        theorems=theorems,
        missing=summary["missing"]["words"],
        tally=tally(summary["claims"], "came out as expected"),
        claims=len(summary["claims"]),
    )


def text(value: Any) -> str:
    """The text as LaTeX shows it, on one line; characters that fonts may lack become their code points."""
    encoded = _encoder().unicode_to_latex(" ".join(str(value).split()))
    return _ARGUMENT.sub(r"{\g<0>}", _LIGATURE.sub("{}", encoded))


def _breakable(name: str) -> Markup:
    """A name that may be broken after its underscores."""
    return Markup(text(name).replace(r"\_", r"\_\allowbreak{}"))


@lru_cache
def _encoder() -> UnicodeToLatexEncoder:
    return UnicodeToLatexEncoder(
        unknown_char_policy="unihex",
        unknown_char_warning=False,
        replacement_latex_protection="braces-after-macro",
    )


def _row(claim: dict, stated: dict[str, StatedClaim]) -> dict[str, Any]:
    rate = stated[claim["id"]].rate
    return {
        **claim,
        # The theorem is named above its claims.
        "name": claim["id"].removeprefix(claim["theorem"] + "."),
        "predicted": None if rate is None else rate.exponent,
    }


def _estimate(found: dict | None) -> Markup:
    if found is None:
        return Markup("--")
    value = f"{text(quantity(found))} {_number(found['value'])}"
    if found["confidence"] is not None:
        low, high = (_number(end) for end in found["interval"])
        value = rf"{value} {{[}}{low}, {high}{{]}}"
    return Markup(f"{value} ({text(found['required'])})" if found.get("required") else value)


def _number(value: float | None) -> Markup:
    """Three significant digits as mathematics; a dash for what is not known."""
    if value is None or math.isnan(value):
        return Markup("--")
    if math.isinf(value):
        return Markup(r"\(\infty\)" if value > 0 else r"\(-\infty\)")
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    return Markup(rf"\({mantissa}\times10^{{{int(exponent)}}}\)" if exponent else rf"\({mantissa}\)")
