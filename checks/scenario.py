"""One sampled situation: a frozen mapping from axes to plain values, hashable, no arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from advntk.checks.labels import written_label

if TYPE_CHECKING:
    from advntk.checks.spaces import Space, Value


class Scenario(Mapping[str, Any]):
    """Everything that a trial needs to know besides its random keys; axes are attributes, too.

    Made by `Space.scenario`.  Two scenarios are equal where all their values are.
    """

    __slots__ = ("_hash", "_space", "_values")

    _hash: int
    _space: Space
    _values: dict[str, Any]

    def __init__(self, space: Space, values: Mapping[str, Value]) -> None:
        full = {name: axis.normal(values.get(name, axis.default)) for name, axis in space.items()}
        object.__setattr__(self, "_space", space)
        object.__setattr__(self, "_values", full)
        object.__setattr__(self, "_hash", hash(tuple(full.items())))

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_values")[name]
        except KeyError:
            raise AttributeError(
                f"a scenario of this space has no {name!r}; it has: {', '.join(self)}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a scenario is frozen; use scenario.replace({name}=...)")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self._values == other._values

    def __reduce__(self) -> tuple[type[Scenario], tuple[Space, dict[str, Any]]]:
        # Copied and pickled by being made again: attributes cannot be set one by one.
        return Scenario, (self._space, self._values)

    def __repr__(self) -> str:
        return f"Scenario({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits of the values away from their defaults, and of nothing else.

        Random keys come from it, so that an axis that is added changes no id and no random number.
        """
        away = {name: value for name, value in self._values.items() if value != self._space[name].default}
        return hashlib.sha256(json.dumps(away, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def space(self) -> Space:
        """The axes behind the values."""
        return self._space

    def replace(self, **values: Value) -> Scenario:
        """The same with other values.

        Raises:
          BadAxis: an axis that is not there.
        """
        return self._space.scenario(**{**self._values, **values})

    def as_dict(self) -> dict[str, Any]:
        """Names and values, in the order of the space."""
        return dict(self._values)

    def label(self, without: tuple[str, ...] = ()) -> str:
        """A short line for people; axes `without` are left out, such as what a sweep changes."""
        return written_label(self._values, self._space.values(), without)
