"""The answers of `advntk claims` and `advntk explain`: text or JSON from the catalogue alone."""

from __future__ import annotations

import json
import textwrap

from advntk.theorems.catalogue import load
from advntk.theorems.notation import plain
from advntk.theorems.vocabulary import Claim, Source, Theorem


def list_claims(theories: tuple[str, ...], as_json: bool) -> str:
    """Every claim, grouped by theorem."""
    catalogue = load(theories)
    if as_json:
        return json.dumps(
            [_as_dict(theorem, claim) for theorem, claim in catalogue.claims()], ensure_ascii=False, indent=2
        )
    width = max(len(claim.id) for _, claim in catalogue.claims())
    blocks = []
    for theorem in catalogue.theorems:
        rows = [f"  {c.id:<{width}}  {c.kind:<6} expected {c.expectation}" for c in theorem.claims]
        blocks.append("\n".join([theorem.title, *rows]))
    return "\n\n".join(blocks) + "\n\n`advntk explain CLAIM` states one of them."


def explain_claim(name: str, theories: tuple[str, ...], as_json: bool) -> str:
    """The statement of one claim, or of a theorem with all of its claims."""
    selected = load(theories).select([name])
    if as_json:
        found = [_as_dict(theorem, claim) for theorem, claim in selected]
        return json.dumps(found if len(found) > 1 else found[0], ensure_ascii=False, indent=2)
    theorem = selected[0][0]
    parts = [] if name != theorem.id else [theorem.title, _wrap(theorem.statement), _source(theorem.source)]
    parts += [_claim_text(claim) for _, claim in selected]
    if name == theorem.id and theorem.derivation:
        steps = "\n".join(_wrap(f"- {step.statement}") for step in theorem.derivation)
        parts.append("Derivation steps that the tests verify with sympy:\n" + steps)
    return "\n\n".join(parts)


def _claim_text(claim: Claim) -> str:
    lines = [claim.id, _wrap(claim.statement)]
    if claim.assumptions:
        lines.append("  Assumes:")
        lines += [_wrap(f"- {a.statement}", "    ") for a in claim.assumptions]
    if claim.rate:
        lines.append(f"  Predicted rate: {claim.rate.parameter}^-{claim.rate.exponent:g}")
    lines.append(f"  Decided as: {claim.kind}; expected: {claim.expectation}")
    if claim.note:
        lines.append(_wrap(claim.note))
    return "\n".join([*lines, _source(claim.source)])


def _wrap(text: str, indent: str = "  ") -> str:
    return textwrap.fill(plain(text), 100, initial_indent=indent, subsequent_indent=indent)


def _source(source: Source) -> str:
    text = f"Source: {source.reference}; {source.where}"
    return textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="  ")


def _as_dict(theorem: Theorem, claim: Claim) -> dict:
    return {
        "id": claim.id,
        "theorem": theorem.id,
        "title": theorem.title,
        "kind": str(claim.kind),
        "expected": claim.expectation,
        "statement": claim.statement,
        "assumptions": [a.statement for a in claim.assumptions],
        "predicted_exponent": claim.rate.exponent if claim.rate else None,
        "note": claim.note,
        "source": f"{claim.source.reference}; {claim.source.where}",
    }
