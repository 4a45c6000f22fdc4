"""The page of a run: one HTML file, nothing fetched, made from the evidence alone."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import Counter
from functools import lru_cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from advntk.checks.evidence import RunRecord
from advntk.checks.scenario import from_dict
from advntk.reports.figure_selection import FigureSelector
from advntk.reports.figures.mutation_score import mutation_score_figure
from advntk.reports.figures.style import Drawing, figure_style, with_ids_of
from advntk.reports.formatting import replay
from advntk.reports.mathematics import to_html
from advntk.reports.mutation_score import MutationScore
from advntk.reports.sanitization import replace_illegal
from advntk.reports.summary import summarise
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
            for theorem in record.request["theorems"].values()
        ]
        mutation_figure = numbered(mutation_score_figure(mutations.falsehoods)) if mutations else None
    run = summary["run"]
    # The only script that the page's policy lets run is the one whose digest it names.
    script = f"//<![CDATA[\n{_script()}//]]>"
    text = environment.get_template("page.html.j2").render(
        summary=summary,
        run=run,
        sections=sections,
        expected=sum(claim["as_expected"] for claim in summary["claims"]),
        counts=Counter(claim["verdict"] for claim in summary["claims"]),
        data=sorted({name for section in sections for claim in section["claims"] for name in claim["data"]}),
        mutations=mutations,
        mutation_figure=mutation_figure,
        trials=_trials(record),
        confidences=_confidences(summary),
        again=_again(record),
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
    record: RunRecord, theorem: dict, summary: dict, selector: FigureSelector, numbered: _Numbered
) -> dict[str, Any]:
    mine = [claim for claim in summary["claims"] if claim["theorem"] == theorem["id"]]
    ids = {claim["id"] for claim in mine}
    figures = selector.of_theorem([d for d in record.decisions if d["claim"] in ids])
    return {
        "theorem": theorem,
        "figures": [numbered(figure) for figure in figures],
        "claims": [_claim(record, claim, summary["run"], selector, numbered) for claim in mine],
        "expected": sum(claim["as_expected"] for claim in mine),
    }


def _claim(
    record: RunRecord, claim: dict, run: dict, selector: FigureSelector, numbered: _Numbered
) -> dict[str, Any]:
    decisions = [d for d in record.decisions if d["claim"] == claim["id"]]
    figures, elsewhere = selector.of_claim(claim["id"], decisions)
    families = dict.fromkeys((d["trial"], d["family"]) for d in decisions)
    outcomes = Counter(row.outcome for f in families for row in record.trials.get(f, ()))
    return {
        **record.request["claims"][claim["id"]],
        **claim,
        "data": sorted({str(d["scenario"].get("data", "")) for d in decisions}),
        "scenes": [_scene(claim["id"], found, run) for found in _by_scenario(decisions)],
        "figures": [numbered(figure) for figure in figures],
        "elsewhere": elsewhere,
        "broken": {what: count for what, count in outcomes.items() if what.startswith("error")},
        "findings": [
            {**f, "replay": replay(claim["id"], f["scenario"], run, False) if "scenario" in f else None}
            for f in claim["findings"]
        ],
    }


def _by_scenario(decisions: list[dict]) -> list[list[dict]]:
    found: dict[tuple, list[dict]] = {}
    for decision in decisions:
        found.setdefault((decision["trial"], decision["family"]), []).append(decision)
    return list(found.values())


def _scene(claim: str, decisions: list[dict], run: dict) -> dict[str, Any]:
    """What was decided in one scenario, and the command that measures it again."""
    first = decisions[0]
    sweep = any(d["decider"] != "bound" for d in decisions)
    return {
        "label": _label(first["scenario"]),
        "data": str(first["scenario"].get("data", "")),
        "decisions": decisions,
        "replay": replay(claim, first["scenario"], run, sweep),
    }


def _label(scenario: dict) -> str:
    # Evidence of older versions lacks fields, which then have their defaults.
    return from_dict(scenario).label()


def _trials(record: RunRecord) -> list[dict[str, Any]]:
    """What was drawn for each trial: scenarios, widths, seeds, how many rows and how many of them broke."""
    found: dict[str, dict[str, Any]] = {}
    for (trial, _), rows in record.trials.items():
        mine = found.setdefault(trial, {"trial": trial, "scenarios": 0, "widths": set(), "seeds": set()})
        mine["scenarios"] += 1
        mine["rows"] = mine.get("rows", 0) + len(rows)
        mine["broken"] = mine.get("broken", 0) + sum(row.outcome.startswith("error") for row in rows)
        mine["widths"] |= {row.width for row in rows}
        mine["seeds"] |= {row.seed for row in rows}
    return [
        {**mine, "widths": sorted(mine["widths"]), "seeds": len(mine["seeds"])}
        for _, mine in sorted(found.items())
    ]


def _confidences(summary: dict[str, Any]) -> str:
    """'99.93 %', or '99.93 to 99.95 %' where claims differ; empty without any interval."""
    levels = {c["estimate"]["confidence"] for c in summary["claims"] if c["estimate"]} - {None}
    found = sorted({f"{100 * level:.2f}" for level in levels if level == level})
    return f"{' to '.join(dict.fromkeys((found[0], found[-1])))} %" if found else ""


def _again(record: RunRecord) -> str:
    """The command that does the whole run again."""
    request = record.request
    # Evidence from before names were kept, and of test items, lists its claims.
    names = record.environment.get("names", request["claims"])
    parts = ["advntk", "check", *names, "--profile", request["profile"]]
    parts += ["--data", str(request["data"]), "--seed", str(request["seed"])]
    pins = dict(request["pins"])
    implementation = pins.pop("implementation", None)
    if pins:
        parts += ["--axis", ",".join(f"{k}={v}" for k, v in pins.items())]
    if implementation is not None:
        parts += ["--implementation", str(implementation)]
    if request["widths"]:
        parts += ["--widths", ",".join(map(str, request["widths"]))]
    for theory in record.environment.get("theories", ()):
        parts += ["--theory", theory]
    return shlex.join(str(part) for part in parts)
