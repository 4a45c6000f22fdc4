"""A check: a trial, the space it is sampled in, and the deciders that read it for each claim.

To put a theorem to the test, write beside it

    @trial(
        decides={"my_theorem.my_claim": [RateDecider("gap", exponent=0.5)]},
        space=SPACE.over(depth=(1, 2), sigma_w=Between(1.0, 2.0)),
        sweep=WIDTH,
        effort=RATE,
    )
    def my_trial(scenario, keys):
        ...
        return {"gap": one_value_per_key}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from advntk.checks.deciders.decision import Decider, Observations
from advntk.checks.efforts import Effort
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Space
from advntk.checks.sweeps import Sweep


@dataclass(frozen=True)
class Observation:
    """What one call of a trial gives; every array has a leading axis over the seeds.

    Args:
      values: statistic |-> one number per seed (or an array per seed), for deciders.
      figures: kind of figure |-> what it draws |-> array, for reports; nothing is decided on it.  The kinds
        are those of `advntk.reports.figures`; "curves" draws any curves along "x".
      result: how the computation ended per seed, 0 for well (`advntk.implementations.results.Result`); None
        where nothing can end otherwise.
    """

    values: Mapping[str, Any]
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    result: Any = None


# (scenario, keys of shape (seeds,)) |-> what was observed; a mapping alone stands for its `values`.
Trial = Callable[[Scenario, Any], Observation | Mapping[str, Any]]


@dataclass(frozen=True)
class Premise:
    """What a trial must find for its numbers to say anything: `statistic` at most `most` at every seed.

    Where it fails the scenario is out of scope, and the reason gives the number.
    """

    statistic: str
    most: float
    name: str

    def failure(self, observed: Observations) -> str:
        """Why the premise does not hold, with its number; empty if it does.

        Raises:
          KeyError: the trial gave no such statistic.
        """
        found = float(np.max([np.max(values[self.statistic]) for values in observed.values()]))
        # What cannot be measured does not hold: a comparison with NaN is false.
        return "" if found <= self.most else f"{self.name} is {found:.2g}, beyond {self.most:.2g}"


def _nothing(scenario: Scenario) -> None:
    del scenario


def _no_memory(scenario: Scenario) -> int:
    del scenario
    return 0


def _no_seconds(scenario: Scenario) -> float:
    del scenario
    return 0.0


@dataclass(frozen=True)
class Check:
    """One measurement and what is decided on it; made by `trial`, which says what the fields are."""

    name: str
    trial: Trial
    decides: Mapping[str, Sequence[Decider]]
    space: Space
    effort: Effort
    sweep: Sweep | None = None
    memory: Callable[[Scenario], int] = _no_memory
    prepare: Callable[[Scenario], None] = _nothing
    random: bool = True
    explores: tuple[str, ...] = ()
    premises: tuple[Premise, ...] = ()
    seconds: Callable[[Scenario], float] = _no_seconds

    @property
    def module(self) -> str:
        """Name of the module that the trial is written in."""
        return self.trial.__module__


def trial(
    decides: Mapping[str, Sequence[Decider]],
    space: Space,
    effort: Effort,
    sweep: Sweep | None = None,
    memory: Callable[[Scenario], int] = _no_memory,
    prepare: Callable[[Scenario], None] = _nothing,
    random: bool = True,
    explores: tuple[str, ...] = (),
    premises: tuple[Premise, ...] = (),
    seconds: Callable[[Scenario], float] = _no_seconds,
) -> Callable[[Trial], Check]:
    """Make a trial, a function of (scenario, keys), into a `Check`.

    Args:
      decides: claim id |-> deciders; the claim holds where all of them say so.
      space: the axes of its scenarios, and which values of them are sampled.
      effort: how many scenarios, seeds and points of the sweep each profile measures.
      sweep: which axis grows; None for trials that measure each scenario alone.
      memory: bytes that one seed of the trial takes at a scenario, estimated from above.
      prepare: called with every scenario before anything is measured; raises a `UsageError` for one that
        cannot be, such as more samples than the data hold.
      random: whether the trial depends on its keys; if not, one key per scenario is enough.
      explores: axes along which degenerate cases are searched for: for every value of these axes,
        the simplest scenario outside the claims' assumptions where the claim fails.  Scenarios
        outside the assumptions are then sampled as well; they do not count for the verdict.
      premises: what must be measured for the claims to apply, such as a condition number.
      seconds: about how long a scenario takes until its first seed is measured, on one core: compilation and
        the largest system that is solved.  A run that would take too long is refused before it begins.

    Returns:
      A decorator.  What it gives is no longer a function: the trial itself is its attribute `trial`.
    """

    def wrap(function: Trial) -> Check:
        name = getattr(function, "__name__", "trial")
        return Check(
            name,
            function,
            decides,
            space,
            effort,
            sweep,
            memory,
            prepare,
            random,
            explores,
            premises,
            seconds,
        )

    return wrap
