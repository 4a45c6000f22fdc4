"""Sweeps: one scenario at several values of one ordered axis, such as width, samples, time or scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from advntk.checks.deciders.decision import LEAST_POINTS
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import BadAxis, Space, Value
from advntk.implementations.foreign_code import contained, described

# A value of the swept axis; None for what is measured at its scenario alone.
Point = int | float | None


@dataclass(frozen=True)
class Sweep:
    """Which axis grows, and what grows with it.

    Args:
      axis: name of the axis that the points are values of; an axis of numbers.
      coupled: (scenario, point) |-> values of other axes at that point, for axes that follow.

    Example: `Sweep("alpha")`; `advntk.WIDTH` is the sweep over width, which the input width follows in the
    joint limit.
    """

    axis: str
    coupled: Callable[[Scenario, Value], Mapping[str, Value]] | None = None

    def at(self, scenario: Scenario, point: int | float) -> Scenario:
        """The scenario at a point of the sweep."""
        return scenario.replace(**{self.axis: point}, **self._following(scenario, point))

    def changed(self, scenario: Scenario) -> tuple[str, ...]:
        """Names of the axes whose values are the sweep's to choose."""
        return (self.axis, *self._following(scenario, scenario[self.axis]))

    def parse(self, space: Space, texts: list[str]) -> tuple[int | float, ...]:
        """Points from their texts, in rising order.

        Raises:
          BadAxis: a text that is no value of the axis, one that stands twice, or too few.
        """
        points = [space.axis(self.axis).parse(text) for text in texts]
        if len(set(points)) < len(points):
            raise BadAxis(f"{','.join(texts)}: a value stands twice; leave one out")
        if len(points) < LEAST_POINTS:
            raise BadAxis(f"{','.join(texts)}: a rate needs at least {LEAST_POINTS} different values")
        return tuple(sorted(points))  # type: ignore[arg-type]

    def _following(self, scenario: Scenario, point: Value) -> Mapping[str, Value]:
        if self.coupled is None:
            return {}
        try:
            with contained():
                return dict(self.coupled(scenario, point))
        except Exception as error:  # whatever a user's function raises
            raise BadAxis(
                f"the sweep over {self.axis}: its `coupled` raised {described(error)} at {point!r}; mend it"
            ) from error
