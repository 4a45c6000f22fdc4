"""Whether a theorem is stated in the words of the vocabulary; looked at when it is loaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from advntk.exceptions import UsageError
from advntk.theorems.vocabulary import Assumption, Claim, Rate, Source, Step, Theorem


class BadStatement(UsageError):
    """A theorem that the vocabulary has no words for; the message names object, field and fix."""


# Class |-> field |-> whether a value will do, and what would.
_Field = tuple[Callable[[Any], bool], str]


def _is(kind: type | tuple[type, ...], words: str) -> _Field:
    return (lambda value: isinstance(value, kind)), words


_TEXT = _is(str, "give a text in quotes")
_NAME = (
    lambda value: isinstance(value, str) and value.isprintable() and bool(value) and value.split() == [value],
    "give a word such as 'tiny.small'",
)
_SEVERAL = _is((tuple, list), "give a tuple")
_SOURCE = _is(Source, "give a Source")
_FIELDS: Mapping[type, Mapping[str, _Field]] = {
    Theorem: {"id": _NAME, "title": _TEXT, "statement": _TEXT, "source": _SOURCE, "claims": _SEVERAL,
              "derivation": _SEVERAL},
    Claim: {"id": _NAME, "statement": _TEXT, "source": _SOURCE, "assumptions": _SEVERAL,
            "rate": _is((Rate, type(None)), "give a Rate or None"), "note": _TEXT},
    Source: {"reference": _TEXT, "where": _TEXT, "url": _TEXT},
    Assumption: {"name": _TEXT, "statement": _TEXT, "holds": (callable, "give a function of a scenario"),
                 "axes": (lambda found: isinstance(found, tuple) and all(isinstance(n, str) for n in found),
                          "give a tuple of names of axes")},
    Rate: {"exponent": (lambda value: type(value) in (int, float) and math.isfinite(value) and value != 0,
                        "give a finite number that is not 0"),
           "parameter": _NAME},
    Step: {"statement": _TEXT, "residual": (callable, "give a function that returns expressions")},
}  # fmt: skip


def validate_statement(theorem: Theorem) -> None:
    """Refuse what reports, labels and checks could not use.

    Raises:
      BadStatement: a field of the wrong sort, in the theorem or in what it consists of.
    """
    where = f"theorem {theorem.id!r}"
    _look(theorem, where)
    _look(theorem.source, f"{where}: source")
    if not theorem.claims:
        raise BadStatement(f"{where}: claims = (); state one claim at least")
    for claim in theorem.claims:
        _one(claim, Claim, where, "claims")
        here = f"claim {claim.id!r}"
        _look(claim, here)
        _look(claim.source, f"{here}: source")
        for assumption in claim.assumptions:
            _one(assumption, Assumption, here, "assumptions")
            _look(assumption, f"{here}: assumption {assumption.name!r}")
        if claim.rate is not None:
            _look(claim.rate, f"{here}: rate")
    for step in theorem.derivation:
        _one(step, Step, where, "derivation")
        _look(step, f"{where}: a step of the derivation")


def _one(value: Any, kind: type, where: str, field: str) -> None:
    if not isinstance(value, kind):
        raise BadStatement(f"{where}: {field} has {_shown(value)}; every one must be a {kind.__name__}")


def _look(value: Any, where: str) -> None:
    kind = next(kind for kind in _FIELDS if isinstance(value, kind))
    for name, (will_do, fix) in _FIELDS[kind].items():
        found = getattr(value, name)
        if not will_do(found):
            raise BadStatement(f"{where}: {name} = {_shown(found)}; {fix}")


def _shown(value: Any) -> str:
    """A value in words; how it is shown is the user's code as well."""
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."
