"""The functions that can be made wrong: those written in given modules, found through what decorates them."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from advntk.exceptions import UsageError


class UnknownTarget(UsageError):
    """A module or function to mutate that does not exist; the message says what does."""


@dataclass(frozen=True, eq=False)
class MutationTarget:
    """A function of a module, as it runs and as it is written.

    Attributes:
      module: name of the module that it is written in.
      name: its qualified name there, such as `Krylov.solve`.
      function: the plain function below all decorators; whoever imported the function, under whatever name,
        and whatever JAX or functools made of it, runs this one.
      node: its definition.
      owners: the classes around it, outermost first.
      future: flags of the compiler that the module was compiled with.
    """

    module: str
    name: str
    function: FunctionType
    node: ast.FunctionDef
    owners: tuple[str, ...] = ()
    future: int = 0
    codes: tuple[CodeType, ...] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        """`module:name`."""
        return f"{self.module}:{self.name}"

    @property
    def public(self) -> bool:
        """Whether nothing on the way to it begins with an underscore."""
        parts = [*self.module.split("."), *self.name.split(".")]
        return all(not part.startswith("_") or part == "__call__" for part in parts)


def modules_named(name: str) -> list[ModuleType]:
    """A module, or all modules of a package, imported; in the order of their names.

    Raises:
      UnknownTarget: it cannot be imported.
    """
    try:
        found = sys.modules.get(name) or importlib.import_module(name)
        inside = pkgutil.walk_packages(getattr(found, "__path__", []), f"{name}.")
        return [found, *(importlib.import_module(each) for each in sorted(part.name for part in inside))]
    except Exception as error:  # whatever somebody's module raises
        raise UnknownTarget(
            f"{name}: cannot be imported ({type(error).__name__}: {error}); name a module or a package"
        ) from error


def targets_of(modules: Iterable[ModuleType]) -> list[MutationTarget]:
    """Every function and method that is written in these modules, in the order of their lines."""
    return [target for module in modules for target in _targets(module)]


def chosen(targets: Iterable[MutationTarget], only: str) -> list[MutationTarget]:
    """The targets that `only` names: MODULE[:FUNCTION], a package, a class, or the end of a module's name.

    Raises:
      UnknownTarget: there are none.
    """
    module, _, name = only.partition(":")
    known = list(targets)
    found = [
        target
        for target in known
        if (f".{target.module}.").find(f".{module}.") >= 0
        and (not name or target.name == name or target.name.startswith(f"{name}."))
    ]
    if not found:
        import difflib

        near = difflib.get_close_matches(only, [t.id for t in known] + [t.module for t in known], 1)
        fix = f"did you mean {near[0]}?" if near else "--list shows what there is"
        raise UnknownTarget(f"--only {only}: no function to mutate has that name; {fix}")
    return found


def _targets(module: ModuleType) -> Iterator[MutationTarget]:
    path = getattr(module, "__file__", None)
    if path is None or not path.endswith(".py"):
        return
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    future = _future_flags(tree)

    def inside(body: list[ast.stmt], owner: object, owners: tuple[str, ...]) -> Iterator[MutationTarget]:
        for node in body:
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from inside(node.body, owner, owners)
            elif isinstance(node, ast.ClassDef):
                found = vars(owner).get(node.name)
                if isinstance(found, type):
                    yield from inside(node.body, found, (*owners, node.name))
            elif isinstance(node, ast.FunctionDef) and not _is_empty(node):
                function = _plain(vars(owner).get(node.name), node)
                if function is not None:
                    name = ".".join((*owners, node.name))
                    codes = tuple(codes_inside(function.__code__))
                    yield MutationTarget(module.__name__, name, function, node, owners, future, codes)

    yield from inside(tree.body, module, ())


def codes_inside(code: CodeType) -> Iterator[CodeType]:
    """A code object and all that are defined in it, outermost first."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_inside(constant)


def _future_flags(tree: ast.Module) -> int:
    import __future__

    names = [
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    ]
    return functools.reduce(lambda flags, name: flags | getattr(__future__, name).compiler_flag, names, 0)


def _is_empty(node: ast.FunctionDef) -> bool:
    """Whether nothing is done: a protocol, an overload, an abstract method."""
    return all(
        isinstance(each, ast.Pass | ast.Raise)
        or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        for each in node.body
    )


# Where decorators keep what they decorate: functools, classes, jax.custom_jvp, functools.partial.
_WITHIN = ("__wrapped__", "__func__", "fget", "func", "fun")


def _plain(found: Any, node: ast.FunctionDef) -> FunctionType | None:
    """The function that `node` defines, below whatever was made of it."""
    lines = range(min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.lineno + 1)
    waiting: list[Any] = [found]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen or len(seen) > 20:
            continue
        seen.add(id(one))
        if isinstance(one, FunctionType):
            code = one.__code__
            if code.co_name == node.name and code.co_firstlineno in lines:
                return one
        waiting += [inspect.getattr_static(one, name, None) for name in _WITHIN]
        # Properties and slots need the object itself.
        waiting += [getattr(one, name, None) for name in _WITHIN if not isinstance(one, type)]
    return None
