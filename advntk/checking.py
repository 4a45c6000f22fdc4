"""The main job, `advntk check`: from arguments through plan, run and evidence to table and page."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advntk.cli import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_OK, EXIT_UNEXPECTED, EXIT_USAGE
from advntk.progress import progress_display
from theorems.catalogue import Catalogue, UnknownName, load


@dataclass(frozen=True)
class Arguments:
    """What the command line was given."""

    claims: tuple[str, ...] = ()
    profile: str = "quick"
    data: str = "digits"
    device: str = "cpu"
    seed: int = 0
    evidence: Path = Path("advntk-evidence")
    axes: tuple[str, ...] = ()
    widths: str | None = None
    memory_gib: float | None = None
    shrink: bool = False
    theories: tuple[str, ...] = ()
    as_json: bool = False


class BadArgument(ValueError):
    """An argument that cannot be used; the message names it, its value and the fix."""


def check_claims(arguments: Arguments) -> int:
    """Carry out `advntk check` and return its exit code.

    Everything that can be wrong with a request is found out before the evidence is touched.
    """
    started = time.perf_counter()
    catalogue = load(arguments.theories)
    selected = catalogue.select(arguments.claims)
    _arguments_alone(arguments)

    # JAX starts here; what comes before answers without it.
    from implementations.runtime import CompilationCount, DeviceUnavailable, configure

    try:
        device = configure(arguments.device)  # type: ignore[arg-type]
    except DeviceUnavailable as error:
        return _usage_error(error)
    compilations = CompilationCount().watch()

    from checks.evidence import BadEvidence, EvidenceStore
    from checks.planning import BadPlan
    from checks.running import run_plan
    from implementations.data.dataset import BadData

    try:
        plan = _plan(arguments, catalogue, selected)
        store = EvidenceStore(arguments.evidence)
    except (BadPlan, BadData, BadEvidence) as error:
        return _usage_error(error)

    from checks.description import describe

    run = store.start_run(describe(plan), _environment(device))
    try:
        with progress_display(plan.trials) as show:
            run_plan(plan, store, run, show, arguments.shrink)
    except KeyboardInterrupt:
        print(f"interrupted; what was measured is kept in {arguments.evidence}", file=sys.stderr)
        return EXIT_INTERRUPTED
    store.finish_run(
        run,
        {
            "wall_time_s": time.perf_counter() - started,
            "compilations": {"number": compilations.number, "seconds": compilations.seconds},
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        },
    )
    store.close()
    return _report(arguments, run)


def _arguments_alone(arguments: Arguments) -> None:
    """What can be checked without starting JAX.

    Raises:
      BadArgument: an axis or a width that cannot be meant.
    """
    from checks.axes import BadAxis, parse_pin

    try:
        for text in arguments.axes:
            parse_pin(text)
        _widths(arguments.widths)
    except BadAxis as error:
        raise BadArgument(str(error)) from error


def _plan(arguments: Arguments, catalogue: Catalogue, selected: list) -> Any:
    from checks.axes import parse_pin
    from checks.planning import Request, make_plan
    from checks.profiles import PROFILES

    request = Request(
        profile=PROFILES[arguments.profile],
        data=arguments.data,
        seed=arguments.seed,
        pins=tuple(parse_pin(text) for text in arguments.axes),
        widths=_widths(arguments.widths),
        memory=None if arguments.memory_gib is None else int(arguments.memory_gib * 2**30),
    )
    return make_plan(request, selected, catalogue.modules)


def _widths(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        widths = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise BadArgument(f"--widths {text}: write whole numbers, for example 64,128,256,512") from None
    if widths[0] < 2 or len(widths) < 4:
        raise BadArgument(f"--widths {text}: a rate needs at least 4 different widths, each at least 2")
    return widths


def _environment(device: str) -> dict[str, Any]:
    from implementations.runtime import versions

    return {"versions": versions(), "device": device, "dtype": "float64", "code": _code_version()}


def _code_version() -> str:
    """The commit of the checkout that runs, with '+' if it has local changes, else the version."""
    here = Path(__file__).resolve().parent.parent
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        from importlib.metadata import version

        return f"release {version('advntk')}"
    return f"commit {found.stdout.strip()}"


def _report(arguments: Arguments, run: int) -> int:
    from checks.evidence import read_run
    from reports.page import render
    from reports.summary import as_expected, summarise, to_json, write_atomically

    record = read_run(arguments.evidence, run)
    summary = summarise(record)
    write_atomically(arguments.evidence / "summary.json", to_json(summary))
    write_atomically(arguments.evidence / "index.html", render(record))
    if arguments.as_json:
        print(to_json(summary), end="")
    else:
        _print_table(summary, arguments.evidence)
    if any(claim["verdict"] == "ERROR" for claim in summary["claims"]):
        return EXIT_INTERNAL
    return EXIT_OK if as_expected(summary) else EXIT_UNEXPECTED


def _print_table(summary: dict, evidence: Path) -> None:
    from rich.console import Console

    from reports.terminal import remarks, verdict_table

    console = Console()
    if not console.is_terminal:
        console.width = 140
    console.print(verdict_table(summary))
    for line in remarks(summary):
        console.print(line, highlight=False)
    expected = sum(claim["verdict"] == claim["expected"] for claim in summary["claims"])
    seconds = summary["run"]["wall_time_s"]
    console.print(
        f"{expected} of {len(summary['claims'])} claims as expected, {seconds:.0f} s; "
        f"page: {evidence / 'index.html'}",
        highlight=False,
        soft_wrap=True,
    )


def _usage_error(error: Exception) -> int:
    print(f"error: {error}", file=sys.stderr)
    return EXIT_USAGE


__all__ = ["Arguments", "BadArgument", "UnknownName", "check_claims"]
