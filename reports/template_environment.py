"""The one way in which templates are made: what escapes their values, and the filters that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from advntk.reports.formatting import (
    counted,
    estimate,
    expectation,
    interval,
    measured,
    noun,
    number,
    verdict_note,
)
from advntk.reports.verdict_style import STYLES, css_classes, css_variables

# Braces and hashes have a meaning in LaTeX, so that its templates are marked up as LaTeX commands.
LATEX_SYNTAX = {
    "block_start_string": r"\BLOCK{",
    "block_end_string": "}",
    "variable_start_string": r"\VAR{",
    "variable_end_string": "}",
    "comment_start_string": r"\#{",
    "comment_end_string": "}",
}


def template_environment(
    escape: Callable[[Any], str] | None = None,
    filters: dict[str, Callable] | None = None,
    syntax: dict[str, Any] | None = None,
) -> Environment:
    """Templates of `reports/templates/` in which every value is escaped, unless it is marked as safe.

    Args:
      escape: how the format shows a value as text; None escapes for HTML.
      filters: those that only this format has, or has another version of.
      syntax: the marks of blocks, variables and comments, where Jinja's own do not suit.

    Returns:
      An environment that refuses names that it was not given.
    """

    def finalize(value: Any) -> Any:
        return value if escape is None or isinstance(value, Markup) else escape(value)

    environment = Environment(
        loader=PackageLoader("advntk.reports"),
        autoescape=escape is None,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        finalize=finalize,
        **(syntax or {}),
    )
    environment.filters.update(
        number=number,
        counted=counted,
        noun=noun,
        measured=measured,
        estimate=estimate,
        expectation=expectation,
        verdict_note=verdict_note,
        triple=lambda found: interval(*found),
    )
    environment.filters.update(filters or {})
    environment.globals.update(
        verdict_styles=STYLES,
        light_verdicts=Markup(css_variables(dark=False)),
        dark_verdicts=Markup(css_variables(dark=True)),
        verdict_classes=Markup(css_classes()),
    )
    return environment
