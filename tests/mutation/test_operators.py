"""What operators make of functions: text by text, value by value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.checks.mutation.mutants import Mutant, mutants_of, reason_for, sampled
from advntk.checks.mutation.planting import wrong
from advntk.checks.mutation.wrapping_operators import facts_of

SOURCES = [
    ("return a + b", {"drop-term": ["return a", "return b"], "plus-minus": ["return a - b"]}),
    (
        "return a - b",
        {
            "drop-term": ["return a", "return -b"],
            "plus-minus": ["return a + b"],
            "swap-operands": ["return b - a"],
        },
    ),
    ("return a * b", {"drop-factor": ["return a", "return b"], "times-over": ["return a / b"]}),
    ("return a @ b", {"swap-operands": ["return b @ a"]}),
    ("return 0.5", {"constant": ["return 1.0"]}),
    ("return 1e-09", {"constant": ["return 1e-08"]}),
    ("return 3", {"constant": ["return 4"]}),
    ("return True", {"constant": ["return False"]}),
    ("return a < b", {"compare": ["return a >= b"]}),
    ("return a if b else c", {"condition": ["return c if b else a"]}),
    ("return a.T", {"drop-transpose": ["return a"]}),
    ("return jnp.swapaxes(a, b, c)", {"drop-transpose": ["return a"]}),
    ("return a.sum(axis=0)", {"other-function": ["return a.mean(axis=0)"], "axis": ["return a.sum(axis=1)"]}),
    (
        "return a.sum(axis=-1)",
        {"other-function": ["return a.mean(axis=-1)"], "axis": ["return a.sum(axis=-2)"]},
    ),
    ("return jnp.sqrt(a)", {"drop-call": ["return a"]}),
    ("return jnp.where(a, b, c)", {"condition": ["return jnp.where(a, c, b)"]}),
    ("return -a", {"drop-sign": ["return a"]}),
    ("a += b", {"drop-statement": ["pass"]}),
    ("a = abs(a)", {"drop-statement": ["pass"], "drop-call": ["a = a"]}),
    # What is refused, said or named is left alone.
    ("raise ValueError(1)", {}),
    ("if a < 1:\n        raise ValueError", {}),
    ("assert a < 1", {}),
    ("return f'{a + b}'", {}),
    ("return 'text'", {}),
]


@pytest.mark.parametrize(("statement", "expected"), SOURCES, ids=[s for s, _ in SOURCES])
def test_an_operator_rewrites_one_place(toy, statement, expected):
    source = f'import jax.numpy as jnp\n\ndef f(a, b, c):\n    """1 + 1."""\n    {statement}\n    return a\n'
    _, targets = toy(source)
    found: dict[str, list[str]] = {}
    for one in mutants_of(targets["f"], {}):
        found.setdefault(one.operator, []).append(one.after)
        assert one.before == statement.splitlines()[0] and one.lines == (5, 5)
    assert found == expected


class Pair(NamedTuple):
    first: object
    second: object


@dataclass(frozen=True)
class Record:
    kernel: object
    name: str = "it"


WRAPPED = [
    (3.0, {"sign": -3.0, "factor-1.01": 3.0 * 1.01, "factor-2": 6.0, "zero": 0.0}),
    (3, {"zero": 0, "plus-one": 4}),
    (True, {"negation": False}),
    (jnp.array([1.0, 2.0]), {"reverse": [2.0, 1.0], "off-by-one": [2.0, 1.0], "zero": [0.0, 0.0]}),
    (
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        {"transpose": [[1.0, 3.0], [2.0, 4.0]], "off-by-one": [[3.0, 4.0], [1.0, 2.0]]},
    ),
    (jnp.array([1.0 + 2**-20, 1.0]), {"float16": [1.0, 1.0], "float32": [1.0 + 2**-20, 1.0]}),
    (jnp.array([1.0 + 2**-40, 1.0]), {"float32": [1.0, 1.0]}),
]


@pytest.mark.parametrize(("value", "expected"), WRAPPED, ids=[str(v).replace("\n", "") for v, _ in WRAPPED])
def test_an_operator_changes_a_result(toy, value, expected):
    _, targets = toy("def f(x):\n    return x\n")
    mutants = {
        m.operator: m for m in mutants_of(targets["f"], facts_of({"x": value}, value)) if m.place == "result"
    }
    for name, wanted in expected.items():
        found = wrong(mutants[name], targets["f"])(value)
        np.testing.assert_allclose(found, wanted, rtol=1e-15)
        assert type(found) is type(value)
        assert np.asarray(found).dtype == np.asarray(value).dtype


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ((1.0, 2.0), "result[1]"),
        ([1.0, 2.0], "result[1]"),
        ({"a": 1.0, "b": 2.0}, "result['b']"),
        (Pair(1.0, 2.0), "result.second"),
        (Pair("word", Pair(1.0, 2.0)), "result.second.second"),
        (Record(jnp.array(2.0)), "result.kernel"),
    ],
    ids=lambda value: str(value),
)
def test_one_place_inside_a_result_is_changed_and_no_other(toy, value, place):
    _, targets = toy("def f(x):\n    return x\n")
    (one,) = (
        m for m in mutants_of(targets["f"], facts_of({}, value)) if (m.operator, m.place) == ("sign", place)
    )
    found = wrong(one, targets["f"])(value)
    assert type(found) is type(value)
    assert jax.tree.leaves(vars(found) if isinstance(found, Record) else found) == [
        -leaf if leaf == 2.0 else leaf
        for leaf in jax.tree.leaves(vars(value) if isinstance(value, Record) else value)
    ]


def test_arguments_are_swapped_shifted_and_drawn_alike(toy):
    _, targets = toy("def f(a, b, key, *, n=3):\n    return a - 2 * b, key, n\n")
    a, b, key = jnp.array([1.0, 2.0]), jnp.array([5.0, 7.0]), jax.random.split(jax.random.key(1), 2)
    facts = facts_of({"a": a, "b": b, "key": key, "n": 3}, (a - 2 * b, key, 3))
    of = {(m.operator, m.place): wrong(m, targets["f"]) for m in mutants_of(targets["f"], facts)}
    np.testing.assert_array_equal(of["swap-arguments", "a<>b"](a, b, key)[0], b - 2 * a)
    np.testing.assert_array_equal(of["swap-arguments", "a<>b"](a, b=b, key=key)[0], b - 2 * a)
    np.testing.assert_array_equal(of["factor-1.1", "b"](a, b, key)[0], a - 2 * (1.1 * b))
    assert of["plus-one", "n"](a, b, key, n=3)[2] == 4
    drawn = of["key-reuse", "key"](a, b, key)[1]
    assert jnp.array_equal(jax.random.key_data(drawn), jax.random.key_data(key[:1]).repeat(2, 0))


def test_a_stale_result_is_that_of_the_call_before(toy):
    _, targets = toy("def f(x):\n    return 2.0 * x\n")
    (one,) = (m for m in mutants_of(targets["f"], facts_of({"x": 1.0}, 2.0)) if m.operator == "stale")
    found = wrong(one, targets["f"])
    assert [found(1.0), found(3.0), found(4.0)] == [2.0, 2.0, 6.0]


def test_ids_stay_when_a_function_moves(toy):
    body = "def f(x):\n    y = x + 1.0\n    return y * 2.0\n"
    _, here = toy(body, "place_one")
    _, there = toy("import math\n\n\nclass Other:\n    pass\n\n\n" + body, "place_two")
    ids = [[m.id.partition(":")[2] for m in mutants_of(t["f"], {})] for t in (here, there)]
    assert ids[0] == ids[1] and len(set(ids[0])) == len(ids[0])


def test_a_sample_is_the_same_every_time_and_spares_no_function():
    mutants = [
        Mutant(f"m:{f}:constant:{n}", f"m:{f}", "constant", str(n), "") for f in "abcd" for n in range(9)
    ]
    found = sampled(mutants, 8, 3)
    assert found == sampled(mutants, 8, 3) != sampled(mutants, 8, 4)
    assert [m.function for m in found] == [f"m:{f}" for f in "aabbccdd"]
    assert sampled(mutants, None, 0) == sampled(mutants, 99, 0) == mutants


def test_equivalents_are_declared_by_patterns_with_a_reason():
    one = Mutant("m:f:constant:3", "m:f", "constant", "3", "")
    assert reason_for(one.id, {"m:g:*": "no", "m:f:constant:*": "scale-free"}) == "scale-free"
    assert reason_for(one.id, {"m:f:sign:*": "no"}) == ""
