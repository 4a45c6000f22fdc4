"""Evidence that is not ours, or cannot be written, is refused and left as it is."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pytest
from made_up_rows import PROVENANCE, REQUEST

from advntk.checks.evidence import (
    APPLICATION_ID,
    FILE_NAME,
    SCHEMA_VERSION,
    BadEvidence,
    EvidenceStore,
    read_run,
)


@pytest.fixture
def store(tmp_path):
    opened = EvidenceStore(tmp_path / "deep" / "evidence")
    yield opened
    opened.close()


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestRefusal:
    @pytest.mark.parametrize("below", [True, False])
    def test_a_file_in_the_way(self, tmp_path, below):
        (tmp_path / "file").write_text("mine")
        folder = tmp_path / "file" / "evidence" if below else tmp_path / "file"
        with pytest.raises(
            BadEvidence, match=r"cannot be written \(.*choose a folder you may write to"
        ) as raised:
            EvidenceStore(folder)
        assert f"--evidence {folder}" in str(raised.value)
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_folder_without_permission(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
        with pytest.raises(BadEvidence, match="permission denied"):
            EvidenceStore(tmp_path)
        assert names(tmp_path) == []

    @pytest.mark.parametrize("open_", [EvidenceStore, read_run])
    @pytest.mark.parametrize("content", [b"Dear diary, ...\n" * 100, b"x", b""])
    def test_a_foreign_file_is_left_as_it_is(self, tmp_path, content, open_):
        (tmp_path / FILE_NAME).write_bytes(content)
        with pytest.raises(BadEvidence, match=r"not a SQLite file.*choose another folder") as raised:
            open_(tmp_path)
        assert str(raised.value).startswith(f"--evidence {tmp_path}: {FILE_NAME} ")
        assert (tmp_path / FILE_NAME).read_bytes() == content
        assert names(tmp_path) == [FILE_NAME]

    @pytest.mark.parametrize("open_", [EvidenceStore, read_run])
    @pytest.mark.parametrize("version", [-1, 0, SCHEMA_VERSION + 1, 999])
    def test_another_schema_version_is_left_as_it_is(self, store, version, open_):
        store.start_run(REQUEST, PROVENANCE)
        store._db.execute(f"PRAGMA user_version = {version}")
        store.close()
        before = store.path.read_bytes()
        with pytest.raises(BadEvidence) as raised:
            open_(store.folder)
        assert f"has schema version {version}, this program knows versions up to {SCHEMA_VERSION}" in str(
            raised.value
        )
        assert "choose another folder or the version of advntk that wrote it" in str(raised.value)
        assert store.path.read_bytes() == before
        assert names(store.folder) == [FILE_NAME]

    @pytest.mark.parametrize("open_", [EvidenceStore, read_run])
    @pytest.mark.parametrize("version", [0, SCHEMA_VERSION, SCHEMA_VERSION + 1])
    @pytest.mark.parametrize("application", [0, 1, APPLICATION_ID + 1])
    def test_another_programs_database_is_left_as_it_is(self, tmp_path, application, version, open_):
        """Even if it has tables of our names."""
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
            database.execute("CREATE TABLE run (id INTEGER PRIMARY KEY, started TEXT)")
            database.execute(f"PRAGMA application_id = {application}")
            database.execute(f"PRAGMA user_version = {version}")
        before = (tmp_path / FILE_NAME).read_bytes()
        with pytest.raises(BadEvidence, match=r"belongs to another program; .*; choose another folder"):
            open_(tmp_path)
        assert (tmp_path / FILE_NAME).read_bytes() == before
        assert names(tmp_path) == [FILE_NAME]

    def test_our_own_file_says_so_in_its_header(self, store):
        """As the file format has it: bytes 60 to 63 the user version, 68 to 71 the application."""
        store.close()
        header = store.path.read_bytes()[:100]
        assert (header[60:64], header[68:72]) == (SCHEMA_VERSION.to_bytes(4), b"advn")
        EvidenceStore(store.folder).close()

    @pytest.mark.parametrize("open_", [EvidenceStore, read_run])
    @pytest.mark.parametrize("pragma", [None, "application_id = 1", "user_version = 999"])
    def test_a_file_that_is_refused_is_not_even_opened_by_sqlite(self, store, open_, pragma, monkeypatch):
        if pragma:
            store._db.execute(f"PRAGMA {pragma}")
        store.close()
        if not pragma:
            store.path.write_bytes(b"Dear diary, ...\n" * 100)
        opened = []
        connect = sqlite3.connect
        monkeypatch.setattr(
            sqlite3, "connect", lambda *args, **kwargs: opened.append(connect(*args, **kwargs)) or opened[-1]
        )
        with pytest.raises(BadEvidence):
            open_(store.folder)
        assert opened == []  # so no journal of another program is touched

    def test_a_folder_named_like_the_file(self, tmp_path):
        (tmp_path / FILE_NAME).mkdir()
        with pytest.raises(BadEvidence, match="choose another folder"):
            EvidenceStore(tmp_path)

    def test_a_link_that_leads_nowhere(self, tmp_path):
        (tmp_path / FILE_NAME).symlink_to(tmp_path / "nowhere" / "else")
        with pytest.raises(BadEvidence, match="choose another folder"):
            EvidenceStore(tmp_path)

    @pytest.mark.parametrize("made", [True, False])
    def test_nothing_to_read(self, tmp_path, made):
        folder = tmp_path / "evidence"
        if made:
            folder.mkdir()
        with pytest.raises(BadEvidence, match=f"no {FILE_NAME} there; run `advntk check` first"):
            read_run(folder)
        assert folder.exists() is made  # reading creates nothing

    def test_no_such_run(self, store):
        with pytest.raises(BadEvidence, match=r"holds no run$"):
            read_run(store.folder)
        store.start_run(REQUEST, PROVENANCE)
        with pytest.raises(BadEvidence, match=r"holds no run 7$"):
            read_run(store.folder, 7)

    def test_reading_changes_nothing(self, store):
        store.start_run(REQUEST, PROVENANCE)
        store.close()
        before = store.path.read_bytes()
        read_run(store.folder)
        assert store.path.read_bytes() == before
        assert names(store.folder) == [FILE_NAME]
