"""Whether a mutant changes anything at all in the calls that claims make of it.

Calls are recorded with their numbers, traced ones as well, and made again: of the function as it is written,
and of the mutant.  One that gives the same is no falsehood that those calls could show.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from advntk.checks.mutation.functions import MutationTarget
from advntk.checks.mutation.judging import Baseline
from advntk.checks.mutation.mutants import Mutant
from advntk.checks.mutation.planting import CannotPlant, code_calling, honest, replaced, wrong
from advntk.checks.mutation.values import parts_of, sort_of
from advntk.checks.planning import Plan
from advntk.checks.running import decide, observed_by_look

MOST_CALLS = 32
# What reordering a sum of some dozen terms changes, in units of the rounding of its largest entry.
ROUNDINGS = 32


class Undecidable(Exception):
    """Two results that cannot be compared, such as functions."""


class _Calls:
    """A random selection of calls, each as likely as any other, the same in every run."""

    def __init__(self) -> None:
        self.kept: list[tuple[Any, list[Any]]] = []
        self._number = 0
        self._draw = random.Random(0)

    def body(self, function: Callable) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
        """What records a call and goes on as `function`."""

        def recorded(given: tuple[Any, ...], named: dict[str, Any]) -> Any:
            values, form = jax.tree.flatten((given, named), is_leaf=lambda one: one is None)
            traced = [i for i, one in enumerate(values) if isinstance(one, jax.core.Tracer)]

            def keep(*numbers: Any) -> None:
                found = list(values)
                for place, number in zip(traced, numbers, strict=True):
                    found[place] = number
                self._keep((form, found))

            if traced:
                jax.debug.callback(keep, *(values[i] for i in traced))
            else:
                keep()
            return function(*given, **named)

        return recorded

    def _keep(self, call: tuple[Any, list[Any]]) -> None:
        self._number += 1
        if len(self.kept) < MOST_CALLS:
            self.kept.append(call)
        elif (place := self._draw.randrange(self._number)) < MOST_CALLS:
            self.kept[place] = call


def unchanged(
    plan: Plan, baselines: Sequence[Baseline], mutant: Mutant, target: MutationTarget, roots: tuple[str, ...]
) -> str:
    """Why a mutant that survived is no falsehood, as far as calls show; empty if it is one, or nobody knows.

    Args:
      plan: whose checks make the calls.
      baselines: of all checks.
      mutant: what is wrong.
      target: the function.
      roots: packages whose functions may have cached what it gave.
    """
    try:
        other = wrong(mutant, target)
    except CannotPlant:
        return ""
    function = honest(target)
    calls = recorded_calls(plan, baselines, mutant, target, roots)
    compared = 0
    for form, values in calls:
        try:
            given, named = jax.tree.unflatten(form, [_own(one) for one in values])
            before = function(*given, **named)
        except Exception:  # a call that cannot be made again shows nothing
            continue
        try:
            if not same(before, other(*given, **named)):
                return ""
        except Exception:  # it breaks, or what it gives cannot be compared
            return ""
        compared += 1
    if not compared:
        return ""
    return f"no result changes beyond rounding in {compared} calls that claims make of it"


def recorded_calls(
    plan: Plan, baselines: Sequence[Baseline], mutant: Mutant, target: MutationTarget, roots: tuple[str, ...]
) -> list[tuple[Any, list[Any]]]:
    """Calls of a function in the first scenario of every check that runs the changed line."""
    found = _Calls()
    code = code_calling(target, found.body(honest(target)))
    for baseline in baselines:
        planned = plan.checks[baseline.check]
        measuring = baseline.measuring.first_run(mutant.function, mutant.lines)
        deciding = baseline.deciding.first_run(mutant.function, mutant.lines)
        # Anew for each: what was traced for one check makes no calls for the next.
        with replaced([(target.function, code)], roots):
            if measuring is not None:
                next(observed_by_look(plan, planned, planned.scenarios[measuring]))
                jax.effects_barrier()
            elif deciding is not None:
                observed = baseline.observed[deciding]
                decide(planned, planned.scenarios[deciding], observed, plan.rates_of(planned))
    return found.kept


def _own(value: Any) -> Any:
    """A value that nobody else changes."""
    return np.array(value) if isinstance(value, np.ndarray) else value


def same(one: Any, other: Any) -> bool:
    """Whether two results are the same within rounding.

    Raises:
      Undecidable: they cannot be compared.
    """
    if sort_of(one):
        return bool(sort_of(other)) and _same_numbers(one, other)
    pairs, others = parts_of(one), parts_of(other)
    if pairs or others:
        return [n for n, _ in pairs] == [n for n, _ in others] and all(
            same(a, b) for (_, a), (_, b) in zip(pairs, others, strict=True)
        )
    if callable(one) or hasattr(one, "__next__"):
        raise Undecidable
    return type(one) is type(other) and bool(one == other)


def _same_numbers(one: Any, other: Any) -> bool:
    if sort_of(one) == "key":
        one, other = jax.random.key_data(one), jax.random.key_data(other)
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f" and a.dtype.kind != "c":
        return bool(np.array_equal(a, b))
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)) or not np.array_equal(
        a[~finite], b[~finite], equal_nan=True
    ):
        return False
    largest = np.abs(a[finite]).max(initial=0.0)
    return bool(np.all(np.abs(a[finite] - b[finite]) <= ROUNDINGS * np.finfo(a.dtype).eps * largest))
