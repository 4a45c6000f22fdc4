"""The axes that scenarios are sampled along, declared as data.

An axis is a tuple of values, or a `Between` for a continuous one.  Because they are declared, it can
be said afterwards which values a claim was tested on and which never.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from advntk.checks.scenario import FIELDS


class BadAxis(ValueError):
    """An axis that does not exist or cannot take a value; the message says what would do."""


@dataclass(frozen=True)
class Between:
    """A continuous axis, sampled on [low, high] in steps of `step` so that scenarios stay readable."""

    low: float
    high: float
    step: float = 0.05

    def count(self) -> int:
        """Number of steps from low to high."""
        return int((self.high - self.low) / self.step + 1e-9)

    def value(self, index: int) -> float:
        """The value `index` steps above low."""
        return round(self.low + index * self.step, 10)


Axis = tuple | Between


def listed(axis: Axis) -> list:
    """All values of an axis, in order."""
    if isinstance(axis, Between):
        return [axis.value(index) for index in range(axis.count() + 1)]
    return list(axis)


class Axes(dict[str, Axis]):
    """Axis name |-> values.  Names are fields of `Scenario`; fields not named keep their default.

    The first value of a tuple is the simplest: counterexamples shrink towards it.
    """

    def __init__(self, **axes: Axis) -> None:
        for name, axis in axes.items():
            if name not in FIELDS:
                raise BadAxis(f"axis {name!r} is unknown; a scenario has: {', '.join(FIELDS)}")
            if not isinstance(axis, tuple | Between) or axis == ():
                raise BadAxis(f"axis {name!r} = {axis!r} must be a non-empty tuple or a Between")
        super().__init__(axes)

    def pinned(self, values: dict[str, int | float | str]) -> Axes:
        """These axes with some of them held at one value."""
        return Axes(**{**self, **{name: (value,) for name, value in values.items()}})


def parse_pin(text: str) -> tuple[str, int | float | str]:
    """('outputs', 3) from 'outputs=3'.

    Raises:
      BadAxis: not of that form, an unknown axis, or a value of the wrong type or range.
    """
    name, separator, raw = text.partition("=")
    if not separator:
        raise BadAxis(f"--axis {text}: write NAME=VALUE, for example outputs=3")
    if name not in FIELDS:
        raise BadAxis(f"--axis {text}: axis {name!r} is unknown; choose one of: {', '.join(FIELDS)}")
    kind = FIELDS[name]
    try:
        value: int | float | str = kind(raw)
    except ValueError:
        raise BadAxis(f"--axis {text}: {raw!r} is not a value for {name} ({kind.__name__})") from None
    if isinstance(value, int | float):
        if name in _POSITIVE and not value > 0:
            raise BadAxis(f"--axis {text}: {name} must be positive")
        if name == "strength" and abs(value) < float("inf"):
            return name, value  # claims say themselves whether they allow a negative one
        if not 0 <= value < float("inf"):
            sign = "" if name == "strength" else " and not negative"
            raise BadAxis(f"--axis {text}: {name} must be finite{sign}")
        if name in ("label_noise", "spread") and value > 1:
            raise BadAxis(f"--axis {text}: {name} is a share, at most 1")
    allowed = _ALLOWED.get(name)
    if allowed and value not in allowed:
        raise BadAxis(f"--axis {text}: {name} must be one of: {', '.join(allowed)}")
    return name, value


def parse_pins(
    texts: Iterable[str], others: Iterable[tuple[str, str, int | float | str]] = ()
) -> tuple[tuple[str, int | float | str], ...]:
    """All pins of a command line, each axis once; what is said twice in the same way is said once.

    `others` are options that hold an axis as well: (option, axis, value).

    Raises:
      BadAxis: as `parse_pin`, or two different values for one axis; the message names both.
    """
    said: dict[str, tuple[str, int | float | str]] = {}
    for given in texts:
        # One option may hold several axes.
        for text in given.split(","):
            name, value = parse_pin(text)
            before = said.setdefault(name, (f"--axis {text}", value))
            if before[1] != value:
                raise BadAxis(f"{before[0]} and --axis {text} contradict each other; leave one of them out")
    for option, name, value in others:
        before = said.get(name, (option, value))
        if before[1] != value:
            raise BadAxis(f"{option} {value} and {before[0]} contradict each other; leave one of them out")
    return tuple((name, value) for name, (_, value) in said.items())


_POSITIVE = ("depth", "width", "input_width", "samples", "outputs", "sigma_w", "training_time")
_ALLOWED = {
    "family": ("mlp", "cnn"),
    "activation": ("erf", "gelu", "tanh", "softplus", "sigmoid", "relu", "leaky_relu"),
    "parameterization": ("ntk", "standard"),
    "readout": ("flatten", "pool"),
    "input_growth": ("joint", "fixed"),
    "arrangement": ("generic", "parallel", "antipodal", "two_antipodal", "duplicate", "nearly_duplicate"),
    "schedule": ("constant", "growing", "decaying", "oscillating", "early_stopped"),
}
