"""The answer of `advntk evaluate`: a kept model under all attacks, each result verified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advntk.progress import progress_display
from advntk.training import BadTraining
from advntk.wiring import cache_folder

if TYPE_CHECKING:
    import numpy as np

    from advntk.implementations.adv_ntk.contract import KernelPredictor
    from advntk.implementations.runtime import Device

# Samples per round: what stands after an attack goes to the next one.
_ROUND = 200
# A box of side a in d dimensions reaches a d^this far across in the norm.
_PER_COORDINATE = {"linf": 0.0, "l2": 0.5, "l1": 1.0}


def evaluate(
    model: Path,
    data: str | None,
    data_dir: Path | None,
    test: int | None,
    radius: float | None,
    norm: str,
    audited: bool,
    device: Device,
    as_json: bool,
) -> str:
    """Clean accuracy, robust accuracy in the worst case over all attacks, and what casts doubt on it.

    Raises:
      BadFile: no model.
      BadTraining, BadData: the request cannot be met.
    """
    from advntk.implementations.runtime import configure

    configure(device, cache_folder() / "programs")
    try:
        found = _evaluated(model, data, data_dir, test, radius, norm, audited)
    except ValueError as error:
        raise BadTraining(str(error)) from error
    return json.dumps(found, ensure_ascii=False, indent=2) if as_json else _text(found)


def _evaluated(
    model: Path,
    data: str | None,
    data_dir: Path | None,
    test: int | None,
    radius: float | None,
    norm: str,
    audited: bool,
) -> dict[str, Any]:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from advntk.implementations.adv_ntk.files import load_model
    from advntk.implementations.adv_ntk.settings import from_dict
    from advntk.implementations.attacks.audit import audit, verify
    from advntk.implementations.attacks.threat import ThreatModel
    from advntk.implementations.attacks.worst_case import worst_case
    from advntk.implementations.experiments.presets import experiment_from
    from advntk.implementations.inputs import one_line
    from advntk.implementations.npz_files import BadFile

    predictor, about = load_model(model)
    settings = from_dict(about["settings"])
    try:
        experiment = experiment_from(about["about"]["experiment"], settings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadFile(f"{model}: says not what it was trained on ({one_line(error)}); train anew") from error
    images, labels = _test_images(experiment, data, data_dir, test)
    if images.shape[1:] != predictor.x_train.shape[1:]:
        raise BadTraining(
            f"--data {data}: images of shape {images.shape[1:]}; the model was trained on "
            f"{predictor.x_train.shape[1:]}"
        )
    across = settings.high - settings.low
    if radius is not None and not 0 < radius < across * len(images[0].ravel()) ** _PER_COORDINATE.get(
        norm, 0
    ):
        raise BadTraining(
            f"--radius {radius:g}: must be above 0, and less than what reaches across the whole box in {norm}"
        )
    threat = ThreatModel(norm, settings.radius if radius is None else radius, settings.low, settings.high)
    outputs = _predictor(predictor)
    x = jnp.clip(jnp.asarray(images, predictor.x_train.dtype), settings.low, settings.high)
    wanted = jnp.asarray(labels)
    fooled = np.zeros(len(x), bool)
    clean = np.zeros(len(x), bool)
    felled: dict[str, int] = {}
    findings: list[Any] = []
    with progress_display(len(x), "test samples") as show:
        for begin in range(0, len(x), _ROUND):
            here = slice(begin, min(begin + _ROUND, len(x)))
            keys = jax.random.fold_in(jax.random.key(settings.seed), begin)
            worst = worst_case(outputs, x[here], wanted[here], threat, keys)
            proved = verify(outputs, x[here], worst.adversarial, wanted[here], threat, worst.fooled)
            findings += proved.findings
            fooled[here] = proved.fooled
            clean[here] = np.argmax(np.asarray(outputs(x[here])), axis=1) == labels[here]
            for name, number in zip(worst.names, worst.felled, strict=True):
                felled[name] = felled.get(name, 0) + int(number)
            show(here.stop, len(x), f"{1 - fooled[: here.stop].mean():.1%} stand")
    if audited:
        some = slice(min(len(x), _ROUND))
        found = audit(outputs, x[some], wanted[some], threat, jax.random.key(settings.seed))
        findings += found.findings
    return {
        "model": str(model),
        "norm": norm,
        "radius": float(threat.radius),
        "samples": len(x),
        "clean": float(clean.mean()),
        "robust": float(1 - fooled.mean()),
        "felled_by": felled,
        "audited": audited,
        "findings": [one._asdict() for one in findings],
    }


def _predictor(predictor: KernelPredictor) -> Any:
    """The predictor as a function of inputs: one object, so that attacks are compiled once."""

    def outputs(x: Any) -> Any:
        return predictor.kernel.cross(x, predictor.x_train) @ predictor.weights

    return outputs


def _test_images(
    experiment: Any, data: str | None, data_dir: Path | None, test: int | None
) -> tuple[np.ndarray, np.ndarray]:
    from dataclasses import replace

    from advntk.implementations.experiments.adv_ntk import splitted

    asked = replace(experiment, data=data or experiment.data, n_test=test or experiment.n_test)
    if asked.data != experiment.data:
        # Nothing to keep apart from.
        asked = replace(asked, n_train=1, n_validation=0)
    split = splitted(asked, data_dir)
    return split.test_images, split.test_labels


def _text(found: dict[str, Any]) -> str:
    lines = [
        f"{found['model']}: {found['samples']} test samples, {found['norm']} radius {found['radius']:g}",
        f"clean   {found['clean']:.1%}",
        f"robust  {found['robust']:.1%}, the worst case of "
        + ", ".join(f"{name} (felled {number})" for name, number in found["felled_by"].items()),
    ]
    if found["findings"]:
        lines += [f"doubt: {one['name']}: {one['words']}" for one in found["findings"]]
    else:
        lines.append("no doubts: every result verified" + (", attacks audited" if found["audited"] else ""))
    return "\n".join(lines)
