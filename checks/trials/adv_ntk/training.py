r"""Trials of what Adv-NTK's training leads to: the limit of AT, exact resumption, robustness."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.median import MedianDecider
from advntk.checks.efforts import EXACT, SPLITS
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between
from advntk.checks.trial import Observation
from advntk.checks.trials.adv_ntk.problems import (
    HIGH,
    KERNELS,
    LOW,
    MACHINES,
    PROMISED,
    WeightsProblem,
    implementation_of,
    norm,
    rounding,
    samples_of,
)
from advntk.checks.trials.adv_ntk.space import ADV_NTK
from advntk.checks.trials.shared.building import build, network_trial
from advntk.checks.trials.shared.linear_systems import Setting, setting
from advntk.checks.trials.shared.space import PUBLISHED_DIGITS
from advntk.checks.trials.shared.white_box import Reach, robust_classes
from advntk.implementations.adv_ntk.contract import KernelPredictor
from advntk.implementations.adv_ntk.files import load_checkpoint, save_checkpoint
from advntk.implementations.adv_ntk.problem import Problem, problem
from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.adv_ntk.training import Fitted, fit, gram
from advntk.implementations.dynamics.closed_form import closed_form
from advntk.implementations.dynamics.linearized import integrate_seeds, outputs
from advntk.implementations.dynamics.regularization import xi_blocks, xi_diagonal
from advntk.implementations.dynamics.schedules import SHAPES, Schedule
from advntk.implementations.experiments.adv_ntk import Attacked, attacked, regressed
from advntk.implementations.experiments.robust_overfitting import Split, split
from advntk.implementations.kernels.ntk import kernel_of

UNSEEN = 6
INTEGRATION = 1e-11  # tolerance of one step of the flow, relative to the initial residual
RADIUS = 0.15
POINTS = 0.02  # what counts as a difference in accuracy
VALIDATION, TEST = 60, 200  # the test images fit into one chunk of the attack
SHOWN = 4  # images per split that the evidence keeps
# Two optimizers with a memory; batches of two passes over the validation samples.
BROKEN_OFF, ITERATIONS = 2, 4
_FEW = Settings(RADIUS, attack_steps=3, iterations=ITERATIONS, batch=3, low=LOW, high=HIGH)
TRAININGS = (
    replace(_FEW, momentum=0.9, decay_every=3),
    replace(_FEW, optimizer="adam", shape="per_sample_and_class"),
)
# Regularization alone makes a predictor more robust.  So that the gain is that of adversarial training, on
# noisy labels where these are claimed, as an attack on these very predictors finds it, all are measured.
_GAIN = [
    MedianDecider("gain", POINTS, "above"),
    MedianDecider("weaker_than_white_box", POINTS, "below"),
    MedianDecider("fooled_in_training", POINTS, "above"),
    MedianDecider("label_noise_off", POINTS, "below"),
]


@network_trial(
    decides={
        "adv_ntk.limit_of_at": [
            BoundDecider("closed_form_error", "closed_form_allowed", "at most"),
            BoundDecider("flow_error", "flow_allowed", "at most"),
        ]
    },
    space=ADV_NTK.over(
        strength=Between(0.0, 1.5),
        spread=(0.0, 0.5, 0.9),
        schedule=SHAPES,
        training_time=(0.5, 2.0, 8.0),
        samples=(4,),
        outputs=(2,),
        **KERNELS,
    ),
    effort=EXACT,
    random=False,
)
def mean_of_adversarial_training(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Outputs at unseen points with varpi = Xi(t) against the closed form with f_0 = 0 and the flow.

    The flow knows nothing of any closed form, and has one only where Theta E(t) commutes in time: it is that
    of the same kernel with a scalar E(t), every ARK entry the mean, strengths shared.  A step of it errs by
    the tolerance relative to the initial residual, in the integral that the outputs are made of; four times
    that is allowed, as elsewhere.
    """
    implementation, m, eye = implementation_of(scenario), scenario.samples, jnp.eye(scenario.outputs)
    given = setting(scenario, UNSEEN)
    start, ntk = -given.points.y[:m], given.limits.ntk[:, None, :m, None] * eye[None, :, None, :]
    cross = given.limits.ntk[m:, :m]
    reach = float(np.linalg.norm(np.asarray(cross), 2))

    limit = _search_limit(given, m)
    weights, within = _learnt(implementation, given, limit)
    wanted = closed_form(ntk[:m], xi_blocks(limit.blocks(eye), limit.schedule, given.end), start).weights
    off = norm(cross @ (weights + np.asarray(wanted)))

    limit = _scalar(limit)
    scalar, scalar_within = _learnt(implementation, given, limit)
    times = given.end * jnp.array([0.5, 1.0])
    flow = integrate_seeds(
        ntk[None, :m], limit.blocks(eye)[None], start[None], limit.schedule, times, INTEGRATION
    )
    ended = outputs(jnp.zeros((UNSEEN, len(eye))), ntk[m:], flow.integrals[0, -1])
    growth = float(jnp.exp((limit.ark * limit.schedule.scale).max()))
    steps = 4 * float(flow.steps[0]) * INTEGRATION * norm(start) * growth * float(given.end)
    apart = np.nan if int(flow.result[0]) else norm(cross @ scalar - ended)
    return {
        "closed_form_error": np.array([off]),
        "closed_form_allowed": np.array([reach * within]),
        "flow_error": np.array([apart]),
        "flow_allowed": np.array([reach * (scalar_within + steps)]),
    }


@network_trial(
    decides={"adv_ntk.resume": [BoundDecider("differing", "none", "at most")]},
    space=ADV_NTK.over(data_seed=(0, 1), **{**MACHINES, "activation": ("relu",)}),
    effort=EXACT,
    random=False,
)
def interrupted_training(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """How many numbers differ between training and training that was broken off, kept and gone on with.

    Strengths, weights and history, seconds aside; bit by bit, so none is allowed.  Training that ended early
    says nothing.
    """
    differing = 0.0
    for settings in TRAININGS:
        samples = _small(scenario)
        whole = fit(implementation_of(scenario), samples, settings)
        resumed = _broken_off(scenario, samples, settings)
        pairs = zip(_kept(whole), _kept(resumed), strict=True)
        differing += np.nan if whole.stopped else sum(_differing(one, other) for one, other in pairs)
    return {"differing": np.array([differing]), "none": np.zeros(1, int)}


@network_trial(
    decides={
        "adv_ntk.robustness_gain": _GAIN,
        "adv_ntk.robustness_gain_clean_labels": _GAIN,
    },
    space=ADV_NTK.over(
        **PUBLISHED_DIGITS,
        label_noise=(0.1, 0.0),
        samples=(200,),
    ),
    effort=SPLITS,
)
def gain_of_training(scenario: Scenario, keys: Array) -> Observation:
    """Robust and clean test accuracy of Adv-NTK and of NTK regression, one split of the digits per key.

    Both are attacked by our own PGD, from the same random starts, whatever trained the one.
    """
    implementation = implementation_of(scenario)
    kernel = kernel_of(build(scenario.replace(samples=2)).arch)
    found = []
    for key in keys:
        seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
        drawn = split(seed, scenario.samples, VALIDATION, TEST, scenario.label_noise)
        settings = Settings(
            RADIUS, learning_rate=0.1, iterations=50, batch=128, low=LOW, high=HIGH, seed=seed
        )
        samples = problem(
            kernel,
            drawn.x,
            drawn.y,
            drawn.validation_x,
            drawn.validation_labels,
            LOW,
            HIGH,
            implementation.dtype,
        )
        ntk = gram(samples)
        fitted = fit(implementation, samples, settings, ntk)
        # In double precision: a kernel that is solved with is judged by the precision it was computed in.
        without, _ = regressed(fitted.predictor, drawn.y, ntk if ntk.dtype == "float64" else None)
        predictors = (fitted.predictor, without)
        ours, theirs = (next(attacked(of, drawn.test_x, drawn.test_labels, settings)) for of in predictors)
        answers = [bool(jnp.isfinite(of.weights).all()) for of in predictors]
        # The same digits with their own labels.
        true = split(seed, scenario.samples, VALIDATION, TEST, 0.0).y.argmax(1)
        accuracies = _accuracies(ours, theirs, drawn.test_labels, answers)
        accuracies |= _subject(scenario, fitted, true != drawn.y.argmax(1))
        accuracies["weaker_than_white_box"] = np.array(
            max(
                accuracies[name] - _white_box(scenario, predictor, drawn, settings)
                for name, predictor in zip(("robust", "robust_regression"), predictors, strict=True)
            )
        )
        figures = {
            "gain": accuracies,
            "learning": _learning(fitted, settings.iterations, true != drawn.y.argmax(1)),
            "images": _shown(ours, theirs, drawn.test_labels),
        }
        found.append((accuracies, figures))
    values, figures = jax.tree.map(lambda *splits: np.stack(splits), *found)
    return Observation(values, figures)


def _accuracies(
    ours: Attacked, theirs: Attacked, labels: np.ndarray, answers: list[bool]
) -> dict[str, np.ndarray]:
    """Shares of samples classified rightly; NaN of a machine that gives no answers, and so of the gain."""
    shares = {
        "robust": (ours.classes_moved, answers[0]), "robust_regression": (theirs.classes_moved, answers[1]),
        "clean": (ours.classes, answers[0]), "clean_regression": (theirs.classes, answers[1]),
    }  # fmt: skip
    found = {
        name: (classes == labels).mean() if known else np.array(np.nan)
        for name, (classes, known) in shares.items()
    }
    return {"gain": found["robust"] - found["robust_regression"], **found}


def _subject(scenario: Scenario, fitted: Fitted, wrong: np.ndarray) -> dict[str, np.ndarray]:
    """What training is about: it sees images that fool the predictor, and as many wrong labels as is said."""
    rows = fitted.state.history
    fooled = rows[-1].clean - rows[-1].robust if rows else np.nan
    return {
        "fooled_in_training": np.array(fooled),
        "label_noise_off": np.array(abs(wrong.mean() - scenario.label_noise)),
    }


def _white_box(scenario: Scenario, predictor: KernelPredictor, drawn: Split, settings: Settings) -> float:
    """Robust accuracy on the test images under an attack by automatic differentiation."""
    weights = np.asarray(predictor.weights, np.float64)
    if not np.isfinite(weights).all():
        return float("nan")
    arch, reach = (
        build(scenario.replace(samples=2)).arch,
        Reach(RADIUS, settings.attack_steps, LOW, HIGH),
    )
    key = jax.random.key(settings.seed)
    found = robust_classes(arch, drawn.x, weights, drawn.test_x, drawn.test_labels, reach, key)
    return float((found == drawn.test_labels).mean())


def _learning(fitted: Fitted, iterations: int, wrong: np.ndarray) -> dict[str, np.ndarray]:
    """For the eye: the history of training, NaN after an early end, varpi, and which labels are wrong."""
    history = np.full((3, iterations), np.nan)
    rows = fitted.state.history[:iterations]
    history[:, : len(rows)] = np.array([(row.loss, row.clean, row.robust) for row in rows]).reshape(-1, 3).T
    names = ("loss", "clean", "robust")
    varpi = np.asarray(fitted.state.strengths, np.float64)
    return {
        **dict(zip(names, np.round(history, 4), strict=True)),
        "varpi": np.round(varpi if varpi.ndim == 1 else varpi.mean(1), 4),
        "wrong_label": wrong.astype(int),
    }


def _shown(ours: Attacked, theirs: Attacked, labels: np.ndarray) -> dict[str, np.ndarray]:
    """For the eye: the first test images that both classify rightly until they are attacked."""
    right = (ours.classes == labels) & (theirs.classes == labels)
    chosen = np.argsort(~right, kind="stable")[:SHOWN]
    return {
        "label": labels[chosen],
        "clean": np.round(ours.x[chosen], 3),
        "moved": np.round(ours.moved[chosen], 3),
        "class": ours.classes_moved[chosen],
        "moved_regression": np.round(theirs.moved[chosen], 3),
        "class_regression": theirs.classes_moved[chosen],
    }


class _SearchLimit(NamedTuple):
    """What the search does to the samples in the limit: diagonal of their ARK, and their strengths."""

    ark: Float[Array, " m"]
    schedule: Schedule

    def blocks(self, eye: Float[Array, "c c"]) -> Float[Array, "m c c"]:
        """The ARK's diagonal blocks."""
        return self.ark[:, None, None] * eye[None]


def _search_limit(given: Setting, m: int) -> _SearchLimit:
    return _SearchLimit(jnp.diagonal(given.limits.ark)[:m], given.points.schedule.take(m))


def _scalar(limit: _SearchLimit) -> _SearchLimit:
    """The same for all samples: the means."""
    ark, schedule = limit
    scale, rate = (jnp.full_like(values, values.mean()) for values in (schedule.scale, schedule.rate))
    return _SearchLimit(jnp.full_like(ark, ark.mean()), replace(schedule, scale=scale, rate=rate))


def _learnt(
    implementation: Any, given: Setting, limit: _SearchLimit
) -> tuple[Float[np.ndarray, "m c"], float]:
    """The implementation's weights for varpi = Xi at the end, and what they may be off by.

    That is the promise and rounding; rounding of the arguments is on top: that of Theta and Xi acts as one
    of S does.
    """
    m = len(limit.ark)
    xi = xi_diagonal(limit.ark[:, None], limit.schedule, given.end)[:, 0]
    y = given.points.y[:m]
    problem = WeightsProblem(
        *(jnp.asarray(a, implementation.dtype) for a in (given.limits.ntk[:m, :m], xi, y, y))
    )
    weights = np.asarray(implementation.solve(problem.ntk, problem.strengths, problem.y).value, np.float64)
    return weights, (PROMISED + 2 * rounding(problem, implementation.dtype)) * norm(weights)


def _small(scenario: Scenario) -> Problem:
    """A few samples of the scenario to train on."""
    implementation = implementation_of(scenario)
    parts = samples_of(scenario, UNSEEN, implementation.dtype)
    x, y, there, targets = (np.asarray(a) for a in (parts.x, parts.y, parts.unseen, parts.targets))
    return problem(parts.kernel, x, y, there, np.argmax(targets, axis=1), LOW, HIGH, implementation.dtype)


def _broken_off(scenario: Scenario, samples: Problem, settings: Settings) -> Fitted:
    """Trained half way, kept, read again by what knows nothing of the first half, and trained to the end."""
    half = replace(settings, iterations=BROKEN_OFF)
    with tempfile.TemporaryDirectory(prefix="advntk-") as folder:
        path = Path(folder) / "kept.npz"
        save_checkpoint(path, samples, half, fit(implementation_of(scenario), samples, half).state)
        state = load_checkpoint(path, samples, settings)
    return fit(implementation_of(scenario), samples, settings, state=state)


def _kept(fitted: Fitted) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strengths, weights and the history without its seconds."""
    history = np.array([row[:-1] for row in fitted.state.history], np.float64)
    return np.asarray(fitted.state.strengths), np.asarray(fitted.predictor.weights), history


def _differing(one: np.ndarray, other: np.ndarray) -> int:
    """Entries that are not the same bits; all of them where shapes or dtypes differ."""
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return max(one.size, other.size)
    return int((one.view(f"u{one.itemsize}") != other.view(f"u{other.itemsize}")).sum())
