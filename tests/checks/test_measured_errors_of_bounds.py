"""The decider of exact claims never errs: not at its bound, and not beyond it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.decision import Decision, ErrorRates
from advntk.theorems.vocabulary import Verdict

WIDTHS = (64, 128, 256, 512)
RATES = ErrorRates(false_alarm=0.02, miss=0.02)


@dataclass(frozen=True)
class Strict(BoundDecider):
    """Refutes what is at its bound: wrong by one comparison."""

    def decide(self, observations, rates) -> Decision:
        nearer = {w: {**o, "bound": np.nextafter(o["bound"], -np.inf)} for w, o in observations.items()}
        return super().decide(nearer, rates)


def bound_verdicts(decider, rng, beyond: bool) -> Counter:
    """Verdicts on values at their bounds, one of them by a single rounding `beyond` if wished."""
    said = Counter()
    for _ in range(300):
        bound = rng.standard_cauchy((4, 16))
        value = bound.copy()
        if beyond:
            at = rng.integers(4), rng.integers(16)
            value[at] = np.nextafter(value[at], np.inf)
        found = {int(w): {"it": v, "bound": b} for w, v, b in zip(WIDTHS, value, bound, strict=True)}
        said[decider.decide(found, RATES).verdict] += 1
    return said


def test_a_bound_is_never_refuted_at_it_and_always_beyond_it():
    decider, rng = BoundDecider("it", "bound", "at most"), np.random.default_rng(16)
    assert bound_verdicts(decider, rng, beyond=False) == {Verdict.HOLDS: 300}
    assert bound_verdicts(decider, rng, beyond=True) == {Verdict.REFUTED: 300}
    # Above, a value at its bound already violates it.
    assert bound_verdicts(BoundDecider("it", "bound", "above"), rng, False) == {Verdict.REFUTED: 300}
    # And a bound wrong by one comparison is caught.
    assert bound_verdicts(Strict("it", "bound", "at most"), rng, False) == {Verdict.REFUTED: 300}
