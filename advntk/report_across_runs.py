"""`advntk report --compare` and `--history`: what several runs say together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from advntk.checks.evidence import BadEvidence, RunRecord, read_run_ids
from advntk.implementations.outputs import FileKind, write_text
from advntk.reporting import Asked, BadReport, find_targets, read, said, write
from advntk.reports.comparison import comparison_content
from advntk.reports.history import history_content
from advntk.reports.kinds import COMPARISON, HISTORY
from advntk.reports.sanitization import sanitized, sanitized_record
from advntk.reports.summary import to_json

_COMPARISON_FILES = {"md": "comparison.md", "json": "comparison.json", "html": "comparison.html"}
_HISTORY_FILES = {"html": "history.html", "json": "history.json"}

Named = tuple[str, RunRecord]


def compare_runs(asked: Asked) -> str:
    """Two runs compared: a table for the terminal, and files where formats are asked for.

    Raises:
      BadReport: not two runs, or files that cannot be written.
    """
    before, now = _two(asked)
    content = comparison_content(before, now)
    if asked.formats is None and asked.out is None and not asked.open_browser:
        return _on_terminal(content)
    default = ("html",) if asked.open_browser else ("md", "json", "html")
    text = _written(asked, content, _COMPARISON_FILES, default, _comparison_text, COMPARISON)
    return text if str(asked.out) == "-" else f"{_on_terminal(content)}\n{text}"


def show_history(asked: Asked) -> str:
    """All runs of all folders, as small multiples.

    Raises:
      BadReport: a folder without evidence, or files that cannot be written.
    """
    if asked.runs:
        raise BadReport(f"--run {asked.runs[0]}: --history shows all runs; leave it out")
    folders = list(dict.fromkeys(asked.folders))
    runs: list[Named] = []
    lost: list[str] = []
    for folder in folders:
        for run in _run_ids(asked, folder):
            try:
                runs.append(_named(asked, folder, run))
            except BadReport as error:
                if not asked.salvage:
                    raise
                lost.append(sanitized(f"Left out: {error}"))
    content = history_content(runs, lost)
    text = _written(asked, content, _HISTORY_FILES, ("html",), _history_text, HISTORY)
    return text if str(asked.out) == "-" else "\n".join([*lost, text])


def _two(asked: Asked) -> tuple[Named, Named]:
    folders, runs = asked.folders, asked.runs
    if len(folders) == 2 and len(runs) in (0, 2):
        old, new = runs or (None, None)
        return _named(asked, folders[0], old), _named(asked, folders[1], new)
    if len(folders) == 1 and len(runs) in (0, 2):
        ids = runs or tuple(_run_ids(asked, folders[0])[-2:])
        if len(ids) == 2:
            return _named(asked, folders[0], ids[0]), _named(asked, folders[0], ids[1])
    given = " ".join([*map(str, folders), *(f"--run {run}" for run in runs)])
    raise BadReport(
        f"--compare {given}: takes two runs; name two folders, or one that holds two runs, with --run twice "
        "where not the latest are meant"
    )


def _run_ids(asked: Asked, folder: Path) -> list[int]:
    try:
        return read_run_ids(folder, asked.salvage)
    except BadEvidence as error:
        raise BadReport(f"DIR {str(error).removeprefix('--evidence ')}") from error


def _named(asked: Asked, folder: Path, run: int | None) -> Named:
    return sanitized(str(folder)), sanitized_record(read(folder, run, asked.salvage))


def _written(
    asked: Asked,
    content: dict[str, Any],
    names: dict[str, str],
    default: tuple[str, ...],
    text: Callable[[str, dict[str, Any]], str],
    kinds: dict[str, FileKind],
) -> str:
    targets = find_targets(asked, names, default, asked.folders[-1])
    if targets[0].path is None:
        return text(targets[0].format, content)
    texts = [(t.path, text(t.format, content)) for t in targets if t.path]

    def job() -> None:
        for path, found in texts:
            write_text(path, found)

    write(asked, targets, kinds, job)
    return "\n".join(said(asked, targets))


def _comparison_text(name: str, content: dict[str, Any]) -> str:
    if name == "json":
        return to_json(content)
    if name == "md":
        from advntk.reports.comparison_text import comparison_markdown

        return comparison_markdown(content)
    from advntk.reports.comparison_html import comparison_page

    return comparison_page(content)


def _history_text(name: str, content: dict[str, Any]) -> str:
    if name == "json":
        return to_json(content)
    from advntk.reports.history_html import history_page

    return history_page(content)


def _on_terminal(content: dict[str, Any]) -> str:
    from rich.console import Console

    from advntk.reports.comparison_text import comparison_tables

    # Its colours would be taken for those of a text, which are not obeyed.
    console = Console(color_system=None)
    if not console.is_terminal:
        console.width = 140
    with console.capture() as captured:
        for shown in comparison_tables(content):
            console.print(shown)
    return captured.get().rstrip("\n")
