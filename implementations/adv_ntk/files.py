"""Checkpoints and models of Adv-NTK as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from advntk.implementations.adv_ntk.contract import KernelPredictor
from advntk.implementations.adv_ntk.problem import Problem
from advntk.implementations.adv_ntk.settings import Settings, from_dict
from advntk.implementations.adv_ntk.training import Fitted, Row, TrainingState, init
from advntk.implementations.kernels.described import described, kernel_from
from advntk.implementations.npz_files import BadFile, like, numbers, read, write
from advntk.implementations.outputs import npz_of
from advntk.printable import excerpt

MODEL_FILE = npz_of("a model of `advntk train`", "advntk model")
CHECKPOINT_FILE = npz_of("a checkpoint of `advntk train`", "advntk checkpoint")
# Checkpoints of version 1 identified kernels by other names.
_CHECKPOINT, _MODEL = "advntk checkpoint 2", "advntk model 1"
_BASELINE = "weights of "


class _AboutCheckpoint(msgspec.Struct):
    """What stands in a checkpoint beside its arrays."""

    settings: dict[str, Any]
    problem: str
    iteration: Annotated[int, msgspec.Meta(ge=0)]
    implementation: str = ""


def save_checkpoint(
    path: Path, problem: Problem, settings: Settings, state: TrainingState, implementation: str = "krylov"
) -> None:
    """All that exact resumption takes, and whose it is: `implementation` by the name that chooses it.

    Args:
      path: of the .npz file.
      problem: what is trained on.
      settings: radius, attack and box, in the units of the pixels.
      state: where training has got to.
      implementation: the name that chooses it.
    """
    about = {
        "settings": settings.as_dict(),
        "problem": problem.digest,
        "implementation": implementation,
        "iteration": state.iteration,
    }
    memory = {f"memory_{i}": leaf for i, leaf in enumerate(jax.tree.leaves(state.optimizer_state))}
    write(path, _CHECKPOINT, about, strengths=state.strengths, course=_table(state.history), **memory)


def load_checkpoint(
    path: Path, problem: Problem, settings: Settings, implementation: str = "krylov"
) -> TrainingState:
    """The state to go on from.

    More iterations than those of the checkpoint may be asked for; all else must be the same.

    Args:
      path: of the .npz file.
      problem: what is trained on.
      settings: radius, attack and box, in the units of the pixels.
      implementation: the name that chooses it.

    Returns:
      The state, whose next iteration is the one that would have followed.

    Raises:
      BadFile: unreadable, or of another problem, implementation or other settings, which are named.
    """
    about, arrays = read(path, _CHECKPOINT)
    try:
        known = msgspec.convert(about, _AboutCheckpoint)
    except (ValueError, RecursionError) as error:
        raise _incomplete(path, error) from error
    ours = {**settings.as_dict(), "implementation": implementation}
    theirs = {**known.settings, "implementation": known.implementation or implementation}
    changed = [name for name in ours if name != "iterations" and theirs.get(name) != ours[name]]
    if changed:
        name = changed[0]
        raise BadFile(
            f"{path}: made with {name} = {excerpt(theirs.get(name))}, not {ours[name]}; resume with the "
            "same settings or give another file"
        )
    if known.problem != problem.digest:
        raise BadFile(f"{path}: made with other samples or another kernel; resume with the same ones")
    if known.iteration > settings.iterations:
        raise BadFile(f"{path}: is at iteration {known.iteration}, beyond iterations = {settings.iterations}")
    fresh = init(problem, settings)
    leaves, tree = jax.tree.flatten(fresh.optimizer_state)
    try:
        memory = [jnp.asarray(like(arrays, f"memory_{i}", leaf)) for i, leaf in enumerate(leaves)]
        course = tuple(
            Row(int(i), float(a), float(b), float(c), float(d), bool(e), float(f))
            for i, a, b, c, d, e, f in arrays["course"]
        )
        strengths = jnp.asarray(like(arrays, "strengths", fresh.strengths))
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise _incomplete(path, error) from error
    return TrainingState(known.iteration, strengths, jax.tree.unflatten(tree, memory), course)


def save_model(
    path: Path,
    fitted: Fitted,
    settings: Settings,
    about: Mapping[str, Any],
    trained_on: Mapping[str, Any] | None = None,
    baselines: Mapping[str, KernelPredictor] | None = None,
) -> None:
    """The predictor, how it was trained, and what the caller wants kept with it (plain values).

    Args:
      path: of the .npz file.
      fitted: what training led to.
      settings: radius, attack and box, in the units of the pixels.
      about: plain values, kept as JSON.
      trained_on: plain values, what an evaluation compares other data with.
      baselines: predictors on the same kernel and samples by name.
    """
    text = {
        "kernel": described(fitted.predictor.kernel),
        "settings": settings.as_dict(),
        "stopped": fitted.stopped,
        "about": dict(about),
        **({} if trained_on is None else {"trained_on": dict(trained_on)}),
    }
    predictor = fitted.predictor
    write(
        path,
        _MODEL,
        text,
        training=predictor.x_train,
        weights=predictor.weights,
        strengths=fitted.state.strengths,
        course=_table(fitted.state.history),
        **{f"{_BASELINE}{name}": one.weights for name, one in (baselines or {}).items()},
    )


def load_model(path: Path) -> tuple[KernelPredictor, dict[str, Any]]:
    """The predictor, and what is known about it.

    Raises:
      BadFile: missing, broken, or not a model.
    """
    about, arrays = read(path, _MODEL)
    try:
        kernel, _ = kernel_from(about["kernel"]), from_dict(about["settings"])
        training = arrays["training"]
        # In samples of one dimension or of three, as networks take them.
        shape: tuple[int | None, ...] = (None,) * (2 if training.ndim == 2 else 4)
        training = numbers(arrays, "training", *shape)
        weights = numbers(arrays, "weights", len(training), None)
        return KernelPredictor(kernel, jnp.asarray(training), jnp.asarray(weights)), about
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _incomplete(path, error) from error


def _incomplete(path: Path, error: Exception) -> BadFile:
    words = f"no {error}" if isinstance(error, KeyError) else error
    return BadFile(f"{path}: incomplete or damaged ({excerpt(words)}); train anew")


def load_baselines(path: Path) -> dict[str, KernelPredictor]:
    """The predictors that are kept beside the model, on its kernel and samples, by name.

    Raises:
      BadFile: missing, broken, or not a model.
    """
    predictor, _ = load_model(path)
    _, arrays = read(path, _MODEL)
    found = {}
    for key, weights in arrays.items():
        if key.startswith(_BASELINE):
            x_train = predictor.x_train.astype(weights.dtype)
            found[key.removeprefix(_BASELINE)] = KernelPredictor(
                predictor.kernel, x_train, jnp.asarray(weights)
            )
    return found


def _table(course: tuple[Row, ...]) -> np.ndarray:
    return np.array([list(row) for row in course], np.float64).reshape(len(course), len(Row._fields))
