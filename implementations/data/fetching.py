"""Official copies of CIFAR-10 and SVHN: fetched once, verified by checksum, unpacked safely.

The checksums are MD5, the ones that are published.  They find what broke on the way, not a forger;
therefore only expected files are unpacked, and no pickle is ever loaded.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from advntk.implementations.data import cifar10
from advntk.implementations.data.dataset import BadData

Show = Callable[[int, int, str], None]


class Remote(NamedTuple):
    """One official file: where it is, and the MD5 checksum of its bytes."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """The name that it is kept under."""
        return self.url.rsplit("/", 1)[1]


REMOTE: dict[str, tuple[Remote, ...]] = {
    "cifar10": (
        Remote("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
    ),
    "svhn": (
        Remote("http://ufldl.stanford.edu/housenumbers/train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
        Remote("http://ufldl.stanford.edu/housenumbers/test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
    ),
}

_UNPACKED = tuple(f"{cifar10.FOLDER}/{name}" for name in (*cifar10.TRAINING_FILES, cifar10.TEST_FILE))


def default_folder() -> Path:
    """Where data are kept unless told otherwise: $ADVNTK_DATA, else advntk/data in the user's cache."""
    chosen = os.environ.get("ADVNTK_DATA")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "advntk" / "data"


def fetch(name: str, folder: Path, show: Show | None = None) -> Path:
    """See to it that the official files of `name`, "cifar10" or "svhn", are in `folder`; returns that.

    What is there with the right checksum is not fetched again; what is not is replaced only by a whole
    and correct file.  The archive of cifar10 is kept beside its files, which every call unpacks anew.
    `show` is called with (bytes so far, bytes in all or 0 if unknown, file) as they arrive.

    Raises:
      BadData: an unknown name, no connection, another checksum, a folder that cannot be written.
    """
    if name not in REMOTE:
        raise BadData(f"data {name}: unknown; choose {' or '.join(REMOTE)}")
    for remote in REMOTE[name]:
        _fetch_file(remote, folder, show)
    if name == "cifar10":
        unpack(folder / REMOTE[name][0].name, folder)
    return folder


def unpack(archive: Path, folder: Path) -> None:
    """Put the six files of CIFAR-10's binary version from `archive` into `folder`/cifar-10-batches-bin.

    Nothing is put there before all six are unpacked; an archive that reaches outside is refused as a whole.

    Raises:
      BadData: a member outside, missing or no plain file, a broken archive, a folder not writable.
    """
    try:
        with (
            tarfile.open(archive, "r:gz") as packed,
            tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as aside,
        ):
            members = _checked_members(archive, packed)
            # Python 3.11.0 to 3.11.3 have no filters; what is unpacked was checked by name and kind.
            packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            packed.extractall(aside, members=members)
            (folder / cifar10.FOLDER).mkdir(exist_ok=True)
            for name in _UNPACKED:
                (Path(aside) / name).replace(folder / name)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BadData(f"data cifar10: {archive} is broken ({error}); delete it and fetch it again") from error
    except OSError as error:
        raise BadData(
            f"data cifar10: {archive} cannot be unpacked into {folder} ({error.strerror or error}); "
            "check the disk, or delete the archive and fetch it again"
        ) from error


def _checked_members(archive: Path, packed: tarfile.TarFile) -> list[tarfile.TarInfo]:
    members = packed.getmembers()
    names = [member.name for member in members]
    strange = [name for name in names if not _inside(name)]
    wanted = [member for member in members if member.name in _UNPACKED]
    strange += [member.name for member in wanted if not member.isreg() or names.count(member.name) > 1]
    if strange:
        raise BadData(
            f"data cifar10: {archive} holds {strange[0]!r}, which does not belong there; "
            "nothing was unpacked, delete it and fetch it again"
        )
    missing = [name for name in _UNPACKED if name not in names]
    if missing:
        raise BadData(
            f"data cifar10: {archive} lacks {missing[0]!r}; "
            "nothing was unpacked, delete it and fetch it again"
        )
    return wanted


def _inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return parts[:1] == (cifar10.FOLDER,) and ".." not in parts


def _fetch_file(remote: Remote, folder: Path, show: Show | None) -> None:
    # Both take long to import, and whoever reads data need not fetch them.
    import pooch  # type: ignore[import-untyped]
    import requests

    # What it would say is said by `show` or by the exception.
    pooch.get_logger().setLevel("WARNING")
    by_hand = f"download it elsewhere, put it at {folder / remote.name} and run this again"
    try:
        downloader = pooch.HTTPDownloader(
            progressbar=_Bar(show, remote.name) if show else False,
            chunk_size=2**16,
            # A server that sends the archive as compressed content would have it unpacked on the way.
            headers={"Accept-Encoding": "identity"},
        )
        pooch.retrieve(
            remote.url, known_hash=f"md5:{remote.md5}", fname=remote.name, path=folder, downloader=downloader
        )
    except requests.RequestException as error:
        status = f" {error.response.status_code}" if error.response is not None else ""
        raise BadData(
            f"data: {remote.url} cannot be fetched ({type(error).__name__}{status}); {by_hand}"
        ) from error
    except ValueError as error:
        raise BadData(
            f"data: what {remote.url} sends has not the MD5 checksum {remote.md5} and was not kept; "
            f"try again, or {by_hand}"
        ) from error
    except OSError as error:
        raise BadData(
            f"data: {folder} cannot be written ({error.strerror or ' '.join(str(error).split())}); "
            "choose another folder"
        ) from error


class _Bar:
    """A progress bar as pooch wants one."""

    def __init__(self, show: Show, what: str) -> None:
        self.total = 0  # set by pooch when it is known
        self._show, self._what, self._done = show, what, 0

    def update(self, more: int) -> None:
        # Counted in whole pieces, of which the last is shorter; at the end pooch adds the total once more.
        self._done = min(self._done + more, self.total or self._done + more)
        self._show(self._done, self.total, self._what)

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass
