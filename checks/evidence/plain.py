"""Values as strict JSON and back, numbers that are not finite included."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def dumps(value: Any) -> str:
    """JSON that strict parsers accept: a number that is not finite becomes {"float": "nan"}, or "inf".

    A mapping that could be taken for one is wrapped: {"float": 1} becomes {"dict": {"float": 1}}.
    """
    return json.dumps(_plain(value), allow_nan=False)


def loads(text: str) -> Any:
    """The inverse of `dumps`."""
    return _number(json.loads(text))


_MARKS = ({"float"}, {"dict"})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        plain = {str(k): _plain(v) for k, v in value.items()}
        return {"dict": plain} if plain.keys() in _MARKS else plain
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _number(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        inside = value["dict"] if value.keys() == {"dict"} else value
        return {k: _number(v) for k, v in inside.items()}
    return [_number(v) for v in value] if isinstance(value, list) else value
