"""Decides an exact claim: every measured value on the right side of a derived bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from advntk.checks.deciders.decision import Decision, ErrorRates, Observations, undecidable
from advntk.theorems.vocabulary import Kind, Verdict


@dataclass(frozen=True)
class BoundDecider:
    """Compares `statistic` with `bound`, a second statistic of the same trial, seed by seed.

    "at most": violated where value > bound (a defect against its rounding error).
    "above": violated where value <= bound (an eigenvalue against what counts as zero).
    One violation refutes: the bound already covers rounding.
    """

    statistic: str
    bound: str
    side: Literal["at most", "above"]
    name: str = "bound"
    kind: ClassVar[Kind] = Kind.EXACT
    statistical: ClassVar[bool] = False
    sweeps: ClassVar[bool] = False
    exponent: ClassVar[None] = None

    def decide(self, observations: Observations, rates: ErrorRates) -> Decision:
        """The worst ratio of value to bound; error rates play no part in an exact claim."""
        del rates
        quantity = "value / bound"
        parts = [(np.ravel(o[self.statistic]), np.ravel(o[self.bound])) for o in observations.values()]
        value = np.concatenate([p[0] for p in parts]) if parts else np.zeros(0)
        bound = np.concatenate([p[1] for p in parts]) if parts else np.zeros(0)
        if value.size == 0:
            return undecidable(self, quantity, "nothing was measured")
        if not (np.isfinite(value).all() and np.isfinite(bound).all()):
            lost = int((~(np.isfinite(value) & np.isfinite(bound))).sum())
            return undecidable(self, quantity, f"{lost} of {value.size} trials gave no finite value")
        wrong = value > bound if self.side == "at most" else value <= bound
        with np.errstate(over="ignore"):  # a bound far below the value: infinitely beyond it
            ratio = np.divide(value, bound, out=np.where(value > 0, np.inf, 0.0), where=bound != 0)
        worst = int(np.argmax(ratio) if self.side == "at most" else np.argmin(ratio))
        word = "at most" if self.side == "at most" else "above"
        text = f"{self.statistic} = {value[worst]:.3g}, to be {word} {bound[worst]:.3g}"
        estimate = float(ratio[worst])
        return Decision(
            Verdict.REFUTED if wrong.any() else Verdict.HOLDS,
            self.statistic,
            quantity,
            estimate,
            estimate,
            estimate,
            None,
            f"{int(wrong.sum())} of {value.size} trials violate it; worst: {text}",
            severity=estimate if self.side == "at most" else -estimate,
            detail={
                "side": self.side,
                "against": self.bound,
                "value": float(value[worst]),
                "bound": float(bound[worst]),
            },
        )
