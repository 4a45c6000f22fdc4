"""Every step of the derivation of lazy training verifies, and each verification rejects a wrong formula."""

from __future__ import annotations

import inspect
import textwrap

import pytest
import sympy as sp

from advntk.theories.lazy_training import statement

DERIVATION = statement.THEOREM.derivation
# (function that verifies a step, right formula, wrong formula put in its place)
WRONG = {
    "kernel's motion left out": ("_expanded", "- h * u1 * residual", ""),
    "half of the curvature": ("_expanded", "(u1.T * h * u1)[0] / 2)", "(u1.T * h * u1)[0])"),
    "loss divided by alpha once": ("_orders", "(-eps * gradient", "(-gradient"),
    "a gap of second order": ("_order_of_the_gap", "(u1.T * h * u1)[0] / 2)", "0)"),
    "kernel that moves on one side": ("_order_of_the_kernel", "+ other.T * h * u1", ""),
    "forcing by one term": ("_closed_system", "+ (g1.T * h * g1)[0]", ""),
    "forcing without its sign": ("_closed_system", "forcing = -r", "forcing = r"),
    "equal signs of two modes": ("_solved", "- sp.exp(-p * t)) / (p - q)", "+ sp.exp(-p * t)) / (p - q)"),
    "second integral undivided": ("_solved", "- x) / p", "- x)"),
    "limit of another mode": ("_solved", "- 1 / (p * q)", "- 1 / (p * p)"),
    "forcing once": ("_small_model", "gap = 2 * k", "gap = k"),
    "copies of one sign": ("_parity", "(g(a) - g(b))", "(g(a) + g(b))"),
    "loss that falls half as fast": (
        "_reach",
        "+ (velocity.T * velocity)[0]",
        "+ (velocity.T * velocity)[0] / 2",
    ),
    "way squared without its time": ("_reach", "(s + t) * (s", "(s"),
    "targets that stay": ("_uncentred", "- eps * gradient * y", "- gradient * y"),
}


@pytest.mark.parametrize("step", DERIVATION, ids=lambda step: step.residual.__name__)
def test_step_verifies(step):
    residuals = step.residual()
    assert residuals, "a step that checks nothing"
    assert [sp.simplify(residual) for residual in residuals] == [0] * len(residuals)


def test_every_step_has_a_wrong_variant():
    shared = {"_expanded"}  # used by the steps on orders
    assert {step.residual.__name__ for step in DERIVATION} == {case[0] for case in WRONG.values()} - shared


@pytest.mark.parametrize(("function", "right", "wrong"), WRONG.values(), ids=WRONG)
def test_wrong_formula_leaves_a_residual(function, right, wrong):
    source = textwrap.dedent(inspect.getsource(getattr(statement, function)))
    assert source.count(right) == 1, f"{function} no longer contains {right!r}: state the variant anew"
    scope = {name: value for name, value in vars(statement).items() if name.startswith("_")}
    # Functions that use what is made wrong must see it.
    text = "\n".join([source.replace(right, wrong), *_others_that_use(function)])
    exec("from __future__ import annotations\n" + text, scope)
    steps = [function] if function in {s.residual.__name__ for s in DERIVATION} else ["_orders"]
    assert any(_clearly_not_zero(residual) for step in steps for residual in scope[step]())


def _others_that_use(function: str) -> list[str]:
    sources = [textwrap.dedent(inspect.getsource(step.residual)) for step in DERIVATION]
    return [source for source in sources if f"= {function}()" in source]


def _clearly_not_zero(residual: sp.Expr) -> bool:
    """Whether the residual differs from zero at one point, so that no simplification was missed.

    An unknown function is put to a cubic, and 30 digits are evaluated.
    """
    residual = sp.sympify(residual).replace(sp.Function("g"), lambda u: u + u**2 / 3 + u**3 / 5).doit()
    symbols = sorted(residual.free_symbols, key=str)
    point = {symbol: sp.Rational(sp.prime(i + 3), 7) for i, symbol in enumerate(symbols)}
    return abs(residual.subs(point).evalf(30)) > sp.Float("1e-20")
