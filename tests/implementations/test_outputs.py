"""Nothing is written over but what the same command wrote, and nothing is written by halves."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing

import numpy as np
import pytest

from advntk.implementations import npz_files
from advntk.implementations.outputs import (
    BadOutput,
    html_kind,
    json_kind,
    may_write,
    npz_of,
    replacing,
    text_kind,
    told,
    try_door,
    write_text,
)

MINE = text_kind("mine", "% mine")


def database(path, application=0):
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE t (a)")
        made.execute(f"PRAGMA application_id = {application}")


@pytest.fixture
def place(tmp_path):
    def make(what):
        path = tmp_path / "out"
        if what == "model":
            npz_files.write(path, "advntk model 1", {}, a=np.zeros(1))
        elif what == "database":
            database(path)
        elif what == "store with a broken header":
            database(path, int.from_bytes(b"advn"))
            path.write_bytes(b"X" + path.read_bytes()[1:])
        elif what == "cut store":
            path = tmp_path / "evidence.sqlite"
            path.write_bytes(b"S")
        elif what == "new store":
            path = tmp_path / "evidence.sqlite"
        elif what == "journal":
            database(tmp_path / "other.db")
            path = tmp_path / "other.db-journal"
        elif what == "link to a database":
            database(tmp_path / "other.db")
            path.symlink_to("other.db")
        elif what == "folder":
            path.mkdir()
        elif what == "FIFO":
            os.mkfifo(path)
        elif what == "device":
            path.symlink_to("/dev/null")
        elif what == "loop":
            path.symlink_to("out")
        else:
            path.write_bytes(what)
        return path

    return make


NEVER = [
    "model",
    "database",
    "store with a broken header",
    "cut store",
    "new store",
    "journal",
    "link to a database",
    "folder",
    "FIFO",
    "device",
    "loop",
]


@pytest.mark.parametrize("what", NEVER)
@pytest.mark.parametrize("force", [None, False, True])
def test_some_places_are_refused_by_force_as_well(place, what, force):
    path = place(what)
    with pytest.raises(BadOutput, match="choose another place") as raised:
        may_write(path, MINE, force=force)
    assert str(raised.value).startswith(f"--out {path}: ") and "\n" not in str(raised.value)


FOREIGN = [b"", b"\n", b"import os\n", b"% mine, nearly\n", b"x\n% mine\n", b"\0\xff", b"PK\x03\x04"]


@pytest.mark.parametrize("content", FOREIGN)
def test_foreign_files_are_replaced_by_force_alone(place, content):
    path = place(content)
    with pytest.raises(BadOutput, match=r"is there already and is not mine; .*--force"):
        may_write(path, MINE, force=False)
    with pytest.raises(BadOutput, match=r"is not mine; choose another place$"):
        may_write(path, MINE)
    may_write(path, MINE, force=True)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"% mine\n", b"% mine", b"% mine\r\nmore\0"])
def test_own_files_are_written_over(place, content):
    may_write(place(content), MINE)


def test_an_input_is_never_written_over_under_any_name(tmp_path):
    path = tmp_path / "in"
    path.write_text("% mine\n")
    (tmp_path / "link").symlink_to("in")
    (tmp_path / "same").hardlink_to(path)
    for name in ("in", "link", "same", "../" + tmp_path.name + "/in"):
        with pytest.raises(BadOutput, match="is read by the same command"):
            may_write(tmp_path / name, MINE, inputs=[path], force=True)
    may_write(tmp_path / "new", MINE, inputs=[path, tmp_path / "missing"])


def test_marks_of_pages_json_and_archives(place, tmp_path):
    page, summary = html_kind("a page", "g"), json_kind("a summary", "g")
    good = b'<!DOCTYPE html>\n<head>\n<meta name="generator" content="g" />\n'
    cases = [
        (page, good, True),
        (page, good.replace(b" />", b">"), True),
        (page, b"<pre>\n" + good, False),
        (page, good.replace(b'"g"', b'"{{ g }}"'), False),
        (page, good.replace(b'"g"', b'"g --compare"'), False),
        (summary, b'{"generator": "g"}', True),
        (summary, b'{"generator": "other"}', False),
        (summary, b'["generator", "g"]', False),
        (summary, b'{"generator": "g"', False),
        (summary, b"[" * 100_000, False),
    ]
    for kind, content, own in cases:
        assert kind.is_at(place(content)) is own, content[:60]
    for kept, own in (("advntk model 1", True), ("advntk model 2", True), ("advntk checkpoint 1", False)):
        npz_files.write(tmp_path / "a.npz", kept, {}, a=np.zeros(1))
        assert npz_of("a model", "advntk model").is_at(tmp_path / "a.npz") is own
    np.savez(tmp_path / "b.npz", images=np.zeros(1), about=np.array("advntk model 1"))
    assert not npz_of("a model", "advntk model").is_at(tmp_path / "b.npz")


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o027])
def test_permissions_are_what_the_umask_leaves(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "text", "x")
        npz_files.write(tmp_path / "a.npz", "advntk model 1", {}, a=np.zeros(1))
    finally:
        os.umask(before)
    for name in ("text", "a.npz"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_and_no_draft(tmp_path, error):
    path = tmp_path / "text"
    write_text(path, "old")
    with pytest.raises(type(error)), replacing(path) as draft:
        draft.write_text("half")
        raise error
    assert [one.name for one in tmp_path.iterdir()] == ["text"] and path.read_text() == "old"


def test_a_full_disk_is_one_line_and_leaves_no_draft(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    path = tmp_path / "a.npz"
    with pytest.raises(BadOutput, match=r"^--out .*a.npz: cannot be written \(No space left"), told(path):
        npz_files.write(path, "advntk model 1", {})
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to("real")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"


@pytest.mark.parametrize("path", ["missing/a.npz", "file/a.npz", "/proc/a.npz", "n" * 256 + ".npz"])
def test_a_door_that_does_not_open_is_found_before_the_work(tmp_path, path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadOutput, match=r"cannot be written \(.*\); choose another place"):
        try_door(tmp_path / path)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_an_open_door_leaves_nothing(tmp_path):
    try_door(tmp_path / ("n" * 250 + ".npz"))
    assert list(tmp_path.iterdir()) == []
