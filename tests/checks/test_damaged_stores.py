"""A store that was cut short, lacks a table, or is no file: refused in one line, and left as it is."""

from __future__ import annotations

import os

import pytest
from made_up_rows import PROVENANCE, REQUEST, row

from advntk.checks.evidence import FILE_NAME, BadEvidence, EvidenceStore, read_run


@pytest.fixture
def store(tmp_path):
    opened = EvidenceStore(tmp_path / "deep" / "evidence")
    yield opened
    opened.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("open_", [EvidenceStore, read_run])
def test_a_store_that_was_cut_short_is_never_taken_for_a_new_one(store, open_):
    """At any length: to nothing, within the header, within a page, by a page, by a byte."""
    run = store.start_run(REQUEST, PROVENANCE)
    store.add_trials(run, [row(seed, gap=1.0) for seed in range(200)])
    store.close()
    whole = store.path.read_bytes()
    page = int.from_bytes(whole[16:18])
    assert len(whole) >= 3 * page
    lengths = (0, 1, 15, 16, 68, 99, 100, 101, 511, 512, page - 1, page, page + 1, 2 * page)
    for length in (*lengths, len(whole) - page, len(whole) - 1):
        store.path.write_bytes(whole[:length])
        with pytest.raises(BadEvidence, match="choose another folder") as raised:
            open_(store.folder)
        assert "\n" not in str(raised.value) and FILE_NAME in str(raised.value)
        assert store.path.read_bytes() == whole[:length] and names(store.folder) == [FILE_NAME]
    store.path.write_bytes(whole)
    assert read_run(store.folder).id == run


@pytest.mark.parametrize("open_", [EvidenceStore, read_run])
@pytest.mark.parametrize("table", ["run", "trial", "decision", "finding"])
def test_a_store_that_lacks_a_table_is_left_as_it_is(store, table, open_):
    store._db.execute(f"ALTER TABLE {table} RENAME TO other")
    store.close()
    before = store.path.read_bytes()
    with pytest.raises(BadEvidence, match=f"no table {table}"):
        open_(store.folder)
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("open_", [EvidenceStore, read_run])
@pytest.mark.parametrize("kind", ["folder", "FIFO", "nowhere", "loop", "device"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind, open_):
    path = tmp_path / FILE_NAME
    if kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to({"nowhere": "none/such", "loop": FILE_NAME, "device": "/dev/null"}[kind])
    with pytest.raises(BadEvidence, match="it was left as it is; choose another folder") as raised:
        open_(tmp_path)
    assert "\n" not in str(raised.value) and names(tmp_path) == [FILE_NAME]


def test_a_link_to_a_store_is_a_store(store, tmp_path):
    run = store.start_run(REQUEST, PROVENANCE)
    store.close()
    (tmp_path / FILE_NAME).symlink_to(store.path)
    assert read_run(tmp_path).id == run
    EvidenceStore(tmp_path).close()


@pytest.mark.parametrize("mask", [0x80, 0x01])
def test_a_schema_of_which_bytes_are_flipped_is_one_line_or_does_no_harm(store, mask):
    """Messages of SQLite quote it, and are no text then."""
    store.close()
    whole = store.path.read_bytes()
    refused = 0
    for at in range(100, int.from_bytes(whole[16:18]), 41):
        bad = bytearray(whole)
        bad[at] ^= mask
        store.path.write_bytes(bad)
        for open_ in (read_run, EvidenceStore, lambda folder: read_run(folder, salvage=True)):
            try:
                opened = open_(store.folder)
            except BadEvidence as error:
                assert "\n" not in str(error)
                refused += "holds no run" not in str(error)
            else:
                opened.close()
            assert store.path.read_bytes() == bytes(bad) and names(store.folder) == [FILE_NAME]
    assert refused > 20
