"""Hypothesis strategies for scenarios, and the drawing of a varied, reproducible few of them."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between, Choice, Space

# Drawing only: scenarios are values, so nothing can be slow or flaky in the test body.
_DRAW = settings(
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def scenarios(space: Space) -> st.SearchStrategy[Scenario]:
    """Scenarios along what a space samples; shrinks towards the first value of each choice."""
    return st.builds(space.scenario, **{name: _values(choice) for name, choice in space.choices.items()})


def _values(choice: Choice) -> st.SearchStrategy:
    if isinstance(choice, Between):
        return st.integers(0, choice.count()).map(choice.value)
    return st.sampled_from(choice)


def draw(
    space: Space,
    wanted: int,
    run_seed: int,
    usable: Callable[[Scenario], bool] = lambda _: True,
    worth_many: Callable[[], bool] = lambda: True,
) -> list[Scenario]:
    """Up to `wanted` different usable scenarios, chosen to cover as many axis values as possible.

    Hypothesis draws a pool, then the scenario with most values (and pairs of values) not seen yet is
    taken, again and again.  Fewer come back only if the space does not hold more, or holds so few usable
    ones that thousands of draws miss them; those are made where the first ones find none and `worth_many`
    does not deny that there can be any.
    """
    pool = _pool(space, max(60, 20 * wanted), run_seed, usable)
    if not pool and worth_many():
        pool = _pool(space, 5000, run_seed, usable)
    chosen: list[Scenario] = []
    seen: set = set()
    while pool and len(chosen) < wanted:
        best = max(pool, key=lambda s: len(_features(s, space) - seen))
        chosen.append(best)
        seen |= _features(best, space)
        del pool[best]
    return chosen


def _pool(
    space: Space, examples: int, run_seed: int, usable: Callable[[Scenario], bool]
) -> dict[Scenario, None]:
    pool: dict[Scenario, None] = {}

    @seed(run_seed)
    @settings(_DRAW, max_examples=examples)
    @given(scenarios(space))
    def collect(scenario: Scenario) -> None:
        if usable(scenario):
            pool[scenario] = None

    collect()
    return pool


def _features(scenario: Scenario, space: Space) -> set:
    """Values and pairs of values; a continuous choice counts by thirds of its range."""
    values = []
    for name, choice in space.choices.items():
        value = scenario[name]
        if isinstance(choice, Between):
            value = int(2.999 * (value - choice.low) / ((choice.high - choice.low) or 1))
        values.append((name, value))
    return set(values) | {(a, b) for i, a in enumerate(values) for b in values[:i]}


def smallest(space: Space, condition: Callable[[Scenario], bool], examples: int = 100) -> Scenario | None:
    """The simplest scenario along `space` that Hypothesis finds to satisfy `condition`, or None."""
    search = settings(_DRAW, max_examples=examples, phases=[Phase.generate, Phase.shrink])
    search = settings(search, derandomize=True)
    try:
        return find(scenarios(space), condition, settings=search)
    except NoSuchExample:
        return None
