"""The faces of a run's evidence: which formats there are, what their files are called, what writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from advntk.checks.evidence import RunRecord
from advntk.implementations.outputs import FileKind, replacing, write_text
from advntk.reports import kinds
from advntk.reports.mutation_score import MutationScore
from advntk.reports.sanitization import sanitized_record
from advntk.reports.summary import summarise, to_json


@dataclass(frozen=True)
class Format:
    """A name of a file, and what makes its content: `text` from a sanitized record, or `file` at a path.

    `kind` knows the files that it has written.
    """

    file_name: str
    about: str
    kind: FileKind
    text: Callable[[RunRecord], str] | None = None
    file: Callable[[RunRecord, Path], int] | None = None


# Imported where they are asked for: matplotlib alone takes most of a second.
def _html(record: RunRecord, mutations: MutationScore | None = None) -> str:
    from advntk.reports.page import render

    return render(record, mutations)


def _json(record: RunRecord) -> str:
    return to_json(summarise(record))


def _markdown(record: RunRecord) -> str:
    from advntk.reports.markdown import to_markdown

    return to_markdown(record)


def _junit(record: RunRecord) -> str:
    from advntk.reports.junit import to_junit

    return to_junit(record)


def _latex(record: RunRecord) -> str:
    from advntk.reports.latex import to_latex

    return to_latex(record)


def _trials(ending: str) -> Callable[[RunRecord, Path], int]:
    def write(record: RunRecord, path: Path) -> int:
        from advntk.reports.trial_tables import TRIAL_WRITERS

        return TRIAL_WRITERS[ending](record, path)

    return write


FORMATS = {
    "html": Format("index.html", "the page", kinds.PAGE, text=_html),
    "json": Format("summary.json", "for machines; --schema describes it", kinds.SUMMARY, text=_json),
    "md": Format("summary.md", "for a CI step summary, below GitHub's limit", kinds.MARKDOWN, text=_markdown),
    "junit": Format("junit.xml", "test results, a test case per claim", kinds.JUNIT, text=_junit),
    "tex": Format("verdicts.tex", "a LaTeX table", kinds.LATEX, text=_latex),
    "csv": Format("trials.csv", "every trial", kinds.TRIALS[".csv"], file=_trials(".csv")),
    "parquet": Format("trials.parquet", "every trial", kinds.TRIALS[".parquet"], file=_trials(".parquet")),
}


def rendered(record: RunRecord, name: str, mutations: MutationScore | None = None) -> str:
    """The run in a format that is text; the page alone shows a mutation score.

    Raises:
      ValueError: the format is a table of trials.
    """
    text = FORMATS[name].text
    if text is None:
        raise ValueError(f"format {name!r}: is no text; write it to a file")
    return _as_text(text, sanitized_record(record), mutations)


def _as_text(text: Callable[[RunRecord], str], record: RunRecord, mutations: MutationScore | None) -> str:
    return _html(record, mutations) if text is _html else text(record)


def write_reports(
    record: RunRecord, files: Iterable[tuple[str, Path]], mutations: MutationScore | None = None
) -> None:
    """Write the run in each format to its path, each file as a whole; the page shows a mutation score.

    Raises:
      OSError: a path that cannot be written.
    """
    record = sanitized_record(record)
    for name, path in files:
        chosen = FORMATS[name]
        if chosen.text is not None:
            write_text(path, _as_text(chosen.text, record, mutations))
        elif chosen.file is not None:
            with replacing(path) as draft:
                chosen.file(record, draft)
