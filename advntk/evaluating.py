"""The answer of `advntk evaluate`: a kept model under all attacks, each result verified."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advntk.progress import progress_display
from advntk.training import BadTraining
from advntk.wiring import cache_folder

if TYPE_CHECKING:
    from advntk.implementations.adv_ntk.contract import KernelPredictor
    from advntk.implementations.attacks.threat import ThreatModel
    from advntk.implementations.runtime import Device

# Samples per round: what stands after an attack goes to the next one.
_ROUND = 200
# A box of side a in d dimensions reaches a d^this far across in the norm.
_PER_COORDINATE = {"linf": 0.0, "l2": 0.5, "l1": 1.0}


@dataclass(frozen=True)
class EvaluationRequest:
    """What was asked for on the command line; None where nothing was."""

    model: Path
    data: str | None
    data_dir: Path | None
    test: int | None
    radius: float | None
    norm: str
    audited: bool
    baselines: tuple[str, ...]
    device: Device


def evaluate(request: EvaluationRequest, as_json: bool) -> str:
    """Clean accuracy, robust accuracy in the worst case over all attacks, and what casts doubt on it.

    Raises:
      BadFile: no model.
      BadTraining, BadData, BadEvaluation: the request cannot be met.
    """
    from advntk.exceptions import UsageError
    from advntk.implementations.runtime import configure

    configure(request.device, cache_folder() / "programs")
    try:
        found = _evaluated(request)
    except UsageError:
        raise
    except ValueError as error:
        raise BadTraining(str(error)) from error
    return json.dumps(found, ensure_ascii=False, indent=2) if as_json else _text(found)


def _evaluated(request: EvaluationRequest) -> dict[str, Any]:
    import jax.numpy as jnp

    from advntk.implementations.adv_ntk.files import load_model
    from advntk.implementations.adv_ntk.settings import from_dict
    from advntk.implementations.attacks.threat import ThreatModel
    from advntk.implementations.experiments.evaluation_data import evaluation_data
    from advntk.implementations.experiments.presets import experiment_from
    from advntk.implementations.experiments.trained_on import remembered
    from advntk.implementations.npz_files import BadFile
    from advntk.printable import excerpt

    predictor, about = load_model(request.model)
    settings = from_dict(about["settings"])
    try:
        experiment = experiment_from(about["about"]["experiment"], settings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadFile(
            f"{request.model}: says not what it was trained on ({excerpt(error)}); train anew"
        ) from error
    known = remembered(about, experiment, predictor.weights.shape[1])
    beside = _beside(request, predictor, about["about"], experiment)
    judged_on = evaluation_data(
        experiment, known, predictor.x_train, request.data, request.test, request.data_dir
    )
    radius, norm = request.radius, request.norm
    across = (settings.high - settings.low) * judged_on.images[0].size ** _PER_COORDINATE.get(norm, 0)
    if radius is not None and not 0 < radius < across:
        raise BadTraining(
            f"--radius {radius:g}: must be above 0, and less than what reaches across the whole box in {norm}"
        )
    threat = ThreatModel(norm, settings.radius if radius is None else radius, settings.low, settings.high)
    # Both in the precision that the model computes in.
    x, labels = jnp.asarray(judged_on.images, predictor.x_train.dtype), jnp.asarray(judged_on.labels)
    found = _attacked(_outputs(predictor), x, labels, threat, settings.seed, request.audited)
    found["findings"] = [one._asdict() for one in judged_on.findings] + found["findings"]
    return {
        "model": str(request.model),
        "norm": norm,
        "radius": float(threat.radius),
        "samples": len(x),
        **found,
        "audited": request.audited,
        "notes": list(judged_on.notes),
        "baselines": {
            name: _attacked(outputs, x, labels, threat, settings.seed, request.audited, name)
            for name, outputs in beside.items()
        },
    }


def _attacked(
    outputs: Callable[[Any], Any],
    x: Any,
    wanted: Any,
    threat: ThreatModel,
    seed: int,
    audited: bool,
    who: str = "",
) -> dict[str, Any]:
    """Shares of samples that stand, which attack felled how many, and doubts."""
    import jax
    import numpy as np

    from advntk.implementations.attacks.audit import audit, verify
    from advntk.implementations.attacks.worst_case import worst_case

    labels = np.asarray(wanted)
    fooled, clean = np.zeros((2, len(x)), bool)
    felled: dict[str, int] = {}
    findings: list[Any] = []
    with progress_display(len(x), "test samples") as show:
        for begin in range(0, len(x), _ROUND):
            here = slice(begin, min(begin + _ROUND, len(x)))
            keys = jax.random.fold_in(jax.random.key(seed), begin)
            worst = worst_case(outputs, x[here], wanted[here], threat, keys)
            proved = verify(outputs, x[here], worst.adversarial, wanted[here], threat, worst.fooled)
            findings += proved.findings
            fooled[here] = proved.fooled
            clean[here] = np.argmax(np.asarray(outputs(x[here])), axis=1) == labels[here]
            for name, number in zip(worst.names, worst.felled, strict=True):
                felled[name] = felled.get(name, 0) + int(number)
            show(here.stop, len(x), f"{who or 'the model'}: {1 - fooled[: here.stop].mean():.1%} stand")
    if audited:
        some = slice(min(len(x), _ROUND))
        findings += audit(outputs, x[some], wanted[some], threat, jax.random.key(seed)).findings
    return {
        "clean": float(clean.mean()),
        "robust": float(1 - fooled.mean()),
        "felled_by": felled,
        "findings": [one._asdict() for one in findings],
    }


def _outputs(predictor: KernelPredictor) -> Callable[[Any], Any]:
    """The predictor as a function of inputs: one object, so that attacks are compiled once."""

    def outputs(x: Any) -> Any:
        # NTK regression computes in double precision beside a model in single.
        at = x.astype(predictor.x_train.dtype)
        return predictor.kernel.cross(at, predictor.x_train) @ predictor.weights

    return outputs


def _beside(
    request: EvaluationRequest, predictor: KernelPredictor, about: Mapping[str, Any], experiment: Any
) -> dict[str, Callable[[Any], Any]]:
    """What was trained beside the model and is asked for, as functions of inputs.

    Raises:
      BadTraining: the model was trained without it, or it has no finite weights.
      BadFile: the checkpoint of a finite network is missing, broken, or of another training.
    """
    import numpy as np

    if not request.baselines:
        return {}
    from advntk.implementations.adv_ntk.files import load_baselines
    from advntk.implementations.experiments.baselines import trained_network

    kept, networks = load_baselines(request.model), dict(about.get("finite_networks", {}))
    known = {name: one for name, one in kept.items() if np.isfinite(np.asarray(one.weights)).all()}
    asked = (*known, *networks) if request.baselines == ("all",) else request.baselines
    found: dict[str, Callable[[Any], Any]] = {}
    for name in asked:
        if name in known:
            found[name] = _outputs(known[name])
        elif name in networks:
            place = request.model.parent / networks[name]["checkpoint"]
            shape, classes = predictor.x_train.shape[1:], predictor.weights.shape[1]
            found[name] = trained_network(place, networks[name]["whose"], experiment, shape, classes)
        else:
            there = ", ".join((*known, *networks)) or "none"
            why = "has no finite weights" if name in kept else "was not trained beside the model"
            raise BadTraining(
                f"--baselines {name}: {why}; there are: {there} (more with `advntk train --baselines`)"
            )
    return found


def _text(found: dict[str, Any]) -> str:
    lines = [
        f"{found['model']}: {found['samples']} test samples, {found['norm']} radius {found['radius']:g}",
        *_judged(found, found["audited"]),
    ]
    for name, one in found["baselines"].items():
        lines += [f"{name}:", *_judged(one, found["audited"])]
    return "\n".join([*lines, *(f"note: {note}" for note in found["notes"])])


def _judged(found: dict[str, Any], audited: bool) -> list[str]:
    lines = [
        f"clean   {found['clean']:.1%}",
        f"robust  {found['robust']:.1%}, the worst case of "
        + ", ".join(f"{name} (felled {number})" for name, number in found["felled_by"].items()),
    ]
    if found["findings"]:
        return lines + [f"doubt: {one['name']}: {one['words']}" for one in found["findings"]]
    return [*lines, "no doubts: every result verified" + (", attacks audited" if audited else "")]
