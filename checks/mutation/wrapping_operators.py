"""Ways to make a function wrong from outside: what goes in or comes out is changed, whatever it computes."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from advntk.checks.mutation.values import Leaf, leaves, sort_of, with_leaf

RESULT = "result"
Body = Callable[[tuple[Any, ...], dict[str, Any]], Any]  # what the wrong function does with its arguments


def _xp(value: Any) -> Any:
    return np if isinstance(value, np.ndarray | np.generic) else jnp


def _times(factor: float, value: Any) -> Any:
    # A Python number keeps the dtype of what it is multiplied with.
    return value * factor


def _cast(dtype: str, value: Any) -> Any:
    if isinstance(value, float):
        return float(np.dtype(dtype).type(value))
    return value.astype(dtype).astype(value.dtype)


def _transposed(value: Any) -> Any:
    return _xp(value).swapaxes(value, -1, -2)


def _reversed(value: Any) -> Any:
    return _xp(value).flip(value, -1)


def _rolled(value: Any) -> Any:
    return _xp(value).roll(value, 1, 0)


def _zeroed(value: Any) -> Any:
    return type(value)(0) if isinstance(value, int | float) else _xp(value).zeros_like(value)


def _plus_one(value: Any) -> Any:
    return value + 1


def _negated(value: Any) -> Any:
    return not value if isinstance(value, bool) else _xp(value).logical_not(value)


def _one_key(value: Any) -> Any:
    """All keys the first one; a single key a constant one."""
    if value.ndim == 0:
        return jax.random.wrap_key_data(
            jnp.zeros_like(jax.random.key_data(value)), impl=jax.random.key_impl(value)
        )
    return jnp.broadcast_to(value[:1], value.shape)


def _is_float(leaf: Leaf) -> bool:
    return leaf.sort == "float"


def _is_square(leaf: Leaf) -> bool:
    shape = leaf.shape
    return leaf.sort in ("float", "int") and len(shape) >= 2 and shape[-1] == shape[-2] > 1


def _is_long(leaf: Leaf) -> bool:
    return leaf.sort in ("float", "int", "bool") and len(leaf.shape) >= 1 and leaf.shape[-1] > 1


def _has_rows(leaf: Leaf) -> bool:
    return leaf.sort in ("float", "int", "bool") and len(leaf.shape) >= 1 and leaf.shape[0] > 1


def _has_sort(*sorts: str) -> Callable[[Leaf], bool]:
    return lambda leaf: leaf.sort in sorts


@dataclass(frozen=True)
class WrappingOperator:
    """One change of one value: which it applies to, what it does, in words."""

    name: str
    applies: Callable[[Leaf], bool]
    change: Callable[[Any], Any]
    words: str


_FACTOR_A, _FACTOR_B, _FACTOR_C = (
    WrappingOperator(f"factor-{f:g}", _is_float, partial(_times, f), f"is {f:g} times as large")
    for f in (1.01, 1.1, 2.0)
)
_SIGN = WrappingOperator("sign", _is_float, partial(_times, -1), "has the other sign")
_TRANSPOSE = WrappingOperator("transpose", _is_square, _transposed, "is transposed")
_REVERSE = WrappingOperator(
    "reverse",
    lambda leaf: _is_long(leaf) and not _is_square(leaf),
    _reversed,
    "is reversed along its last axis",
)
_FLOAT32 = WrappingOperator("float32", _is_float, partial(_cast, "float32"), "is rounded to single precision")
_FLOAT16 = WrappingOperator("float16", _is_float, partial(_cast, "float16"), "is rounded to half precision")
_ROLL = WrappingOperator("off-by-one", _has_rows, _rolled, "is shifted by one along its first axis")
_ZERO = WrappingOperator("zero", _has_sort("float", "int"), _zeroed, "is zero")
_PLUS_ONE = WrappingOperator("plus-one", _has_sort("int"), _plus_one, "is one too large")
_NEGATION = WrappingOperator("negation", _has_sort("bool"), _negated, "is its contrary")
_KEY = WrappingOperator("key-reuse", _has_sort("key"), _one_key, "is always the same random key")

ON_RESULTS = (
    _SIGN, _FACTOR_A, _FACTOR_B, _FACTOR_C, _TRANSPOSE, _REVERSE, _FLOAT32, _FLOAT16, _ROLL, _ZERO, _PLUS_ONE,
    _NEGATION,
)  # fmt: skip
ON_ARGUMENTS = (_FACTOR_B, _ROLL, _TRANSPOSE, _PLUS_ONE, _KEY)
SWAP, STALE = "swap-arguments", "stale"
NAMES = tuple(dict.fromkeys([*(o.name for o in (*ON_RESULTS, *ON_ARGUMENTS)), SWAP, STALE]))
_BY_NAME = {operator.name: operator for operator in (*ON_RESULTS, *ON_ARGUMENTS)}


@dataclass(frozen=True)
class Wrapping:
    """One way to wrap a function: the operator, the place it works on, in words."""

    operator: str
    place: str
    words: str


def wrappings_of(facts: Mapping[str, Leaf]) -> Iterator[Wrapping]:
    """Every way to wrap a function of which the values at these places are known from calls."""
    for place, leaf in facts.items():
        of_result = place.startswith(RESULT)
        for operator in ON_RESULTS if of_result else ON_ARGUMENTS:
            if operator.applies(leaf):
                yield Wrapping(operator.name, place, f"{place} {operator.words}")
        if of_result and not leaf.traced and leaf.sort in ("float", "int"):
            yield Wrapping(STALE, place, f"{place} is that of the call before")
    arguments = [
        place for place in facts if not place.startswith(RESULT) and "[" not in place and "." not in place
    ]
    for first, second in itertools.pairwise(arguments):
        if facts[first] == facts[second] and _is_float(facts[first]):
            yield Wrapping(SWAP, f"{first}<>{second}", f"{first} and {second} are swapped")


def facts_of(arguments: Mapping[str, Any], result: Any) -> dict[str, Leaf]:
    """What is known of a call."""
    from advntk.checks.mutation.values import described

    found = {}
    for name, value in arguments.items():
        if name not in ("self", "cls", RESULT):
            found.update({place: described(leaf) for place, leaf in leaves(value, name)})
    found.update({place: described(leaf) for place, leaf in leaves(result, RESULT)})
    return found


def wrapped(function: FunctionType, wrapping: Wrapping) -> Body:
    """What the function does when it is wrapped so; `function` is the honest one."""
    names = list(inspect.signature(function).parameters)
    if wrapping.operator == SWAP:
        first, _, second = wrapping.place.partition("<>")
        return partial(_swapped, function, names, first, second)
    if wrapping.operator == STALE:
        return partial(_stale, function, wrapping.place, [])
    operator = _BY_NAME[wrapping.operator]

    def change(value: Any) -> Any:
        # Another call may have other types there, which the operator says nothing of.
        return operator.change(value) if sort_of(value) else value

    if wrapping.place.startswith(RESULT):
        return partial(_with_result, function, wrapping.place, change)
    return partial(_with_argument, function, names, wrapping.place, change)


def _with_result(
    function: FunctionType, place: str, change: Callable, given: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    found = function(*given, **named)
    try:
        return with_leaf(found, RESULT, place, change)
    except LookupError:
        return found


def _with_argument(
    function: FunctionType,
    names: list[str],
    place: str,
    change: Callable,
    given: tuple[Any, ...],
    named: dict[str, Any],
) -> Any:
    root = place.partition(".")[0].partition("[")[0]
    if root in named:
        named = {**named, root: _changed(named[root], root, place, change)}
    elif root in names and names.index(root) < len(given):
        at = names.index(root)
        given = (*given[:at], _changed(given[at], root, place, change), *given[at + 1 :])
    return function(*given, **named)


def _changed(value: Any, root: str, place: str, change: Callable) -> Any:
    try:
        return with_leaf(value, root, place, change)
    except LookupError:
        return value


def _swapped(
    function: FunctionType,
    names: list[str],
    first: str,
    second: str,
    given: tuple[Any, ...],
    named: dict[str, Any],
) -> Any:
    values = {**dict(zip(names, given, strict=False)), **named}
    if np.shape(values[first]) != np.shape(values[second]):
        return function(*given, **named)
    values[first], values[second] = values[second], values[first]
    return function(
        *(values[name] for name in names[: len(given)]), *given[len(names) :], **{n: values[n] for n in named}
    )


def _stale(
    function: FunctionType, place: str, before: list[Any], given: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    found = function(*given, **named)
    here = dict(leaves(found, RESULT)).get(place)
    if here is None or isinstance(here, jax.core.Tracer):
        return found
    old = before[0] if before and np.shape(before[0]) == np.shape(here) else here
    before[:] = [here]
    return with_leaf(found, RESULT, place, lambda _: old)
