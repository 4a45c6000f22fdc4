"""Axes that a user holds at one value.  Quick to import, so that a wrong request is answered at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pin:
    """One axis held at one value: its name, the value as text, and the option as it was written."""

    axis: str
    raw: str
    said: str
