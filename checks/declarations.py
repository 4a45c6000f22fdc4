"""Whether a trial is declared in the words that the engine reads; looked at when its theory is loaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from advntk.checks.efforts import Effort, Measure
from advntk.checks.spaces import Between, Space
from advntk.checks.sweeps import Sweep
from advntk.checks.trial import Check, Premise
from advntk.exceptions import UsageError
from advntk.implementations.foreign_code import described


class BadTheory(UsageError):
    """A theory that contradicts itself; the message names the theorem, the object and the fix."""


def validate_declaration(check: Check) -> None:
    """Refuse a trial with a field of the wrong sort.

    Raises:
      BadTheory: the message names the trial, the field, its value and what would do.
    """
    where = f"trial {shown(check.name)}"
    for name, (will_do, fix) in _CHECK.items():
        _look(where, name, getattr(check, name), will_do, fix)
    for claim, deciders in check.decides.items():
        several = isinstance(deciders, list | tuple) and len(deciders) > 0
        _look(where, f"decides[{shown(claim)}]", deciders, several, "give a list of deciders")
    for choice in check.space.choices.values():
        if isinstance(choice, Between):
            step = choice.step
            fine = _finite(step) and step > 0 and choice.low <= choice.high
            _look(where, "space", choice, fine, "a Between needs low <= high and a step above 0")
    for name in ("quick", "standard", "thorough"):
        measure = getattr(check.effort, name)
        if measure is None and name != "quick":
            continue
        here = f"{where}: effort.{name}"
        _look(where, f"effort.{name}", measure, isinstance(measure, Measure), "give a Measure")
        for field, (fits, fix) in _MEASURE.items():
            _look(here, field, getattr(measure, field), fits, fix)
    for premise in check.premises:
        _look(where, "premises", premise, isinstance(premise, Premise), "every one must be a Premise")
        named = isinstance(premise.statistic, str)
        _look(where, "premise.statistic", premise.statistic, named, "name one")
        number = type(premise.most) in (int, float) and not math.isnan(premise.most)
        _look(where, "premise.most", premise.most, number, "give a number")


def shown(value: Any) -> str:
    """A value in words; how it is shown is the user's code as well."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"a {type(value).__name__} ({described(error)})"
    return text if len(text) <= 80 else f"{text[:77]}..."


_WillDo = Callable[[Any], bool]


def _look(where: str, name: str, value: Any, will_do: _WillDo | bool, fix: str) -> None:
    if not (will_do(value) if callable(will_do) else will_do):
        raise BadTheory(f"{where}: {name} = {shown(value)}; {fix}")


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _names(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(name, str) for name in value)


def _pairs(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, tuple) and len(one) == 2 for one in value)


_FUNCTION = (callable, "give a function of a scenario")
_CHECK: Mapping[str, tuple[_WillDo, str]] = {
    "name": (lambda value: isinstance(value, str) and bool(value), "give its function a name"),
    "trial": (callable, "give a function of (scenario, keys)"),
    "decides": (
        lambda value: isinstance(value, Mapping) and all(isinstance(claim, str) for claim in value),
        "give a dict from ids of claims to lists of deciders",
    ),
    "space": (lambda value: isinstance(value, Space), "give a Space"),
    "effort": (lambda value: isinstance(value, Effort), "give an Effort"),
    "sweep": (
        lambda value: (
            value is None
            or (isinstance(value, Sweep) and isinstance(value.axis, str) and _callable_or_none(value.coupled))
        ),
        "give a Sweep or None",
    ),
    "memory": _FUNCTION,
    "prepare": _FUNCTION,
    "seconds": _FUNCTION,
    "random": (lambda value: isinstance(value, bool), "give True or False"),
    "explores": (_names, "give a tuple of names of axes"),
    "premises": (lambda value: isinstance(value, tuple | list), "give a tuple of Premise"),
}
_MEASURE: Mapping[str, tuple[_WillDo, str]] = {
    "scenarios": (_count, "give a whole number from 1"),
    "seeds": (_count, "give a whole number from 1"),
    "looks": (_count, "give a whole number from 1"),
    "points": (
        lambda value: isinstance(value, tuple) and all(map(_finite, value)),
        "give a tuple of finite numbers",
    ),
    "held": (_pairs, "give a tuple of pairs (axis, value)"),
}


def _callable_or_none(value: Any) -> bool:
    return value is None or callable(value)
