"""The page that shows many runs, self-contained as that of one run: a panel per claim."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from advntk.reports.interval_figures import over_runs, words_over_runs
from advntk.reports.template_environment import template_environment


def history_page(content: dict[str, Any]) -> str:
    """HTML of what `advntk.reports.history.history_content` found: a panel per claim."""
    runs = len(content["runs"])
    sections: dict[str, list[dict]] = {}
    for index, claim in enumerate(content["claims"]):
        panel = {
            **claim,
            "name": claim["claim"].removeprefix(f"{claim['theorem']}."),
            "svg": Markup(over_runs(claim, runs, f"h{index}")),
            "words": words_over_runs(claim),
        }
        sections.setdefault(claim["title"], []).append(panel)
    return (
        template_environment()
        .get_template("history.html.j2")
        .render(
            title=f"{len(content['claims'])} claims over {runs} runs",
            content=content,
            sections=list(sections.items()),
        )
    )
