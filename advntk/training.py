"""The answer of `advntk train`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advntk.progress import progress_display

if TYPE_CHECKING:
    from implementations.adv_ntk.experiment import Accuracy
    from implementations.adv_ntk.presets import Experiment
    from implementations.adv_ntk.training import Fitted, State

_SECONDS_BETWEEN_CHECKPOINTS = 10.0


class BadTraining(ValueError):
    """A training that cannot be done as asked; the message names the argument, the value and the fix."""


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line; None where nothing was."""

    preset: str | None
    experiment: Mapping[str, Any]
    settings: Mapping[str, Any]
    data_dir: Path | None
    implementation: str
    out: Path
    resume: bool
    memory_gib: float | None

    @property
    def checkpoint(self) -> Path:
        """Beside the model."""
        return self.out.with_name(f"{self.out.stem}.checkpoint.npz")


def train(request: Request, as_json: bool) -> str:
    """Train, keep the model, and report.

    Raises:
      BadTraining, BadData: the request cannot be met.
    """
    from implementations.runtime import configure

    if request.out.suffix != ".npz":
        raise BadTraining(f"--out {request.out}: must end in .npz")
    if not request.out.parent.is_dir():
        raise BadTraining(f"--out {request.out}: no folder {request.out.parent}; create it")
    configure("cpu", _cache())
    try:
        return _trained(request, as_json)
    except ValueError as error:
        raise BadTraining(str(error)) from error


def _trained(request: Request, as_json: bool) -> str:
    from implementations.adv_ntk.contract import implementation
    from implementations.adv_ntk.experiment import accuracy, prepare
    from implementations.adv_ntk.files import load_checkpoint, save_checkpoint, save_model
    from implementations.adv_ntk.problem import duplicates
    from implementations.adv_ntk.training import begin, fit, gram

    experiment = _experiment(request)
    settings = experiment.settings
    chosen = implementation(request.implementation)
    problem, split = prepare(experiment, chosen.dtype, _memory(request), request.data_dir)
    notes = []
    if twice := duplicates(problem.x):
        notes.append(f"{twice} training samples repeat others: the kernel is singular, which Adv-NTK bears")
    state = begin(problem, settings)
    if request.resume:
        if request.checkpoint.exists():
            state = load_checkpoint(request.checkpoint, problem, settings)
            notes.append(f"resumed at iteration {state.iteration}")
        else:
            notes.append(f"no checkpoint {request.checkpoint} to resume from: begun anew")
    began = last = time.monotonic()

    with progress_display(settings.iterations, "iterations") as show:
        show(state.iteration, settings.iterations, "the kernel of the training samples")
        ntk = gram(problem)

        def seen(new: State) -> None:
            nonlocal last
            row = new.course[-1]
            show(
                new.iteration,
                settings.iterations,
                f"loss {row.loss:.4f}, validation batch {row.clean:.1%} clean, {row.robust:.1%} robust",
            )
            due = time.monotonic() - last >= _SECONDS_BETWEEN_CHECKPOINTS
            if due or new.iteration == settings.iterations:
                save_checkpoint(request.checkpoint, problem, settings, new)
                last = time.monotonic()

        fitted = fit(chosen, problem, settings, ntk, state, seen)
    seconds = time.monotonic() - began
    found: dict[str, Accuracy] = {}
    if len(split.test_labels):
        with progress_display(2 * len(split.test_labels), "test samples") as show:
            total = 2 * len(split.test_labels)
            for number, (name, machine) in enumerate(_machines(fitted, ntk, split.y).items()):
                found[name] = accuracy(
                    machine, split.test_images, split.test_labels, settings,
                    lambda done, each, n=number, who=name: show(n * each + done, total, f"attacking {who}"),
                )  # fmt: skip
    unsure = sum(not row.converged for row in fitted.state.course)
    if unsure:
        notes.append(f"the solver did not stand by its result in {unsure} iterations")
    if fitted.stopped:
        notes.append(f"stopped early, at the last good strengths: {fitted.stopped}")
    about = {
        "preset": request.preset,
        "data": experiment.data,
        "network": experiment.network,
        "experiment": _plain(experiment),
        "implementation": request.implementation,
        "seconds": seconds,
        "seconds_per_iteration": _median([row.seconds for row in fitted.state.course]),
        "accuracy": {name: one._asdict() for name, one in found.items()},
        "notes": notes,
    }
    save_model(request.out, fitted, settings, about)
    if as_json:
        course = [row._asdict() for row in fitted.state.course]
        return json.dumps(
            {**about, "model": str(request.out), "course": course}, ensure_ascii=False, indent=2
        )
    return _text(experiment, fitted, about, request.out)


def _machines(fitted: Fitted, ntk: Any, y: Any) -> dict[str, Any]:
    """Adv-NTK beside NTK regression on the same samples."""
    from implementations.adv_ntk.experiment import regression

    return {
        "Adv-NTK": fitted.machine,
        "NTK regression": fitted.machine._replace(weights=regression(ntk, y)),
    }


def _experiment(request: Request) -> Experiment:
    """The preset or the defaults, changed as asked."""
    from implementations.adv_ntk.presets import preset

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
        f"{experiment.network} on {experiment.data}: {experiment.training} + {experiment.validation} samples, "
        f"radius {settings.radius:g}, {fitted.state.iteration} iterations in {about['seconds']:.0f} s"
    ]
    if about["accuracy"]:
        lines.append(f"{'test accuracy':<16}{'clean':>8}{'robust':>9}")
        lines += [
            f"{name:<16}{one['clean']:>8.1%}{one['robust']:>9.1%}" for name, one in about["accuracy"].items()
        ]
    return "\n".join([*lines, *(f"note: {note}" for note in about["notes"]), f"model: {out}"])


def _plain(experiment: Experiment) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(experiment)


def _median(values: list[float]) -> float:
    import statistics

    return statistics.median(values) if values else math.nan


def _memory(request: Request) -> int:
    from checks.planning import physical_memory

    return int(request.memory_gib * 2**30) if request.memory_gib else physical_memory() // 2


def _cache() -> Path:
    from advntk.checking import cache_folder

    return cache_folder() / "programs"
