"""Files of arrays and JSON text (.npz), never pickles, written whole or not at all."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from advntk.exceptions import UsageError
from advntk.implementations.outputs import replacing


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
    try:
        # Opened here: numpy leaves open what it cannot read.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
        found = about["kind"]
    except FileNotFoundError:
        raise BadFile(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BadFile(f"{path}: no {kind.rsplit(' ', 1)[0]}, or a broken one ({error})") from error
    if found != kind:
        raise BadFile(f"{path}: is '{found}', not '{kind}'")
    return about, arrays
