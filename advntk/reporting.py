"""`advntk report`: evidence that is there already, shown in other ways; measures nothing."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from advntk.checks.evidence import FILE_NAME, BadEvidence, RunRecord, read_run
from advntk.exceptions import UsageError
from advntk.implementations.outputs import FileKind, may_write, told
from advntk.reports.completeness import missing
from advntk.reports.formats import FORMATS, rendered, write_reports
from advntk.reports.mutation_score import BadMutationScore, MutationScore, read_mutation_score
from advntk.reports.sanitization import sanitized
from advntk.speaking import note

STANDARD_OUTPUT = "-"
# Rows that were left out, on a terminal.
_MOST_NAMED = 20


class BadReport(UsageError):
    """A report that cannot be made; the message names the argument, its value and the fix."""


@dataclass(frozen=True)
class Asked:
    """What the command line was given; `formats` and `out` are None where it left them out."""

    folders: tuple[Path, ...]
    formats: str | None = None
    out: Path | None = None
    runs: tuple[int, ...] = ()
    open_browser: bool = False
    mutation_score: Path | None = None
    force: bool = False
    salvage: bool = False


@dataclass(frozen=True)
class Target:
    """A format and the file that it goes to; None is standard output."""

    format: str
    path: Path | None


def report_run(asked: Asked) -> str:
    """Write one run in the formats asked for; says where, or is the report itself for `--out -`.

    Raises:
      BadReport: no such evidence or format, or a place that cannot be written.
    """
    if len(asked.folders) > 1:
        raise BadReport(
            f"DIR {' '.join(map(str, asked.folders))}: several; name one, or add --compare or --history"
        )
    if len(asked.runs) > 1:
        raise BadReport(f"--run {' --run '.join(map(str, asked.runs))}: name one run, or add --compare")
    (folder,) = asked.folders
    names = {name: chosen.file_name for name, chosen in FORMATS.items()}
    targets = find_targets(asked, names, ("html", "json"), folder)
    mutations = _mutations(asked, targets)
    record = read(folder, asked.runs[0] if asked.runs else None, asked.salvage)
    if targets[0].path is None:
        return rendered(record, targets[0].format, mutations)
    lacking = [f"missing: {words}" for words in missing(record)["words"]] + _left_out(record)
    kinds = {name: chosen.kind for name, chosen in FORMATS.items()}
    files = [(t.format, t.path) for t in targets if t.path]
    write(asked, targets, kinds, lambda: write_reports(record, files, mutations))
    return "\n".join([*lacking, *said(asked, targets)])


def _left_out(record: RunRecord) -> list[str]:
    lines = [f"left out: {row}" for row in map(sanitized, map(str, record.left_out[:_MOST_NAMED]))]
    rest = len(record.left_out) - len(lines)
    return [*lines, *([f"left out: {rest} more rows; summary.json names them"] if rest else [])]


def _mutations(asked: Asked, targets: list[Target]) -> MutationScore | None:
    if asked.mutation_score is None:
        return None
    if all(target.format != "html" for target in targets):
        given = ",".join(target.format for target in targets)
        raise BadReport(
            f"--mutation-score {asked.mutation_score}: only the page shows it; add html to --format {given}"
        )
    try:
        return read_mutation_score(asked.mutation_score)
    except BadMutationScore as error:
        raise BadReport(str(error)) from error


def read(folder: Path, run: int | None = None, salvage: bool = False) -> RunRecord:
    """A run of the evidence in `folder`; the latest one unless named; salvaged, without what is damaged.

    Raises:
      BadReport: no evidence there, or no such run.
    """
    try:
        return read_run(folder, run, salvage)
    except BadEvidence as error:
        # The folder is an argument here, not an option.
        raise BadReport(f"DIR {str(error).removeprefix('--evidence ')}") from error


def find_targets(
    asked: Asked, names: Mapping[str, str], default: tuple[str, ...], folder: Path
) -> list[Target]:
    """Where each format goes; `names` has the formats there are and the files they are called.

    `--out` is a folder, or with one format a file; its ending chooses the format where none is given.

    Raises:
      BadReport: an unknown format, or several for one file.
      BadOutput: a place that cannot be written.
    """
    out = asked.out
    chosen = default if asked.formats is None else _formats(asked.formats, names)
    if out is not None and asked.formats is None:
        chosen = tuple(name for name, file in names.items() if Path(file).suffix == out.suffix) or default
    if asked.open_browser and "html" not in chosen:
        raise BadReport(f"--open: shows the page; add html to --format {','.join(chosen)}")
    if out is None:
        return [Target(name, folder / names[name]) for name in chosen]
    if str(out) == STANDARD_OUTPUT:
        if len(chosen) > 1 or asked.open_browser or (chosen[0] in FORMATS and not FORMATS[chosen[0]].text):
            raise BadReport(
                f"--out -: takes one format that is text, not {','.join(chosen)}; choose it with --format"
            )
        return [Target(chosen[0], None)]
    with told(out):  # a name may be too long to ask what is there
        is_file = not out.is_dir() and (out.is_file() or out.suffix[1:2].isalpha())
    if is_file:
        if len(chosen) > 1:
            raise BadReport(
                f"--out {out}: one file cannot hold {','.join(chosen)}; name a folder, or one format"
            )
        return [Target(chosen[0], out)]
    return [Target(name, out / names[name]) for name in chosen]


def _formats(text: str, names: Mapping[str, str]) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in chosen:
        if name not in names:
            raise BadReport(f"--format {text}: unknown format {name!r}; choose from {', '.join(names)}")
    return chosen


def write(
    asked: Asked, targets: list[Target], kinds: Mapping[str, FileKind], job: Callable[[], None]
) -> None:
    """Make folders and files; before any, look that each goes where nothing else is.

    Raises:
      BadOutput: something is there that this command has not written in this format.
      BadReport: one of them cannot be written.
    """
    option = "DIR" if asked.out is None else "--out"
    inputs = [folder / FILE_NAME for folder in asked.folders]
    for target in targets:
        if target.path is not None:
            may_write(target.path, kinds[target.format], option, inputs, asked.force)
    try:
        for target in targets:
            if target.path is not None:
                target.path.parent.mkdir(parents=True, exist_ok=True)
        job()
    except OSError as error:
        place = asked.out if asked.out is not None else asked.folders[-1]
        raise BadReport(
            f"--out {place}: cannot be written ({error.strerror}); choose another place with --out"
        ) from error


def said(asked: Asked, targets: list[Target]) -> list[str]:
    """Where the files are; opens the page if that was asked for."""
    lines = [f"{target.format:<8} {target.path}" for target in targets]
    if asked.open_browser:
        page = next(target.path for target in targets if target.format == "html" and target.path)
        if not webbrowser.open(page.resolve().as_uri()):
            note(f"--open: no browser found; open {page} yourself")
    return lines
