"""Evidence is read without a trace, whatever state it is in and whoever owns it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from made_up_rows import content, made

from advntk.checks.evidence import FILE_NAME, BadEvidence, EvidenceStore, read_run


@pytest.fixture
def folder(tmp_path):
    return made(tmp_path / "evidence")


class TestReadOnly:
    """Reading makes no file and changes none, also where SQLite alone would have to."""

    def test_a_log_without_content(self, folder):
        whole = read_run(folder)
        with closing(sqlite3.connect(folder / FILE_NAME)) as db:
            db.execute("PRAGMA journal_mode = WAL")
        assert set(content(folder)) == {FILE_NAME}
        before = content(folder)
        assert read_run(folder) == whole == read_run(folder, salvage=True)
        assert content(folder) == before

    @pytest.mark.parametrize("refusing", [True, False])
    def test_a_log_with_the_latest_run(self, folder, tmp_path, refusing, monkeypatch):
        """Of a writer that was killed, on a disk that takes no files."""
        copy = tmp_path / "copy"
        with closing(sqlite3.connect(folder / FILE_NAME)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute("UPDATE finding SET claim = 't.c' WHERE rowid = 1")
            db.execute("DELETE FROM trial WHERE rowid > 3")
            db.commit()
            copy.mkdir()
            for name in (FILE_NAME, f"{FILE_NAME}-wal"):
                shutil.copyfile(folder / name, copy / name)
        if refusing:
            connect = sqlite3.connect

            def refuse(place, **options):
                if options.get("uri"):
                    error = sqlite3.OperationalError("unable to open database file")
                    error.sqlite_errorname = "SQLITE_CANTOPEN"
                    raise error
                return connect(place, **options)

            monkeypatch.setattr(sqlite3, "connect", refuse)
        before = {name: (copy / name).read_bytes() for name in (FILE_NAME, f"{FILE_NAME}-wal")}
        assert len(read_run(copy).trials["joint_limit", "id"]) == 3
        assert len(read_run(copy, salvage=True).trials["joint_limit", "id"]) == 3
        assert {name: (copy / name).read_bytes() for name in before} == before

    def test_a_hot_journal_is_rolled_back_in_a_copy(self, folder, tmp_path):
        whole, copy = read_run(folder), tmp_path / "copy"
        copy.mkdir()
        with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as db:
            db.execute("PRAGMA cache_size = 1")
            db.execute("PRAGMA cache_spill = 1")
            db.execute("BEGIN IMMEDIATE")
            for seed in range(100, 200):
                db.execute(
                    "INSERT INTO trial SELECT run, trial, scenario_id, scenario, axis, point, ?, dtype, "
                    "device, outcome, message, trace, numbers, figures, key FROM trial WHERE rowid = 1",
                    (seed,),
                )
            for name in (FILE_NAME, f"{FILE_NAME}-journal"):
                shutil.copyfile(folder / name, copy / name)
            db.execute("ROLLBACK")
        before = content(copy)
        assert read_run(copy) == whole == read_run(copy, salvage=True)
        assert content(copy) == before
        EvidenceStore(copy).close()  # a writer does it in place
        assert set(content(copy)) == {FILE_NAME}

    @pytest.mark.parametrize("ending", ["-journal", "-wal"])
    @pytest.mark.parametrize("open_", [read_run, EvidenceStore])
    def test_a_companion_that_is_no_file_is_waited_for_by_nobody(self, folder, ending, open_):
        os.mkfifo(folder / f"{FILE_NAME}{ending}")
        with pytest.raises(BadEvidence, match=f"{FILE_NAME}{ending} beside it is no file"):
            open_(folder)


class TestAnotherUsers:
    def test_a_file_that_may_not_be_read(self, folder, monkeypatch):
        opened = Path.open

        def refuse(self, *args, **kwargs):
            if self.name == FILE_NAME:
                raise PermissionError(13, "Permission denied")
            return opened(self, *args, **kwargs)

        monkeypatch.setattr(Path, "open", refuse)
        for open_ in (read_run, EvidenceStore):
            with pytest.raises(BadEvidence, match=r"not readable evidence \(Permission denied\)"):
                open_(folder)

    def test_a_file_that_may_not_be_written(self, folder, monkeypatch):
        monkeypatch.setattr(
            os, "access", lambda path, mode: not (mode & os.W_OK and str(path).endswith(FILE_NAME))
        )
        assert read_run(folder).id == 1
        with pytest.raises(BadEvidence, match=r"cannot be written \(evidence.sqlite: permission denied\)"):
            EvidenceStore(folder)

    def test_a_folder_that_may_not_be_looked_into(self, folder, monkeypatch):
        def refuse(self):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "lstat", refuse)
        with pytest.raises(BadEvidence, match=r"cannot be read \(Permission denied\); choose"):
            read_run(folder)
