"""What a theory can vary: axes, and the spaces that they span.

An axis says its name, its values or range, its default, how it is written, and what it cannot be.  A theory's
space is a set of axes; a check says along which of them it samples, and the others keep their defaults.
Labels, pins, replay commands, coverage and exports are loops over these descriptions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from advntk.checks.scenario import Scenario
from advntk.exceptions import UsageError
from advntk.implementations.foreign_code import contained, described

Value = int | float | str


class BadAxis(UsageError):
    """An axis that does not exist or cannot take a value; the message says what would do."""


@dataclass(frozen=True)
class Between:
    """A continuous choice: sampled on [low, high] in steps of `step`, so that scenarios stay readable."""

    low: float
    high: float
    step: float = 0.05

    def count(self) -> int:
        """Number of steps from low to high."""
        return int((self.high - self.low) / self.step + 1e-9)

    def value(self, index: int) -> float:
        """The value `index` steps above low."""
        return round(self.low + index * self.step, 10)


# What a check samples along one axis.  The first value of a tuple is the simplest: shrinking ends there.
Choice = tuple[Value, ...] | Between


def listed(choice: Choice) -> list[Value]:
    """All values of a choice, in order."""
    if isinstance(choice, Between):
        return [choice.value(index) for index in range(choice.count() + 1)]
    return list(choice)


@dataclass(frozen=True)
class Axis:
    """One thing that a scenario fixes.

    Args:
      name: a word that can be an attribute, as users write it: `--axis NAME=VALUE`.
      default: the value where nobody says otherwise; its type (int, float or str) is the axis'.
      values: the only values that there are; empty: all of the type, within the range.
      low: the least value of a number.
      high: the largest.
      above: whether `low` itself is left out.
      symbol: how labels and plots write it, such as "σ_w"; empty: values stand for themselves if they are
        words, else the name.
      unit: what the numbers count, such as "neurons".
      description: a sentence for help and documentation.
      group: labels put axes of one group together.
      shown: whether labels name it at its default, too.
      written: value as text |-> how labels write it, for values that have a better form.
      constraint: why a value cannot be used, in words; "" if it can.  For what a range cannot say.
      files: the files that numbers depend on at a value, beside the program; for axes that name some.

    Example: `Axis("alpha", default=8.0, low=0.0, above=True, symbol="α", description="scale of the output")`.

    Raises:
      BadAxis: a name that cannot be an attribute, a field of the wrong sort, or a default that the axis does
        not admit.
    """

    name: str
    default: Value
    values: tuple[Value, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    symbol: str = ""
    unit: str = ""
    description: str = ""
    group: str = ""
    shown: bool = False
    written: Mapping[str, str] = field(default_factory=dict, hash=False)
    constraint: Callable[[Any], str] | None = None
    files: Callable[[Any], tuple[Path, ...]] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier() or self.name.startswith("_"):
            raise BadAxis(f"axis {self.name!r}: the name must be a word such as 'alpha'")
        if hasattr(Scenario, self.name):
            raise BadAxis(f"axis {self.name!r}: every scenario has an attribute of that name; choose another")
        if type(self.default) not in (int, float, str):
            raise BadAxis(f"axis {self.name!r}: default = {self.default!r} must be an int, a float or a str")
        for name, (will_do, fix) in _FIELDS.items():
            if not will_do(getattr(self, name)):
                raise BadAxis(f"axis {self.name!r}: {name} = {getattr(self, name)!r}; {fix}")
        if reason := self.refusal(self.default):
            raise BadAxis(f"axis {self.name!r}: the default {self.default!r} {reason}")

    @property
    def kind(self) -> type:
        """int, float or str."""
        return type(self.default)

    def refusal(self, value: Any) -> str:
        """Why the axis cannot take `value`, in words that go on after the value; "" if it can."""
        if isinstance(value, bool) or not isinstance(value, int if self.kind is int else Value):
            return f"is not a value for {self.name} ({self.kind.__name__})"
        if self.kind is float and isinstance(value, str):
            return f"is not a value for {self.name} (float)"
        if self.kind is str and not isinstance(value, str):
            return f"is not a value for {self.name} (str)"
        if self.values and value not in self.values:
            return f"must be one of: {', '.join(map(str, self.values))}"
        if not isinstance(value, str):
            if not math.isfinite(value):
                return f"must be finite: {self.name} is a number"
            if value < self.low or (self.above and value == self.low):
                return f"must be {'above' if self.above else 'at least'} {_plain(self.low)}"
            if value > self.high:
                return f"must be at most {_plain(self.high)}"
        return self._constrained(value) if self.constraint is not None else ""

    def _constrained(self, value: Value) -> str:
        assert self.constraint is not None
        try:
            with contained():
                found = self.constraint(value)
        except Exception as error:  # whatever a user's function raises
            return f"cannot be judged: the constraint of {self.name} raised {described(error)}; mend it"
        if not isinstance(found, str):
            return f"cannot be judged: the constraint of {self.name} gave {found!r}; it gives why not, or ''"
        return found

    def normal(self, value: Value) -> Value:
        """The value in the axis' type: 2 is 2.0 where numbers are floats, so that ids agree."""
        return float(value) if self.kind is float and not isinstance(value, str) else value

    def parse(self, raw: str) -> Value:
        """The value that a text stands for.

        Raises:
          BadAxis: a text that is none; the message starts with the text.
        """
        try:
            value: Value = self.kind(raw)
        except ValueError:
            raise BadAxis(f"{raw!r} is not a value for {self.name} ({self.kind.__name__})") from None
        if reason := self.refusal(value):
            raise BadAxis(f"{self.name} {reason}")
        return value


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and not math.isnan(value)


_TEXT = (lambda value: isinstance(value, str), "give a text in quotes")
_FUNCTION = (lambda value: value is None or callable(value), "give a function, or None")
_NUMBER = (_is_number, "give a number")
# Field |-> whether a value will do, and what would.
_FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "values": (
        lambda values: isinstance(values, tuple) and all(type(one) in (int, float, str) for one in values),
        "give a tuple of numbers or words",
    ),
    "low": _NUMBER,
    "high": _NUMBER,
    "above": (lambda value: isinstance(value, bool), "give True or False"),
    "shown": (lambda value: isinstance(value, bool), "give True or False"),
    **dict.fromkeys(("symbol", "unit", "description", "group"), _TEXT),
    "written": (
        lambda found: (
            isinstance(found, Mapping)
            and all(isinstance(text, str) for pair in found.items() for text in pair)
        ),
        "give a mapping from texts to texts",
    ),
    "constraint": _FUNCTION,
    "files": _FUNCTION,
}


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:g}"


class Space(Mapping[str, Axis]):
    """Axes by name, and what is sampled along some of them.

    `Space(NETWORK, Axis("alpha", 8.0))` puts spaces and axes together; `space.over(depth=(1, 2))` samples.

    Raises:
      BadAxis: two different axes of one name.
    """

    def __init__(self, *parts: Axis | Space) -> None:
        self._axes: dict[str, Axis] = {}
        self.choices: dict[str, Choice] = {}
        for part in parts:
            for axis in [part] if isinstance(part, Axis) else part.values():
                if self._axes.setdefault(axis.name, axis) != axis:
                    raise BadAxis(f"axis {axis.name!r} is there twice, and differs; rename one")
            if isinstance(part, Space):
                self.choices.update(part.choices)

    def __getitem__(self, name: str) -> Axis:
        return self._axes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._axes)

    def __len__(self) -> int:
        return len(self._axes)

    def axis(self, name: str) -> Axis:
        """The axis of that name.

        Raises:
          BadAxis: there is none.
        """
        if name not in self._axes:
            raise BadAxis(f"axis {name!r} is unknown; a scenario has: {', '.join(self._axes)}")
        return self._axes[name]

    def over(self, **choices: Choice) -> Space:
        """The same axes, sampled along these; what was sampled before stays so.

        Raises:
          BadAxis: an axis that is not there, a choice that is none, or a value that the axis does not admit.
        """
        for name, choice in choices.items():
            axis = self.axis(name)
            if not isinstance(choice, tuple | Between) or choice == ():
                raise BadAxis(f"axis {name!r} = {choice!r} must be a non-empty tuple or a Between")
            for value in listed(choice):
                if reason := axis.refusal(value):
                    raise BadAxis(f"axis {name!r}: {value!r} {reason}")
        found = Space(*self._axes.values())
        found.choices = {**self.choices, **choices}
        return found

    def pinned(self, values: Mapping[str, Value]) -> Space:
        """The same with some axes held at one value."""
        return self.over(**{name: (value,) for name, value in values.items()})

    def with_default(self, **defaults: Value) -> Space:
        """The same axes with other defaults, for theories that mean something else by saying nothing.

        Raises:
          BadAxis: an axis that is not there, or a default that it does not admit.
        """
        for name in defaults:
            self.axis(name)
        found = Space(
            *(
                replace(axis, default=defaults[axis.name]) if axis.name in defaults else axis
                for axis in self.values()
            )
        )
        found.choices = dict(self.choices)
        return found

    def scenario(self, **values: Value) -> Scenario:
        """The scenario with these values, and defaults elsewhere.

        Raises:
          BadAxis: an axis that is not there, or a value that it does not admit.
        """
        for name, value in values.items():
            axis = self.axis(name)
            # A default was looked at when the axis was made.
            known = type(value) is axis.kind and value == axis.default
            if not known and (reason := axis.refusal(value)):
                raise BadAxis(f"axis {name!r}: {value!r} {reason}")
        return Scenario(self, values)

    def simplest(self) -> Scenario:
        """The first value of every choice."""
        return self.scenario(**{name: listed(choice)[0] for name, choice in self.choices.items()})
