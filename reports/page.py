"""The page of a run: one HTML file, nothing fetched, made from the evidence alone."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from functools import lru_cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from advntk.checks.evidence.rows import DecisionRow, Outcome, RunRecord, StatedTheorem, TrialRow
from advntk.reports.failures import failures
from advntk.reports.figure_selection import FigureSelector
from advntk.reports.figures.mutation_score import mutation_score_figure
from advntk.reports.figures.style import Drawing, figure_style, with_ids_of
from advntk.reports.formatting import replay_decision, replay_finding, run_again, words
from advntk.reports.mathematics import to_html
from advntk.reports.mutation_score import MutationScore
from advntk.reports.sanitization import replace_illegal
from advntk.reports.summary import GENERATOR, summarise, tally
from advntk.reports.template_environment import template_environment


def render(record: RunRecord, mutations: MutationScore | None = None) -> str:
    """The whole page as one string: HTML that is well-formed XML as well; with a mutation score if given."""
    summary = summarise(record)
    environment = template_environment(filters={"math": _mathematics})
    with figure_style():
        numbered = _Numbered()
        selector = FigureSelector(record)
        sections = [
            _section(record, theorem, summary, selector, numbered)
            for theorem in record.request.theorems.values()
        ]
        mutation_figure = (
            numbered(mutation_score_figure(mutations.falsehoods))
            if mutations and mutations.falsehoods
            else None
        )
    run = summary["run"]
    # The only script that the page's policy lets run is the one whose digest it names.
    script = f"//<![CDATA[\n{_script()}//]]>"
    text = environment.get_template("page.html.j2").render(
        generator=GENERATOR,
        summary=summary,
        run=run,
        sections=sections,
        tally=tally(summary["claims"], "came out as expected"),
        all_expected=all(claim["as_expected"] for claim in summary["claims"]),
        counts=Counter(claim["verdict"] for claim in summary["claims"]),
        data=sorted({name for section in sections for claim in section["claims"] for name in claim["data"]}),
        mutations=mutations,
        mutation_figure=mutation_figure,
        trials=_trials(record),
        confidences=_confidences(summary),
        again=run_again(record),
        # With it the dark theme, for those who choose it and for those whose system does.
        style=Markup(environment.get_template("page.css").render()),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return replace_illegal(text)


def _script() -> str:
    return (files("advntk.reports") / "templates" / "page.js").read_text(encoding="utf-8")


@lru_cache(maxsize=1024)
def _mathematics(text: str) -> Markup:
    return Markup(to_html(text))


class _Numbered:
    """Numbers the figures of a page, and keeps the names inside each apart."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, drawing: Drawing) -> dict[str, Any]:
        self.count += 1
        name = f"figure-{self.count}"
        # The caption stands for all panels together.
        svg = with_ids_of(name, drawing.svg).replace("<svg ", '<svg aria-hidden="true" ')
        return {
            "id": name,
            "number": self.count,
            "svg": Markup(svg),
            "words": drawing.words,
            "legend": drawing.legend,
        }


def _section(
    record: RunRecord, theorem: StatedTheorem, summary: dict, selector: FigureSelector, numbered: _Numbered
) -> dict[str, Any]:
    mine = [claim for claim in summary["claims"] if claim["theorem"] == theorem.id]
    ids = {claim["id"] for claim in mine}
    figures = selector.of_theorem([row for row in record.decisions if row.claim in ids])
    return {
        "theorem": theorem,
        "figures": [numbered(figure) for figure in figures],
        "claims": [_claim(record, claim, selector, numbered) for claim in mine],
        "tally": tally(mine),
    }


def _claim(record: RunRecord, claim: dict, selector: FigureSelector, numbered: _Numbered) -> dict[str, Any]:
    decisions = [row for row in record.decisions if row.claim == claim["id"]]
    selected = selector.of_claim(claim["id"], decisions)
    keys = dict.fromkeys((row.trial, row.scenario_id) for row in decisions)
    rows = [row for key in keys for row in record.trials.get(key, ())]
    stated = record.request.claims[claim["id"]]
    return {
        **claim,
        "statement": stated.statement,
        "note": stated.note,
        "assumptions": stated.assumptions,
        "data": sorted({name for row in decisions if (name := _data(row))}),
        "scenes": [_scene(found, record) for found in _by_scenario(decisions)],
        "figures": [numbered(figure) for figure in selected.figures],
        "elsewhere": selected.elsewhere,
        "notes": selected.notes,
        "broken": failures(rows, decisions),
        "stopped": _stopped(rows),
        "findings": [
            {"kind": row.kind, "label": row.label, "unmet": row.unmet, "replay": replay_finding(row, record)}
            for row in record.findings
            if row.claim == claim["id"]
        ],
    }


def _data(row: DecisionRow) -> str:
    """Where a scenario's inputs come from, in the word of `--data`; empty where its theory has none."""
    return str(row.scenario.get("data", ""))


def _stopped(rows: list[TrialRow]) -> list[dict[str, Any]]:
    """How integrators ended that gave up, and how often."""
    ended = (row for row in rows if not row.broke and row.outcome is not Outcome.MEASURED)
    counts = Counter((row.message or words(row.outcome)).rstrip(".") for row in ended)
    return [{"what": what, "count": n} for what, n in counts.most_common()]


def _by_scenario(decisions: list[DecisionRow]) -> list[list[DecisionRow]]:
    found: dict[tuple, list[DecisionRow]] = {}
    for row in decisions:
        found.setdefault((row.trial, row.scenario_id), []).append(row)
    return list(found.values())


def _scene(rows: list[DecisionRow], record: RunRecord) -> dict[str, Any]:
    """What was decided in one scenario, and the command that measures it again."""
    return {
        "label": rows[0].label,
        "data": _data(rows[0]),
        "decisions": [row.decision for row in rows],
        "replay": replay_decision(rows[0], record),
    }


def _trials(record: RunRecord) -> list[dict[str, Any]]:
    """What was drawn for each trial: scenarios, points, seeds, how many rows and how many of them broke."""
    found: dict[str, list[list[TrialRow]]] = {}
    for (trial, _), rows in sorted(record.trials.items()):
        found.setdefault(trial, []).append(rows)
    return [_drawn(trial, scenarios) for trial, scenarios in found.items()]


def _drawn(trial: str, scenarios: list[list[TrialRow]]) -> dict[str, Any]:
    rows = [row for scenario in scenarios for row in scenario]
    axis = next((row.axis for row in rows if row.axis is not None), "")
    points = sorted({row.point for row in rows if row.point is not None})
    return {
        "trial": trial,
        "scenarios": len(scenarios),
        "rows": len(rows),
        "broken": sum(row.broke for row in rows),
        "axis": words(axis),
        "points": [f"{point:g}" for point in points],
        "seeds": len({row.seed for row in rows}),
    }


def _confidences(summary: dict[str, Any]) -> str:
    """'99.93 %', or '99.93 to 99.95 %' where claims differ; empty without any interval."""
    levels = {c["estimate"]["confidence"] for c in summary["claims"] if c["estimate"]} - {None}
    found = sorted({f"{100 * level:.2f}" for level in levels if level == level})
    return f"{' to '.join(dict.fromkeys((found[0], found[-1])))} %" if found else ""
