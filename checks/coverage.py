"""What a claim was sampled on: values and pairs of values of its axes, seen and never seen.

Read from the description of a run and the scenarios of its decisions, that is from the evidence alone.
A continuous axis counts by thirds of its range.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from advntk.checks.spaces import Between, Choice, listed

_THIRDS = 3

# Name of an axis |-> its values, or its range as {"low": ..., "high": ...}.
Described = Mapping[str, Any]


@dataclass(frozen=True)
class Coverage:
    """Of one claim: how often each value was sampled, how many pairs of values, and where it is narrow.

    `values[axis][value]` is a number of scenarios, 0 where a value was never sampled; `narrow` names the
    axes with a choice of which one value only was sampled.
    """

    values: dict[str, dict[str, int]]
    pairs_seen: int
    pairs: int
    narrow: tuple[str, ...]

    @property
    def never(self) -> dict[str, list[str]]:
        """Values that were never sampled, of the axes that have some."""
        found = {axis: [v for v, n in counts.items() if not n] for axis, counts in self.values.items()}
        return {axis: values for axis, values in found.items() if values}


def describe_choice(choice: Choice) -> Any:
    """A choice as plain values, as evidence keeps it: a list, or a range."""
    return {"low": choice.low, "high": choice.high} if isinstance(choice, Between) else listed(choice)


def coverage(axes: Described, scenarios: Iterable[Mapping[str, Any]]) -> Coverage:
    """Count values and pairs of values over `scenarios` (dicts of a scenario's fields).

    Values that are not on the axes, because the user held one elsewhere, are counted as well.
    """
    cells = {name: list(_cells(axis)) for name, axis in axes.items()}
    counts = {name: Counter(dict.fromkeys(names, 0)) for name, names in cells.items()}
    pairs: set[tuple] = set()
    for scenario in scenarios:
        here = [(name, _cell(axes[name], scenario[name])) for name in axes]
        for name, cell in here:
            counts[name][cell] += 1
        pairs |= set(combinations(here, 2))
    possible = sum(len(counts[a]) * len(counts[b]) for a, b in combinations(axes, 2))
    narrow = tuple(
        name for name, found in counts.items() if len(found) > 1 and sum(n > 0 for n in found.values()) == 1
    )
    return Coverage({name: dict(found) for name, found in counts.items()}, len(pairs), possible, narrow)


def _cells(axis: Any) -> list[str]:
    if isinstance(axis, Mapping):
        step = (axis["high"] - axis["low"]) / _THIRDS
        return [_third(axis["low"] + k * step, axis["low"] + (k + 1) * step) for k in range(_THIRDS)]
    return [str(value) for value in axis]


def _cell(axis: Any, value: Any) -> str:
    if not isinstance(axis, Mapping):
        return str(value)
    low, high = axis["low"], axis["high"]
    if not low <= value <= high:
        return f"{value:g}"
    step = (high - low) / _THIRDS or 1.0
    k = min(int((value - low) / step), _THIRDS - 1)
    return _third(low + k * step, low + (k + 1) * step)


def _third(low: float, high: float) -> str:
    return f"{low:.3g} to {high:.3g}"
