"""The answer of `advntk train`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advntk.exceptions import UsageError
from advntk.progress import progress_display

if TYPE_CHECKING:
    from advntk.implementations.adv_ntk.contract import KernelPredictor
    from advntk.implementations.adv_ntk.settings import Settings
    from advntk.implementations.adv_ntk.training import Fitted, TrainingState
    from advntk.implementations.experiments.adv_ntk import Accuracy
    from advntk.implementations.experiments.presets import Experiment
    from advntk.implementations.runtime import Device


class BadTraining(UsageError):
    """A training that cannot be done as asked; the message names the argument, the value and the fix."""


@dataclass(frozen=True)
class TrainingRequest:
    """What was asked for on the command line; None where nothing was."""

    preset: str | None
    experiment: Mapping[str, Any]
    settings: Mapping[str, Any]
    data_dir: Path | None
    implementation: str
    out: Path
    resume: bool
    baselines: tuple[str, ...]
    finite_steps: int | None
    checkpoint_seconds: float
    memory_gib: float | None
    device: Device

    def checkpoint(self, of: str = "") -> Path:
        """Beside the model; `of` a baseline that keeps its own."""
        return self.out.with_name(f"{self.out.stem}.{of}{'.' if of else ''}checkpoint.npz")


def train(request: TrainingRequest, as_json: bool) -> str:
    """Train, keep the model, and report.

    Raises:
      BadTraining, BadData, BadOutput: the request cannot be met.
    """
    from advntk.implementations.foreign_code import contained
    from advntk.implementations.runtime import configure

    if request.out.suffix != ".npz":
        raise BadTraining(f"--out {request.out}: must end in .npz")
    if not request.out.parent.is_dir():
        raise BadTraining(f"--out {request.out}: no folder {request.out.parent}; create it")
    _settle_outputs(request)
    configure(request.device, _cache())
    try:
        # A user's implementation that calls sys.exit() does not choose our exit code.
        with contained():
            return _trained(request, as_json)
    except ValueError as error:
        raise BadTraining(str(error)) from error


def _settle_outputs(request: TrainingRequest) -> None:
    """Before any work: nothing else is written over, and what will be written can be.

    Raises:
      BadOutput: neither is promised.
    """
    from advntk.implementations.adv_ntk.files import CHECKPOINT_FILE, MODEL_FILE
    from advntk.implementations.baselines import checkpoints
    from advntk.implementations.experiments.baselines import FINITE
    from advntk.implementations.outputs import may_write, try_door

    files = {request.out: ("--out", MODEL_FILE)}
    files[request.checkpoint()] = ("--out, its checkpoint", CHECKPOINT_FILE)
    for name in FINITE:
        if name in request.baselines:
            files[request.checkpoint(name)] = ("--out, a checkpoint beside it,", checkpoints.CHECKPOINT_FILE)
    data = request.experiment.get("data")
    for path, (option, kind) in files.items():
        may_write(path, kind, option, [Path(data)] if data else [])
        try_door(path, option)


def _trained(request: TrainingRequest, as_json: bool) -> str:
    import msgspec

    from advntk.implementations.adv_ntk.contract import implementation
    from advntk.implementations.adv_ntk.files import load_checkpoint, save_checkpoint, save_model
    from advntk.implementations.adv_ntk.problem import duplicates
    from advntk.implementations.adv_ntk.training import fit, gram, init
    from advntk.implementations.data.splits import read_pools
    from advntk.implementations.experiments.adv_ntk import double_gram, prepare
    from advntk.implementations.experiments.baselines import checked_names
    from advntk.implementations.experiments.trained_on import trained_on
    from advntk.implementations.outputs import told
    from advntk.implementations.results import Result
    from advntk.reports.summary import finite

    experiment = _experiment(request)
    settings = experiment.settings
    baselines = checked_names(request.baselines, experiment)
    chosen = implementation(request.implementation)
    problem, split = prepare(experiment, chosen.dtype, _memory(request), request.data_dir)
    remembered = trained_on(experiment, read_pools(experiment.data, request.data_dir), split)
    notes = []
    if twice := duplicates(split.images):
        notes.append(f"{twice} training samples repeat others: the kernel is singular, which Adv-NTK bears")
    state = init(problem, settings)
    if request.resume:
        if request.checkpoint().exists():
            state = load_checkpoint(request.checkpoint(), problem, settings, request.implementation)
            notes.append(f"resumed at iteration {state.iteration}")
        else:
            notes.append(f"no checkpoint {request.checkpoint()} to resume from: begun anew")
    began = last = time.monotonic()

    with progress_display(settings.iterations, "iterations") as show:
        show(state.iteration, settings.iterations, "the kernel of the training samples")
        ntk = gram(problem)

        def seen(new: TrainingState) -> None:
            nonlocal last
            row = new.history[-1]
            show(
                new.iteration,
                settings.iterations,
                f"loss {row.loss:.4f}, validation batch {row.clean:.1%} clean, {row.robust:.1%} robust",
            )
            due = time.monotonic() - last >= request.checkpoint_seconds
            if due or new.iteration == settings.iterations:
                with told(request.checkpoint()):
                    save_checkpoint(request.checkpoint(), problem, settings, new, request.implementation)
                last = time.monotonic()

        fitted = fit(chosen, problem, settings, ntk, state, seen)
    seconds = time.monotonic() - began
    found: dict[str, Accuracy] = {}
    no_answer: dict[str, str] = {}
    histories = {}
    kept: dict[str, KernelPredictor] = {}
    networks: dict[str, Any] = {}
    if len(split.test_labels):
        # What is solved with is computed in double precision, whatever Adv-NTK is trained in.
        wide = ntk if ntk.dtype == "float64" else double_gram(fitted.predictor)
        found, no_answer, kept["ntk-regression"] = _judged(fitted, wide, split, settings)
        for name in baselines:
            one = _baseline(name, fitted, wide, split, experiment, request)
            found[name], histories[name] = one.accuracy, one.history
            notes += [f"{name}: {one.words}"] if one.words else []
            if one.predictor is not None:
                kept[name] = one.predictor
            if one.network is not None:
                networks[name] = one.network
    unsure = sum(not row.converged for row in fitted.state.history)
    if unsure:
        notes.append(f"the solver did not stand by its result in {unsure} iterations")
    if fitted.result != Result.successful:
        notes.append(
            f"the weights that the model is made of are not what was asked for: {fitted.result.message}; "
            f"{fitted.result.remedy}"
        )
    if fitted.stopped:
        notes.append(f"stopped early, at the last good strengths: {fitted.stopped}")
    notes += _undefined(found)
    about = {
        "preset": request.preset,
        "data": experiment.data,
        "network": experiment.network,
        "experiment": _plain(experiment),
        "implementation": request.implementation,
        "seconds": seconds,
        "seconds_per_iteration": finite(_median([row.seconds for row in fitted.state.history])),
        "attack": _attack(settings),
        "accuracy": {name: finite(one._asdict()) for name, one in found.items()},
        "no_answer": no_answer,
        "finite_networks": networks,
        "baseline_histories": {name: history for name, history in histories.items() if history},
        "notes": notes,
    }
    with told(request.out):
        save_model(request.out, fitted, settings, about, msgspec.to_builtins(remembered), kept)
    if as_json:
        history = [row._asdict() for row in fitted.state.history]
        whole = finite({**about, "model": str(request.out), "history": history})
        return json.dumps(whole, ensure_ascii=False, indent=2, allow_nan=False)
    return _text(experiment, fitted, about, request.out)


def _undefined(found: Mapping[str, Accuracy]) -> list[str]:
    """Why an accuracy is missing."""
    reasons = {
        "Adv-NTK": "its weights are not finite",
        "NTK regression": "the kernel is not positive definite to working precision; leave out samples that "
        "repeat others, or compare with --baselines ridge",
    }
    return [
        f"{name} has no accuracy: {reasons.get(name, 'its outputs are not finite')}"
        for name, one in found.items()
        if math.isnan(one.clean)
    ]


def _judged(
    fitted: Fitted, ntk: Any, split: Any, settings: Settings
) -> tuple[dict[str, Accuracy], dict[str, str], KernelPredictor]:
    """Adv-NTK beside NTK regression on the same samples, why one of them has no answer, and the latter."""
    from advntk.implementations.experiments.adv_ntk import accuracy, regressed

    without, definiteness = regressed(fitted.predictor, split.y, ntk)
    predictors = {"Adv-NTK": fitted.predictor, "NTK regression": without}
    no_answer = {} if definiteness.definite else {"NTK regression": definiteness.words}
    found, each = {}, len(split.test_labels)
    with progress_display(len(predictors) * each, "test samples") as show:
        for number, (name, predictor) in enumerate(predictors.items()):
            found[name] = accuracy(
                predictor, split.test_images, split.test_labels, settings,
                lambda done, _, n=number, who=name: show(
                    n * each + done, len(predictors) * each, f"attacking {who}"
                ),
            )  # fmt: skip
    return found, no_answer, without


@dataclass(frozen=True)
class TrainedBaseline:
    """Accuracies, setting or end in words, and what it can be evaluated by again.

    That is a predictor on the same kernel, or for a finite network, whose training has a history, the name
    and the identity of its checkpoint.
    """

    accuracy: Accuracy
    words: str
    history: list[dict[str, float]]
    predictor: KernelPredictor | None = None
    network: dict[str, Any] | None = None


def _baseline(
    name: str, fitted: Fitted, ntk: Any, split: Any, experiment: Experiment, request: TrainingRequest
) -> TrainedBaseline:
    from advntk.implementations.baselines.checkpoints import identity_in
    from advntk.implementations.experiments import baselines
    from advntk.implementations.experiments.adv_ntk import accuracy
    from advntk.implementations.outputs import told

    if name in baselines.INFINITE:
        with progress_display(1, "baselines") as show:
            show(0, 1, f"{name}: choosing on validation images")
            predictor, words = baselines.chosen_predictor(name, fitted.predictor, ntk, split, experiment)
            robust = accuracy(predictor, split.test_images, split.test_labels, experiment.settings)
            show(1, 1, name)
        return TrainedBaseline(robust, words, [], predictor)
    steps = request.finite_steps or (2_000 if experiment.data == "digits" else 20_000)
    with progress_display(steps, "steps") as show, told(request.checkpoint(name)):
        found, history, words = baselines.finite_network(
            name, split, experiment, steps,
            lambda row: show(
                int(row["step"]), steps, f"{name}: validation {row['validation_robust']:.1%} robust"
            ),
            request.checkpoint(name), request.resume,
        )  # fmt: skip
    checkpoint = request.checkpoint(name)
    network = None
    if history:
        network = {"checkpoint": checkpoint.name, "whose": identity_in(checkpoint)}
    return TrainedBaseline(found, words, history, network=network)


def _experiment(request: TrainingRequest) -> Experiment:
    """The preset or the defaults, changed as asked."""
    from advntk.implementations.experiments.presets import preset

    asked = {name: value for name, value in request.experiment.items() if value is not None}
    settings = {name: value for name, value in request.settings.items() if value is not None}
    on_digits = asked.get("data") == "digits"
    base = preset(request.preset or "digits-mlp5-r8", on_digits)
    if request.preset is None and asked.get("data") not in (None, "digits") and "radius" not in settings:
        settings["radius"] = 8 / 255
    return replace(base, **asked, settings=replace(base.settings, **settings))


def _text(experiment: Experiment, fitted: Fitted, about: Mapping[str, Any], out: Path) -> str:
    settings = experiment.settings
    lines = [
        f"{experiment.network} on {experiment.data}: {experiment.n_train} + {experiment.n_validation} "
        f"samples, radius {settings.radius:g}, "
        f"{fitted.state.iteration} iterations in {about['seconds']:.0f} s"
    ]
    if about["accuracy"]:
        lines.append(f"{'test accuracy':<16}{'clean':>8}{about['attack']:>9}")
        lines += [
            f"{name:<16}{_percent(one['clean']):>8}{_percent(one['robust']):>9}"
            + (f"  no answer: {about['no_answer'][name]}" if name in about["no_answer"] else "")
            for name, one in about["accuracy"].items()
        ]
    return "\n".join([*lines, *(f"note: {note}" for note in about["notes"]), f"model: {out}"])


def _attack(settings: Settings) -> str:
    """What robust accuracy in the table is measured by."""
    return f"PGD-{settings.attack_steps}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _plain(experiment: Experiment) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(experiment)


def _median(values: list[float]) -> float:
    import statistics

    return statistics.median(values) if values else math.nan


def _memory(request: TrainingRequest) -> int:
    import jax

    from advntk.implementations.memory import usable_memory

    if request.memory_gib:
        return int(request.memory_gib * 2**30)
    # What an accelerator says of itself; a CPU says nothing.
    of_device = (jax.devices()[0].memory_stats() or {}).get("bytes_limit", 0)
    return int(of_device) or usable_memory() // 2


def _cache() -> Path:
    from advntk.wiring import cache_folder

    return cache_folder() / "programs"
