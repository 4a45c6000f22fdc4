"""Fetching and unpacking without a network: checksums, damage, and archives that reach outside."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests
from hypothesis import settings
from official_formats import (
    CIFAR_FILES,
    CIFAR_IMAGES,
    CIFAR_LABELS,
    ROWS,
    SOURCES,
    SVHN_IMAGES,
    SVHN_LABELS,
    as_mat,
    cifar_bytes,
    one_line,
)
from scipy.io import savemat

from advntk.implementations.data import cifar10, fetching, splits, svhn
from advntk.implementations.data.dataset import BadData
from advntk.implementations.data.fetching import REMOTE, Remote, default_folder, fetch, unpack
from advntk.implementations.data.splits import adversarial_split, read_pools

EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=40)


def test_the_default_folder_follows_the_environment(monkeypatch, cifar_folder, tmp_path):
    monkeypatch.delenv("ADVNTK_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_folder() == tmp_path / "cache" / "advntk" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "advntk" / "data"
    monkeypatch.setenv("ADVNTK_DATA", str(cifar_folder.parent))
    assert default_folder() == cifar_folder.parent
    assert len(read_pools("cifar10").images) == 5 * ROWS


def packed(path: Path, members: dict[str, bytes | tarfile.TarInfo]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def folder_entry() -> tarfile.TarInfo:
    info = tarfile.TarInfo(cifar10.FOLDER)
    info.type = tarfile.DIRTYPE
    return info


CIFAR_MEMBERS: dict[str, bytes | tarfile.TarInfo] = {
    cifar10.FOLDER: folder_entry(),
    **{
        f"{cifar10.FOLDER}/{name}": cifar_bytes(images, labels)
        for name, images, labels in zip(CIFAR_FILES, CIFAR_IMAGES, CIFAR_LABELS, strict=True)
    },
    f"{cifar10.FOLDER}/batches.meta.txt": b"airplane\n",
    f"{cifar10.FOLDER}/readme.html": b"<html>",
}


class Server:
    """Stands in for pooch's downloader: a folder of files, and a count of what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.failure = folder, [], None

    def __call__(self, progressbar=False, chunk_size=1024, **_):
        def download(url, output_file, pooch):
            self.asked.append(url)
            content = (self.folder / url.rsplit("/", 1)[1]).read_bytes()
            if progressbar:
                progressbar.total = len(content)
            for start in range(0, len(content), chunk_size):
                Path(output_file).write_bytes(content[: start + chunk_size])
                if self.failure:
                    raise self.failure
                if progressbar:
                    progressbar.update(chunk_size)
            if progressbar:
                progressbar.reset()
                progressbar.update(len(content))
                progressbar.close()

        return download


@pytest.fixture
def server(tmp_path, monkeypatch) -> Server:
    """The official addresses, with tiny files and their checksums."""
    folder = tmp_path / "server"
    folder.mkdir()
    packed(folder / "cifar-10-binary.tar.gz", CIFAR_MEMBERS)
    savemat(folder / "train_32x32.mat", as_mat(SVHN_IMAGES[:16], SVHN_LABELS[:16]))
    savemat(folder / "test_32x32.mat", as_mat(SVHN_IMAGES[16:], SVHN_LABELS[16:]))
    for name, remotes in REMOTE.items():
        tiny = tuple(Remote(r.url, md5((folder / r.name).read_bytes())) for r in remotes)
        monkeypatch.setitem(REMOTE, name, tiny)
    here = Server(folder)
    monkeypatch.setattr(pooch, "HTTPDownloader", here)
    return here


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_official_addresses_and_checksums():
    assert {r.name: r.md5 for remotes in REMOTE.values() for r in remotes} == {
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
        svhn.TRAINING_FILE: "e26dedcc434d2e4c54c9b2d4a06d8373",
        svhn.TEST_FILE: "eb5a983be6a315427106f1b164d9cef3",
    }


@pytest.mark.parametrize("name", REMOTE)
def test_what_is_fetched_can_be_read_and_is_not_fetched_again(tmp_path, server, name):
    folder = tmp_path / "new" / "place"
    assert fetch(name, folder) == folder
    assert server.asked == [remote.url for remote in REMOTE[name]]
    pool, labels, test_pool, test_labels = SOURCES[name]
    for found, expected in zip(
        read_pools(name, folder)[:4], (pool, labels, test_pool, test_labels), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    before = everything(folder)
    fetch(name, folder)
    assert len(server.asked) == len(REMOTE[name]) and everything(folder) == before
    expected = {remote.name for remote in REMOTE[name]}
    if name == "cifar10":
        expected |= {f"{cifar10.FOLDER}/{file}" for file in CIFAR_FILES}
    assert set(before) == expected


def test_only_what_is_missing_or_wrong_is_fetched(tmp_path, server):
    folder = tmp_path / "data"
    fetch("svhn", folder)
    server.asked.clear()
    (folder / svhn.TEST_FILE).write_bytes(b"cut off")
    fetch("svhn", folder)
    assert [url.rsplit("/", 1)[1] for url in server.asked] == [svhn.TEST_FILE]
    svhn.read(folder)


def test_unpacked_files_that_were_damaged_are_unpacked_anew(tmp_path, server):
    fetch("cifar10", tmp_path)
    (tmp_path / cifar10.FOLDER / CIFAR_FILES[2]).write_bytes(b"damaged")
    (tmp_path / cifar10.FOLDER / CIFAR_FILES[3]).unlink()
    fetch("cifar10", tmp_path)
    assert len(server.asked) == 1
    assert len(cifar10.read(tmp_path).training_images) == 5 * ROWS


def test_an_archive_that_was_put_there_by_hand_needs_no_connection(tmp_path, server):
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(server.folder / "cifar-10-binary.tar.gz", folder)
    fetch("cifar10", folder)
    assert server.asked == []
    cifar10.read(folder)


def test_progress_is_shown_in_bytes_up_to_all_of_them(tmp_path, server):
    seen = []
    fetch("svhn", tmp_path, lambda *args: seen.append(args))
    for remote in REMOTE["svhn"]:
        size = (server.folder / remote.name).stat().st_size
        steps = [(done, total) for done, total, what in seen if what == remote.name]
        done = [one for one, _ in steps]
        assert done == sorted(done) and steps[-1] == (size, size) and {t for _, t in steps} == {size}


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (requests.ConnectionError("Max retries\nexceeded"), "ConnectionError"),
        (requests.Timeout(), "Timeout"),
        (requests.exceptions.ChunkedEncodingError("broken off"), "ChunkedEncodingError"),
    ],
)
def test_without_a_connection_it_is_said_what_to_put_where(tmp_path, server, failure, said):
    server.failure = failure
    folder = tmp_path / "data"
    with pytest.raises(BadData) as caught:
        fetch("cifar10", folder)
    message = one_line(caught.value)
    url = REMOTE["cifar10"][0].url
    for part in (url, f"({said})", f"put it at {folder / 'cifar-10-binary.tar.gz'} and run this again"):
        assert part in message
    assert everything(folder) == {}


def test_an_error_of_the_server_is_named_by_its_number(tmp_path, server):
    response = requests.Response()
    response.status_code = 404
    server.failure = requests.HTTPError("Not Found", response=response)
    with pytest.raises(BadData, match=r"\(HTTPError 404\)"):
        fetch("svhn", tmp_path)


def test_another_checksum_is_not_kept_and_harms_nothing(tmp_path, server):
    folder = tmp_path / "data"
    fetch("svhn", folder)
    (folder / svhn.TRAINING_FILE).write_bytes(b"wrong")
    (server.folder / svhn.TRAINING_FILE).write_bytes(b"<html>moved</html>")
    before = everything(folder)
    with pytest.raises(BadData) as caught:
        fetch("svhn", folder)
    assert "has not the MD5 checksum" in one_line(caught.value)
    assert str(folder / svhn.TRAINING_FILE) in str(caught.value)
    assert everything(folder) == before


def test_an_unknown_name_and_a_folder_that_is_a_file_are_refused(tmp_path, server):
    with pytest.raises(BadData, match="data mnist: unknown; choose cifar10 or svhn"):
        fetch("mnist", tmp_path)
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BadData, match=f"{re.escape(str(place))} cannot be written") as caught:
            fetch("svhn", place)
        one_line(caught.value)
    assert server.asked == []


FIRST = f"{cifar10.FOLDER}/{CIFAR_FILES[0]}"


@pytest.mark.parametrize(
    "members",
    [
        {"../evil": b"evil"},
        {"/tmp/advntk-evil": b"evil"},
        {f"{cifar10.FOLDER}/../../evil": b"evil"},
        {"evil": b"evil"},
        {FIRST: link(FIRST, "/etc/passwd")},
        {FIRST: link(FIRST, "../../secret", tarfile.LNKTYPE)},
        {"link": link(cifar10.FOLDER + "2", "/tmp")},
    ],
    ids=["parent", "absolute", "dots", "elsewhere", "symlink", "hardlink", "folder"],
)
@pytest.mark.parametrize("filters", [True, False], ids=["filters", "no-filters"])
def test_an_archive_that_reaches_outside_is_refused_before_anything_is_written(
    tmp_path, members, filters, monkeypatch
):
    if not filters and hasattr(tarfile, "data_filter"):
        monkeypatch.delattr(tarfile, "data_filter")
    outside = tmp_path / "outside"
    folder = outside / "data"
    folder.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    archive = packed(tmp_path / "evil.tar.gz", CIFAR_MEMBERS | members)
    with pytest.raises(BadData, match="does not belong there; nothing was unpacked") as caught:
        unpack(archive, folder)
    one_line(caught.value)
    assert everything(outside) == {} and list(folder.iterdir()) == []
    assert not Path("/tmp/advntk-evil").exists()


def test_a_member_that_comes_twice_is_refused(tmp_path):
    path = tmp_path / "twice.tar.gz"
    packed(path, CIFAR_MEMBERS)
    inner = gzip.decompress(path.read_bytes())
    extra = io.BytesIO()
    with tarfile.open(fileobj=extra, mode="w") as archive:
        info = tarfile.TarInfo(FIRST)
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    # Without the blocks of zeros that end an archive, the next one goes on with it.
    content = inner.rstrip(b"\x00")
    content += bytes(-len(content) % 512)
    path.write_bytes(gzip.compress(content + extra.getvalue()))
    with pytest.raises(BadData, match="does not belong"):
        unpack(path, tmp_path)


@pytest.mark.parametrize("filters", [True, False], ids=["filters", "no-filters"])
def test_only_the_six_files_are_unpacked(tmp_path, filters, monkeypatch):
    if not filters and hasattr(tarfile, "data_filter"):
        monkeypatch.delattr(tarfile, "data_filter")
    folder = tmp_path / "data"
    folder.mkdir()
    harmless = {f"{cifar10.FOLDER}/link": link(f"{cifar10.FOLDER}/link", "/etc/passwd")}
    unpack(packed(tmp_path / "a.tar.gz", CIFAR_MEMBERS | harmless), folder)
    assert set(everything(folder)) == {f"{cifar10.FOLDER}/{name}" for name in CIFAR_FILES}


def test_an_archive_without_all_six_files_leaves_what_is_there(tmp_path):
    members = {name: content for name, content in CIFAR_MEMBERS.items() if name != FIRST}
    archive = packed(tmp_path / "five.tar.gz", members)
    with pytest.raises(BadData, match=rf"lacks '{FIRST}'; nothing was unpacked"):
        unpack(archive, tmp_path)
    assert set(everything(tmp_path)) == {"five.tar.gz"}


@pytest.mark.parametrize(
    "spoil",
    [lambda c: c[: len(c) // 2], lambda c: c[:30], lambda c: b"", lambda c: b"no gzip" * 99],
    ids=["half", "start", "empty", "foreign"],
)
def test_a_broken_archive_leaves_nothing_behind(tmp_path, spoil):
    archive = packed(tmp_path / "a.tar.gz", CIFAR_MEMBERS)
    archive.write_bytes(spoil(archive.read_bytes()))
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(BadData, match=r"a\.tar\.gz") as caught:
        unpack(archive, folder)
    assert "fetch it again" in one_line(caught.value)
    assert list(folder.iterdir()) == []


def test_reading_imports_nothing_that_only_fetching_needs(fresh_python):
    code = (
        "import sys; from advntk.implementations.data.splits import read_pools; read_pools('digits');"
        "print([m for m in ('pooch', 'requests', 'jax') if m in sys.modules])"
    )
    found = fresh_python(code)
    assert found.stdout.strip() == "[]", found.stderr


def test_one_data_set_is_kept_in_memory(cifar_folder, monkeypatch):
    splits._read.cache_clear()
    reads = []
    real = cifar10.read
    monkeypatch.setattr(cifar10, "read", lambda folder: reads.append(folder) or real(folder))
    for seed in range(3):
        adversarial_split("cifar10", 4, 2, 2, seed, 0.0, cifar_folder)
    assert reads == [cifar_folder]


def test_the_downloader_is_asked_for_bytes_as_they_are(tmp_path, monkeypatch):
    asked = {}

    def refuse(**options):
        asked.update(options)
        raise requests.ConnectionError

    monkeypatch.setattr(pooch, "HTTPDownloader", refuse)
    with pytest.raises(BadData):
        fetching.fetch("cifar10", tmp_path)
    assert asked["headers"] == {"Accept-Encoding": "identity"} and asked["progressbar"] is False
