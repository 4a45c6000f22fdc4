"""A mutant: one function made wrong in one way, with a name that lasts and words for people."""

from __future__ import annotations

import fnmatch
import functools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from advntk.checks.mutation.functions import MutationTarget
from advntk.checks.mutation.source_operators import OPERATORS, SourceChange, changes_of
from advntk.checks.mutation.values import Leaf
from advntk.checks.mutation.wrapping_operators import NAMES, wrappings_of

ALL_OPERATORS = (*NAMES, *OPERATORS)


@dataclass(frozen=True)
class Mutant:
    """One wrong function.

    Attributes:
      id: `module:function:operator:place`; the place is a value (`result.ntk`) or the number of the change
        among those of this operator in the function, so that moving the function changes nothing.
      function: id of the target.
      operator: its name.
      place: the last part of the id.
      description: what is wrong, as a sentence without its stop.
      before: the statement that is changed; empty where the function is wrapped.
      after: what it becomes.
      lines: where a changed statement is; None where the whole function is wrapped.
    """

    id: str
    function: str
    operator: str
    place: str
    description: str
    before: str = ""
    after: str = ""
    lines: tuple[int, int] | None = None

    @property
    def wrapping(self) -> str | None:
        """The place of the value that is changed; None where the source is."""
        return self.place if self.lines is None else None


def mutants_of(
    target: MutationTarget, facts: Mapping[str, Leaf], operators: Sequence[str] = ()
) -> list[Mutant]:
    """Every mutant of a function; public ones are wrapped as well where calls of them are known.

    Args:
      target: the function.
      facts: places of values |-> what they are, from calls of it.
      operators: names of operators; none: all.
    """
    found = []
    if target.public:
        for one in wrappings_of(facts):
            name = f"{target.id}:{one.operator}:{one.place}"
            found.append(Mutant(name, target.id, one.operator, one.place, one.words))
    for change in _changes(target):
        number = str(change.number)
        found.append(
            Mutant(
                f"{target.id}:{change.operator}:{number}",
                target.id,
                change.operator,
                number,
                f"`{change.before}` becomes `{change.after}`",
                change.before,
                change.after,
                (change.lines.start, change.lines.stop - 1),
            )
        )
    return [one for one in found if not operators or one.operator in operators]


@functools.cache
def _changes(target: MutationTarget) -> tuple[SourceChange, ...]:
    return tuple(changes_of(target))


def source_change(target: MutationTarget, mutant: Mutant) -> SourceChange:
    """The rewriting behind a mutant.

    Raises:
      ValueError: the function has no such place any more.
    """
    for change in _changes(target) if mutant.function == target.id else ():
        if (change.operator, str(change.number)) == (mutant.operator, mutant.place):
            return change
    raise ValueError(f"{mutant.id}: the function has no such place")


def sampled(mutants: Iterable[Mutant], number: int | None, seed: int) -> list[Mutant]:
    """At most `number` of them, drawn so that all functions have equally many as far as there are.

    The order of the sample is that of the mutants.
    """
    known = list(mutants)
    if number is None or number >= len(known):
        return known
    draw = random.Random(seed)
    by_function: dict[str, list[Mutant]] = {}
    for mutant in known:
        by_function.setdefault(mutant.function, []).append(mutant)
    for each in by_function.values():
        draw.shuffle(each)
    order = list(by_function)
    draw.shuffle(order)
    chosen: set[str] = set()
    while len(chosen) < number:
        for function in order:
            if by_function[function] and len(chosen) < number:
                chosen.add(by_function[function].pop().id)
    return [mutant for mutant in known if mutant.id in chosen]


def reason_for(name: str, reasons: Mapping[str, str]) -> str:
    """What is said of the first pattern that an id matches; empty where there is none."""
    return next((why for pattern, why in reasons.items() if fnmatch.fnmatchcase(name, pattern)), "")
