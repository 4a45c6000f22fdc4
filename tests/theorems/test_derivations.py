"""Every step of every derivation verifies, and each verification rejects a wrong formula."""

from __future__ import annotations

import inspect
import textwrap

import pytest
import sympy as sp

from advntk.theorems import (
    adv_ntk,
    ark_positive_definiteness,
    closed_form,
    diagonal_limit,
    linearization_equivalence,
    xi_fading,
)
from advntk.theorems.catalogue import load

STEPS = [
    pytest.param(step, id=f"{theorem.id}: {step.statement.split(':')[0][:40]}")
    for theorem in load().theorems
    for step in theorem.derivation
]

# (module, function that verifies a step, right formula, wrong formula put in its place)
WRONG = [
    pytest.param(*case, id=f"{case[1].lstrip('_')}: {note}")
    for note, case in {
        "variance of the diagonal is tr Sigma^2": (diagonal_limit, "_spread", "- 2 * square", "- square"),
        "variance off the diagonal is 2 tr Sigma^2": (
            diagonal_limit,
            "_spread",
            "sum(s * s for s in eigen)",
            "sum(2 * s * s for s in eigen)",
        ),
        "a power of sigma_w^2 is missing": (
            diagonal_limit,
            "_product_form",
            "w**6 * layers",
            "w**4 * layers",
        ),
        "derivative of the wrong argument": (
            diagonal_limit,
            "_product_form",
            "k3, q) - w",
            "k3, b) - w",
        ),
        "second factor not differentiated": (
            diagonal_limit,
            "_price",
            "sp.diff(_V**j, _V)",
            "_V**j",
        ),
        "wrong weight of K_pp'": (
            diagonal_limit,
            "_trace_form",
            "+ 4 * sp.diff(kernel, b, c) * a",
            "+ 2 * sp.diff(kernel, b, c) * a",
        ),
        "correction of order 1/d^2": (diagonal_limit, "_trace_form", "correction / d)", "correction / d**2)"),
        "strength S missing": (diagonal_limit, "_xi_perturbation", "first - s * sp", "first - sp"),
        "Jacobian with as many columns as rows": (
            ark_positive_definiteness,
            "_gram",
            'sp.Matrix(3, 2, sp.symbols("j:6"))',
            'sp.Matrix(3, 3, sp.symbols("j:9"))',
        ),
        "slope of gelu is even": (
            ark_positive_definiteness,
            "_parity",
            "(sp.erf(u), sp.tanh(u), sigmoid)",
            "(sp.erf(u), sp.tanh(u), sigmoid, gelu)",
        ),
        "slopes of sigmoid add up to 1": (
            ark_positive_definiteness,
            "_parity",
            "(gelu, softplus)]",
            "(gelu, softplus, sigmoid)]",
        ),
        "bias differs between inputs": (
            ark_positive_definiteness,
            "_lifted",
            "[[x, b], [y, b]]",
            "[[x, b], [y, 2 * b]]",
        ),
        "largest angle elsewhere": (
            ark_positive_definiteness,
            "_largest_angle",
            "best = 1 / sp.sqrt(k)",
            "best = 1 / k",
        ),
        "sine squared is the sine": (
            ark_positive_definiteness,
            "_largest_angle",
            "((k - 1) / (k + 1)) ** 2",
            "(k - 1) / (k + 1)",
        ),
        "critical condition number not squared": (
            ark_positive_definiteness,
            "_critical_spread",
            "((sp.sqrt(k) + 1) / (sp.sqrt(k) - 1)) ** 2",
            "(sp.sqrt(k) + 1) / (sp.sqrt(k) - 1)",
        ),
        "critical condition number without roots": (
            ark_positive_definiteness,
            "_critical_spread",
            "((sp.sqrt(k) + 1) / (sp.sqrt(k) - 1)) ** 2",
            "((k + 1) / (k - 1)) ** 2",
        ),
        "search that lowers the loss": (
            linearization_equivalence,
            "_searched_residual",
            "slope_of_x = eta *",
            "slope_of_x = -eta *",
        ),
        "parameter kernel in place of the input kernel": (
            linearization_equivalence,
            "_searched_residual",
            "eta * jacobian * jacobian_t * residual",
            "eta * residual",
        ),
        "growth without its strength": (
            linearization_equivalence,
            "_exponential_search",
            "sp.diff(grown, u) - eta * block",
            "sp.diff(grown, u) - block",
        ),
        "growth without factorials": (
            linearization_equivalence,
            "_exponential_search",
            "(u * eta) ** k / sp.factorial(k)",
            "(u * eta) ** k",
        ),
        "growth after the kernel": (
            linearization_equivalence,
            "_kernel_gradient_flow",
            "gradients * gradients_t * growth * residual",
            "growth * gradients * gradients_t * residual",
        ),
        "ascent in the parameters": (
            linearization_equivalence,
            "_kernel_gradient_flow",
            "slope_of_theta = -gradients",
            "slope_of_theta = gradients",
        ),
        "even in the output weight": (
            linearization_equivalence,
            "_order_of_the_remainder",
            "term.subs(a, -a) + term",
            "term.subs(a, -a) - term",
        ),
        "a unit's share of order 1/n": (
            linearization_equivalence,
            "_order_of_the_remainder",
            "sp.sqrt(n) ** 3 * d**2",
            "sp.sqrt(n) ** 2 * d**2",
        ),
        "perturbation that does not begin at zero": (
            closed_form,
            "_search_as_function",
            "u ** (k + 1) / sp.factorial(k + 1)",
            "u**k / sp.factorial(k)",
        ),
        "perturbation not divided by the kernel": (
            closed_form,
            "_search_as_function",
            "sp.factorial(k + 1) * square**k",
            "sp.factorial(k + 1) * square ** (k + 1)",
        ),
        "roots of Xi change sides": (
            closed_form,
            "_adjoint_identities",
            "root**-1 * similar**k * root",
            "root * similar**k * root**-1",
        ),
        "weights with an inverse root": (
            closed_form,
            "_adjoint_identities",
            "(k + 1) - root * similar**k * root",
            "(k + 1) - root * similar**k * root**-1",
        ),
        "E t in place of its integral": (
            closed_form,
            "_commuting",
            "generator = -theta * growth",
            "generator = -theta * growth * (1 + t)",
        ),
        "series without factorials": (
            closed_form,
            "_commuting",
            "t**k / sp.factorial(k)",
            "t**k",
        ),
        "a commutator twice as large": (
            closed_form,
            "_second_magnus",
            "t**3 / 12",
            "t**3 / 6",
        ),
        "exponential without the commutator": (
            closed_form,
            "_second_magnus",
            "total = first + second",
            "total = first",
        ),
        "cross covariance once": (
            closed_form,
            "_limit_law",
            "k - a * k_x_t - k_x * a_t",
            "k - a * k_x_t",
        ),
        "mean of the other sign": (
            closed_form,
            "_limit_law",
            "mean - a * y",
            "mean + a * y",
        ),
        "a root of D on one side only": (
            adv_ntk,
            "_without_inverse",
            "- theta * root * phi * root",
            "- theta * phi * root",
        ),
        "decay in the wrong basis": (
            adv_ntk,
            "_without_inverse",
            "decayed = root**-1 * (-similar) ** (k + 1) * root /",
            "decayed = root * (-similar) ** (k + 1) * root**-1 /",
        ),
        "both factors at one time": (
            adv_ntk,
            "_gradient_integral",
            "decayed(1 - s, theta, d)",
            "decayed(s, theta, d)",
        ),
        "gradient of the weights' linear part": (
            adv_ntk,
            "_gradient_integral",
            "- d * theta * d / 2 +",
            "+",
        ),
        "slope of the first class at zero": (
            adv_ntk,
            "_at_zero",
            "+ y[i, 1] * g[i, 1]",
            "",
        ),
        "strengths left in their place": (
            adv_ntk,
            "_permuted",
            "swap * d * swap**-1",
            "d",
        ),
        "prior kept": (
            adv_ntk,
            "_mean_of_at",
            "at.subs(start, 0) -",
            "at.subs(start, 1) -",
        ),
        "half the decay": (
            xi_fading,
            "_lyapunov",
            "change + 2 * r_t",
            "change + r_t",
        ),
        "plain norm in place of V": (
            xi_fading,
            "_lyapunov",
            "slope_t * theta**-1 * r + r_t * theta**-1 * slope",
            "slope_t * r + r_t * slope",
        ),
        "largest eigenvalue for the smallest": (
            xi_fading,
            "_slowest_rate",
            "- small * value",
            "- (small + more) * value",
        ),
        "condition number without its root": (
            xi_fading,
            "_norm_bound",
            "condition = sp.sqrt((low + more) / low)",
            "condition = (low + more) / low",
        ),
        "bound by the largest growth": (
            xi_fading,
            "_norm_bound",
            "- small * low *",
            "- small * (low + more) *",
        ),
        "the sum is conserved": (
            xi_fading,
            "_conserved",
            "[[1, -1]]",
            "[[1, 1]]",
        ),
        "weights of the other sample": (
            xi_fading,
            "_weighted_limit",
            "(e1 * y1 + e2 * y2)",
            "(e2 * y1 + e1 * y2)",
        ),
        "plain mean of the targets": (
            xi_fading,
            "_weighted_limit",
            "total**-1 * (e1 * y1 + e2 * y2)",
            "(y1 + y2) / 2",
        ),
    }.items()
]


@pytest.mark.parametrize("step", STEPS)
def test_step_verifies(step):
    residuals = step.residual()
    assert residuals, "a step that checks nothing"
    assert [sp.simplify(residual) for residual in residuals] == [0] * len(residuals)


def test_every_theorem_has_a_derivation_whose_steps_all_have_a_wrong_variant():
    # Theories that are packages of their own have tests of their own.
    pairs = zip(load().theorems, load().modules, strict=True)
    ours = [theorem for theorem, module in pairs if module.__name__.startswith("advntk.theorems.")]
    verified = {step.residual.__name__ for theorem in ours for step in theorem.derivation}
    # What the program computes is defined, not derived.
    assert [theorem.id for theorem in ours if not theorem.derivation] == ["implementation"]
    assert len(ours) == 7
    assert verified == {case.values[1] for case in WRONG}


@pytest.mark.parametrize(("module", "function", "right", "wrong"), WRONG)
def test_wrong_formula_leaves_a_residual(module, function, right, wrong):
    source = textwrap.dedent(inspect.getsource(getattr(module, function)))
    assert source.count(right) == 1, f"{function} no longer contains {right!r}: state the variant anew"
    scope: dict = {}
    exec("from __future__ import annotations\n" + source.replace(right, wrong), scope)
    assert any(_clearly_not_zero(residual) for residual in scope[function]())


def _clearly_not_zero(residual: sp.Expr) -> bool:
    """Whether the residual differs from zero at one point, so that no simplification was missed.

    evalf(30) gives 30 correct digits of a number that is not zero, so that 1e-20 is no rounding error.  Of
    matrices of any size, symbols that do not commute, no point is needed: products in different orders are
    different.
    """
    symbols = sorted(sp.sympify(residual).free_symbols, key=str)
    numbers = [symbol for symbol in symbols if symbol.is_commutative]
    point = {symbol: sp.Rational(sp.prime(i + 3), 7) for i, symbol in enumerate(numbers)}
    if len(numbers) < len(symbols):
        return sp.expand(sp.sympify(residual).subs(point)) != 0
    return abs(sp.sympify(residual).subs(point).evalf(30)) > sp.Float("1e-20")
