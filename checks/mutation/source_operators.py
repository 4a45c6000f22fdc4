"""Ways to make a function wrong in its source: one expression or statement replaced by another.

What a function refuses (`raise`, `assert`, an `if` that only raises) stays as it is, and so do texts: claims
are about results, and refusals belong to tests of units.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from advntk.checks.mutation.functions import MutationTarget

# Name |-> another function of the same arguments.
_OTHER = {
    **{"sum": "mean", "mean": "sum", "max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum"},
    **{"argmax": "argmin", "argmin": "argmax", "any": "all", "all": "any", "triu": "tril", "tril": "triu"},
    **{"exp": "expm1", "expm1": "exp", "cummax": "cummin", "cummin": "cummax", "zeros": "ones"},
    **{"ones": "zeros", "zeros_like": "ones_like", "ones_like": "zeros_like", "sin": "cos", "cos": "sin"},
}  # fmt: skip
# Functions of one array that keep its shape: leaving them out still runs.
_UNARY = frozenset(
    (
        *("sqrt", "abs", "exp", "expm1", "log", "log1p", "sign", "square", "conj", "tanh", "cumsum"),
        *("cumprod", "sort", "flip", "stop_gradient", "softmax", "clip"),
    )
)
_TRANSPOSES = frozenset(("transpose", "swapaxes", "moveaxis"))
_AXES = frozenset(("axis", "axis1", "axis2", "axes", "in_axes", "out_axes"))
_OPPOSITE = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COMMUTE_NOT = (ast.Sub, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv)
SMALL = 1e-3  # floats below are taken for tolerances

Variants = list[Any]


def _drop_term(node: ast.AST) -> Variants:
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Sub):
        return []
    right = node.right if isinstance(node.op, ast.Add) else ast.UnaryOp(ast.USub(), node.right)
    return [node.left, right]


def _drop_factor(node: ast.AST) -> Variants:
    if not isinstance(node, ast.BinOp):
        return []
    if isinstance(node.op, ast.Mult):
        return [node.left, node.right]
    return [node.left] if isinstance(node.op, ast.Div | ast.FloorDiv | ast.Pow) else []


def _with_operator(node: ast.BinOp, operator: ast.operator) -> ast.BinOp:
    return ast.BinOp(node.left, operator, node.right)


def _plus_minus(node: ast.AST) -> Variants:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        return [_with_operator(node, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add())]
    return []


def _times_over(node: ast.AST) -> Variants:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        return [_with_operator(node, ast.Div() if isinstance(node.op, ast.Mult) else ast.Mult())]
    return []


def _swap_operands(node: ast.AST) -> Variants:
    if isinstance(node, ast.BinOp) and isinstance(node.op, _COMMUTE_NOT):
        return [ast.BinOp(node.right, node.op, node.left)]
    return []


def _constant(node: ast.AST) -> Variants:
    if not isinstance(node, ast.Constant) or isinstance(node.value, str | bytes | complex):
        return []
    value = node.value
    if isinstance(value, bool):
        return [ast.Constant(not value)]
    if isinstance(value, int):
        return [ast.Constant(value + 1)]
    if isinstance(value, float):
        return [ast.Constant(10 * value if 0 < abs(value) < SMALL else 2 * value if value else 1.0)]
    return []


def _compare(node: ast.AST) -> Variants:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return [ast.Compare(node.left, [_OPPOSITE[type(node.ops[0])]()], node.comparators)]
    return []


def _condition(node: ast.AST) -> Variants:
    if isinstance(node, ast.IfExp):
        return [ast.IfExp(node.test, node.orelse, node.body)]
    if isinstance(node, ast.If):
        return [ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)]
    if isinstance(node, ast.Call) and _name(node) in ("where", "select", "cond") and len(node.args) >= 3:
        first, yes, no, *rest = node.args
        return [ast.Call(node.func, [first, no, yes, *rest], node.keywords)]
    return []


def _drop_transpose(node: ast.AST) -> Variants:
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT", "H") and isinstance(node.ctx, ast.Load):
        return [node.value]
    if not isinstance(node, ast.Call) or _name(node) not in _TRANSPOSES:
        return []
    return [_subject(node)]


def _axis(node: ast.AST) -> Variants:
    if not isinstance(node, ast.keyword) or node.arg not in _AXES:
        return []
    value = node.value
    if isinstance(value, ast.Constant) and type(value.value) is int:
        return [ast.keyword(node.arg, ast.Constant(value.value + 1 if value.value == 0 else value.value - 1))]
    if isinstance(value, ast.UnaryOp) and isinstance(value.operand, ast.Constant):
        number = value.operand.value
        if isinstance(number, int):
            return [ast.keyword(node.arg, ast.UnaryOp(value.op, ast.Constant(number + 1)))]
    return []


def _drop_call(node: ast.AST) -> Variants:
    if not isinstance(node, ast.Call) or _name(node) not in _UNARY:
        return []
    subject = _subject(node)
    return [] if subject is None else [subject]


def _other_function(node: ast.AST) -> Variants:
    if not isinstance(node, ast.Call) or _name(node) not in _OTHER:
        return []
    other = _OTHER[_name(node)]
    if isinstance(node.func, ast.Attribute):
        return [ast.Call(ast.Attribute(node.func.value, other, ast.Load()), node.args, node.keywords)]
    if other not in ("max", "min", "any", "all"):
        return []  # a name of its own, which need not be there
    return [ast.Call(ast.Name(other, ast.Load()), node.args, node.keywords)]


def _drop_sign(node: ast.AST) -> Variants:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        return [node.operand]
    return []


def _drop_statement(node: ast.AST) -> Variants:
    if isinstance(node, ast.AugAssign):
        return [ast.Pass()]
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        names = {n.id for n in ast.walk(node.targets[0]) if isinstance(n, ast.Name)}
        read = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
        # Its input stays what it was.
        if names and names <= read:
            return [ast.Pass()]
    return []


OPERATORS: dict[str, Callable[[ast.AST], Variants]] = {
    "drop-term": _drop_term,
    "drop-factor": _drop_factor,
    "plus-minus": _plus_minus,
    "times-over": _times_over,
    "swap-operands": _swap_operands,
    "constant": _constant,
    "compare": _compare,
    "condition": _condition,
    "drop-transpose": _drop_transpose,
    "axis": _axis,
    "drop-call": _drop_call,
    "other-function": _other_function,
    "drop-sign": _drop_sign,
    "drop-statement": _drop_statement,
}


@dataclass(frozen=True)
class SourceChange:
    """One way to rewrite a function: what was there, what is there instead, on which lines."""

    operator: str
    number: int
    place: int
    variant: int
    before: str
    after: str
    lines: range


def changes_of(target: MutationTarget) -> Iterator[SourceChange]:
    """Every way to rewrite a function, in the order of its text."""
    numbers: dict[str, int] = {}
    for place, (statement, node) in enumerate(_nodes(target.node)):
        for operator, variants in OPERATORS.items():
            for variant in range(len(variants(node))):
                after = _text(rewritten(target.node, place, operator, variant)[1])
                before = _text(statement)
                if after == before:
                    continue
                numbers[operator] = numbers.get(operator, 0) + 1
                yield SourceChange(
                    operator, numbers[operator], place, variant, before, after, _lines(statement)
                )


def _nodes(function: ast.FunctionDef) -> Iterator[tuple[ast.stmt, ast.AST]]:
    """Every node that may be replaced, with the statement around it, in the order of the text."""
    for parent_statement, _, _, node in _places(function):
        yield parent_statement, node


def _places(function: ast.FunctionDef) -> Iterator[tuple[ast.stmt, ast.AST, str, ast.AST]]:
    body = function.body
    skip = ast.get_docstring(function, clean=False) is not None
    for statement in body[1 if skip else 0 :]:
        yield from _inside(statement, function, "body", statement)


def _inside(
    node: ast.AST, parent: ast.AST, name: str, statement: ast.stmt
) -> Iterator[tuple[ast.stmt, ast.AST, str, ast.AST]]:
    if _is_kept(node):
        return
    if isinstance(node, ast.stmt):
        statement = node
    yield statement, parent, name, node
    if isinstance(node, ast.FunctionDef):
        skip = ast.get_docstring(node, clean=False) is not None
        children: list[tuple[str, ast.AST]] = [("body", each) for each in node.body[1 if skip else 0 :]]
    elif isinstance(node, ast.Lambda):
        children = [("body", node.body)]
    elif isinstance(node, ast.keyword) and node.arg in _AXES:
        children = []
    elif isinstance(node, ast.Call):
        # The name of a function is no value.
        children = [
            ("func", node.func),
            *(("args", a) for a in node.args),
            *(("keywords", k) for k in node.keywords),
        ]
    else:
        children = [
            (field, each)
            for field, value in ast.iter_fields(node)
            if field not in ("annotation", "type_comment", "ctx", "targets", "target")
            for each in (value if isinstance(value, list) else [value])
            if isinstance(each, ast.AST)
        ]
    for field, child in children:
        yield from _inside(child, node, field, statement)


def _is_kept(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.ClassDef):
        return True
    if isinstance(node, ast.If) and not node.orelse:
        return all(isinstance(each, ast.Raise) for each in node.body)
    return False


def rewritten(
    function: ast.FunctionDef, place: int, operator: str, variant: int
) -> tuple[ast.FunctionDef, ast.stmt]:
    """A copy of the function with one node replaced, and the statement around it."""
    changed = copy.deepcopy(function)
    for number, (statement, parent, name, node) in enumerate(_places(changed)):
        if number != place:
            continue
        instead = OPERATORS[operator](node)[variant]
        ast.copy_location(instead, node)
        value = getattr(parent, name)
        if isinstance(value, list):
            value[next(i for i, each in enumerate(value) if each is node)] = instead
        else:
            setattr(parent, name, instead)
        ast.fix_missing_locations(changed)
        return changed, instead if statement is node else statement
    raise ValueError(f"the function has no place {place}")


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


_MODULES = frozenset(
    ("jnp", "np", "numpy", "jax", "scipy", "xp", "nn", "lax", "linalg", "special", "math", "random")
)


def _subject(call: ast.Call) -> Any:
    """The array that a function, or a method, is applied to."""
    if isinstance(call.func, ast.Attribute):
        value = call.func.value
        root = value.id if isinstance(value, ast.Name) else getattr(value, "attr", "")
        if root not in _MODULES:
            return value
    return call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None


def _text(statement: ast.stmt) -> str:
    """A statement on one line; of a compound one its head."""
    return ast.unparse(statement).splitlines()[0]


def _lines(statement: ast.stmt) -> range:
    body = getattr(statement, "body", None)
    end = statement.end_lineno or statement.lineno
    if isinstance(body, list) and body:
        end = max(statement.lineno, min(end, body[0].lineno - 1))
    return range(statement.lineno, end + 1)
