"""The arrays and numbers inside what a function gets and gives, by their places."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_DEEPEST = 3
_MOST = 8


@dataclass(frozen=True)
class Leaf:
    """What is known of a value at one place: its sort, its shape, and whether it was being traced."""

    sort: str  # "float", "int", "bool", "key"
    shape: tuple[int, ...]
    traced: bool = False


def leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Arrays and numbers in nested tuples, mappings and dataclasses, with their places, such as `result.ntk`.

    At most eight of them, three levels deep.
    """
    found = _leaves(value, place, 0)
    for _, one in zip(range(_MOST), found, strict=False):
        yield one


def _leaves(value: Any, place: str, depth: int) -> Iterator[tuple[str, Any]]:
    if sort_of(value):
        yield place, value
    elif depth < _DEEPEST:
        for name, part in parts_of(value):
            yield from _leaves(part, f"{place}{name}", depth + 1)


def described(value: Any) -> Leaf:
    """A leaf in words."""
    return Leaf(sort_of(value), tuple(np.shape(value)), isinstance(value, jax.core.Tracer))


def sort_of(value: Any) -> str:
    """ "float", "int", "bool" or "key"; "" for what is no array and no number."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    if not isinstance(value, jax.Array | np.ndarray | np.generic):
        return ""
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return "key"
    return {"f": "float", "V": "float", "i": "int", "u": "int", "b": "bool"}.get(value.dtype.kind, "")


def with_leaf(value: Any, start: str, place: str, change: Callable[[Any], Any]) -> Any:
    """The same value with the leaf at `place` changed; `start` is where the value itself is.

    Raises:
      LookupError: nothing is there.
    """
    if start == place:
        return change(value)
    for name, part in parts_of(value):
        inside = f"{start}{name}"
        if place == inside or place.startswith((f"{inside}.", f"{inside}[")):
            return _replaced(value, name, with_leaf(part, inside, place, change))
    raise LookupError(f"nothing is at {place}")


def parts_of(value: Any) -> list[tuple[str, Any]]:
    """What tuples, mappings and dataclasses are made of, by place; nothing of anything else."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(f".{name}", getattr(value, name)) for name in value._fields]
    if isinstance(value, tuple | list):
        return [(f"[{i}]", part) for i, part in enumerate(value)]
    if isinstance(value, dict):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f".{f.name}", getattr(value, f.name)) for f in dataclasses.fields(value) if f.init]
    return []


def _replaced(value: Any, name: str, part: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(part if f == name[1:] else getattr(value, f) for f in value._fields))
    if isinstance(value, tuple | list):
        number = int(name[1:-1])
        return type(value)([part if i == number else each for i, each in enumerate(value)])
    if isinstance(value, dict):
        return {key: part if f"[{key!r}]" == name else each for key, each in value.items()}
    return dataclasses.replace(value, **{name[1:]: part})
