"""Code objects of functions that were rewritten, for function objects that are there already."""

from __future__ import annotations

import ast
import copy
from typing import Any

from advntk.checks.mutation.functions import MutationTarget, codes_inside
from advntk.checks.mutation.source_operators import SourceChange, rewritten


def compiled(target: MutationTarget, change: SourceChange) -> list[Any]:
    """The code objects of the rewritten function, one for each of `target.codes`, in the same order.

    Raises:
      ValueError: the rewritten function is not made of the same parts, as where a lambda was dropped.
    """
    node, _ = rewritten(target.node, change.place, change.operator, change.variant)
    original = copy.deepcopy(target.node)
    _keep_names(original, node)
    for each in (a for a in ast.walk(node) if isinstance(a, ast.FunctionDef)):
        each.returns = None
        if each is node:
            each.decorator_list = []
        for argument in ast.walk(each.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
    body: list[ast.stmt] = [node]
    for owner in reversed(target.owners):
        body = [ast.ClassDef(owner, [], [], body, [])]
    tree = ast.fix_missing_locations(ast.Module(body, []))
    filename = target.function.__code__.co_filename
    code = compile(tree, filename, "exec", flags=target.future, dont_inherit=True)
    wanted = target.function.__code__.co_qualname
    found = next(each for each in codes_inside(code) if each.co_qualname == wanted)
    codes = list(codes_inside(found))
    if [c.co_qualname for c in codes] != [c.co_qualname for c in target.codes]:
        raise ValueError("the rewritten function has other functions inside")
    if [c.co_freevars for c in codes] != [c.co_freevars for c in target.codes]:
        raise ValueError("the rewritten function closes over other names")
    return codes


def _keep_names(original: ast.AST, changed: ast.AST) -> None:
    """Name in code that never runs what a function no longer names: what it closes over must not change."""
    for function in list(ast.walk(changed)):
        if isinstance(function, ast.FunctionDef):
            inside = _named(original, function)
            if inside:
                nowhere = ast.If(ast.Constant(0), [ast.Expr(_tuple(inside))], [])
                function.body = [*function.body, nowhere]
        elif isinstance(function, ast.Lambda):
            inside = _named(original, function)
            if inside:
                function.body = ast.IfExp(ast.Constant(1), function.body, _tuple(inside))


def _named(original: ast.AST, function: ast.FunctionDef | ast.Lambda) -> list[str]:
    """The names that the unchanged function of the same place reads."""
    here = next(
        (
            each
            for each in ast.walk(original)
            if type(each) is type(function)
            and getattr(each, "lineno", 0) == function.lineno
            and getattr(each, "col_offset", 0) == function.col_offset
        ),
        None,
    )
    if here is None:
        return []
    bodies = here.body if isinstance(here, ast.FunctionDef) else [here.body]
    bound = {
        n.id
        for body in bodies
        for inner in ast.walk(body)
        if isinstance(inner, ast.comprehension)
        for n in ast.walk(inner.target)
        if isinstance(n, ast.Name)
    }
    inner_functions = {
        id(n)
        for body in bodies
        for inner in ast.walk(body)
        if isinstance(inner, ast.FunctionDef | ast.Lambda)
        for n in ast.walk(inner)
        if isinstance(n, ast.Name)
    }
    return sorted(
        {
            n.id
            for body in bodies
            for n in ast.walk(body)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and id(n) not in inner_functions
        }
        - bound
    )


def _tuple(names: list[str]) -> ast.Tuple:
    return ast.Tuple([ast.Name(name, ast.Load()) for name in names], ast.Load())
