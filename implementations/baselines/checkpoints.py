"""Where the training of a finite network has got to, as a file to go on from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from advntk.implementations import npz_files
from advntk.implementations.baselines.finite import NetworkState, Sets
from advntk.implementations.baselines.recipe import Recipe
from advntk.implementations.npz_files import BadFile, read, write
from advntk.implementations.outputs import npz_of
from advntk.printable import excerpt

CHECKPOINT_FILE = npz_of("a finite network's checkpoint", "advntk checkpoint of a finite network")
_KIND = "advntk checkpoint of a finite network 1"


def identity(network: str, recipe: Recipe, seed: int, sets: Sets) -> dict[str, Any]:
    """Plain values that two trainings share only if the one may go on where the other was.

    Args:
      network: by name.
      recipe: settings of training and attack.
      seed: of all that is drawn; equal seeds draw equal numbers.
      sets: training, validation and test samples.

    Returns:
      Names and plain values.
    """
    digest = hashlib.sha256()
    for array in jax.tree.leaves(sets):
        digest.update(np.ascontiguousarray(array).tobytes())
    return {"network": network, **asdict(recipe), "seed": seed, "samples": digest.hexdigest()[:12]}


class _AboutState(msgspec.Struct):
    """What stands in the file beside its arrays."""

    whose: dict[str, Any]
    course: list[dict[str, float]]


def save_state(
    path: Path, whose: Mapping[str, Any], state: NetworkState, history: list[dict[str, float]]
) -> None:
    """All that training goes on from, and its history up to here (rows of the same names).

    Args:
      path: of the .npz file.
      whose: see `identity`.
      state: where training has got to.
      history: one row of numbers by name per evaluation.
    """
    leaves = {f"leaf_{i}": leaf for i, leaf in enumerate(jax.tree.leaves(state))}
    write(path, _KIND, {"whose": dict(whose), "course": history}, **leaves)


def identity_in(path: Path) -> dict[str, Any]:
    """What `identity` said of the training that a checkpoint is of.

    Raises:
      BadFile: unreadable.
    """
    return dict(read(path, _KIND)[0]["whose"])


def load_state(
    path: Path, whose: Mapping[str, Any], like: NetworkState
) -> tuple[NetworkState, list[dict[str, float]]]:
    """The state, in the form of `like`, and the history.

    Raises:
      BadFile: unreadable, or of another training; what differs is named.
    """
    about, arrays = read(path, _KIND)
    try:
        known = msgspec.convert(about, _AboutState)
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path}: incomplete or damaged ({excerpt(error)}); train anew") from error
    theirs = known.whose
    for name, ours in whose.items():
        if theirs.get(name) != ours:
            raise BadFile(
                f"{path}: made with {name} = {excerpt(theirs.get(name))}, not {ours}; resume as it was "
                "begun, or give another --out"
            )
    leaves, tree = jax.tree.flatten(like)
    try:
        found = [jnp.asarray(npz_files.like(arrays, f"leaf_{i}", leaf)) for i, leaf in enumerate(leaves)]
    except (KeyError, ValueError, TypeError) as error:
        raise BadFile(f"{path}: incomplete or damaged ({excerpt(error)}); train anew") from error
    return jax.tree.unflatten(tree, found), known.course
