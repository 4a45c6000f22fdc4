r"""Trials of robust overfitting: accuracy of the infinite-width AT predictor on digits, along training time.

A predictor of plain training overfits in much the same way, so that accuracies alone do not show that there
was a search, nor that the attack was on this predictor.  Both are held against a reference therefore: the
closed form with Theta_theta and Xi(t) = t E computed apart in NumPy, and an attack whose gradients are those
of automatic differentiation, on the outputs of that reference.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.median import MedianDecider
from advntk.checks.efforts import SPLITS, Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.trial import Observation
from advntk.checks.trials.shared.building import build, network_trial
from advntk.checks.trials.shared.plain_kernels import Limit, mlp_matrix
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING, PUBLISHED_DIGITS
from advntk.checks.trials.shared.white_box import Reach, robust_classes
from advntk.implementations.experiments.robust_overfitting import (
    HIGH,
    LOW,
    LearningCurve,
    LearningCurves,
    Split,
    peak,
    robust_overfitting,
    split,
)
from advntk.implementations.kernels.infinite import ark_product
from advntk.implementations.networks.architecture import Architecture

# Times of the predictor's curve, in units of 1 / mean Theta(x_i, x_i): from first learning to convergence.
TIMES = np.geomspace(1e-3, 1e2, 9)
VALIDATION, TEST = 150, 250
RADIUS, STEPS = 0.15, 10
POINTS = 0.02  # what counts as a difference in accuracy
# Rounding is a millionth of this: eps times the condition of Theta, some 1e3.
COURSE = 1e-7
# Single precision turns the sign of some gradients: a test image in a hundred may change sides.
ATTACK = 0.01
# What the search is claimed to change along the way: a twentieth of the limit's size.
CHANGE = 0.05
_OVERFITTING = [
    MedianDecider("rise", POINTS, "above"),
    MedianDecider("fall", POINTS, "above"),
    MedianDecider("distance_at_last", POINTS, "below"),
    MedianDecider("clean_fall", POINTS, "below"),
    MedianDecider("off_closed_form", COURSE, "below"),
    MedianDecider("weaker_than_white_box", ATTACK, "below"),
]
_DIGITS = ADVERSARIAL_TRAINING.over(
    **PUBLISHED_DIGITS,
    label_noise=(0.1, 0.0),
    samples=(300,),
    schedule=("constant",),
    strength=(0.5,),
    spread=(0.5,),
)


class _Course(NamedTuple):
    """The weights p_t of the reference at all times, and the weights of its limit."""

    weights: Float[np.ndarray, "t m c"]
    limit: Float[np.ndarray, "m c"]


@network_trial(
    decides={
        "xi_fading.robust_overfitting": _OVERFITTING,
        "xi_fading.robust_overfitting_clean_labels": _OVERFITTING,
    },
    space=_DIGITS,
    effort=SPLITS,
)
def robustness_along_time(scenario: Scenario, keys: Array) -> Observation:
    """Clean and robust test accuracy along time, one split of the digits per key."""
    found = []
    for key in keys:
        drawn = _drawn(scenario, key)
        curves = _curves(scenario, drawn, key)
        found.append((curves, *_against_reference(scenario, drawn, curves, key)))
    return _overfitting(found)


@network_trial(
    decides={
        "xi_fading.search_course": [MedianDecider("change", CHANGE, "above")],
        "xi_fading.search_effect": [MedianDecider("gain", POINTS, "above")],
    },
    space=_DIGITS.over(label_noise=(0.1,)),
    effort=SPLITS,
)
def with_and_without_search(scenario: Scenario, keys: Array) -> Observation:
    """By how much the search changes the course towards the limit, and the best robust accuracy; paired."""
    changes, gains, at_best = [], [], []
    for key in keys:
        drawn = _drawn(scenario, key)
        searched, plain = (_curves(scenario, drawn, key, share) for share in (1.0, 0.0))
        best, without = peak(searched), peak(plain)
        changes.append(np.abs(searched.test.distance - plain.test.distance).max())
        gains.append(best.robust - without.robust)
        at_best.append(TIMES[without.chosen] / TIMES[best.chosen])
    values = {"change": np.array(changes), "gain": np.array(gains), "times_apart": np.array(at_best)}
    return Observation(values)


@network_trial(
    decides={"xi_fading.stopping_time": [BoundDecider("moved_by_test", "none", "at most")]},
    space=_DIGITS.over(label_noise=(0.1,), data_seed=tuple(range(8))),
    effort=Effort(quick=Measure(1, 1), standard=Measure(4, 1), thorough=Measure(8, 1)),
    random=False,
)
def stopping_with_other_test_images(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """How many numbers that stopping goes by change with the test set; and wrong stops on made-up curves."""
    key = jax.random.key(scenario.data_seed)
    drawn = _drawn(scenario, key)
    # Labels that fit nothing, on images turned upside down.
    other = drawn._replace(test_x=drawn.test_x[:, ::-1].copy(), test_labels=(drawn.test_labels + 1) % 10)
    one, two = (_curves(scenario, sets, key) for sets in (drawn, other))
    moved = sum(int((a != b).sum()) for a, b in zip(one.validation, two.validation, strict=True))
    moved += peak(one).chosen != peak(two).chosen
    # Unless the test curves differ nothing was replaced.
    moved += int((one.test.clean == two.test.clean).all())
    for curves in (one, two, _made_up()):
        seen, robust = (np.asarray(one.robust).tolist() for one in (curves.validation, curves.test))
        first = seen.index(max(seen))
        by_hand = (first, robust[first], robust[first] - robust[0], robust[first] - robust[-1])
        moved += sum(a != b for a, b in zip(peak(curves), by_hand, strict=True))
    return {"moved_by_test": np.array([moved]), "none": np.zeros(1, np.int64)}


def _made_up() -> LearningCurves:
    """Validation is best at its second and third time, test at its fourth."""

    def curve(*robust: float) -> LearningCurve:
        values = jnp.array(robust)
        return LearningCurve(values, values, values, values[-1], values[-1])

    return LearningCurves(curve(0.25, 0.75, 0.75, 0.5), curve(0.25, 0.5, 0.625, 0.875))


def _drawn(scenario: Scenario, key: Array) -> Split:
    chosen = int(jax.random.randint(key, (), 0, 2**31 - 1))
    return split(chosen, scenario.samples, VALIDATION, TEST, scenario.label_noise)


def _curves(scenario: Scenario, drawn: Split, key: Array, share: float = 1.0) -> LearningCurves:
    """The program's curves with strengths in units of the ARK, of which `share` is used."""
    arch = _arch(scenario)
    ark = float(ark_product(arch, jnp.ones((1, scenario.input_width)))[0, 0])
    strengths = jnp.asarray(share * scenario.strength / ark * _differ(scenario))
    return jax.device_get(robust_overfitting(arch, drawn, TIMES, strengths, key, RADIUS, STEPS))


def _arch(scenario: Scenario) -> Architecture:
    return build(scenario.replace(samples=2)).arch


def _differ(scenario: Scenario) -> Float[np.ndarray, " m"]:
    return np.linspace(1 - scenario.spread, 1 + scenario.spread, scenario.samples)


def _against_reference(
    scenario: Scenario, drawn: Split, curves: LearningCurves, key: Array
) -> tuple[float, float]:
    """Largest distance between the courses; by how much the attack is weaker than one on the reference.

    The search grows a residual by exp(eta_i S Theta_x(x_i, x_i)), and strengths are in units of the ARK.
    """
    limit = Limit("mlp", scenario.depth, scenario.activation, scenario.sigma_w, scenario.sigma_b)
    course = _course(
        mlp_matrix(limit, drawn.x, drawn.x), np.exp(scenario.strength * _differ(scenario)), drawn.y
    )
    across = mlp_matrix(limit, drawn.test_x, drawn.x)
    end = across @ course.limit
    distance = np.linalg.norm(across @ course.weights - end, axis=(1, 2)) / np.linalg.norm(end)
    # Validation images too, so that starts are those of the program under test.
    there = np.concatenate([drawn.validation_x, drawn.test_x])
    labels = np.concatenate([drawn.validation_labels, drawn.test_labels])
    reach, gaps = Reach(RADIUS, STEPS, LOW, HIGH), []
    for place in (peak(curves).chosen, len(TIMES) - 1):
        found = robust_classes(_arch(scenario), drawn.x, course.weights[place], there, labels, reach, key)
        right = (found == labels)[len(drawn.validation_labels) :]
        gaps.append(float(curves.test.robust[place] - right.mean()))
    return float(np.abs(distance - curves.test.distance).max()), max(gaps)


def _course(ntk: np.ndarray, growth: np.ndarray, y: np.ndarray) -> _Course:
    """p_t = Theta^{-1} (I - exp(-Theta E t)) y by way of the roots of Theta, of Theta^{1/2} E Theta^{1/2}."""
    values, vectors = np.linalg.eigh(ntk)
    root, inverse = ((vectors * values**power) @ vectors.T for power in (0.5, -0.5))
    rates, turned = np.linalg.eigh((root * growth) @ root)
    inside = turned.T @ inverse @ y
    times = TIMES / np.diag(ntk).mean()
    passed = [inverse @ turned @ (-np.expm1(-rates * time)[:, None] * inside) for time in times]
    return _Course(np.array(passed), np.linalg.solve(ntk, y))


def _overfitting(found: list[tuple[LearningCurves, float, float]]) -> Observation:
    """What the claim is about, per split: the stopping time is chosen on validation images only."""
    peaks = [peak(curve) for curve, _, _ in found]
    test = [curve.test for curve, _, _ in found]
    last = [p.robust - p.drop for p in peaks]
    values = {
        "rise": np.array([p.rise for p in peaks]),
        "fall": np.array([p.drop for p in peaks]),
        "distance_at_last": np.array([abs(r - t.robust_without_at) for r, t in zip(last, test, strict=True)]),
        "clean_fall": np.array([t.clean[p.chosen] - t.clean[-1] for p, t in zip(peaks, test, strict=True)]),
        "off_closed_form": np.array([off for _, off, _ in found]),
        "weaker_than_white_box": np.array([gap for _, _, gap in found]),
        "best_time": np.array([TIMES[p.chosen] for p in peaks]),
        "robust_without_search": np.array([t.robust_without_at for t in test]),
        "clean_without_search": np.array([t.clean_without_at for t in test]),
    }
    drawn = {name: values[name] for name in ("best_time", "robust_without_search", "clean_without_search")}
    drawn |= {
        "time": np.stack([TIMES for _ in test]),
        "robust": np.stack([t.robust for t in test]),
        "clean": np.stack([t.clean for t in test]),
    }
    return Observation(values, {"overfitting": drawn})
