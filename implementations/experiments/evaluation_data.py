"""The images that a kept model is judged on: scaled as its own were, compared with what it was trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from advntk.exceptions import UsageError
from advntk.implementations.attacks.audit import Finding
from advntk.implementations.data.splits import Pools, adversarial_split, not_trainable, read_pools, scaled
from advntk.implementations.experiments.presets import Experiment
from advntk.implementations.experiments.trained_on import TrainedOn, data_digest, digest, image_digests

# Below this share of the model's range a file is likely to be on another scale.
_LEAST_FILLED = 0.55


class BadEvaluation(UsageError):
    """Images that the model cannot be judged on; the message names what differs and the fix."""


class EvaluationData(NamedTuple):
    """Scaled images within the model's box, the model's numbers for their classes, doubts, and notes."""

    images: Float32[np.ndarray, "w height columns channels"]
    labels: Int[np.ndarray, " w"]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def evaluation_data(
    experiment: Experiment,
    known: TrainedOn,
    training: Any,
    data: str | None = None,
    n_test: int | None = None,
    folder: Path | None = None,
) -> EvaluationData:
    """Images to judge a model on: of its own data those held out, of other data all or `n_test`.

    Data are its own if they are the same images, wherever they are.

    Args:
      experiment: what the model was trained on.
      known: what it remembers of its data.
      training: its training images, scaled, (m, height, columns, channels).
      data: source or file; None for its own.
      n_test: how many; by default as many as in the experiment, or all there are.
      folder: where CIFAR-10 and SVHN are.

    Returns:
      Images, labels, and what casts doubt on them.

    Raises:
      BadData: data that cannot be read.
      BadEvaluation: data that the model cannot be judged on.
    """
    pools = read_pools(data or experiment.data, folder)
    found = data_digest(pools) if known.data_digest else ""
    own = found == known.data_digest if found else data in (None, experiment.data)
    if data is None and not own:
        raise BadEvaluation(
            f"{experiment.data} has changed since the model was trained on it: its digest was "
            f"{known.data_digest}, and is {found}; name it with --data to evaluate on it as on other images"
        )
    where = f"--data {data or experiment.data}"
    findings: list[Finding] = []
    notes: list[str] = []
    if own:
        images, labels = _held_out(experiment, known, pools, data or experiment.data, n_test, folder)
    else:
        images, labels, doubts = _others(experiment, known, pools, where, n_test, training.shape[1:])
        findings += doubts
        missing = len(known.class_names) - len(np.unique(labels))
        if missing:
            notes.append(
                f"{missing} of the model's {len(known.class_names)} classes have no image among these"
            )
    findings += _seen_before(images, training, known)
    return EvaluationData(np.clip(images, known.low, known.high), labels, tuple(findings), tuple(notes))


def _held_out(
    experiment: Experiment,
    known: TrainedOn,
    pools: Pools,
    source: str,
    n_test: int | None,
    folder: Path | None,
) -> tuple[np.ndarray, np.ndarray]:
    whole = 0 if pools.test_images is None else len(pools.test_images)
    asked = replace(experiment, n_test=n_test or experiment.n_test or whole)
    if not asked.n_test:
        raise BadEvaluation(
            "the model was trained without test samples; give --test N, or other images with --data"
        )
    split = adversarial_split(
        source, asked.n_train, asked.n_validation, asked.n_test, asked.data_seed, asked.label_noise, folder
    )
    if known.training_digest and digest(split.images) != known.training_digest:
        raise BadEvaluation(
            f"--data {source}: the samples drawn are not those that the model was trained on (digest "
            f"{digest(split.images)}, not {known.training_digest}); evaluate with the version that trained it"
        )
    return split.test_images, split.test_labels


def _others(
    experiment: Experiment,
    known: TrainedOn,
    pools: Pools,
    where: str,
    n_test: int | None,
    shape: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray, list[Finding]]:
    images, labels = pools.held_out
    if images.shape[1:] != shape:
        raise BadEvaluation(
            f"{where}: images of shape {images.shape[1:]}; the model was trained on {tuple(shape)}; "
            "resize them"
        )
    labels = _as_model(pools.class_names, labels, known, where)
    if (n_test or 0) > len(images):
        raise BadEvaluation(f"--test {n_test}: {where} has {len(images)} images; ask for fewer")
    count = min(n_test or experiment.n_test or len(images), len(images))
    chosen = np.arange(len(images))
    if count < len(images):
        chosen = np.random.default_rng([experiment.data_seed, 2]).permutation(len(images))[:count]
    images, labels = images[chosen], labels[chosen]
    smallest, largest = float(images.min()), float(images.max())
    if not known.has_scale:
        if reason := not_trainable(pools._replace(labels=np.array([0, 1]), class_names=("0", "1"))):
            raise BadEvaluation(f"{where}: {reason}, and the model's file does not say by what scale")
        words = (
            f"the model's file does not say how its images were scaled: these are by their own range, "
            f"{pools.smallest:g} to {pools.largest:g}; train anew to know"
        )
        return scaled(images, pools.smallest, pools.largest), labels, [Finding("unknown_scale", 1.0, words)]
    found = scaled(images, known.smallest, known.largest)
    beyond = (found < known.low - 1e-6) | (found > known.high + 1e-6) | ~np.isfinite(found)
    outside = int(beyond.any(axis=(1, 2, 3)).sum())
    if outside:
        raise BadEvaluation(
            f"{where}: {outside} of {len(images)} images have pixels outside {known.smallest:g} to "
            f"{known.largest:g}, the scale of the model's (they run from {smallest:g} to {largest:g}); bring "
            "them to that scale, or clip them"
        )
    filled = (largest - smallest) / (known.largest - known.smallest)
    if filled > _LEAST_FILLED:
        return found, labels, []
    words = (
        f"pixels run from {smallest:g} to {largest:g}, those of the model's images from "
        f"{known.smallest:g} to {known.largest:g}: are they on the same scale?"
    )
    return found, labels, [Finding("other_scale", 1 - filled, words)]


def _as_model(
    names: tuple[str, ...], labels: Int[np.ndarray, " n"], known: TrainedOn, where: str
) -> Int[np.ndarray, " n"]:
    """The model's numbers for classes of the same name."""
    numbers = {name: number for number, name in enumerate(known.class_names)}
    table = np.array([numbers.get(name, -1) for name in names])
    found = table[labels]
    if (found < 0).any():
        unknown = [names[number] for number in np.unique(labels[found < 0])]
        raise BadEvaluation(
            f"{where}: {(found < 0).sum()} of {len(found)} images have labels that the model does not know "
            f"({_listed(unknown)}; it knows {_listed(known.class_names)}); "
            "leave them out, or name classes alike"
        )
    return found


def _seen_before(images: np.ndarray, training: Any, known: TrainedOn) -> list[Finding]:
    ours = image_digests(images)
    words = "accuracies are not those on unseen images"
    found = []
    for name, theirs, of in (
        ("training_images", set(image_digests(training)), "it was trained on"),
        ("validation_images", set(known.validation_digests), "its strengths were fitted to"),
    ):
        count = sum(one in theirs for one in ours)
        if count:
            share = count / len(ours)
            found.append(Finding(name, share, f"{count} of {len(ours)} are images that {of}: {words}"))
    return found


def _listed(names: Any) -> str:
    shown = [name if len(name) <= 12 else f"{name[:11]}…" for name in list(names)[:5]]
    return ", ".join(shown) + (", …" if len(names) > 5 else "")
