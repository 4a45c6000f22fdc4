"""Making a function wrong wherever it was imported, and taking it back.

The code of the function object is replaced, so that every name it goes by, and everything that JAX or
functools made of it, runs the wrong one.  What remembers results of the honest one is made to forget, before
and after: traced programs and cached results.  Compiled programs on disk are found by what they compute; a
wrong function makes another program.
"""

from __future__ import annotations

import ast
import functools
import gc
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

import jax

from advntk.checks.mutation.compiling import compiled
from advntk.checks.mutation.functions import MutationTarget
from advntk.checks.mutation.mutants import Mutant, source_change
from advntk.checks.mutation.wrapping_operators import Body, Wrapping, wrapped

# What stands for the body until the code is made; no name can be this.
_BODY = "(the body)"
_Cache = type(functools.lru_cache(lambda: None))


class CannotPlant(Exception):
    """A mutant that cannot be made; the message says why."""


def forget(roots: tuple[str, ...]) -> None:
    """Forget traced programs, and the cached results of every function of these packages."""
    jax.clear_caches()
    for cache in _caches(roots):
        cache.cache_clear()


def _caches(roots: tuple[str, ...]) -> list[Any]:
    return [
        one
        for one in gc.get_objects()
        if type(one) is _Cache
        and (getattr(one, "__module__", None) or "").partition(".")[0] in roots
        # These here hold what belongs to the honest functions.
        and not one.__module__.startswith(__package__)
    ]


@contextmanager
def planted(mutant: Mutant, target: MutationTarget, roots: tuple[str, ...]) -> Iterator[None]:
    """Within, `target` is wrong as `mutant` says; afterwards it is exactly what it was.

    Args:
      mutant: what is wrong.
      target: the function, with the code that it is to have again.
      roots: the packages whose functions may have cached what it gave.

    Raises:
      CannotPlant: the mutant cannot be made.
    """
    with replaced(_replacements(mutant, target), roots):
        yield


@contextmanager
def replaced(functions: list[tuple[FunctionType, CodeType]], roots: tuple[str, ...]) -> Iterator[None]:
    """Within, functions have other code; before and after, what remembers their results forgets."""
    before = [(function, function.__code__) for function, _ in functions]
    forget(roots)
    try:
        for function, code in functions:
            function.__code__ = code
        yield
    finally:
        for function, code in before:
            function.__code__ = code
        forget(roots)


def _replacements(mutant: Mutant, target: MutationTarget) -> list[tuple[FunctionType, CodeType]]:
    try:
        if mutant.wrapping is not None:
            body = wrapped(honest(target), Wrapping(mutant.operator, mutant.place, ""))
            return [(target.function, code_calling(target, body))]
        codes = compiled(target, source_change(target, mutant))
    except (ValueError, SyntaxError, TypeError) as error:
        raise CannotPlant(str(error)) from error
    found = [(target.function, codes[0])]
    # Functions made by it before, when modules were imported, live on.
    others = dict(zip(target.codes[1:], codes[1:], strict=True))
    if others:
        wrong = {id(old): new for old, new in others.items()}
        found += [
            (one, wrong[id(one.__code__)])
            for one in gc.get_objects()
            if type(one) is FunctionType and id(one.__code__) in wrong
        ]
    return found


def honest(target: MutationTarget) -> FunctionType:
    """The function as it is written, as an object of its own."""
    function = target.function
    found = FunctionType(
        target.codes[0], function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    found.__kwdefaults__ = function.__kwdefaults__
    found.__annotations__ = function.__annotations__
    return found


def code_calling(target: MutationTarget, body: Body) -> CodeType:
    """Code with the parameters of the function that hands its arguments to `body`, whatever it is."""
    given = target.node.args
    positional = [*given.posonlyargs, *given.args]
    handed: list[ast.expr] = [_read(a.arg) for a in positional]
    if given.vararg:
        handed.append(ast.Starred(_read(given.vararg.arg), ast.Load()))
    named: list[tuple[ast.expr | None, ast.expr]] = [
        (ast.Constant(a.arg), _read(a.arg)) for a in given.kwonlyargs
    ]
    if given.kwarg:
        named.append((None, _read(given.kwarg.arg)))

    def bare(argument: ast.arg | None) -> ast.arg | None:
        return None if argument is None else ast.arg(argument.arg)

    parameters = ast.arguments(
        [ast.arg(a.arg) for a in given.posonlyargs],
        [ast.arg(a.arg) for a in given.args],
        bare(given.vararg),
        [ast.arg(a.arg) for a in given.kwonlyargs],
        [ast.Constant(None) for _ in given.kwonlyargs],
        bare(given.kwarg),
        [],
    )
    old = target.codes[0]
    # The body goes in as a constant: no name of the module is needed.
    call = ast.Call(
        ast.Constant(_BODY),
        [ast.Tuple(handed, ast.Load()), ast.Dict([k for k, _ in named], [v for _, v in named])],
        [],
    )
    # What the function closes over stays what it closes over.
    closed = [ast.Expr(_read(name)) for name in old.co_freevars]
    inner = ast.FunctionDef(target.function.__name__, parameters, [ast.Return(call), *closed], [], lineno=1)
    outside: list[ast.stmt] = [
        ast.Assign([ast.Name(n, ast.Store())], ast.Constant(None)) for n in old.co_freevars
    ]
    outer = ast.FunctionDef(
        "outside", ast.arguments([], [], None, [], [], None, []), [*outside, inner], [], lineno=1
    )
    module = ast.fix_missing_locations(ast.Module([outer], []))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # a text is called, until it is replaced
        code = compile(module, old.co_filename, "exec", dont_inherit=True)
    within = next(c for c in code.co_consts if isinstance(c, CodeType))
    found = next(c for c in within.co_consts if isinstance(c, CodeType))
    return found.replace(
        co_consts=tuple(body if c == _BODY else c for c in found.co_consts),
        co_qualname=old.co_qualname,
        co_firstlineno=old.co_firstlineno,
    )


def _read(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def wrong(mutant: Mutant, target: MutationTarget) -> Callable[..., Any]:
    """The mutant as a function of its own, planted nowhere.

    Raises:
      CannotPlant: it cannot be made.
    """
    function = honest(target)
    try:
        if mutant.wrapping is not None:
            body = wrapped(function, Wrapping(mutant.operator, mutant.place, ""))
            return lambda *given, **named: body(given, named)
        function.__code__ = compiled(target, source_change(target, mutant))[0]
    except (ValueError, SyntaxError, TypeError) as error:
        raise CannotPlant(str(error)) from error
    return function


def is_whole(targets: Mapping[str, MutationTarget]) -> bool:
    """Whether every function has its own code again."""
    return all(target.function.__code__ is target.codes[0] for target in targets.values())
