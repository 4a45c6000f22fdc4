r"""Trials of what Adv-NTK's training leads to: the limit of AT, exact resumption, robustness."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from checks.axes import Axes, Axis, Between
from checks.check import Premise, check
from checks.deciders.bound import BoundDecider
from checks.deciders.median import MedianDecider
from checks.machines import (
    HIGH,
    IMPLEMENTATION,
    KERNELS,
    LOW,
    MACHINES,
    PROMISED,
    Question,
    chosen,
    norm,
    rounding,
    scene,
)
from checks.realise import realise
from checks.scenario import Scenario
from checks.systems import Setting, setting
from implementations.adv_ntk.experiment import accuracy, regression
from implementations.adv_ntk.files import load_checkpoint, save_checkpoint
from implementations.adv_ntk.problem import Problem, problem
from implementations.adv_ntk.settings import Settings
from implementations.adv_ntk.training import Fitted, fit, gram
from implementations.dynamics.closed_form import closed_form
from implementations.dynamics.linearised import integrate_seeds, outputs
from implementations.dynamics.regularisation import xi_blocks, xi_diagonal
from implementations.dynamics.robust_overfitting import split
from implementations.dynamics.schedules import SHAPES, Schedule
from implementations.kernels.machine import kernel_of
from theorems.vocabulary import NON_SMOOTH

UNSEEN = 6
INTEGRATION = 1e-11  # tolerance of one step of the flow, relative to the initial residual
RADIUS = 0.15
POINTS = 0.02  # what counts as a difference in accuracy
VALIDATION, TEST = 60, 200
# Two optimisers with a memory; batches of two passes over the validation samples.
BROKEN_OFF, ITERATIONS = 2, 4
_FEW = Settings(RADIUS, attack_steps=3, iterations=ITERATIONS, batch=3, low=LOW, high=HIGH)
TRAININGS = (
    replace(_FEW, momentum=0.9, decay_every=3),
    replace(_FEW, optimizer="adam", shape="per_sample_and_class"),
)
_COURSE: dict[str, Axis] = {
    "strength": Between(0.0, 1.5),
    "schedule": SHAPES,
    "training_time": (0.5, 2.0, 8.0),
    "samples": (4,),
    "outputs": (2,),
}


@check(
    decides={"adv_ntk.limit_of_at": [BoundDecider("closed_form_error", "closed_form_allowed", "at most")]},
    axes=Axes(spread=(0.0, 0.5, 0.9), **_COURSE, **KERNELS, **IMPLEMENTATION),
    effort="exact",
    random=False,
)
def mean_of_adversarial_training(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Outputs at unseen points with varpi = Xi(t), against the closed form's with f_0 = 0."""
    given = setting(scenario, UNSEEN)
    m, eye = scenario.samples, jnp.eye(scenario.outputs)
    found, allowed = _with_learnt_strengths(scenario)
    ark = jnp.diagonal(given.limits.ark)[:m, None, None] * eye[None]
    blocks = xi_blocks(ark, _schedule(given, m), given.end)
    ntk = given.limits.ntk[:m, None, :m, None] * eye[None, :, None, :]
    weights = closed_form(ntk, blocks, -given.points.y[:m]).weights
    wanted = -np.asarray(given.limits.ntk[m:, :m] @ weights)
    return {"closed_form_error": np.array([norm(found - wanted)]), "closed_form_allowed": np.array([allowed])}


@check(
    decides={"adv_ntk.limit_of_at": [BoundDecider("flow_error", "flow_allowed", "at most")]},
    axes=Axes(
        # The slopes of these have one mean square at all inputs: E(t) is scalar, and Theta E(t) commutes.
        **{**_COURSE, **KERNELS, **IMPLEMENTATION, "activation": NON_SMOOTH},
        spread=(0.0,),
    ),
    effort="exact",
    random=False,
    premises=(
        Premise("change_of_growth", 1e-9, "how much the ratios of the samples' growths change in time"),
    ),
)
def end_of_commuting_flows(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """The same against the integrated flow of one shared eta(t), which knows nothing of any closed form.

    A step errs by the tolerance relative to the initial residual, in the integral that the outputs are
    made of; four times that is allowed, as elsewhere.
    """
    given = setting(scenario, UNSEEN)
    m, c = scenario.samples, scenario.outputs
    eye = jnp.eye(c)
    ntk = given.limits.ntk[:, None, :m, None] * eye[None, :, None, :]
    ark = jnp.diagonal(given.limits.ark)[:m, None, None] * eye[None]
    schedule = _schedule(given, m)
    start = -given.points.y[:m]
    flow = integrate_seeds(
        ntk[None, :m], ark[None], start[None], schedule, given.end * jnp.array([0.5, 1.0]), INTEGRATION
    )
    ended = outputs(jnp.zeros((UNSEEN, c)), ntk[m:], flow.integrals[0, -1])
    found, bound = _with_learnt_strengths(scenario)
    reach = np.linalg.norm(np.asarray(given.limits.ntk[m:, :m]), 2)
    growth = float(jnp.exp((jnp.diagonal(given.limits.ark)[:m] * schedule.scale).max()))
    steps = 4 * float(flow.steps[0]) * INTEGRATION * norm(start) * growth * float(given.end)
    error = np.nan if bool(flow.gave_up[0]) else norm(found - np.asarray(ended))
    return {
        "flow_error": np.array([error]),
        "flow_allowed": np.array([bound + reach * steps]),
        "change_of_growth": np.array([_change_of_growth(given, m)]),
    }


@check(
    decides={"adv_ntk.resume": [BoundDecider("differing", "none", "at most")]},
    axes=Axes(data_seed=(0, 1), **{**MACHINES, **IMPLEMENTATION, "activation": ("relu",)}),
    effort="exact",
    random=False,
)
def interrupted_training(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """How many numbers differ between training and training that was broken off, kept and gone on with.

    Strengths, weights and course, seconds aside; bit by bit, so none is allowed.  Training that ended early
    says nothing.
    """
    differing = 0.0
    for settings in TRAININGS:
        samples = _small(scenario)
        whole = fit(chosen(scenario), samples, settings)
        resumed = _broken_off(scenario, samples, settings)
        pairs = zip(_kept(whole), _kept(resumed), strict=True)
        differing += np.nan if whole.stopped else sum(_differing(one, other) for one, other in pairs)
    return {"differing": np.array([differing]), "none": np.zeros(1)}


@check(
    decides={
        "adv_ntk.robustness_gain": [MedianDecider("gain", POINTS, "above")],
        "adv_ntk.robustness_gain_clean_labels": [MedianDecider("gain", POINTS, "above")],
    },
    axes=Axes(
        data=("digits",),
        label_noise=(0.1, 0.0),
        depth=(5,),
        activation=("relu",),
        sigma_w=(1.76,),
        sigma_b=(0.18,),
        input_growth=("fixed",),
        input_width=(64,),
        samples=(200,),
        outputs=(10,),
        **IMPLEMENTATION,
    ),
    effort="splits",
)
def gain_of_training(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Robust and clean test accuracy of Adv-NTK and of NTK regression, one split of the digits per key.

    Both are attacked by our own PGD, from the same random starts, whatever trained the one.
    """
    asked, kernel = chosen(scenario), kernel_of(realise(replace(scenario, samples=2)).arch)
    found = []
    for key in keys:
        seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
        drawn = split(seed, scenario.samples, VALIDATION, TEST, scenario.label_noise)
        settings = Settings(
            RADIUS, learning_rate=0.1, iterations=50, batch=128, low=LOW, high=HIGH, seed=seed
        )
        samples = problem(
            kernel, drawn.x, drawn.y, drawn.validation_x, drawn.validation_labels, LOW, HIGH, asked.dtype
        )
        ntk = gram(samples)
        machine = fit(asked, samples, settings, ntk).machine
        without = machine._replace(weights=regression(ntk, drawn.y))
        found.append([accuracy(of, drawn.test_x, drawn.test_labels, settings) for of in (machine, without)])
    return {
        "gain": np.array([ours.robust - theirs.robust for ours, theirs in found]),
        "robust": np.array([ours.robust for ours, _ in found]),
        "robust_regression": np.array([theirs.robust for _, theirs in found]),
        "clean": np.array([ours.clean for ours, _ in found]),
        "clean_regression": np.array([theirs.clean for _, theirs in found]),
    }


def _xi(scenario: Scenario) -> Float[Array, " m"]:
    """Diagonal of Xi at the end of training, in the infinite-width limit."""
    given, m = setting(scenario, UNSEEN), scenario.samples
    return xi_diagonal(jnp.diagonal(given.limits.ark)[:m, None], _schedule(given, m), given.end)[:, 0]


def _change_of_growth(given: Setting, m: int) -> float:
    """By how much E_i(t)/E_1(t) changes up to the end: where it does, Theta E(t) does not commute in time."""
    times = given.end * jnp.linspace(0.0, 1.0, 9)
    exponents = jnp.diagonal(given.limits.ark)[None, :m] * jax.vmap(_schedule(given, m).strengths)(times)
    ratios = np.exp(np.asarray(exponents - exponents[:, :1]))
    return float(np.abs(ratios - ratios[:1]).max())


def _schedule(given: Setting, m: int) -> Schedule:
    return jax.tree.map(lambda leaf: leaf[:m] if leaf.ndim else leaf, given.points.schedule)


def _with_learnt_strengths(scenario: Scenario) -> tuple[Float[np.ndarray, "k c"], float]:
    """Outputs at unseen points for varpi = Xi, and what they may be off by.

    That is the promise and rounding of the weights, times the norm of Theta(x, X).
    """
    asked, given, m = chosen(scenario), setting(scenario, UNSEEN), scenario.samples
    y, ntk = given.points.y[:m], given.limits.ntk
    ask = Question(*(jnp.asarray(a, asked.dtype) for a in (ntk[:m, :m], _xi(scenario), y, y)))
    weights = np.asarray(asked.weights(ask.ntk, ask.strengths, ask.y).value, np.float64)
    cross = np.asarray(ntk[m:, :m])
    # Rounding of the arguments themselves is on top: that of Theta and Xi acts as one of S does.
    within = PROMISED + 2 * rounding(ask, asked.dtype)
    return cross @ weights, within * float(np.linalg.norm(cross, 2)) * norm(weights)


def _small(scenario: Scenario) -> Problem:
    """A few samples of the scenario to train on."""
    asked = chosen(scenario)
    parts = scene(scenario, UNSEEN, asked.dtype)
    x, y, there, targets = (np.asarray(a) for a in (parts.x, parts.y, parts.unseen, parts.targets))
    return problem(parts.kernel, x, y, there, np.argmax(targets, axis=1), LOW, HIGH, asked.dtype)


def _broken_off(scenario: Scenario, samples: Problem, settings: Settings) -> Fitted:
    """Trained half way, kept, read again by what knows nothing of the first half, and trained to the end."""
    half = replace(settings, iterations=BROKEN_OFF)
    with tempfile.TemporaryDirectory(prefix="advntk-") as folder:
        path = Path(folder) / "kept.npz"
        save_checkpoint(path, samples, half, fit(chosen(scenario), samples, half).state)
        state = load_checkpoint(path, samples, settings)
    return fit(chosen(scenario), samples, settings, state=state)


def _kept(fitted: Fitted) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strengths, weights and the course without its seconds."""
    course = np.array([row[:-1] for row in fitted.state.course], np.float64)
    return np.asarray(fitted.state.strengths), np.asarray(fitted.machine.weights), course


def _differing(one: np.ndarray, other: np.ndarray) -> int:
    """Entries that are not the same bits; all of them where shapes or dtypes differ."""
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return max(one.size, other.size)
    return int((one.view(f"u{one.itemsize}") != other.view(f"u{other.itemsize}")).sum())
