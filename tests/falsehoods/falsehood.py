"""What a falsehood is: a wrong theory or a wrong implementation, and the claim that must refute it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

Plant = Callable[[pytest.MonkeyPatch], None]
Pins = Mapping[str, int | float | str]


@dataclass(frozen=True)
class Falsehood:
    """`plant` makes the world wrong in the way `statement` says; then `claim` must be REFUTED at `pins`."""

    name: str
    statement: str
    claim: str
    plant: Plant
    pins: Pins = field(default_factory=dict)
    widths: tuple[int, ...] = ()
    slow: bool = False  # takes more than about ten seconds
    also: tuple[str, ...] = ()  # other claims that the same fault refutes
    spares: tuple[str, ...] = ()  # claims that it must leave true, or else something else is wrong as well
    by: tuple[str, ...] = ()  # the statistics of `claim` that notice, and no others; empty: whichever
    worst: float | None = None  # how far off the worst one must be, to a sixteenth
    # Where the true claim says nothing at `pins` (an assumption was dropped): pins at which it does.
    control: Pins | None = None

    @property
    def needs_no_plant(self) -> bool:
        """The theory of the catalogue is false as it stands there, and says so: there is no true version."""
        return self.plant is as_stated


def as_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plants nothing."""


def refuted_by(claim: str, pins: Pins, **more: Any) -> Callable[[Plant], Falsehood]:
    """Make a function that plants a fault into a falsehood: its name and docstring say what is wrong."""

    def wrap(plant: Plant) -> Falsehood:
        statement = " ".join((plant.__doc__ or "").split())
        return Falsehood(_words(plant), statement, claim, plant, pins, **more)

    return wrap


def instead(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, wrong: Callable) -> None:
    """Put `wrong`, which gets the honest one as its first argument, where `owner.name` was."""
    monkeypatch.setattr(owner, name, partial(wrong, getattr(owner, name)))


def _words(plant: Plant) -> str:
    return getattr(plant, "__name__", "").replace("_", " ").strip()


def parameters(slow_of: Mapping[str, bool], values: Mapping[str, object]) -> list:
    """Parameters for pytest, by name; those that take long are left out unless asked for."""
    marks = (pytest.mark.evidence,)
    return [
        pytest.param(value, id=name, marks=marks if slow_of[name] else ()) for name, value in values.items()
    ]
