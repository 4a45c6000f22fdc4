"""The page of a run: one HTML file, nothing fetched, made from the evidence alone."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections import Counter
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from advntk.checks.evidence import RunRecord
from advntk.checks.scenario import from_dict
from advntk.reports.catches import planted_falsehoods
from advntk.reports.choosing import Chooser
from advntk.reports.figures.caught import caught_figure
from advntk.reports.figures.style import Drawing, figure_style
from advntk.reports.mathematics import to_html
from advntk.reports.summary import summarise
from advntk.reports.wording import counted, expectation, measured, noun, number, replay

VERDICTS = ("HOLDS", "REFUTED", "INCONCLUSIVE", "OUT_OF_SCOPE", "ERROR")
# A shape beside the colour, for those who cannot tell colours apart and for paper.
MARKS = {"HOLDS": "✓", "REFUTED": "✗", "INCONCLUSIVE": "?", "OUT_OF_SCOPE": "–", "ERROR": "!"}

# Names inside a drawing, of clip paths and tick marks; a page may hold the same drawing twice.
_NAMES = re.compile(r'(\bid="|url\(#|href="#)')
# What neither XML nor HTML may contain, and no file in UTF-8 can.
_ILLEGAL = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010fffd]")


def render(record: RunRecord) -> str:
    """The whole page as one string: HTML that is well-formed XML as well."""
    summary = summarise(record)
    environment = _environment()
    falsehoods = planted_falsehoods()
    with figure_style():
        numbered = _Numbered()
        chooser = Chooser(record)
        sections = [
            _section(record, theorem, summary, chooser, numbered)
            for theorem in record.request["theorems"].values()
        ]
        catches = numbered(caught_figure(falsehoods["falsehoods"])) if falsehoods else None
    run = summary["run"]
    # The only script that the page's policy lets run is the one whose digest it names.
    script = f"//<![CDATA[\n{_text('page.js')}//]]>"
    text = environment.get_template("page.html.j2").render(
        summary=summary,
        run=run,
        sections=sections,
        expected=sum(claim["as_expected"] for claim in summary["claims"]),
        counts=Counter(claim["verdict"] for claim in summary["claims"]),
        data=sorted({name for section in sections for claim in section["claims"] for name in claim["data"]}),
        catches=falsehoods,
        catch_figure=catches,
        trials=_trials(record),
        confidences=_confidences(summary),
        again=_again(record),
        verdicts=VERDICTS,
        marks=MARKS,
        style=Markup(_style()),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("advntk.reports"),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        math=_mathematics,
        number=number,
        counted=counted,
        noun=noun,
        measured=measured,
        expectation=expectation,
    )
    return environment


def _text(name: str) -> str:
    return (files("advntk.reports") / "templates" / name).read_text(encoding="utf-8")


def _style() -> str:
    """The style sheet; the dark theme is for those who choose it and for those whose system does."""
    return _text("page.css").replace("DARK", _text("dark.css").strip())


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
        svg = _NAMES.sub(rf"\1{name}-", drawing.svg).replace("<svg ", '<svg aria-hidden="true" ')
        return {
            "id": name,
            "number": self.count,
            "svg": Markup(svg),
            "words": drawing.words,
            "legend": drawing.legend,
        }


def _section(
    record: RunRecord, theorem: dict, summary: dict, chooser: Chooser, numbered: _Numbered
) -> dict[str, Any]:
    mine = [claim for claim in summary["claims"] if claim["theorem"] == theorem["id"]]
    ids = {claim["id"] for claim in mine}
    figures = chooser.of_theorem([d for d in record.decisions if d["claim"] in ids])
    return {
        "theorem": theorem,
        "figures": [numbered(figure) for figure in figures],
        "claims": [_claim(record, claim, summary["run"], chooser, numbered) for claim in mine],
        "expected": sum(claim["as_expected"] for claim in mine),
    }


def _claim(
    record: RunRecord, claim: dict, run: dict, chooser: Chooser, numbered: _Numbered
) -> dict[str, Any]:
    decisions = [d for d in record.decisions if d["claim"] == claim["id"]]
    figures, elsewhere = chooser.of_claim(claim["id"], decisions)
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
    ladder = any(d["decider"] != "bound" for d in decisions)
    return {
        "label": _label(first["scenario"]),
        "data": str(first["scenario"].get("data", "")),
        "decisions": decisions,
        "replay": replay(claim, first["scenario"], run, ladder),
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
    pins = dict(request["pins"])
    # An axis that is held says where inputs come from; to say so twice may be to contradict oneself.
    parts += [] if "data" in pins else ["--data", str(request["data"])]
    parts += ["--seed", str(request["seed"])]
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
