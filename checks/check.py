"""A check: a trial, the axes it is sampled along, and the deciders that read it for each claim.

To put a theorem to the test, write in a module of `advntk.checks.trials` named like the theorem's module
(or in the theorem's own file, outside this package)

    @check(
        decides={"my_theorem.my_claim": [RateDecider("gap", exponent=0.5)]},
        axes=Axes(depth=(1, 2), sigma_w=Between(1.0, 2.0)),
        effort="ladder",
    )
    def my_trial(scenario, keys):
        ...
        return {"gap": one_value_per_key}
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np

from advntk.checks.axes import Axes
from advntk.checks.deciders.decision import Decider, Observations
from advntk.checks.scenario import Scenario

# (scenario, keys of shape (seeds,)) |-> statistic name |-> array with leading axis seeds.
Trial = Callable[[Scenario, Any], Mapping[str, Any]]
Effort = Literal["ladder", "level", "flow", "contrast", "ensemble", "splits", "exact"]


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


@dataclass(frozen=True)
class Check:
    """One measurement and what is decided on it; see the module's text."""

    name: str
    trial: Trial
    decides: Mapping[str, Sequence[Decider]]
    axes: Axes
    effort: Effort
    memory: Callable[[Scenario], int]
    random: bool
    explores: tuple[str, ...]
    premises: tuple[Premise, ...] = ()


def check(
    decides: Mapping[str, Sequence[Decider]],
    axes: Axes,
    effort: Effort,
    memory: Callable[[Scenario], int] = lambda _: 0,
    random: bool = True,
    explores: tuple[str, ...] = (),
    premises: tuple[Premise, ...] = (),
) -> Callable[[Trial], Check]:
    """Make a trial into a `Check`.

    Args:
      decides: claim id |-> deciders; the claim holds where all of them say so.
      axes: what scenarios are sampled along.
      effort: which part of the profile applies: "ladder" (several widths, tens of seeds), "level"
        (several widths, hundreds of seeds), "flow" (several widths, networks that are trained),
        "contrast" (the same, with the seeds that a refutation takes), "ensemble"
        (the same, with hundreds of small networks), "splits" (repeated splits of data) or
        "exact" (many scenarios at their own width).
      memory: bytes that one seed of the trial takes at a scenario, estimated from above.
      random: whether the trial depends on its keys; if not, one key per scenario is enough.
      explores: axes along which degenerate cases are searched for: for every value of these axes,
        the simplest scenario outside the claims' assumptions where the claim fails.  Scenarios
        outside the assumptions are then sampled as well; they do not count for the verdict.
      premises: what must be measured for the claims to apply, such as a condition number.
    """

    def wrap(trial: Trial) -> Check:
        name = getattr(trial, "__name__", "trial")
        return Check(name, trial, decides, axes, effort, memory, random, explores, premises)

    return wrap


def checks_of(module: ModuleType) -> list[Check]:
    """The checks that belong to a theorem's module: its own, or those of its namesake in
    `advntk.checks.trials`."""
    if module.__name__.startswith("advntk.theorems."):
        module = importlib.import_module(f"advntk.checks.trials.{module.__name__.rsplit('.', 1)[-1]}")
    return [value for value in vars(module).values() if isinstance(value, Check)]
