"""Values as strict JSON and back, numbers that are not finite included."""

from __future__ import annotations

import json
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_rows import same

from advntk.checks.evidence import dumps, loads
from advntk.theorems.vocabulary import Verdict

FAIR = settings(derandomize=True, deadline=None, database=None)


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


# Also text that spells a number that is not finite.
TEXT = st.text() | st.sampled_from(["nan", "NaN", "inf", "-inf", "Infinity"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@FAIR
@given(VALUES)
def test_dumps_is_strict_json_and_loads_undoes_it(value):
    text = dumps(value)
    json.loads(text, parse_constant=no_constant)
    assert same(loads(text), value) if not isinstance(value, str | None) else loads(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (nan, '{"float": "nan"}'),
        (-nan, '{"float": "nan"}'),
        (inf, '{"float": "inf"}'),
        (np.float32(-inf), '{"float": "-inf"}'),
        ({"a": (1, np.array([inf, 0.5]))}, '{"a": [1, [{"float": "inf"}, 0.5]]}'),
        ("nan", '"nan"'),
        ({64: 1.5}, '{"64": 1.5}'),
        (Verdict.HOLDS, '"HOLDS"'),
    ],
)
def test_dumps_of_what_json_lacks(value, text):
    assert dumps(value) == text


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "Infinity", '{"float": "nan"}'])
def test_text_stays_text(text):
    assert loads(dumps({"reason": text})) == {"reason": text}


@pytest.mark.parametrize("value", [1.5, nan, [1.0, 2.0], "nan", "text", None, {"float": -inf}])
def test_a_dict_with_the_key_float_stays_a_dict(value):
    """As the numbers of a trial whose only statistic is named "float"."""
    assert same(loads(dumps({"float": value})), {"float": value})


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 1j])
def test_dumps_refuses_what_it_cannot_keep(value):
    with pytest.raises(TypeError):
        dumps(value)
