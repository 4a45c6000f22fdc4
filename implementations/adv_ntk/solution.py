"""What a solver of Adv-NTK gives back: a value, how the computation ended, and what it took."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from advntk.implementations.results import Result


@dataclass(frozen=True)
class Solution:
    """A value with its result and statistics, and never an exception for numbers that went wrong.

    `value` is an array: weights (m, c), or their gradient in the shape of the strengths.  `statistics` are
    numbers by name, for people to read: `products` (with Theta), `error_estimate` (relative), or none.

    >>> Solution(weights)                                   # stands for it
    >>> Solution(weights, Result.max_steps_reached)         # does not, and says why

    Raises:
      ValueError: a result that is none of `Result`, True and False among them.
    """

    value: Any
    result: Result | int = Result.successful
    statistics: Mapping[str, float | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # True would be taken for the integer 1, a failure.
        if isinstance(self.result, bool | np.bool_) or self.result not in set(Result):
            known = ", ".join(f"Result.{one.name}" for one in Result)
            raise ValueError(f"result = {self.result!r} is no result; give one of: {known}")
        object.__setattr__(self, "result", Result(self.result))

    @property
    def converged(self) -> bool:
        """Whether the solver stands by the value."""
        return self.result == Result.successful


# From cotangents of the weights (m, c) to gradients in the strengths.
PullBack = Callable[[Any], Solution]


def if_finite(value: Any) -> Solution:
    """The solution of a method without a tolerance: successful if every number is finite."""
    return Solution(value, Result.successful if np.isfinite(value).all() else Result.not_finite)
