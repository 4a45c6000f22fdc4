r"""Trials of Adv-NTK: an implementation against the dense reference, differences, and what must not matter.

Those of training and of what it leads to are in the module `training` beside this one.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.efforts import EXACT
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Choice
from advntk.checks.trials.adv_ntk.problems import (
    HIGH,
    KERNELS,
    LOW,
    MACHINES,
    PROMISED,
    GradientPointCounter,
    WeightsProblem,
    checked,
    differences,
    eps_of,
    gradient_rounding,
    implementation_of,
    limit_kernel,
    norm,
    problem_of,
    rounding,
    samples_of,
    solutions,
    weights_problem,
    worst,
)
from advntk.checks.trials.adv_ntk.space import ADV_NTK
from advntk.checks.trials.shared.building import network_trial
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.implementations.adv_ntk import reference
from advntk.implementations.adv_ntk.settings import Settings

# lambda_max(S): p is linear in varpi at the first, has left it at the second, converged at the last.
SIZES = (1e-8, 1.0, 1e3, 1e6)
# Differences are taken at one of these, and at varpi = 0.
STEEP = (1.0, 30.0, 1e3)
UNSEEN = 6
RADIUS, STEPS = 0.1, 5

_UNANSWERED = BoundDecider("unanswered", "none", "at most")
_SINGULAR: Choice = ("generic", "nearly_duplicate", "duplicate")


@network_trial(
    decides={
        "adv_ntk.solver": [BoundDecider("weights_error", "weights_allowed", "at most"), _UNANSWERED],
    },
    space=ADV_NTK.over(arrangement=_SINGULAR, samples=(24,), outputs=(3,), **KERNELS),
    effort=EXACT,
    random=False,
)
def weights_against_reference(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Weights at all `SIZES`, per sample and per class; errors relative to the norm of the reference's.

    Allowed are the promise and sqrt(m) eps min(cond(Theta), lambda_max(S)), in the eps of the dtype that
    the implementation declares (`machines.rounding`); the reference gets what the implementation sees.
    """
    implementation, ntk = implementation_of(scenario), limit_kernel(scenario)
    errors, allowed, unanswered = [], [], 0
    for per_class in (False, True):
        for size in SIZES:
            problem = weights_problem(scenario, ntk, size, per_class, implementation.dtype)
            found, stands = checked(
                implementation.solve(problem.ntk, problem.strengths, problem.y), problem.y.shape
            )
            exact = problem.exactly()
            wanted = np.asarray(reference.weights(exact.ntk, exact.strengths, exact.y))
            unanswered += not stands
            errors.append(norm(found - wanted) / norm(wanted))
            allowed.append(PROMISED + rounding(problem, implementation.dtype))
    error, bound = worst(errors, allowed)
    return {"weights_error": error, "weights_allowed": bound, **_counted(unanswered)}


@network_trial(
    decides={
        "adv_ntk.gradient": [BoundDecider("gradient_error", "gradient_allowed", "at most"), _UNANSWERED],
    },
    space=ADV_NTK.over(arrangement=_SINGULAR, samples=(6,), outputs=(2,), **KERNELS),
    effort=EXACT,
    random=False,
)
def gradient_against_differences(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """The gradient of <G, p> at one of `STEEP` strengths, some of them 0, and at varpi = 0.

    Allowed are the promise, relative to the gradient, rounding (`machines.gradient_rounding`), and the error
    of the differences.
    """
    implementation, ntk = implementation_of(scenario), limit_kernel(scenario)
    errors, allowed, unanswered = [], [], 0
    steep = STEEP[scenario.data_seed % len(STEEP)]
    for per_class in (False, True):
        for zero in (False, True):
            problem = weights_problem(scenario, ntk, steep, per_class, implementation.dtype)
            scale = float(jnp.abs(problem.strengths).max())
            if zero:
                problem = problem._replace(strengths=jnp.zeros_like(problem.strengths))
            found, stands = checked(implementation.vjp(*problem), problem.strengths.shape)
            slopes, gaps = differences(_loss(problem), np.asarray(problem.strengths, np.float64), scale)
            unanswered += not stands
            errors.append(norm(found - slopes))
            allowed.append(
                PROMISED * norm(slopes) + gradient_rounding(problem, implementation.dtype) + norm(gaps)
            )
    error, bound = worst(errors, allowed)
    return {"gradient_error": error, "gradient_allowed": bound, **_counted(unanswered)}


@network_trial(
    decides={
        "adv_ntk.threat_model": [
            BoundDecider("beyond_ball", "rounding", "at most"),
            BoundDecider("beyond_box", "none", "at most"),
            BoundDecider("gradients_missing", "none", "at most"),
        ]
    },
    space=ADV_NTK.over(**MACHINES),
    effort=EXACT,
)
def attack_in_its_threat_model(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """How far the attack goes beyond ball and box, and how many of its steps took no gradient of their own.

    The step is radius/steps, so that hardly any coordinate arrives before the last one and every gradient
    is taken at another point.  x' = x +- rho is rounded twice, at numbers below 1: two eps.
    """
    implementation = implementation_of(scenario)
    parts = samples_of(scenario, UNSEEN, implementation.dtype)
    problem = problem_of(scenario, parts, implementation.dtype)
    counter = GradientPointCounter(parts.kernel)
    predictor = parts.predictor(implementation, problem)._replace(kernel=counter)
    settings = Settings(RADIUS, RADIUS / STEPS, STEPS, low=LOW, high=HIGH)
    clean = np.asarray(parts.unseen, np.float64)
    beyond_ball, beyond_box, missing = [], [], []
    for key in keys:
        counter.count()
        moved = np.asarray(
            implementation.attack(predictor, parts.unseen, parts.targets, settings, key), np.float64
        )
        points = counter.count()
        beyond_ball.append(max(np.abs(moved - clean).max() - RADIUS, 0.0))
        beyond_box.append(max(moved.max() - HIGH, LOW - moved.min(), 0.0))
        # Nothing noted: the gradients come from elsewhere, and nothing is known of them.
        missing.append(max(STEPS - points, 0) if points else np.nan)
    count = len(keys)
    return {
        "beyond_ball": np.array(beyond_ball),
        "rounding": np.full(count, 2 * eps_of(implementation.dtype)),
        "beyond_box": np.array(beyond_box),
        "gradients_missing": np.array(missing),
        "none": np.zeros(count, int),
    }


@network_trial(
    decides={
        "adv_ntk.threat_model_as_published": [
            BoundDecider("beyond_ball", "rounding", "at most"),
            BoundDecider("gradients_missing", "none", "at most"),
        ]
    },
    space=ADVERSARIAL_TRAINING.over(**MACHINES),
    effort=EXACT,
)
def published_attack(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """The same of the published attack, whatever is under test elsewhere."""
    return attack_in_its_threat_model.trial(ADV_NTK.scenario(**scenario, implementation="as_published"), keys)  # type: ignore[return-value]


@network_trial(
    decides={
        "adv_ntk.equivariance": [
            BoundDecider("permuted_weights", "weights_allowed", "at most"),
            BoundDecider("permuted_gradient", "gradient_allowed", "at most"),
            BoundDecider("rotated_predictions", "predictions_allowed", "at most"),
        ]
    },
    space=ADV_NTK.over(data_seed=(0, 1, 2), **MACHINES),
    effort=EXACT,
    random=False,
)
def what_must_not_matter(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Order of samples and classes, and a rotation of the inputs.

    Both sides may err by the promise and rounding.  A rotation changes Theta by d + 16 L roundings of its
    entries (products, then some operations per layer), which the weights take up as they do rounding.
    """
    implementation = implementation_of(scenario)
    parts = samples_of(scenario, UNSEEN, implementation.dtype)
    rng = np.random.default_rng([scenario.data_seed, 12])
    samples, classes = rng.permutation(len(parts.y)), rng.permutation(parts.y.shape[1])
    errors: dict[str, list[float]] = {"weights": [], "gradient": []}
    allowed: dict[str, list[float]] = {"weights": [], "gradient": []}
    for per_class in (False, True):
        problem = problem_of(scenario, parts, implementation.dtype, per_class)

        def permuted(array: Any) -> np.ndarray:
            moved = np.asarray(array)[samples]
            return moved[:, classes] if moved.ndim == 2 else moved

        theta = np.asarray(problem.ntk)[samples][:, samples]
        other = WeightsProblem(
            *(jnp.asarray(array) for array in (theta, *(permuted(a) for a in problem[1:])))
        )
        weights, gradient = solutions(implementation, problem)
        other_weights, other_gradient = solutions(implementation, other)
        errors["weights"].append(norm(other_weights - permuted(weights)))
        errors["gradient"].append(norm(other_gradient - permuted(gradient)))
        allowed["weights"].append(2 * (PROMISED + rounding(problem, implementation.dtype)) * norm(weights))
        allowed["gradient"].append(
            2 * (PROMISED * norm(gradient) + gradient_rounding(problem, implementation.dtype))
        )
    turn = np.linalg.qr(rng.standard_normal((parts.x.shape[1],) * 2))[0]
    turned = parts._replace(x=_turned(parts.x, turn), unseen=_turned(parts.unseen, turn))
    found, m = [], scenario.samples
    for of in (parts, turned):
        matrix = of.matrix
        predictor = of.predictor(implementation, problem._replace(ntk=jnp.asarray(matrix[:m, :m])))
        found.append(np.asarray(implementation.predict(predictor, of.unseen)))
    cost = 1 + (parts.x.shape[1] + 16 * scenario.depth) / np.sqrt(m)
    reach = np.linalg.norm(matrix[m:, :m].astype(np.float64), 2)
    within = 2 * (PROMISED + cost * rounding(problem, implementation.dtype)) * reach * norm(weights)
    permuted_weights, weights_within = worst(errors["weights"], allowed["weights"])
    permuted_gradient, gradient_within = worst(errors["gradient"], allowed["gradient"])
    return {
        "permuted_weights": permuted_weights,
        "weights_allowed": weights_within,
        "permuted_gradient": permuted_gradient,
        "gradient_allowed": gradient_within,
        "rotated_predictions": np.array([norm(found[0] - found[1])]),
        "predictions_allowed": np.array([within]),
    }


@network_trial(
    decides={
        "adv_ntk.batching": [
            BoundDecider("prediction_error", "prediction_allowed", "at most"),
            BoundDecider("input_gradient_error", "input_gradient_allowed", "at most"),
        ]
    },
    space=ADV_NTK.over(data_seed=(0, 1, 2), **MACHINES),
    effort=EXACT,
    random=False,
)
def batches_and_their_parts(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Predictions and input gradients of six inputs at once, and of three and three.

    Sums over m samples and d features may be taken in another order: m + d + 16 L roundings, each relative
    to sum_j |Theta(x, x_j) p_j|; for gradients, whose sums run over the same weights, relative to their
    norm times the cancellation in the predictions.
    """
    implementation = implementation_of(scenario)
    parts = samples_of(scenario, UNSEEN, implementation.dtype)
    predictor = parts.predictor(implementation, problem_of(scenario, parts, implementation.dtype))
    halves = slice(UNSEEN // 2), slice(UNSEEN // 2, None)

    def joined(of: Any, *arrays: Array) -> np.ndarray:
        return np.concatenate([np.asarray(of(predictor, *(a[s] for a in arrays))) for s in halves])

    predictions = np.asarray(implementation.predict(predictor, parts.unseen))
    slopes = np.asarray(implementation.loss_gradient(predictor, parts.unseen, parts.targets))
    unit = (len(parts.x) + parts.x.shape[1] + 16 * scenario.depth) * eps_of(implementation.dtype)
    cross = np.abs(parts.matrix[scenario.samples :, : scenario.samples].astype(np.float64))
    terms = norm(cross @ np.abs(np.asarray(predictor.weights, np.float64)))
    return {
        "prediction_error": np.array([norm(predictions - joined(implementation.predict, parts.unseen))]),
        "prediction_allowed": np.array([unit * terms]),
        "input_gradient_error": np.array(
            [norm(slopes - joined(implementation.loss_gradient, parts.unseen, parts.targets))]
        ),
        "input_gradient_allowed": np.array([unit * norm(slopes) * terms / norm(predictions)]),
    }


@network_trial(
    decides={
        "adv_ntk.zero_start": [
            BoundDecider("largest_weight", "none", "at most"),
            BoundDecider("largest_prediction", "none", "at most"),
            BoundDecider("gradient_error", "gradient_allowed", "at most"),
        ]
    },
    space=ADV_NTK.over(data_seed=(0, 1, 2), **MACHINES),
    effort=EXACT,
    random=False,
)
def at_zero(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Weights, predictions and gradient at varpi = 0.

    Allowed for the gradient are c roundings of the sum over classes and 64 of an integral of a constant,
    relative to sum_c |Y_ic G_ic|.
    """
    implementation = implementation_of(scenario)
    parts = samples_of(scenario, UNSEEN, implementation.dtype)
    weights, predictions, errors, allowed = [], [], [], []
    for per_class in (False, True):
        problem = problem_of(scenario, parts, implementation.dtype, per_class)
        problem = problem._replace(strengths=jnp.zeros_like(problem.strengths))
        found, gradient = solutions(implementation, problem)
        weights.append(np.abs(found).max())
        predictions.append(
            np.abs(
                np.asarray(implementation.predict(parts.predictor(implementation, problem), parts.unseen))
            ).max()
        )
        products = np.asarray(problem.exactly().y) * np.asarray(problem.exactly().cotangent)
        wanted, terms = (products, np.abs(products)) if per_class else (products.sum(1), abs(products).sum(1))
        errors.append(norm(gradient - wanted))
        allowed.append((problem.y.shape[1] + 64) * eps_of(implementation.dtype) * norm(terms))
    error, bound = worst(errors, allowed)
    return {
        "largest_weight": np.array([max(weights)]),
        "largest_prediction": np.array([max(predictions)]),
        "none": np.zeros(1, int),
        "gradient_error": error,
        "gradient_allowed": bound,
    }


def _counted(unanswered: int) -> dict[str, np.ndarray]:
    return {"unanswered": np.array([float(unanswered)]), "none": np.zeros(1, int)}


def _loss(problem: WeightsProblem) -> Any:
    """<G, p> as a function of the strengths, in double precision."""
    exact = problem.exactly()

    def loss(strengths: np.ndarray) -> float:
        weights = reference.weights(exact.ntk, jnp.asarray(strengths), exact.y)
        return float(np.sum(np.asarray(weights) * np.asarray(exact.cotangent)))

    return loss


def _turned(x: Array, turn: np.ndarray) -> Array:
    """Rotated in double precision, and rounded."""
    return jnp.asarray(np.asarray(x, np.float64) @ turn, x.dtype)
