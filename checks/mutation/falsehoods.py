"""Falsehoods planted by hand: what is wrong, how to make it so, and the claim that must refute it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any, Protocol

Pins = Mapping[str, int | float | str]
_MISSING = object()


class Patch(Protocol):
    """What a falsehood is planted with; pytest's `MonkeyPatch` is one."""

    def setattr(self, target: Any, name: str, value: Any) -> None: ...
    def setitem(self, mapping: Any, name: Any, value: Any) -> None: ...


Plant = Callable[[Any], None]


@dataclass(frozen=True)
class Falsehood:
    """`plant` makes the world wrong in the way `statement` says; then `claim` must be REFUTED at `pins`.

    Args:
      name: a few words.
      statement: what is wrong, as a sentence.
      claim: id of the claim that must refute it.
      plant: gets a `Patch`, with which it replaces attributes and items.
      pins: axes to hold.
      widths: points of the sweep over width; empty: those of the profile.
      slow: takes more than about ten seconds.
      also: other claims that the same fault refutes.
      spares: claims that it must leave true, or else something else is wrong as well.
      by: the statistics of `claim` that notice, and no others; empty: whichever.
      worst: how far off the worst one must be, to a sixteenth.
      control: where the true claim says nothing at `pins` (an assumption was dropped): pins at which it does.
    """

    name: str
    statement: str
    claim: str
    plant: Plant
    pins: Pins = field(default_factory=dict)
    widths: tuple[int, ...] = ()
    slow: bool = False
    also: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    worst: float | None = None
    control: Pins | None = None

    @property
    def needs_no_plant(self) -> bool:
        """The theory of the catalogue is false as it stands there, and says so: there is no true version."""
        return self.plant is as_stated

    def row(self, claim: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """What a claim's summary says of it, as a row of the mutation score; a miss is one, too."""
        estimate = claim["estimate"] or {}
        return {
            "name": self.name,
            "statement": self.statement,
            "claim": claim["id"],
            "kind": claim["kind"],
            "verdict": claim["verdict"],
            "statistic": estimate.get("statistic"),
            "quantity": estimate.get("quantity"),
            "estimate": estimate.get("value"),
            "interval": estimate.get("interval"),
            "violation": claim["reason"],
            "scenarios": claim["scenarios"],
            "trials": claim["trials"],
            "seconds": round(seconds, 1),
        }


def as_stated(patch: Patch) -> None:
    """Plants nothing."""


def refuted_by(claim: str, pins: Pins, **more: Any) -> Callable[[Plant], Falsehood]:
    """Make a function that plants a fault into a falsehood: its name and docstring say what is wrong.

    Args:
      claim: id of the claim that must refute it.
      pins: axes to hold.
      more: other fields of `Falsehood`.

    Returns:
      A decorator.
    """

    def wrap(plant: Plant) -> Falsehood:
        statement = " ".join((plant.__doc__ or "").split())
        name = getattr(plant, "__name__", "").replace("_", " ").strip()
        return Falsehood(name, statement, claim, plant, pins, **more)

    return wrap


def instead(patch: Patch, owner: object, name: str, wrong: Callable) -> None:
    """Put `wrong`, which gets the honest one as its first argument, where `owner.name` was."""
    patch.setattr(owner, name, partial(wrong, getattr(owner, name)))


def falsehoods_in(module: ModuleType) -> list[Falsehood]:
    """Those that a module holds under any name, in its order."""
    return [value for value in vars(module).values() if isinstance(value, Falsehood)]


class _Patches:
    """Replaces attributes and items until it is undone."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def setattr(self, target: Any, name: str, value: Any) -> None:
        """Replace an attribute, which must be there."""
        # A class keeps static methods as what they are.
        before = (
            vars(target)[name] if isinstance(target, type) and name in vars(target) else getattr(target, name)
        )
        self._undo.append(partial(setattr, target, name, before))
        setattr(target, name, value)

    def setitem(self, mapping: Any, name: Any, value: Any) -> None:
        """Replace an item."""
        before = mapping.get(name, _MISSING)

        def undo() -> None:
            if before is _MISSING:
                del mapping[name]
            else:
                mapping[name] = before

        self._undo.append(undo)
        mapping[name] = value

    def undo(self) -> None:
        """Put everything back, last things first."""
        while self._undo:
            self._undo.pop()()


@contextmanager
def patches() -> Iterator[Patch]:
    """A `Patch` whose replacements are taken back at the end."""
    found = _Patches()
    try:
        yield found
    finally:
        found.undo()
