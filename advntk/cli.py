"""The command line: arguments in, exit code out.

Nothing heavy is imported before a command needs it, so that help and usage errors answer at once.
Exit codes: see `advntk.exits`.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from advntk.command_parsing import Command, CommandGroup, ParserError
from advntk.exceptions import Terminated, UsageError
from advntk.exits import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_OK, EXIT_TERMINATED, EXIT_USAGE
from advntk.mutation_cli import mutate
from advntk.options import AsJson, DeviceName, Force, OnDevice
from advntk.report_cli import report
from advntk.speaking import OutputLost, complain, note, say
from advntk.training_cli import benchmark_adv_ntk, evaluate, train

app = typer.Typer(
    cls=CommandGroup,
    help="Checks deep-learning theory by machine: declares theorems, measures, decides, reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Theory = Annotated[
    list[str] | None,
    typer.Option(
        "--theory",
        envvar="ADVNTK_THEORY",
        metavar="FILE.py|MODULE",
        help="Also load the theorem stated there (repeatable).",
    ),
]
Evidence = Annotated[Path, typer.Option(metavar="DIR", help="Folder with the evidence (its latest run).")]


class ProfileName(StrEnum):
    """How much is measured."""

    quick = "quick"
    standard = "standard"
    thorough = "thorough"


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"advntk {version('advntk')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(cls=Command)
def check(
    claims: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CLAIM]...", help="Claim or theorem ids; all claims if none is given."),
    ] = None,
    profile: Annotated[
        ProfileName, typer.Option(help="How much to measure: about a minute, minutes, hours.")
    ] = ProfileName.quick,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="digits|gaussian|sphere|FILE.npz",
            help="Where inputs come from; an .npz holds `images` (n, height, columns) and `labels` (n). "
            "Default: digits, for theories with data.",
        ),
    ] = None,
    device: OnDevice = DeviceName.cpu,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of scenarios and networks.")] = 0,
    evidence: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder that the evidence and the page are kept in.")
    ] = Path("advntk-evidence"),
    axis: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE[,...]", help="Hold an axis at one value (repeatable)."),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AXIS=V,V,V,V",
            help="Values of the axis that claims sweep over, instead of the profile's (repeatable).",
        ),
    ] = None,
    widths: Annotated[
        str | None, typer.Option(metavar="N,N,N,N", help="Short for --sweep width=N,N,N,N.")
    ] = None,
    implementation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|MODULE:ATTRIBUTE",
            help="Which implementation of Adv-NTK the claims of adv_ntk are put to; default krylov.",
        ),
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(
            metavar="GIB", min=0.1, max=1e6, help="What networks may take in all; default half of the RAM."
        ),
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option(
            metavar="N", min=0, max=1e6, help="What compiling may take in all; default 20 for a quick run."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=1,
            max=256,
            envvar="ADVNTK_JOBS",
            help="Trials measured at a time, in processes; default: what cores and memory allow.",
        ),
    ] = None,
    shrink: Annotated[
        bool, typer.Option("--shrink", help="Shrink counterexamples to exact claims (takes minutes).")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the latest run in the folder where it was interrupted."),
    ] = False,
    allow_changed: Annotated[
        bool,
        typer.Option(
            "--allow-changed",
            help="With --resume: after a change of request or code, keep what still applies.",
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the tracebacks of what broke.")
    ] = False,
    theory: Theory = None,
    as_json: AsJson = False,
) -> None:
    """Put claims to the test: measure, decide, keep the evidence, show it.

    Exits with 0 if every claim has its expected verdict, 1 if not, 2 for a usage error, 3 if
    something broke.
    """
    from advntk.checking import check_claims
    from advntk.wiring import RunSettings

    raise typer.Exit(
        check_claims(
            RunSettings(
                claims=tuple(claims or ()),
                profile=profile.value,
                data=data,
                device=device.value,
                seed=seed,
                evidence=evidence,
                axes=tuple(axis or ()),
                sweeps=tuple(sweep or ()),
                widths=widths,
                implementation=implementation,
                memory_gib=memory,
                max_minutes=max_minutes,
                jobs=jobs,
                shrink=shrink,
                theories=tuple(theory or ()),
                resume=resume,
                allow_changed=allow_changed,
            ),
            as_json,
            verbose,
        )
    )


@app.command(cls=Command)
def gate(
    evidence: Evidence = Path("advntk-evidence"),
    expectations: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="What is expected, why, by whom, until when; else what the theory expects.",
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Evidence of an earlier run, to find estimates that moved."),
    ] = None,
    theory: Theory = None,
    as_json: AsJson = False,
) -> None:
    """Judge a run by what is expected of it; for CI.

    Exits with 0 if every claim is as expected, 1 for an unexpected verdict, 2 for a usage error, 3 if a
    trial or this program broke, 4 if a claim is undecided, 5 if one was not measured or the run did not
    finish, 6 for a stale expectation, 7 if an estimate moved since the baseline.
    """
    from advntk.gating import gate as judge_run

    text, code = judge_run(evidence, expectations, baseline, tuple(theory or ()), as_json)
    say(text)
    raise typer.Exit(code)


@app.command(cls=Command)
def export(
    evidence: Evidence = Path("advntk-evidence"),
    out: Annotated[
        Path,
        typer.Option(metavar="FILE.parquet|FILE.csv|FILE.jsonl", help="Where to write; the ending decides."),
    ] = Path("trials.parquet"),
    run: Annotated[int | None, typer.Option(min=1, help="Another run than the latest.")] = None,
    force: Force = False,
) -> None:
    """Write the trials of a run as a table for other programs: Parquet, CSV or JSON lines."""
    from advntk.exporting import export_trials

    say(export_trials(evidence, out, run, force))


@app.command(cls=Command)
def claims(theory: Theory = None, as_json: AsJson = False) -> None:
    """List every claim: its id, its kind and the verdict expected of it."""
    from advntk.listing import list_claims

    say(list_claims(tuple(theory or ()), as_json))


@app.command(cls=Command)
def explain(
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Id of a claim or of a theorem.")],
    theory: Theory = None,
    as_json: AsJson = False,
) -> None:
    """State a claim or a theorem: what must be true, under which assumptions, and the source."""
    from advntk.listing import explain_claim

    say(explain_claim(claim, tuple(theory or ()), as_json))


app.command(cls=Command)(report)
app.command(cls=Command)(mutate)
app.command(cls=Command)(train)
app.command(cls=Command)(evaluate)

benchmark_app = typer.Typer(cls=CommandGroup, help="Time an algorithm on this machine.", no_args_is_help=True)
benchmark_app.command("adv-ntk", cls=Command)(benchmark_adv_ntk)
app.add_typer(benchmark_app, name="benchmark")

data_app = typer.Typer(
    cls=CommandGroup, help="Fetch image data sets, and say what is there.", no_args_is_help=True
)
app.add_typer(data_app, name="data")

DATA_FOLDER = "default $ADVNTK_DATA, else ~/.cache/advntk/data"


class RemoteName(StrEnum):
    """What can be fetched."""

    cifar10 = "cifar10"
    svhn = "svhn"


@data_app.command("fetch", cls=Command)
def data_fetch(
    name: Annotated[RemoteName, typer.Argument(help="CIFAR-10 (170 MB) or SVHN (246 MB).")],
    to: Annotated[Path | None, typer.Option(metavar="DIR", help=f"Where to keep it; {DATA_FOLDER}.")] = None,
) -> None:
    """Fetch official files, verify and unpack them; what is there and correct is not fetched again."""
    from advntk.fetching import fetch_data

    say(fetch_data(name.value, to))


@data_app.command("check", cls=Command)
def data_check(
    source: Annotated[
        str, typer.Argument(metavar="cifar10|svhn|digits|FILE.npz", help="The data set to look at.")
    ],
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help=f"Where CIFAR-10 and SVHN are; {DATA_FOLDER}.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read a data set as training would, and say what was found: images, shapes, classes."""
    from advntk.fetching import check_data

    say(check_data(source, data_dir, as_json))


def answer(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line; returns the exit code.

    What cannot be met is one line on standard error and exit code 2; a traceback shows where this program is
    to blame.

    Args:
      arguments: without the name of the program; None: those of this process.
    """
    try:
        code = app(args=arguments, prog_name="advntk", standalone_mode=False)
        return code if isinstance(code, int) else EXIT_OK
    except (UsageError, ParserError) as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            note(str(error))
        else:
            complain(error)
        return EXIT_USAGE
    except OutputLost as error:
        complain(error)
        return EXIT_INTERNAL
    except BrokenPipeError:  # who reads has seen enough of a help text
        return EXIT_OK
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted")
        return EXIT_INTERRUPTED
    except Terminated:
        complain("terminated")
        return EXIT_TERMINATED
    except OSError as error:
        if error.filename is None or error.errno not in _UNUSABLE_NAMES:
            return _broken(error)
        complain(f"{_place(error)}: cannot be used ({error.strerror}); name another file or folder")
        return EXIT_USAGE
    except Exception as error:
        return _broken(error)


# What is wrong with a name that somebody gave, wherever it shows.
_UNUSABLE_NAMES = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EROFS)


def _place(error: OSError) -> str:
    return os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)


def _broken(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        complain(f"standard output cannot be written ({error.strerror})")
    else:
        note("".join(traceback.format_exception(error)).rstrip())
    return EXIT_INTERNAL


def _terminate(number: int, frame: FrameType | None) -> None:
    """What ends the process in good order; a second request ends it as it is."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Terminated


def main() -> None:
    """Run the command line as a program."""
    signal.signal(signal.SIGTERM, _terminate)
    code = answer()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # What is left has nowhere to go, and would be tried again on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            complain(f"standard output cannot be written ({error.strerror})")
            code = code or EXIT_INTERNAL
    sys.exit(code)


if __name__ == "__main__":
    main()
