"""What the numbers of a trial depend on: the source of the modules that it imports, and files that it names.

A change that does not reach a trial leaves its measurements as they are, so that a run is resumed with all of
them.  Imports are read from the source; what a function imports when it is called counts as well.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import grimp

from advntk.checks.planning import PlannedCheck
from advntk.checks.theories import checks_of
from advntk.checks.trial import Check

_PACKAGE = "advntk"
# The rooms are folders of it, or what its links point to.
_ROOT = Path(__file__).parent.parent
# Every trial goes through these: how keys are drawn, and how a batch becomes numbers.
_ALWAYS = ("advntk.checks.measuring", "advntk.checks.scenario", "advntk.checks.trial")


def digest_of(planned: PlannedCheck) -> str:
    """Twelve hexadecimal digits over all that the numbers of a planned check depend on, own data included."""
    files = [file for module in sorted(modules_of(planned.check)) for file in [source_of(module)] if file]
    return digest([*files, *own_files(planned.check), *_named_files(planned)])


def modules_of(check: Check) -> set[str]:
    """Names of the modules of this package that a trial depends on, directly or not.

    A trial written elsewhere depends on all that measures: it may reach any of it through `import advntk`.
    """
    graph = _graph()
    roots = [check.module, *_ALWAYS]
    if not check.module.startswith(f"{_PACKAGE}.") or check.module not in graph.modules:
        return {name for name in graph.modules if name.startswith(tuple(f"{_PACKAGE}.{r}" for r in _ROOMS))}
    found = set(roots).union(*(graph.find_upstream_modules(root) for root in roots))
    # Through the front door a module reaches everything.
    if any(graph.direct_import_exists(importer=name, imported=_PACKAGE) for name in found - {_PACKAGE}):
        found |= {name for name in graph.modules if name.startswith(tuple(f"{_PACKAGE}.{r}" for r in _ROOMS))}
    # Which theorem is stated beside it changes no number.
    return {name for name in found if name != _PACKAGE}


_ROOMS = ("theorems", "implementations", "checks")


def verdict_digest(module: ModuleType) -> str:
    """The same over all that the verdicts on a theorem depend on: its statement, its trials, and who decides.

    Args:
      module: where the theorem is stated.
    """
    found = sorted(verdict_modules(module))
    files = [file for name in found for file in [source_of(name)] if file]
    return digest([*files, *(file for check in checks_of(module) for file in own_files(check))])


def verdict_modules(module: ModuleType) -> set[str]:
    """Names of the modules of this package that plan, measure and decide a theorem's claims."""
    graph = _graph()
    stated = {module.__name__} if module.__name__ in graph.modules else set()
    roots = {*stated, "advntk.checks.running", "advntk.checks.planning"}
    found = roots.union(*(graph.find_upstream_modules(root) for root in roots))
    return found.union(*(modules_of(check) for check in checks_of(module))) - {_PACKAGE}


def own_files(check: Check) -> list[Path]:
    """The files of a trial that is written outside of this package: its own, or its whole package's."""
    if check.module.startswith(f"{_PACKAGE}."):
        return []
    file = inspect.getsourcefile(inspect.unwrap(check.trial))
    if file is None:
        return []
    path = Path(file)
    inside = (path.parent / "__init__.py").is_file()
    return sorted(path.parent.rglob("*.py")) if inside else [path]


def _named_files(planned: PlannedCheck) -> list[Path]:
    """Files that values of the scenarios name, such as a user's images."""
    found: dict[Path, None] = {}
    for at in (at for scenario in planned.scenarios for at in scenario.points):
        for name, axis in planned.space.items():
            if axis.files is not None:
                found.update(dict.fromkeys(axis.files(at.scenario[name])))
    return sorted(found)


def digest(files: Iterable[Path]) -> str:
    """Twelve hexadecimal digits over names and contents."""
    found = hashlib.sha256()
    for path in files:
        found.update(f"{path.name}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def source_digest() -> str:
    """The same over the source of everything that measures and decides."""
    return digest(sorted(path for room in _ROOMS for path in (_ROOT / room).resolve().rglob("*.py")))


def source_of(module: str) -> Path | None:
    """The file of a module of this package; None for a folder without one."""
    path = _ROOT.joinpath(*module.split(".")[1:])
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


@functools.cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(_PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
