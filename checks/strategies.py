"""Hypothesis strategies for scenarios, and the drawing of a varied, reproducible few of them."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from advntk.checks.axes import Axes, Axis, Between
from advntk.checks.scenario import Scenario

# Drawing only: scenarios are values, so nothing can be slow or flaky in the test body.
_DRAW = settings(
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def scenarios(axes: Axes) -> st.SearchStrategy[Scenario]:
    """Scenarios along these axes; shrinks towards the first value of each."""
    return st.builds(Scenario, **{name: _values(axis) for name, axis in axes.items()})


def _values(axis: Axis) -> st.SearchStrategy:
    if isinstance(axis, Between):
        return st.integers(0, axis.count()).map(axis.value)
    return st.sampled_from(axis)


def draw(
    axes: Axes,
    wanted: int,
    run_seed: int,
    usable: Callable[[Scenario], bool] = lambda _: True,
) -> list[Scenario]:
    """Up to `wanted` different usable scenarios, chosen to cover as many axis values as possible.

    Hypothesis draws a pool, then the scenario with most values (and pairs of values) not seen yet is
    taken, again and again.  Fewer come back only if the axes do not hold more, or hold so few usable
    ones that thousands of draws miss them.
    """
    pool = _pool(axes, max(60, 20 * wanted), run_seed, usable) or _pool(axes, 5000, run_seed, usable)
    chosen: list[Scenario] = []
    seen: set = set()
    while pool and len(chosen) < wanted:
        best = max(pool, key=lambda s: len(_features(s, axes) - seen))
        chosen.append(best)
        seen |= _features(best, axes)
        del pool[best]
    return chosen


def _pool(
    axes: Axes, examples: int, run_seed: int, usable: Callable[[Scenario], bool]
) -> dict[Scenario, None]:
    pool: dict[Scenario, None] = {}

    @seed(run_seed)
    @settings(_DRAW, max_examples=examples)
    @given(scenarios(axes))
    def collect(scenario: Scenario) -> None:
        if usable(scenario):
            pool[scenario] = None

    collect()
    return pool


def _features(scenario: Scenario, axes: Axes) -> set:
    """Values and pairs of values; a continuous axis counts by thirds of its range."""
    values = []
    for name, axis in axes.items():
        value = getattr(scenario, name)
        if isinstance(axis, Between):
            value = int(2.999 * (value - axis.low) / ((axis.high - axis.low) or 1))
        values.append((name, value))
    return set(values) | {(a, b) for i, a in enumerate(values) for b in values[:i]}


def smallest(axes: Axes, condition: Callable[[Scenario], bool], examples: int = 100) -> Scenario | None:
    """The simplest scenario along `axes` that Hypothesis finds to satisfy `condition`, or None."""
    search = settings(_DRAW, max_examples=examples, phases=[Phase.generate, Phase.shrink])
    search = settings(search, derandomize=True)
    try:
        return find(scenarios(axes), condition, settings=search)
    except NoSuchExample:
        return None
