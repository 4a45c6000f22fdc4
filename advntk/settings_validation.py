"""Whether the settings of a run are of the right sort, whoever made them: command line, script or plugin."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advntk.exceptions import UsageError

if TYPE_CHECKING:
    from advntk.wiring import RunSettings


class BadSetting(UsageError):
    """A setting of the wrong sort or out of range; the message names it, its value and the fix."""


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high
    )


def _number(low: float, high: float) -> Callable[[Any], bool]:
    def will_do(value: Any) -> bool:
        real = isinstance(value, Real) and not isinstance(value, bool)
        return real and math.isfinite(value) and low <= value <= high

    return will_do


def _optional(will_do: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or will_do(value)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, str) for one in value)


def _switch(value: Any) -> bool:
    return isinstance(value, bool)


# Setting |-> its option, what will do, and the fix.
_SETTINGS: dict[str, tuple[str, Callable[[Any], bool], str]] = {
    "claims": ("CLAIM", _texts, "give ids of claims or theorems"),
    "data": ("--data", _optional(_text), "give a source of data, such as digits, or an .npz file"),
    "device": ("--device", lambda value: value in ("cpu", "gpu"), "choose cpu or gpu"),
    "seed": ("--seed", _whole(0, 2**32 - 1), "give a whole number from 0 to 4294967295"),
    "evidence": ("--evidence", lambda value: isinstance(value, Path), "give a folder"),
    "axes": ("--axis", _texts, "give NAME=VALUE"),
    "sweeps": ("--sweep", _texts, "give AXIS=V,V,V,V"),
    "widths": ("--widths", _optional(_text), "give at least four whole numbers"),
    "implementation": ("--implementation", _optional(_text), "give a name, or package.module:attribute"),
    "memory_gib": ("--memory", _optional(_number(0.1, 1e6)), "give a number of GiB from 0.1"),
    "max_minutes": ("--max-minutes", _optional(_number(0, 1e6)), "give a number of minutes"),
    "jobs": ("--jobs", _optional(_whole(1, 256)), "give a whole number from 1 to 256"),
    "theories": ("--theory", _texts, "give .py files or names of modules"),
    "shrink": ("--shrink", _switch, "give True or False"),
    "resume": ("--resume", _switch, "give True or False"),
    "allow_changed": ("--allow-changed", _switch, "give True or False"),
}


def validate_settings(settings: RunSettings) -> None:
    """Refuse settings that mean nothing.

    Raises:
      BadSetting: the first of them.
    """
    for name, (option, will_do, fix) in _SETTINGS.items():
        value = getattr(settings, name)
        if not will_do(value):
            raise BadSetting(f"{option} {value!r}: {fix}")
    if settings.allow_changed and not settings.resume:
        raise BadSetting("--allow-changed: means something with --resume only; add that, or leave it out")


def texts_of_axes(axes: Mapping[str, Any] | None) -> tuple[str, ...]:
    """NAME=VALUE of axes that a script holds.

    Raises:
      BadSetting: no mapping from names to numbers or words.
    """
    if not isinstance(axes, Mapping | None):
        raise BadSetting(f"axes = {axes!r}: give a mapping such as {{'depth': 2}}")
    found = []
    for name, value in (axes or {}).items():
        if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, Real | str):
            raise BadSetting(f"axes = {{{name!r}: {value!r}}}: give a number or a word")
        found.append(f"{name}={value}")
    return tuple(found)


def texts_of_sweeps(sweeps: Mapping[str, Iterable[Any]] | None) -> tuple[str, ...]:
    """AXIS=V,V,V,V of sweeps that a script asks for.

    Raises:
      BadSetting: no mapping from names to numbers.
    """
    if not isinstance(sweeps, Mapping | None):
        raise BadSetting(f"sweeps = {sweeps!r}: give a mapping such as {{'width': (64, 128, 256, 512)}}")
    found = []
    for name, points in (sweeps or {}).items():
        if not isinstance(name, str) or isinstance(points, str) or not isinstance(points, Iterable):
            raise BadSetting(f"sweeps = {{{name!r}: {points!r}}}: give several numbers")
        found.append(f"{name}={','.join(map(str, points))}")
    return tuple(found)
