"""The command line of `advntk report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from advntk.options import Force
from advntk.speaking import say


def report(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folder with the evidence; default advntk-evidence."),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME[,...]",
            help="html, json, md, junit, tex, csv, parquet; default html,json. With --compare: "
            "md, json, html. With --history: html, json.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE|-",
            help="Where to write, default DIR; with one format a file, or - for standard output.",
        ),
    ] = None,
    run: Annotated[
        list[int] | None,
        typer.Option(
            min=1, metavar="N", help="Another run than the latest; with --compare one per DIR, or two of one."
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare two runs: DIR DIR, or the last two of one DIR.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Show all runs of every DIR as small multiples.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of summary.json, and do nothing else.")
    ] = False,
    mutation_score: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Show on the page how many planted falsehoods are refuted, as "
            "`python -m benchmarks.catch` measured it (benchmarks/catch.json).",
        ),
    ] = None,
    salvage: Annotated[
        bool,
        typer.Option("--salvage", help="Leave out rows of the evidence that are damaged, and say which."),
    ] = False,
    force: Force = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Show evidence that is there already in other formats, compare runs, show their history.

    Measures nothing; a run that was interrupted or still goes on is shown as far as it got, with what is
    missing. Exits with 0, or 2 for a usage error; `advntk gate` judges.
    """
    if schema:
        from advntk.reports.summary import schema as text

        say(text(), end="")
        return
    from advntk.reporting import Asked, BadReport, report_run

    where = tuple(folders or [Path("advntk-evidence")])
    asked = Asked(where, formats, out, tuple(run or ()), open_browser, mutation_score, force, salvage)
    if compare and history:
        raise BadReport("--compare --history: choose one of them")
    if mutation_score is not None and (compare or history):
        raise BadReport(f"--mutation-score {mutation_score}: only the page of one run shows it; leave it out")
    if compare:
        from advntk.report_across_runs import compare_runs

        say(compare_runs(asked))
    elif history:
        from advntk.report_across_runs import show_history

        say(show_history(asked))
    else:
        say(report_run(asked), end="" if str(out) == "-" else "\n")
