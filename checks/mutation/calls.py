"""Which functions run, and with what, while something is measured.

JAX runs the Python body of a traced function once; before recording, what was traced must be forgotten.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from advntk.checks.mutation.functions import MutationTarget
from advntk.checks.mutation.values import Leaf
from advntk.checks.mutation.wrapping_operators import facts_of

_CALLS_LOOKED_AT = 6


@dataclass
class Calls:
    """What was recorded.

    Attributes:
      lines: id of a target |-> line of its source |-> the first situation in which it ran.
      facts: id of a target |-> place of a value in its arguments or result |-> what it is.
    """

    lines: dict[str, dict[int, int]] = field(default_factory=dict)
    facts: dict[str, dict[str, Leaf]] = field(default_factory=dict)

    def first_run(self, target: str, lines: tuple[int, int] | None) -> int | None:
        """The first situation that ran a target, on one of these lines at least; None if none did."""
        ran = self.lines.get(target)
        if not ran:
            return None
        if lines is None:
            return min(ran.values())
        return min((at for line, at in ran.items() if lines[0] <= line <= lines[1]), default=None)


class CallRecorder:
    """Records the calls of some targets in this thread."""

    def __init__(self, targets: Iterable[MutationTarget]) -> None:
        """The targets must have their own code while something is recorded."""
        # By identity: equal code may stand in several places.
        self._known: dict[int, tuple[str, bool]] = {}
        self._codes = []
        for target in targets:
            for number, code in enumerate(target.codes):
                self._known[id(code)] = (target.id, number == 0)
                self._codes.append(code)
        self._looked: dict[str, int] = {}

    @contextmanager
    def recording(self, calls: Calls, situation: int) -> Iterator[None]:
        """Within, what runs is added to `calls` as run in this situation."""
        self._looked.clear()

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            found = self._known.get(id(frame.f_code))
            if found is None:
                return None
            target, outermost = found
            lines = calls.lines.setdefault(target, {})
            looked = self._looked.get(target, 0)
            if outermost and looked < _CALLS_LOOKED_AT:
                self._looked[target] = looked + 1
                given = dict(frame.f_locals)
            else:
                given = None

            def inside(frame: FrameType, event: str, argument: Any) -> Any:
                if event == "line":
                    lines.setdefault(frame.f_lineno, situation)
                elif event == "return" and given is not None and argument is not None:
                    facts = calls.facts.setdefault(target, {})
                    for place, leaf in facts_of(given, argument).items():
                        facts.setdefault(place, leaf)
                return inside

            lines.setdefault(frame.f_lineno, situation)
            return inside

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            yield
        finally:
            sys.settrace(before)
