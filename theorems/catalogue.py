"""Finding theorems: those of this package, of other installed packages, and of a user's file or module."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from advntk import theorems
from advntk.exceptions import UsageError
from advntk.theorems.validation import validate_statement
from advntk.theorems.vocabulary import Claim, Theorem

# A package that publishes a theory names its module there.
ENTRY_POINTS = "advntk.theories"
_NO_THEOREMS = ("assumptions", "catalogue", "notation", "sources", "validation", "vocabulary")


class UnknownName(UsageError):
    """A claim, theorem, file or module that does not exist; the message says what does."""


@dataclass(frozen=True)
class Catalogue:
    """All known theorems, in order, each with the module that states it."""

    theorems: tuple[Theorem, ...]
    modules: tuple[ModuleType, ...]

    def claims(self) -> list[tuple[Theorem, Claim]]:
        """Every claim beside its theorem, in order."""
        return [(theorem, claim) for theorem in self.theorems for claim in theorem.claims]

    def select(self, names: Iterable[str]) -> list[tuple[Theorem, Claim]]:
        """The claims with these ids; a theorem's id means all of its claims; no names, all claims.

        Raises:
          UnknownName: a name matches nothing.
        """
        wanted = list(names)
        for name in wanted:
            if not any(name in (theorem.id, claim.id) for theorem, claim in self.claims()):
                raise UnknownName(f"claim {name!r} is unknown; {self._nearest(name)}")
        return [
            (theorem, claim)
            for theorem, claim in self.claims()
            if not wanted or theorem.id in wanted or claim.id in wanted
        ]

    def _nearest(self, name: str) -> str:
        import difflib

        known = [claim.id for _, claim in self.claims()] + [t.id for t in self.theorems]
        near = difflib.get_close_matches(name, known, 1)
        return f"did you mean {near[0]!r}?" if near else "`advntk claims` lists all of them"


def load(extra: Iterable[str] = ()) -> Catalogue:
    """The theorems of this package and of installed ones, then those of `extra`: .py files, or module names.

    Raises:
      UnknownName: an extra file or module is missing, has no THEOREM, or reuses an id.
    """
    here = [
        importlib.import_module(f"{theorems.__name__}.{found.name}")
        for found in pkgutil.iter_modules(theorems.__path__)
        if found.name not in _NO_THEOREMS
    ]
    named = [(module.__name__, module) for module in here]
    named += [(f"entry point {found.name}", _published(found)) for found in _entry_points()]
    named += [(name, _module(name)) for name in dict.fromkeys(extra)]
    modules = [module for _, module in named]
    known: dict[str, Theorem] = {}
    for name, module in named:
        theorem = getattr(module, "THEOREM", None)
        if not isinstance(theorem, Theorem):
            raise UnknownName(f"--theory {name}: defines no THEOREM; add one")
        validate_statement(theorem)
        if theorem.id in known:
            raise UnknownName(f"--theory {name}: theorem id {theorem.id!r} is taken; rename it")
        known[theorem.id] = theorem
    return Catalogue(tuple(known.values()), tuple(modules))


def _entry_points() -> list[EntryPoint]:
    """Theories of other installed packages, in the order of their names."""
    return sorted(entry_points(group=ENTRY_POINTS), key=lambda found: found.name)


def _published(found: EntryPoint) -> ModuleType:
    try:
        return found.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever somebody's module raises
        raise UnknownName(
            f"the installed theory {found.name} ({found.value}) cannot be loaded "
            f"({_words(error)}); uninstall or mend it"
        ) from error


def _module(name: str) -> ModuleType:
    if not name.endswith(".py"):
        try:
            return importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a user's module raises
            raise UnknownName(
                f"--theory {name}: cannot be imported ({_words(error)}); give a module or a .py file"
            ) from error
    return load_file(name)


def load_file(name: str, option: str = "--theory") -> ModuleType:
    """The module in a .py file; a file that was loaded before is not loaded again.

    Args:
      name: of the file.
      option: that named it, for messages.

    Raises:
      UnknownName: it cannot be read or loaded.
    """
    path, there = Path(name), False
    try:
        path = path.resolve()
        there = path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # too long, a loop of links, a null character
        reason = getattr(error, "strerror", None) or error
        raise UnknownName(
            f"{option} {name}: cannot be read ({reason}); give a module or a .py file"
        ) from error
    if not there:
        raise UnknownName(f"{option} {name}: no such file; give a module or a .py file")
    module_name = file_module_name(name)
    if module_name in sys.modules and sys.modules[module_name].__file__ == str(path):
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # whatever a user's file raises
        del sys.modules[module_name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UnknownName(f"{option} {name}: cannot be loaded ({_words(error)}); mend it") from error
    return module


def file_module_name(name: str) -> str:
    """The name of the module that a .py file becomes; of modules of its own name there may be others."""
    return f"advntk_theory_{Path(name).stem}"


def _words(error: BaseException) -> str:
    """An exception in words; its text is the user's code as well."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return f"{type(error).__name__} (its message cannot be shown)"
