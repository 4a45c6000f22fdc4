"""The page of a run: one HTML file, nothing fetched, made from the evidence alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from checks.evidence import RunRecord, TrialRow
from reports.catches import planted_falsehoods
from reports.figures.bound import bound_figure
from reports.figures.defect import defect_figure
from reports.figures.fading import fading_figure
from reports.figures.ladder import ladder_figure
from reports.figures.level import level_figure
from reports.figures.margin import margin_figure
from reports.figures.overfitting import overfitting_figure
from reports.figures.style import figure_style
from reports.mathematics import to_html
from reports.summary import summarise
from reports.wording import estimate, expectation, number, replay

# A trial that records one of these curves gets the figure for it.
_OF_CURVE = {
    "curve_margin": margin_figure,
    "curve_defect": defect_figure,
    "curve_v": fading_figure,
    "curve_robust": overfitting_figure,
}
_OF_DECIDER = {"rate": ladder_figure, "level": level_figure, "bound": bound_figure}


def render(record: RunRecord) -> str:
    """The whole page as one string of HTML."""
    environment = Environment(
        loader=PackageLoader("reports"), autoescape=select_autoescape(default=True), trim_blocks=True
    )
    environment.filters.update(
        {"math": lambda text: Markup(to_html(text)), "number": number, "estimate": estimate}
    )
    summary = summarise(record)
    with figure_style():
        sections = [
            {"theorem": theorem, "claims": [_claim(record, c, summary) for c in _of(theorem, summary)]}
            for theorem in record.request["theorems"].values()
        ]
    return environment.get_template("page.html.j2").render(
        summary=summary,
        run=summary["run"],
        sections=sections,
        expected=sum(c["as_expected"] for c in summary["claims"]),
        expectation=expectation,
        catches=planted_falsehoods(),
    )


def _of(theorem: dict, summary: dict) -> list[dict]:
    return [claim for claim in summary["claims"] if claim["theorem"] == theorem["id"]]


def _claim(record: RunRecord, claim: dict, summary: dict) -> dict[str, Any]:
    decisions = [d for d in record.decisions if d["claim"] == claim["id"]]
    return {
        **record.request["claims"][claim["id"]],
        **claim,
        "decisions": [
            {**d, "replay": replay(claim["id"], d["scenario"], summary["run"], d["decider"] != "bound")}
            for d in decisions
        ],
        "figures": _figures(record, decisions),
        "findings": [
            {**f, "replay": replay(claim["id"], f["scenario"], summary["run"], False)}
            if "scenario" in f
            else f
            for f in claim["findings"]
        ],
    }


def _figures(record: RunRecord, decisions: list[dict]) -> list[dict]:
    """SVG and words of every figure that the decisions of one claim call for."""
    figures = []
    measured = [d for d in decisions if d["verdict"] != "ERROR"]
    for decider, draw in _OF_DECIDER.items():
        chosen = [d for d in measured if d["decider"] == decider and _drawable(record, d)]
        if chosen:
            figures.append(draw(chosen, [_rows(record, d) for d in chosen]))
    for curve, figure in _OF_CURVE.items():
        curves = {(d["trial"], d["family"]): _rows_with(record, d, curve) for d in measured}
        curves = {family: rows for family, rows in curves.items() if rows}
        if curves:
            figures.append(figure(list(curves.values())))
    return [{"svg": Markup(svg), "words": words} for svg, words in figures]


def _rows_with(record: RunRecord, decision: dict, curve: str) -> list[TrialRow]:
    """Rows that hold this curve, without those whose integrator gave up."""
    rows = [row for row in _rows(record, decision) if curve in row.numbers]
    return [row for row in rows if np.isfinite(np.asarray(row.numbers[curve], dtype=float)).all()]


def _rows(record: RunRecord, decision: dict) -> list[TrialRow]:
    return record.trials.get((decision["trial"], decision["family"]), [])


def _drawable(record: RunRecord, decision: dict) -> bool:
    """Whether every row has a finite number for the decision's statistic (a log axis needs more)."""
    values = [row.numbers.get(decision["statistic"]) for row in _rows(record, decision)]
    numbers = np.array([np.nan if v is None else v for v in values], dtype=float)
    least = 0.0 if decision["decider"] == "rate" else -np.inf
    return numbers.size > 0 and bool(np.isfinite(numbers).all() and (numbers > least).all())
