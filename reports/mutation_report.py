"""What came of mutants and falsehoods, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from advntk.checks.mutation.outcomes import CAUGHT, Fate, MutantResult, by_function, kills_by_claim, tally
from advntk.printable import excerpt
from advntk.reports.mutation_score import GENERATOR, MutationScore

# What stands in a table in full; the others are counted.
_SHOWN = (Fate.SURVIVED, Fate.NOT_RUN, Fate.EQUIVALENT, Fate.ERROR, Fate.TIMED_OUT)
_TITLES = {
    Fate.SURVIVED: "Survived: claims run them, and say what they say without",
    Fate.NOT_RUN: "Not run by any claim: gaps of the theory",
    Fate.EQUIVALENT: "Equivalent: no falsehoods, each for its reason",
    Fate.ERROR: "Noticed because measuring broke",
    Fate.TIMED_OUT: "Noticed because measuring never ended",
    Fate.KILLED: "Refuted",
}


def as_json(score: MutationScore, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The object that `advntk report --mutation-score` reads."""
    return {
        "generator": GENERATOR,
        **facts,
        "code": score.code,
        "score": score.words(),
        "left_out": dict(score.left_out),
        "unseen": list(score.unseen),
        "outside": dict(score.outside),
        "falsehoods": list(score.falsehoods),
        "mutants": [asdict(result) for result in score.mutants],
    }


def as_markdown(score: MutationScore, facts: Mapping[str, Any]) -> str:
    """The whole report."""
    lines = [f"<!-- {GENERATOR} -->", f"# {score.words()}", ""]
    lines += [
        f"`{facts['command']}`, source {score.code}, {facts['machine']}, {facts['seconds'] / 60:.0f} min.",
        "",
    ]
    if score.falsehoods:
        lines += [
            "## Falsehoods planted by hand",
            "",
            "| what is wrong | claim | verdict |",
            "| --- | --- | --- |",
        ]
        lines += [_row(f["statement"], f"`{f['claim']}`", f["verdict"]) for f in score.falsehoods] + [""]
    if score.mutants:
        lines += [*_by_claim(score.mutants), *_by_function(score.mutants), *_by_operator(score.mutants)]
        for fate in (*_SHOWN, Fate.KILLED):
            lines += _table(fate, [one for one in score.mutants if one.fate is fate])
    if score.left_out:
        lines += ["## Claims that could notice nothing", "", "| claim | why |", "| --- | --- |"]
        lines += [_row(f"`{claim}`", why) for claim, why in score.left_out.items()] + [""]
    if score.outside:
        lines += ["## Functions that no claim is about, not made wrong", ""]
        for why in dict.fromkeys(score.outside.values()):
            names = [f"`{name}`" for name, reason in score.outside.items() if reason == why]
            lines += [f"{why}: {', '.join(names)}", ""]
    if score.unseen:
        lines += ["## Functions that no claim runs", "", *(f"- `{name}`" for name in score.unseen), ""]
    return "\n".join(lines)


def remarks(score: MutationScore) -> Iterator[str]:
    """What is to be done something about: what was missed, line by line."""
    for falsehood in score.falsehoods:
        if falsehood["verdict"] != "REFUTED":
            yield f"{falsehood['verdict']}: {falsehood['statement']} ({falsehood['claim']})"
    for fate in (Fate.SURVIVED, Fate.NOT_RUN):
        for one in score.mutants:
            if one.fate is fate:
                yield f"{fate}: {one.id}: {excerpt(one.description, 200)}"
    if score.unseen:
        yield f"{len(score.unseen)} functions are run by no claim"


def _by_claim(results: Sequence[MutantResult]) -> list[str]:
    kills = kills_by_claim(results)
    lines = [
        "## By claim",
        "",
        "The first that noticed, cheapest checks first.",
        "",
        "| claim | noticed |",
        "| --- | ---: |",
    ]
    return [*lines, *(_row(f"`{claim}`", number) for claim, number in kills.most_common()), ""]


def _by_function(results: Sequence[MutantResult]) -> list[str]:
    lines = ["## By function", "", "| function | noticed | of | survived | not run | equivalent |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for function, found in by_function(results).items():
        rest = (found.of[fate] for fate in (Fate.SURVIVED, Fate.NOT_RUN, Fate.EQUIVALENT))
        lines.append(_row(f"`{function}`", found.caught, found.falsehoods, *rest))
    return [*lines, ""]


def _by_operator(results: Sequence[MutantResult]) -> list[str]:
    lines = ["## By operator", "", "| operator | noticed | of |", "| --- | ---: | ---: |"]
    for name in sorted({one.operator for one in results}):
        found = tally(one for one in results if one.operator == name)
        lines.append(_row(name, found.caught, found.falsehoods))
    return [*lines, ""]


def _table(fate: Fate, results: Sequence[MutantResult]) -> list[str]:
    if not results:
        return []
    lines = [
        f"## {_TITLES[fate]}",
        "",
        "| mutant | what is wrong | claim | reason |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        _row(f"`{one.id}`", one.description, f"`{one.claim}`" if one.claim else "", excerpt(one.reason, 200))
        for one in results
    ]
    return [*lines, ""]


def _row(*cells: object) -> str:
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", r"\|") for cell in cells) + " |"


__all__ = ["CAUGHT", "as_json", "as_markdown", "remarks"]
