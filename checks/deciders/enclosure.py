"""Decides an exact claim from rigorous enclosures: every one of them on the right side of a bound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, ClassVar, Literal

import numpy as np

from advntk.checks.deciders.decision import Decision, ErrorRates, Observations, undecidable
from advntk.theorems.vocabulary import Kind, Verdict


def enclosed(statistic: str, enclosures: Iterable[tuple[float, float, int]]) -> dict[str, np.ndarray]:
    """What a trial gives for an `EnclosureDecider`: low and high ends and bits, one per seed.

    Args:
      statistic: its name.
      enclosures: (low, high, bits) per seed; bits 0 where floats with a derived bound of their rounding stand
        in for balls.

    Returns:
      The statistics `<statistic>_low`, `<statistic>_high` and `<statistic>_bits`.
    """
    low, high, bits = zip(*enclosures, strict=True)
    return {
        f"{statistic}_low": np.array(low, np.float64),
        f"{statistic}_high": np.array(high, np.float64),
        f"{statistic}_bits": np.array(bits, np.int64),
    }


@dataclass(frozen=True)
class EnclosureDecider:
    """Compares enclosures [low, high] of a statistic with a number that the claim names.

    "at most": HOLDS where every high end is at most `bound`, REFUTED where one low end is above it.
    "above": HOLDS where every low end is above `bound`, REFUTED where one high end is not.
    INCONCLUSIVE where an enclosure reaches across: more precision would be needed, or floats were too few.
    What is to be compared with something that varies is given as its ratio or difference, whose enclosure is
    narrower than those of the two.  A decision of which every enclosure took balls is *certified*: nothing
    that was rounded on the way can change it.

    Raises:
      ValueError: another side, or a bound that is not finite.
    """

    statistic: str
    bound: float
    side: Literal["at most", "above"]
    name: str = "enclosure"
    kind: ClassVar[Kind] = Kind.EXACT
    statistical: ClassVar[bool] = False
    sweeps: ClassVar[bool] = False
    exponent: ClassVar[None] = None

    def __post_init__(self) -> None:
        if self.side not in ("at most", "above"):
            raise ValueError(f"side = {self.side!r}: choose 'at most' or 'above'")
        if not np.isfinite(self.bound):
            raise ValueError(f"bound = {self.bound!r} must be finite")

    def decide(self, observations: Observations, rates: ErrorRates) -> Decision:
        """The worst enclosure; error rates play no part in an exact claim."""
        del rates
        low, high, bits = (
            np.concatenate(
                [np.zeros(0), *(np.ravel(o[f"{self.statistic}_{end}"]) for o in observations.values())]
            )
            for end in ("low", "high", "bits")
        )
        quantity = self.statistic.replace("_", " ")
        if low.size == 0:
            return undecidable(self, quantity, "nothing was measured")
        empty = ~(low <= high)
        if empty.any():
            return undecidable(self, quantity, f"{int(empty.sum())} of {low.size} trials gave no enclosure")
        at_most = self.side == "at most"
        right = high <= self.bound if at_most else low > self.bound
        wrong = low > self.bound if at_most else high <= self.bound
        verdict = Verdict.REFUTED if wrong.any() else Verdict.HOLDS if right.all() else Verdict.INCONCLUSIVE
        among = np.flatnonzero(wrong if wrong.any() else ~right if not right.all() else right)
        worst = among[np.argmax(high[among])] if at_most else among[np.argmin(low[among])]
        ends, used = (float(low[worst]), float(high[worst])), int(bits[worst])
        certified = bool((bits > 0).all()) and verdict is not Verdict.INCONCLUSIVE
        detail: dict[str, Any] = {
            "side": self.side,
            "threshold": float(self.bound),
            "bits": used,
            "enclosure": outward(*ends, self.bound),
        }
        if certified:
            detail["certified"] = True
        if at_most and self.bound > 0:
            detail["tightness"] = float(high.max() / self.bound)
        return Decision(
            verdict,
            self.statistic,
            quantity,
            _middle(*ends),
            *ends,
            None,
            self._words(ends, used, certified, verdict, (right, wrong)),
            severity=ends[1] if at_most else -ends[0],
            detail=detail,
        )

    def _words(
        self,
        ends: tuple[float, float],
        bits: int,
        certified: bool,
        verdict: Verdict,
        sides: tuple[np.ndarray, np.ndarray],
    ) -> str:
        right, wrong = (int(side.sum()) for side in sides)
        total = sides[0].size
        how = f"{bits} bits" if bits else "floats with a derived bound of their rounding"
        text = f"{self.statistic} in {outward(*ends, self.bound)}, to be {self.side} {self.bound:g}"
        if verdict is Verdict.INCONCLUSIVE:
            across = f"{total - right - wrong} of {total} enclosures reach across"
            return f"{across}; worst: {text} (width {ends[1] - ends[0]:.2g}, {how})"
        counted = f"{wrong} of {total} trials violate it" if wrong else f"all {total} trials"
        return f"{'certified' if certified else 'not certified'}, {counted}; worst: {text} ({how})"


def outward(low: float, high: float, bound: float) -> str:
    """'[0.0122, 0.0123]': in few digits, on the same side of `bound`, and containing the whole enclosure."""
    for digits in range(3, 18):
        ends = [
            _rounded(end, rounding, digits) for end, rounding in ((low, ROUND_FLOOR), (high, ROUND_CEILING))
        ]
        clear = [(end <= bound) == (shown <= bound) for end, shown in zip((low, high), ends, strict=True)]
        if all(clear):
            break
    return f"[{', '.join(f'{end:.{digits}g}' for end in ends)}]"


def _rounded(value: float, rounding: str, digits: int) -> float:
    if not np.isfinite(value):
        return value
    return float(Context(prec=digits, rounding=rounding).create_decimal(Decimal(value)))


def _middle(low: float, high: float) -> float:
    return low / 2 + high / 2
