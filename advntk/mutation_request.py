"""What `mutate` is asked for: which functions are made wrong, in which ways, and what is known of them."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advntk.theorems.catalogue import file_module_name
from advntk.wiring import BadArgument, RunSettings, read_request

if TYPE_CHECKING:
    from types import ModuleType

    from advntk.checks.mutation.falsehoods import Falsehood
    from advntk.checks.mutation.functions import MutationTarget
    from advntk.theorems.catalogue import Catalogue

# What is made wrong unless something else is named: all that computes, and all that decides.
OURS = ("advntk.implementations", "advntk.checks.deciders")


@dataclass(frozen=True)
class MutationRequest:
    """What is asked for.

    Args:
      run: the claims and the theories, axes, data and implementation that they are measured with.
      only: MODULE[:FUNCTION] to make wrong; none: the theories' own modules, or all of advntk's.
      operators: names of operators; none: all.
      sample: how many mutants at most, equally many of each function; None: all.
      seed: of the sample.
      scenarios: how many scenarios of each check are measured at most.
      falsehoods: a file of falsehoods that are planted as well.
      equivalents: a file that says which mutants are no falsehoods, and why.
      least_seconds: of a processor, that a look with a fault may use at least.
      out: folder of the results.
      resume: whether to go on with the results that are there.
      generated: whether mutants are generated; else falsehoods alone are planted.
    """

    run: RunSettings = field(default_factory=RunSettings)
    only: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0
    scenarios: int = 3
    falsehoods: Path | None = None
    equivalents: Path | None = None
    least_seconds: float = 30.0
    out: Path = Path("advntk-mutation")
    resume: bool = False
    generated: bool = True

    @property
    def jobs(self) -> int:
        """How many processes measure."""
        from advntk.checks.executors import reasonable_number

        return self.run.jobs or reasonable_number()


def settled(request: MutationRequest) -> tuple[MutationRequest, list[MutationTarget]]:
    """The request with the claims that it means, and the functions to make wrong.

    Raises:
      UsageError: something is asked for that does not exist.
    """
    from advntk.checks.mutation.functions import chosen, modules_named, targets_of
    from advntk.checks.mutation.mutants import ALL_OPERATORS

    for name in request.operators:
        if name not in ALL_OPERATORS:
            raise BadArgument(f"--operators {name}: there is none; choose from: {', '.join(ALL_OPERATORS)}")
    understood = read_request(request.run)
    own = understood.catalogue.modules[len(understood.catalogue.modules) - len(set(request.run.theories)) :]
    if not request.run.theories:
        own = ()
    if own and not request.run.claims:
        request = replace(request, run=replace(request.run, claims=tuple(m.THEOREM.id for m in own)))
    if request.run.implementation and not request.run.claims:
        request = replace(
            request, run=replace(request.run, claims=_with_implementations(understood.catalogue))
        )
    modules = {m.__name__: m for name in _usual(request, own) for m in modules_named(name)}
    extra: dict[str, ModuleType] = {}
    wished = [_in_full(only, modules) for only in request.only]
    for only in wished:
        name = only.partition(":")[0]
        if not any(f".{name}." in f".{module}." for module in modules):
            extra.update({m.__name__: m for m in modules_named(name)})
    targets = targets_of([*modules.values(), *extra.values()])
    if wished:
        wanted = {t.id for only in wished for t in chosen(targets, only)}
        targets = [t for t in targets if t.id in wanted]
    return request, targets


def _with_implementations(catalogue: Catalogue) -> tuple[str, ...]:
    """The claims that an implementation can be put to."""
    from advntk.checks.theories import checks_of

    checks = [check for module in catalogue.modules for check in checks_of(module)]
    return tuple(
        dict.fromkeys(c for check in checks if "implementation" in check.space for c in check.decides)
    )


def _in_full(only: str, modules: Mapping[str, ModuleType]) -> str:
    """MODULE[:FUNCTION] with the name that a theory's file goes by, where it is one."""
    name, colon, function = only.partition(":")
    of_file = file_module_name(name)
    return f"{of_file}{colon}{function}" if of_file in modules else only


def _usual(request: MutationRequest, own: Sequence[ModuleType]) -> list[str]:
    """Names of modules that are made wrong where nobody says otherwise."""
    from advntk.checks.theories import checks_of

    if request.run.implementation and ":" in request.run.implementation:
        return [request.run.implementation.partition(":")[0]]
    if not own:
        return list(OURS)
    found: dict[str, None] = {}
    for module in own:
        for name in (module.__name__, *(check.module for check in checks_of(module))):
            package = getattr(sys.modules[name], "__package__", "")
            found[package or name] = None
    return list(found)


def code_of(request: MutationRequest, targets: Sequence[MutationTarget]) -> str:
    """Digest of everything that a result depends on: the program, the targets, the theories."""
    from advntk.checks.digests import digest, source_digest

    files = {Path(target.function.__code__.co_filename) for target in targets}
    files |= {Path(name) for name in request.run.theories if name.endswith(".py")}
    return f"{source_digest()}-{digest(sorted(files))}"


def head_of(request: MutationRequest, code: str) -> dict[str, Any]:
    """What results are results of: those of other circumstances are not gone on with."""
    run = request.run
    return {
        "generator": "advntk mutate",
        "source": code,
        "claims": list(run.claims),
        "axes": list(run.axes),
        "data": run.data,
        "implementation": run.implementation,
        "scenarios": request.scenarios,
    }


@dataclass(frozen=True)
class Reasons:
    """What a file says of mutants: pattern of ids |-> why.

    Attributes:
      equivalents: mutants that are no falsehoods.
      outside: functions that no claim is about, such as those that write files; they are not made wrong.
    """

    equivalents: dict[str, str] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)


def read_reasons(request: MutationRequest) -> Reasons:
    """The reasons in a TOML file, tables [equivalents] and [outside].

    Raises:
      BadArgument: the file cannot be read, or says something else.
    """
    from advntk.implementations.inputs import BadInput, read_text

    path = request.equivalents
    if path is None:
        return Reasons()
    fix = 'write lines such as "module:function:operator:*" = "why" under [equivalents] or [outside]'
    try:
        found = tomllib.loads(read_text(path))
    except (BadInput, tomllib.TOMLDecodeError) as error:
        raise BadArgument(f"--equivalents {path}: {error}; {fix}") from error
    for name, table in found.items():
        if name not in Reasons.__dataclass_fields__ or not isinstance(table, dict):
            raise BadArgument(f"--equivalents {path}: has {name!r}, which means nothing; {fix}")
        for pattern, why in table.items():
            if not isinstance(why, str) or not why:
                raise BadArgument(f"--equivalents {path}: says no reason for {pattern!r}; {fix}")
    return Reasons(**found)


def read_falsehoods(request: MutationRequest) -> list[Falsehood]:
    """The falsehoods of a file that fit the claims that are asked for.

    Raises:
      UsageError: the file cannot be loaded, or holds none.
    """
    from advntk.checks.mutation.falsehoods import falsehoods_in
    from advntk.theorems.catalogue import load_file

    path = request.falsehoods
    if path is None:
        return []
    found = falsehoods_in(load_file(str(path), "--falsehoods"))
    if not found:
        raise BadArgument(f"--falsehoods {path}: holds none; make some with `advntk.refuted_by`")
    known = {claim.id for _, claim in read_request(request.run).claims}
    return [one for one in found if one.claim in known]
