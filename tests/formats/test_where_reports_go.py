"""Reports are written over reports of the same command and format, and over nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from made_up_evidence import add_run, said

from advntk import reports
from advntk.checks.evidence import FILE_NAME, read_run
from advntk.exporting import export_trials
from advntk.implementations.outputs import BadOutput
from advntk.report_across_runs import compare_runs, show_history
from advntk.reporting import Asked, report_run
from advntk.reports.formats import FORMATS
from advntk.reports.kinds import COMPARISON, HISTORY

GOOD = {"made_up.claim": [said()]}
# Command and format |-> what writes it to a file of any name.
WRITERS = {
    **{("report", name): (report_run, name, 1) for name in FORMATS},
    **{("compare", name): (compare_runs, name, 2) for name in COMPARISON},
    **{("history", name): (show_history, name, 1) for name in HISTORY},
    **{("export", name): (None, name, 1) for name in ("csv", "jsonl", "parquet")},
}


@pytest.fixture
def write(tmp_path):
    folders = (tmp_path / "one", tmp_path / "two")
    for folder in folders:
        add_run(folder, GOOD)

    def call(command, name, out, force=False):
        writer, format_, count = WRITERS[command, name]
        if writer is None:
            return export_trials(folders[0], out, None, force)
        return writer(Asked(folders[:count], format_, out, force=force))

    return call


def name_of(command, name, folder):
    return folder / f"{command}.{name if command == 'export' else 'out'}"


@pytest.mark.parametrize(("command", "name"), WRITERS, ids="-".join)
def test_what_was_written_may_be_written_again_and_anything_else_not(write, tmp_path, command, name):
    out = name_of(command, name, tmp_path)
    write(command, name, out)
    first = out.read_bytes()
    write(command, name, out)
    assert out.read_bytes() == first
    for foreign in (
        b"",
        b"print('mine')\n",
        b"<!DOCTYPE html>\n<title>mine</title>\n",
        b'{"schema_version": 1}',
    ):
        if (foreign, name) == (b"", "jsonl"):
            continue  # a table of no trials
        out.write_bytes(foreign)
        with pytest.raises(BadOutput, match="--force") as raised:
            write(command, name, out)
        assert str(out) in str(raised.value) and out.read_bytes() == foreign
    write(command, name, out, force=True)
    assert out.read_bytes() == first


@pytest.mark.parametrize(("command", "name"), WRITERS, ids="-".join)
def test_files_of_every_other_command_and_format_are_refused(write, tmp_path, command, name):
    out = name_of(command, name, tmp_path)
    # Tables of trials are the same whoever writes them.
    same = {("report", name), ("export", name)} if name in ("csv", "parquet") else {(command, name)}
    for other in WRITERS.keys() - same:
        out.unlink(missing_ok=True)
        made = name_of(*other, tmp_path / "other")
        made.parent.mkdir(exist_ok=True)
        if not made.exists() or other[0] != "export":
            made.unlink(missing_ok=True)
            write(*other, made)
        shutil.copy(made, out)
        with pytest.raises(BadOutput, match="is there already and is not"):
            write(command, name, out)


@pytest.mark.parametrize(("command", "name"), WRITERS, ids="-".join)
def test_evidence_is_never_written_over(write, tmp_path, command, name):
    stores = {folder: (tmp_path / folder / FILE_NAME).read_bytes() for folder in ("one", "two")}
    for folder in stores:
        link = tmp_path / f"link-{folder}.{name}"
        link.symlink_to(tmp_path / folder / FILE_NAME)
        direct = () if command == "export" else (tmp_path / folder / FILE_NAME,)
        for out in (link, *direct):
            for force in (False, True):
                with pytest.raises(BadOutput):
                    write(command, name, out, force)
    assert stores == {folder: (tmp_path / folder / FILE_NAME).read_bytes() for folder in stores}


def test_where_one_of_several_is_foreign_none_is_written(tmp_path):
    add_run(tmp_path / "one", GOOD)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.md").write_text("# mine\n")
    with pytest.raises(BadOutput, match=r"summary\.md: is there already"):
        report_run(Asked((tmp_path / "one",), "html,json,md", tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["summary.md"]


def test_the_sources_of_our_own_files_are_not_our_files(write, tmp_path):
    """Templates and programs hold the marks, or what becomes them."""
    folder = Path(reports.__path__[0])
    for source in (*folder.glob("templates/*"), *folder.glob("*.py"), Path(__file__)):
        for kind in [chosen.kind for chosen in FORMATS.values()] + [*COMPARISON.values(), *HISTORY.values()]:
            assert not kind.is_at(source), (source.name, kind.name)


def test_a_run_without_trials_leaves_tables_that_are_known_again(tmp_path):
    add_run(tmp_path / "one", {"made_up.late": []}, finished=False)
    record = read_run(tmp_path / "one")
    for ending in ("csv", "jsonl", "parquet"):
        out = tmp_path / f"t.{ending}"
        for _ in range(2):
            assert export_trials(tmp_path / "one", out, None).endswith(f"written to {out}")
    assert record.finished is None
