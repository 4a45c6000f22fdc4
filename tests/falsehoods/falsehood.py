"""What the falsehoods of this library are made with, and how pytest gets them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from advntk.checks.mutation.falsehoods import Falsehood, Pins, Plant, as_stated, instead, refuted_by


def parameters(slow_of: Mapping[str, bool], values: Mapping[str, object]) -> list:
    """Parameters for pytest, by name; those that take long are left out unless asked for."""
    marks = (pytest.mark.evidence,)
    return [
        pytest.param(value, id=name, marks=marks if slow_of[name] else ()) for name, value in values.items()
    ]


__all__ = ["Falsehood", "Pins", "Plant", "as_stated", "instead", "parameters", "refuted_by"]
