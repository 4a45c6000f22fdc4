"""The page of a run: one HTML file, nothing fetched, made from the evidence alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from checks.evidence import RunRecord, TrialRow
from reports.catches import planted_falsehoods
from reports.figures.band import band_figure
from reports.figures.blocks import blocks_figure
from reports.figures.bound import bound_figure
from reports.figures.contrast import Ladders, contrast_figure
from reports.figures.defect import defect_figure
from reports.figures.fading import fading_figure
from reports.figures.images import images_figure
from reports.figures.ladder import ladder_figure
from reports.figures.learning import learning_figure
from reports.figures.level import level_figure
from reports.figures.margin import margin_figure
from reports.figures.margin_map import margin_map_figure
from reports.figures.overfitting import overfitting_figure
from reports.figures.phase import phase_figure
from reports.figures.style import figure_style
from reports.mathematics import to_html
from reports.summary import summarise
from reports.wording import estimate, expectation, number, replay

# A trial that records one of these curves gets the figure for it, beside the claims on these statistics.
_OF_CURVE: tuple[tuple[str, set[str], Callable[[list[list[TrialRow]]], tuple[str, str]]], ...] = (
    ("curve_margin", set(), margin_figure),
    ("curve_margin", set(), margin_map_figure),
    ("curve_defect", {"prediction_off"}, defect_figure),
    ("curve_v", {"excess", "trace_of_search"}, fading_figure),
    ("curve_robust", set(), overfitting_figure),
    ("curve_xi_block", {"xi_gap"}, blocks_figure),
    ("curve_output", set(), band_figure),
    ("curve_learning_robust", set(), learning_figure),
    ("curve_shown_clean", set(), images_figure),
)
_OF_DECIDER = {"rate": ladder_figure, "level": level_figure, "bound": bound_figure}
# Errors whose size depends on eta S.
_WITH_PHASES = ("searched_training",)


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
            {
                "theorem": theorem,
                "claims": [_claim(record, c, summary) for c in _of(theorem, summary)],
                "figures": _across_claims(record, {c["id"] for c in _of(theorem, summary)}),
            }
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
    for curve, statistics, figure in _OF_CURVE:
        told = [d for d in measured if not statistics or d["statistic"] in statistics]
        curves = {(d["trial"], d["family"]): _rows_with(record, d, curve) for d in told}
        curves = {family: rows for family, rows in curves.items() if rows}
        if curves:
            figures.append(figure(list(curves.values())))
    return [{"svg": Markup(svg), "words": words} for svg, words in figures]


def _across_claims(record: RunRecord, claims: set[str]) -> list[dict]:
    """Figures of statistics that are decided both in the joint limit and with the input width fixed."""
    ladders: dict[str, dict[str, Ladders]] = {}
    for decision in record.decisions:
        if (decision["claim"], decision["decider"]) not in {(claim, "rate") for claim in claims}:
            continue
        if decision["detail"].get("intercept") is not None and _drawable(record, decision):
            growth = decision["scenario"]["input_growth"]
            found = ladders.setdefault(decision["statistic"], {}).setdefault(growth, [])
            found.append((decision, _rows(record, decision)))
    figures = []
    for statistic, of in ladders.items():
        if of.keys() >= {"joint", "fixed"}:
            figures.append(contrast_figure(statistic, of["joint"], of["fixed"]))
            if statistic in _WITH_PHASES:
                figures.append(phase_figure(statistic, of["joint"], of["fixed"]))
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
