"""Decides an exact claim: every measured value on the right side of a derived bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from advntk.checks.deciders.decision import Decision, ErrorRates, Observations, undecidable
from advntk.theorems.vocabulary import Kind, Verdict

# A bound that is never within this factor of what is measured is a finding.
LOOSE = 1e3


@dataclass(frozen=True)
class BoundDecider:
    """Compares `statistic` with `bound`, a second statistic of the same trial, seed by seed.

    "at most": violated where value > bound (a defect against its rounding error).
    "above": violated where value <= bound (an eigenvalue against what counts as zero).
    One violation refutes: the bound already covers rounding.  Of "at most" it is kept how tight the bound is,
    the largest value over its bound: one that is never within a factor `LOOSE` says little, and loosening it
    would be noticed by nobody.  Trials with a value and a bound of 0 say
    nothing, since numbers that underflow give both; an integer bound of 0 is one that is claimed.

    Raises:
      ValueError: another side.
    """

    statistic: str
    bound: str
    side: Literal["at most", "above"]
    name: str = "bound"
    kind: ClassVar[Kind] = Kind.EXACT
    statistical: ClassVar[bool] = False
    sweeps: ClassVar[bool] = False
    exponent: ClassVar[None] = None

    def __post_init__(self) -> None:
        if self.side not in ("at most", "above"):
            raise ValueError(f"side = {self.side!r}: choose 'at most' or 'above'")

    def _tightness(self, value: np.ndarray, bound: np.ndarray) -> dict[str, float]:
        """The largest value over its bound; nothing of "above", or where only 0 is allowed."""
        some = bound > 0
        if self.side != "at most" or not some.any():
            return {}
        with np.errstate(over="ignore"):
            return {"tightness": float(max(0.0, (value[some] / bound[some]).max()))}

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
        # Below the smallest normal number both are what underflow left of them, mostly 0 and 0.  A bound of
        # whole numbers is none of rounding: exactly 0 may be what is claimed.
        tiny = 0.0 if bound.dtype.kind in "iub" else np.finfo(np.float64).tiny
        empty = (np.abs(value) < tiny) & (np.abs(bound) < tiny)
        if empty.all():
            reason = f"{self.statistic} and {self.bound} are 0 in every trial, as numbers that underflow are"
            return undecidable(self, quantity, f"{reason} (a bound that is meant to be 0 is an integer)")
        lost, value, bound = int(empty.sum()), value[~empty], bound[~empty]
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
            f"{int(wrong.sum())} of {value.size} trials violate it; worst: {text}"
            + (f" ({lost} others underflow)" if lost else ""),
            severity=estimate if self.side == "at most" else -estimate,
            detail={
                "side": self.side,
                "against": self.bound,
                "value": float(value[worst]),
                "bound": float(bound[worst]),
                **self._tightness(value, bound),
            },
        )
