"""The command `mutate`: its options, its answer and its exit code; the job is in `advntk.mutating`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from advntk.command_parsing import BadCommandLine
from advntk.exits import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_OK, EXIT_TERMINATED, EXIT_UNEXPECTED
from advntk.options import AsJson
from advntk.speaking import complain, note, say

if TYPE_CHECKING:
    from advntk.mutating import Mutation
    from advntk.mutation_request import MutationRequest


def mutate(
    claims: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CLAIM]...",
            help="Claims or theorems that are to notice; those of --theory if given, else all.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            "-k",
            metavar="MODULE[:FUNCTION]",
            help="Make this wrong, and nothing else (repeatable); default: the theory's own modules, or "
            "all of advntk's implementations and deciders.",
        ),
    ] = None,
    operators: Annotated[
        str,
        typer.Option(metavar="NAME,...", help="Ways to make things wrong; --list names them. All if none."),
    ] = "",
    sample: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="At most so many mutants, equally many of each function."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the sample.")] = 0,
    scenarios: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="Scenarios of each check at most.")
    ] = 3,
    falsehoods: Annotated[
        Path | None,
        typer.Option(metavar="FILE.py", help="Also plant the falsehoods there, made by `advntk.refuted_by`."),
    ] = None,
    generated: Annotated[
        bool, typer.Option("--generated/--no-generated", help="Generate mutants, or plant falsehoods alone.")
    ] = True,
    equivalents: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Which mutants are no falsehoods: [equivalents] id = reason."),
    ] = None,
    theory: Annotated[
        list[str] | None,
        typer.Option(
            "--theory",
            envvar="ADVNTK_THEORY",
            metavar="FILE.py|MODULE",
            help="Also load the theorem stated there (repeatable).",
        ),
    ] = None,
    implementation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|MODULE:ATTRIBUTE",
            help="The implementation of Adv-NTK that is put to the claims; made wrong if it is one's own.",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="digits|gaussian|sphere|FILE.npz", help="Where inputs come from.")
    ] = None,
    axis: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE[,...]", help="Hold an axis at one value (repeatable)."),
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(metavar="GIB", min=0.1, max=1e6, help="What all processes may take; default the RAM."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", metavar="N", min=1, max=256, envvar="ADVNTK_JOBS", help="Processes that measure."
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1,
            max=1e6,
            help="Processor time that a measurement with a fault may use at least; it may use ten times what "
            "it uses without.",
        ),
    ] = 30.0,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the results: mutation.md, mutation.json.")
    ] = Path("advntk-mutation"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the results in the folder where they end.")
    ] = False,
    fail_under: Annotated[
        float, typer.Option(metavar="PERCENT", min=0, max=100, help="The least score that is good enough.")
    ] = 100.0,
    show_list: Annotated[
        bool, typer.Option("--list", help="List operators and mutants, and run nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an implementation wrong, one place at a time, and say which claims notice.

    A mutant is noticed where a claim that holds is refuted, or a control that is refuted holds.  Exits with 0
    if the score is good enough and every falsehood is refuted, 1 if not, 2 for a usage error, 3 if something
    broke.
    """
    from advntk.mutation_request import MutationRequest
    from advntk.wiring import RunSettings

    if falsehoods is None and not generated:
        raise BadCommandLine("--no-generated: leaves nothing to plant; add --falsehoods FILE.py")
    request = MutationRequest(
        run=RunSettings(
            claims=tuple(claims or ()),
            data=data,
            axes=tuple(axis or ()),
            implementation=implementation,
            memory_gib=memory,
            jobs=jobs,
            theories=tuple(theory or ()),
        ),
        only=tuple(only or ()),
        operators=tuple(name for name in operators.split(",") if name),
        sample=sample,
        seed=seed,
        scenarios=scenarios,
        falsehoods=falsehoods,
        equivalents=equivalents,
        least_seconds=timeout,
        out=out,
        resume=resume,
        generated=generated,
    )
    raise typer.Exit(
        list_mutants(request, as_json) if show_list else run_mutants(request, fail_under, as_json)
    )


def list_mutants(request: MutationRequest, as_json: bool) -> int:
    """Say what would be made wrong, as far as it can be said without calls."""
    from advntk.mutating import generated
    from advntk.mutation_request import settled

    _configure()
    request, targets = settled(request)
    mutants = generated(request, targets, [])
    if as_json:
        from advntk.reports.summary import to_json

        say(to_json({"mutants": [vars(mutant) for mutant in mutants]}), end="")
        return EXIT_OK
    from advntk.checks.mutation.mutants import ALL_OPERATORS

    for mutant in mutants:
        say(f"{mutant.id}: {mutant.description}")
    say(
        f"{len(mutants)} mutants of the source of {len(targets)} functions; values that public functions get "
        f"and give are changed as well, as calls show them\noperators: {', '.join(ALL_OPERATORS)}"
    )
    return EXIT_OK


def run_mutants(request: MutationRequest, fail_under: float, as_json: bool) -> int:
    """Carry out `advntk mutate`: run, write, show, and return the exit code."""
    from advntk.exceptions import Terminated
    from advntk.mutating import mutate as run

    _configure()
    may_write_results(request.out)
    try:
        found = run(request)
    except (KeyboardInterrupt, Terminated) as ended:
        interrupted = isinstance(ended, KeyboardInterrupt)
        note(
            f"{'interrupted' if interrupted else 'terminated'}; what was measured is kept in {request.out}; "
            "go on with --resume"
        )
        return EXIT_INTERRUPTED if interrupted else EXIT_TERMINATED
    except RuntimeError as error:
        from advntk.checks.mutation.workers import CannotStart

        if not isinstance(error, CannotStart):
            raise
        complain(f"no process gets ready to measure: {error}")
        return EXIT_INTERNAL
    written = write_results(request, found)
    if as_json:
        say(written, end="")
    else:
        _say(request, found)
    return EXIT_OK if found.score.is_good(fail_under) else EXIT_UNEXPECTED


def may_write_results(folder: Path) -> None:
    """Before anything is measured: what somebody else wrote in the folder stays.

    Raises:
      BadOutput: there is such a file.
    """
    from advntk.implementations.outputs import may_write
    from advntk.reports.kinds import MUTATION

    for name, kind in MUTATION.items():
        may_write(folder / name, kind, "--out")


def write_results(request: MutationRequest, found: Mutation) -> str:
    """Write the report and its numbers; returns the latter."""
    from advntk.implementations.outputs import write_text
    from advntk.reports.mutation_report import as_json, as_markdown
    from advntk.reports.summary import to_json

    facts = found.facts()
    text = to_json(as_json(found.score, facts))
    write_text(request.out / "mutation.json", text)
    write_text(request.out / "mutation.md", as_markdown(found.score, facts))
    return text


def _say(request: MutationRequest, found: Mutation) -> None:
    from advntk.reports.mutation_report import remarks

    for line in remarks(found.score):
        say(line)
    say(f"{found.score.words()}; report: {request.out / 'mutation.md'}")


def _configure() -> None:
    from advntk.implementations.runtime import configure
    from advntk.wiring import cache_folder

    configure("cpu", cache_folder() / "programs")


__all__: list[Any] = ["list_mutants", "mutate", "run_mutants"]
