"""Verdicts as Markdown, for the step summary of a CI job."""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from advntk.checks.evidence import RunRecord
from advntk.reports.formatting import replay_decision, replay_finding
from advntk.reports.summary import GENERATOR, settling, summarise, tally
from advntk.reports.template_environment import template_environment
from advntk.reports.truncation import truncated

# GitHub refuses step summaries above 1024 KiB; other steps of the job may have something to say as well.
LIMIT_BYTES = 900_000

_LONGEST_TEXT = 1000
# What GitHub's Markdown gives a meaning, inside a line that starts with words of our own.
_SPECIAL = re.compile(r"[\\`*_\[\]<>&|~$#]|:(?=//)|(?<=www)\.")


def to_markdown(record: RunRecord, limit: int = LIMIT_BYTES) -> str:
    """A run of sanitized text as Markdown of at most `limit` bytes; what is left out is counted in words.

    Raises:
      ValueError: `limit` is too small even for the heading.
    """
    summary = summarise(record)
    run = summary["run"]
    claims = sorted(summary["claims"], key=lambda claim: claim["as_expected"])
    bad = [
        {**claim, "command": _command(record, claim["id"])} for claim in claims if not claim["as_expected"]
    ]
    findings = [
        {"claim": row.claim, "kind": row.kind, "label": row.label, "command": replay_finding(row, record)}
        for claim in claims
        for row in record.findings
        if row.claim == claim["id"]
    ]
    template = markdown_environment().get_template("summary.md.j2")

    def render(count: int) -> str:
        # The verdicts go first, then why some are unexpected, then what was found beside them.
        rows, rest = claims[:count], max(0, count - len(claims))
        return template.render(
            generator=Markup(GENERATOR),
            run=run,
            missing=summary["missing"]["words"],
            tally=tally(claims, "came out as expected"),
            claims=claims,
            rows=rows,
            bad=bad,
            reasons=bad[:rest],
            findings=findings,
            found=findings[: max(0, rest - len(bad))],
            limit=limit,
        )

    return truncated(render, len(claims) + len(bad) + len(findings), limit)


def markdown_environment() -> Environment:
    """Templates in which every value is escaped for Markdown, unless it is marked as safe."""
    return template_environment(inline, {"command": _fenced})


def inline(value: Any) -> str:
    """One line of Markdown that shows the text as it is; cut where it is very long."""
    text = " ".join(str(value).split())
    if len(text) > _LONGEST_TEXT:
        text = text[: _LONGEST_TEXT - 1] + "…"
    return _SPECIAL.sub(r"\\\g<0>", text)


def _fenced(text: str) -> Markup:
    """A block of code; its fence is longer than any in the text.  Half a command would be a wrong one."""
    if len(text) > _LONGEST_TEXT:
        return Markup("(the command is too long to be shown here)")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return Markup(f"{fence}sh\n{text}\n{fence}")


def _command(record: RunRecord, claim: str) -> str | None:
    """What measures again the scenario that settles a claim."""
    row = settling(record, claim)
    return None if row is None else replay_decision(row, record)
