"""Files of arrays and JSON text (.npz), never pickles, written whole or not at all.

They are read with suspicion: nothing is unpacked, and nothing larger than the file itself is made room for,
whatever its headers declare.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from advntk.exceptions import UsageError
from advntk.implementations.inputs import BadInput, regular_file
from advntk.implementations.outputs import replacing
from advntk.printable import excerpt


class BadFile(UsageError):
    """A file that cannot be read, or that belongs to something else."""


def write(path: Path, kind: str, about: Mapping[str, Any], **arrays: Any) -> None:
    """Keep `arrays` with plain values `about` them; `kind` names the format and its version.

    What stood at `path` stays as it was until all is written.

    Raises:
      OSError: it cannot be written, for want of room or permission.
    """
    text = np.array(json.dumps({"kind": kind, **about}))
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez(file, allow_pickle=False, about=text, **{k: np.asarray(v) for k, v in arrays.items()})


def read(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `write` kept.

    Raises:
      BadFile: missing, broken, or of another kind.
    """
    what = kind.rsplit(" ", 1)[0]
    try:
        size = regular_file(path)
    except BadInput as error:
        if isinstance(error.__cause__, FileNotFoundError) and not path.is_symlink():
            raise BadFile(f"{path}: no such file") from None
        raise BadFile(f"{path}: {error}") from error
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            arrays = {
                one.filename.removesuffix(".npy"): member(archive, one, size) for one in archive.infolist()
            }
        about = json.loads(str(arrays.pop("about")))
        found = about["kind"]
    # A damaged archive raises what its bytes happen to lead to: a dozen kinds in zipfile and numpy.
    except Exception as error:
        raise BadFile(f"{path}: no {what}, or a broken one ({excerpt(error)}); name another") from error
    if found != kind:
        raise BadFile(f"{path}: is {excerpt(repr(found))}, not '{kind}'")
    return about, arrays


def member(archive: zipfile.ZipFile, one: zipfile.ZipInfo, size: int) -> np.ndarray:
    """An array of an archive of `size` bytes, its checksum verified.

    Raises:
      ValueError: packed, or of another size than it declares, or of Python objects.
      Exception: others of `zipfile`, for a damaged archive.
    """
    # What is written here is not compressed, so that nothing can be larger than the file.
    if one.compress_type != zipfile.ZIP_STORED or one.file_size != one.compress_size or one.file_size > size:
        raise ValueError(f"{one.filename} is compressed, or larger than the file")
    with archive.open(one) as stream:
        version = np.lib.format.read_magic(stream)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = header[version](stream)
        data = bytearray(stream.read())
    if dtype.hasobject or dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{one.filename} declares {dtype} of shape {shape}, and holds {len(data)} bytes")
    return np.ndarray(shape, dtype, data, order="F" if fortran else "C")


def numbers(arrays: Mapping[str, np.ndarray], name: str, *shape: int | None) -> np.ndarray:
    """The array of that name, of finite floats in this shape; None: of any length.

    Raises:
      KeyError: there is none.
      ValueError: of another type or shape, or not finite.
    """
    found = arrays[name]
    fits = len(found.shape) == len(shape) and all(
        n in (None, m) for n, m in zip(shape, found.shape, strict=True)
    )
    if found.dtype.kind != "f" or not fits:
        raise ValueError(f"{name} is {found.dtype} of shape {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} is not finite throughout")
    return found


def like(arrays: Mapping[str, np.ndarray], name: str, wanted: Any) -> np.ndarray:
    """The array of that name, of the dtype and shape of `wanted`.

    Raises:
      KeyError: there is none.
      ValueError: of another dtype or shape.
    """
    found = arrays[name]
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        raise ValueError(
            f"{name} is {found.dtype} of shape {found.shape}, not {wanted.dtype} of shape {wanted.shape}"
        )
    return found
