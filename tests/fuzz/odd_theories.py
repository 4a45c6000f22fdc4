"""Theories that are wrong in one place or two: a tiny one that is fine, and what else its parts may be."""

from __future__ import annotations

import re

TINY = """
import numpy as np
from advntk import *
SOURCE = Source("a book", "page 1")


def fine(scenario, keys):
    return {"value": np.zeros(len(keys)), "bound": np.ones(len(keys))}


def nothing(scenario):
    return 0


class Odd(Exception):
    def __str__(self):
        raise self


class Left(BaseException):
    pass


def raising(error):
    def function(*_, **__):
        raise error
    return function


def printing(scenario, keys):
    print("printed by a theory")
    return fine(scenario, keys)


def endless(*_):
    return endless(*_)


def warned(scenario, keys):
    import warnings
    warnings.warn("odd", UserWarning)
    return fine(scenario, keys)


class Decider(BoundDecider):
    pass


SPACE = Space(Axis("depth", AXIS_DEFAULT, low=1, high=9, constraint=CONSTRAINT, symbol=SYMBOL))
ASSUMED = ASSUMPTIONS
CLAIM = Claim(CLAIM_ID, STATEMENT, KIND, SOURCE, ASSUMED, rate=RATE, expected=EXPECTED, note=NOTE)
THEOREM = Theorem(THEOREM_ID, TITLE, STATEMENT, SOURCE, CLAIMS)
small = trial(DECIDES, SPACE.over(depth=CHOICE), EFFORT, SWEEP, MEMORY, PREPARE, RANDOM, EXPLORES, PREMISES,
              SECONDS)(TRIAL)
"""
ERRORS = (
    "SystemExit(0)",
    "KeyboardInterrupt()",
    "GeneratorExit()",
    "Left('x')",
    "Odd()",
    "StopIteration()",
    "MemoryError()",
    "RecursionError()",
    "ValueError('\\x1b[31mred\\n' * 99)",
    "UnicodeDecodeError('a', b'', 0, 1, '')",
    "UsageError('mine')",
    "ExceptionGroup('g', [ValueError()])",
)
RAISING = tuple(f"raising({error})" for error in ERRORS)
WRONG = (
    "None",
    "5",
    "'banana'",
    "()",
    "[]",
    "{}",
    "object()",
    "1j",
    "float('nan')",
    "b'x'",
    "True",
    "fine",
    "'\\ud800'",
)
GIVEN = tuple(
    f"lambda s, k: {found}"
    for found in (
        "None",
        "5",
        "'x'",
        "[]",
        "{}",
        "(i for i in ())",
        "{'value': 'x'}",
        "{'value': ['a'] * len(k)}",
        "{'value': 1j * np.ones(len(k)), 'bound': np.ones(len(k))}",
        "{'value': np.ones(3)}",
        "{1: np.ones(len(k))}",
        "{'value': np.array([object()] * len(k)), 'bound': np.ones(len(k))}",
        "{'value': np.ones((len(k), 2)), 'bound': np.ones(len(k))}",
        "{'value': [[1], [1, 2]], 'bound': np.ones(len(k))}",
        "{'value': np.full(len(k), np.nan), 'bound': np.ones(len(k))}",
        "{'\\ud800': np.ones(len(k))}",
        "{'value': np.full(len(k), np.inf), 'bound': np.ones(len(k))}",
        "{'value': np.zeros(len(k)), 'bound': 0 * np.ones(len(k))}",
        "{'value': np.ma.masked_all(len(k)), 'bound': np.ones(len(k))}",
        "Observation('x')",
        "Observation({}, {'x': 5})",
        "Observation(fine(s, k), {'curves': {'x': 'y'}})",
        "Observation(fine(s, k), result=np.full(len(k), 99))",
        "Observation(fine(s, k), result='bad')",
        "Observation(fine(s, k), result=np.ones(len(k)))",
        "np.zeros(len(k), dtype='datetime64[s]')",
        "{'value': np.zeros(len(k), 'M8[s]'), 'bound': np.ones(len(k))}",
        "{**fine(s, k), 'extra\\x1b[31m': np.zeros(len(k))}",
    )
)
# Slot |-> what it holds in a theory that is fine, and what else is tried.
SLOTS = {
    "AXIS_DEFAULT": ("1", ("0", "1.5", "'x'", *WRONG)),
    "CONSTRAINT": ("None", (*RAISING, *WRONG, "lambda v: 5", "lambda v: ''", "lambda v: 'is odd'")),
    "SYMBOL": ("'L'", WRONG),
    "ASSUMPTIONS": (
        "()",
        (
            *WRONG,
            *(f"(Assumption('a', 's', {function}, ('depth',)),)" for function in (*RAISING, *WRONG)),
            "(Assumption('a', 's', lambda s: s.nothing, ('depth',)),)",
            "(Assumption('a', 5, nothing),)",
            "(Assumption('a', 's', lambda s: s.depth < 2 or 1 / 0, ('depth',)),)",
        ),
    ),
    "CLAIM_ID": (
        "'tiny.small'",
        ("'small'", "'tiny.'", "'tiny.\\x1b[31m'", "'tiny.a b'", "'tiny.' + 'x' * 500", *WRONG),
    ),
    "STATEMENT": ("'s'", ("'\\x1b[31mred'", "'$\\\\frac{$'", "'\\u202e'", "'x' * 5000", *WRONG)),
    "KIND": ("Kind.EXACT", ("Kind.LIMIT", "'exact'", *WRONG)),
    "RATE": ("None", ("Rate(0.5)", "Rate('x')", "Rate(float('nan'))", "Rate(0)", *WRONG)),
    "EXPECTED": ("Verdict.HOLDS", ("Verdict.ERROR", "'HOLDS'", "Verdict.REFUTED", "None", *WRONG)),
    "NOTE": ("''", WRONG),
    "THEOREM_ID": ("'tiny'", ("'closed_form'", "''", "'ti ny'", *WRONG)),
    "TITLE": ("'t'", ("'\\x1b]0;x\\x07'", *WRONG)),
    "CLAIMS": ("(CLAIM,)", ("(CLAIM, CLAIM)", "CLAIM", "(CLAIM, 5)", "[CLAIM]", *WRONG)),
    "DECIDES": (
        "{CLAIM_ID: [BoundDecider('value', 'bound', 'at most')]}",
        (
            *(
                f"{{CLAIM_ID: {deciders}}}"
                for deciders in (
                    *WRONG,
                    "['x']",
                    "[BoundDecider]",
                    "BoundDecider('value', 'bound', 'at most')",
                    "[BoundDecider(5, 6, 'above')]",
                    "[BoundDecider('value', 'bound', 'sideways')]",
                    "[BoundDecider('nothing', 'bound', 'above')]",
                    "[RateDecider('value', 0.5)]",
                    "[LevelDecider('value', 0)]",
                    "[MedianDecider('value', 0, 'above')]",
                    "[type('Own', (Decider,), {'decide': raising(SystemExit(0))})('value', 'b', 'above')]",
                    "[type('Mine', (Decider,), {'decide': lambda *_: 5})('value', 'bound', 'above')]",
                )
            ),
            "{'tiny.other': [BoundDecider('value', 'bound', 'above')]}",
            *WRONG,
        ),
    ),
    "CHOICE": ("(1, 2)", ("(1, 'x')", "(0,)", "Between(1, 2)", "(1.5,)", "range(3)", *WRONG)),
    "EFFORT": (
        "Effort(Measure(1, 2))",
        (
            "'much'",
            "Effort('x')",
            "Effort(Measure('x', 2))",
            "Effort(Measure(1, -2))",
            "Effort(Measure(1, 2, (1, 2)))",
            "Effort(Measure(1, 2, looks=0))",
            "Effort(Measure(1, 2, held=5))",
            "Effort(Measure(1, 2, held=(('depth', 'x'),)))",
            "Effort(Measure(0, 0))",
            "Effort(Measure(1.5, 2))",
            *WRONG,
        ),
    ),
    "SWEEP": (
        "None",
        ("Sweep('depth')", "Sweep('nothing')", "Sweep(5)", f"Sweep('depth', {RAISING[0]})", *WRONG),
    ),
    "MEMORY": (
        "nothing",
        (
            *RAISING,
            *WRONG,
            "lambda s: 'much'",
            "lambda s: -1",
            "lambda s: float('nan')",
            "lambda s: 10**30",
            "lambda s: None",
        ),
    ),
    "PREPARE": ("nothing", (*RAISING, *WRONG)),
    "RANDOM": ("True", WRONG),
    "EXPLORES": ("()", ("('depth',)", "('x',)", "'depth'", "(5,)", *WRONG)),
    "PREMISES": (
        "()",
        (
            "(Premise('value', 1.0, 'p'),)",
            "(Premise('nothing', 1.0, 'p'),)",
            "(Premise(5, 'x', None),)",
            "(5,)",
            *WRONG,
        ),
    ),
    "SECONDS": ("nothing", (*RAISING, *WRONG, "lambda s: 1e9", "lambda s: 'long'")),
    "TRIAL": ("fine", (*RAISING, *WRONG, *GIVEN, "endless", "warned", "printing")),
}
MUTATIONS = [(slot, value) for slot, (_, values) in SLOTS.items() for value in values]


def text_of(changes):
    """A theory with these slots changed."""
    text = TINY
    for slot in sorted(SLOTS, key=len, reverse=True):
        text = re.sub(rf"\b{slot}\b", lambda _, s=slot: changes.get(s, SLOTS[s][0]), text)
    # What a slot holds may name another one.
    return re.sub(r"\bCLAIM_ID\b", lambda _: changes.get("CLAIM_ID", SLOTS["CLAIM_ID"][0]), text)
