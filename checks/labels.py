"""How scenarios are written for people: loops over what axes say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Protocol


class Described(Protocol):
    """What a label needs to know of an axis; evidence keeps the same of axes whose theory is not at hand."""

    @property
    def name(self) -> str: ...
    @property
    def default(self) -> Any: ...
    @property
    def symbol(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def shown(self) -> bool: ...
    @property
    def written(self) -> Mapping[str, str]: ...


def written_label(values: Mapping[str, Any], axes: Iterable[Described], without: Iterable[str] = ()) -> str:
    """A short line: what axes always show, and what is away from its default; groups between commas.

    Where that is nothing, all axes are written: a line is never empty.

    Args:
      values: axis name |-> value; axes that are missing are left out.
      axes: in the order of the line.
      without: names of axes to leave out.
    """
    hidden = set(without)
    here = [axis for axis in axes if axis.name in values and axis.name not in hidden]
    told = [axis for axis in here if axis.shown or values[axis.name] != axis.default] or here
    parts = [(axis.group, text) for axis in told if (text := written(axis, values[axis.name]))]
    return ", ".join(" ".join(text for _, text in found) for _, found in groupby(parts, lambda part: part[0]))


def written(axis: Described, value: Any) -> str:
    """One value with its symbol: "L=2", "erf", "d=n"."""
    if str(value) in axis.written:
        return axis.written[str(value)]
    if isinstance(value, str):
        # The last part of a file's name says enough.
        return f"{axis.symbol}={value}" if axis.symbol else value.rsplit("/", 1)[-1]
    text = str(value) if isinstance(value, int) else f"{value:g}"
    return f"{axis.symbol or axis.name}={text}"
