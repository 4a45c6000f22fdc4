r"""Trials of the ARK's definiteness: Gram matrices, diagonal blocks, the limit kernel, sym(Theta A)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from flint import arb
from jaxtyping import Array, Float

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.enclosure import EnclosureDecider, enclosed
from advntk.checks.efforts import EXACT
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between
from advntk.checks.trial import Observation, Premise
from advntk.checks.trials.diagonal_limit.kernels import gram, memory
from advntk.checks.trials.shared.building import build, dense_seconds, network_trial
from advntk.checks.trials.shared.linear_systems import networks
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.implementations.certificates.balls import (
    FIRST_BITS,
    MOST_BITS,
    Enclosure,
    doubled,
    enclosure,
    least,
    matrix,
    over_rounding,
    precision,
    symmetric,
    vector,
)
from advntk.implementations.certificates.bounds import certified_scale, transformed_margin
from advntk.implementations.certificates.degenerate import null_vector
from advntk.implementations.certificates.eigenvalues import definite, smallest_eigenvalue
from advntk.implementations.certificates.exponentials import identity
from advntk.implementations.certificates.kernels import (
    ball_kernels,
    errors_over_rounding,
    has_closed_form,
)
from advntk.implementations.dynamics.transformed import certified_spread, critical_scale, margins
from advntk.implementations.kernels.empirical import as_matrix, input_jacobians, kernels_of_seeds
from advntk.implementations.kernels.infinite import mlp_limits
from advntk.implementations.networks.activations import activation
from advntk.implementations.networks.architecture import Architecture
from advntk.theorems.assumptions import ACTIVATIONS

_EPS = float(np.finfo(np.float64).eps)
CLOSED_FORMS = ("erf", "relu", "leaky_relu")
# Of a step in a kernel's recursion: cosines within 8 eps of 1 are taken for 1 (`arc_cosine`), and a step has
# some eight roundings of library functions that are themselves good to an eps.
STEP = 16 * _EPS
# An angle near 0 or pi has half the bits of its cosine, and a third layer half of those again.
ANGLE_BITS = 8 * FIRST_BITS
# Rows from which on eigenvalues in balls take seconds.
LARGE = 64
# Images of one's own may be anything; what scenarios arrange is judged by the claim's assumptions.
_GENERAL = Premise(
    "degenerate_inputs", 0, "the number of inputs that repeat another or are zero without bias"
)


@network_trial(
    decides={
        "ark_positive_definiteness.gram_psd": [
            BoundDecider("asymmetry", "rounding", "at most"),
            EnclosureDecider("negative_part_over_rounding", 1, "at most"),
        ],
        "ark_positive_definiteness.rank": [BoundDecider("eigenvalue_beyond_d", "rounding", "at most")],
        "ark_positive_definiteness.diagonal_blocks": [
            EnclosureDecider("smallest_block_eigenvalue", 0, "above")
        ],
    },
    space=ADVERSARIAL_TRAINING.over(
        family=("mlp", "cnn"),
        depth=(1, 2, 3),
        activation=ACTIVATIONS,
        sigma_w=Between(1.0, 2.0),
        sigma_b=Between(0.0, 0.5),
        parameterization=("ntk", "standard"),
        readout=("flatten", "pool"),
        width=(8, 32),
        input_growth=("fixed",),
        input_width=(16,),
        samples=(2, 6, 8),
        outputs=(1, 3, 4),
        data_seed=tuple(range(8)),
    ),
    effort=EXACT,
    memory=memory,
    seconds=dense_seconds,
)
def gram_matrix(scenario: Scenario, keys: Array) -> dict[str, Any]:
    """Spectrum of finite networks' ARK over all inputs and outputs, and of J_i J_i' of its Jacobians.

    Both are taken as the floats that they are.  Nothing was seen to be asymmetric yet; other devices may sum
    in another order, which the bound allows for.
    """
    arch, x, _ = build(scenario)
    forward, parameters = networks(scenario, arch, keys)
    ark = kernels_of_seeds(forward, parameters, x).ark
    jacobians = np.asarray(input_jacobians(forward, parameters, x))
    fan_in = 9 if scenario.family == "cnn" else 1  # pixels under a filter
    terms = scenario.input_width + fan_in * scenario.depth * scenario.width
    return {
        **_spectra(np.asarray(as_matrix(ark)), scenario.input_width),
        **enclosed(
            "smallest_block_eigenvalue",
            (_smallest_block(j.reshape(*j.shape[:2], -1), terms) for j in jacobians),
        ),
    }


@network_trial(
    decides={"ark_positive_definiteness.limit_kernel": [EnclosureDecider("smallest_eigenvalue", 0, "above")]},
    space=ADVERSARIAL_TRAINING.over(
        depth=(1, 2, 3),
        activation=ACTIVATIONS,
        arrangement=("generic", "parallel", "antipodal", "two_antipodal"),
        sigma_b=(0.0, 0.3),
        sigma_w=Between(1.0, 2.0),
        input_growth=("fixed",),
        input_width=(64,),
        samples=(4,),
        data_seed=tuple(range(8)),
    ),
    effort=EXACT,
    random=False,
    explores=("activation",),
    premises=(_GENERAL,),
)
def limit_kernel(scenario: Scenario, keys: Array) -> dict[str, Any]:
    """Smallest eigenvalue of the infinite-width ARK: in balls, or proved to be 0, or by floats.

    An activation without a closed form leaves floats with a bound of their rounding and quadrature, which is
    not certified.
    """
    arch, x, _ = build(scenario)
    inputs = np.asarray(x)
    if null_vector(arch, inputs) is not None:
        found = Enclosure(0.0, 0.0, MOST_BITS)  # exact: a Gram matrix with a vector that it maps to 0
    elif has_closed_form(scenario.activation):
        found = doubled(
            lambda: enclosure(smallest_eigenvalue(ball_kernels(arch, inputs).ark)), _sign_is_known
        )
    else:
        kernel = np.asarray(mlp_limits(arch, gram(x)).ark)
        value, rounding = _by_floats(scenario, kernel, float((x**2).mean(1).max()))
        found = Enclosure(value - rounding, value + rounding, 0)
    copies = np.ones(len(keys))
    repeated = len(x) - len(np.unique(inputs, axis=0))
    vanishing = 0 if scenario.sigma_b > 0 else int((~inputs.any(axis=1)).sum())
    return {
        **enclosed("smallest_eigenvalue", [found] * len(keys)),
        "degenerate_inputs": (repeated + vanishing) * copies,
    }


def _by_floats(scenario: Scenario, kernel: np.ndarray, mean_square: float) -> tuple[float, float]:
    """The smallest eigenvalue, and by how much it may be off."""
    values = np.linalg.eigvalsh((kernel + kernel.T) / 2)
    return float(values[0]), float(values[-1]) * _relative_rounding(scenario, len(kernel), mean_square)


def _relative_rounding(scenario: Scenario, size: int, mean_square: float) -> float:
    """By how much an eigenvalue of a kernel from quadrature may be off, relative to the largest."""
    # Largest variance of a pre-activation: bounded phi^2 <= 1, or linear growth |phi(u)| <= |u| + 1.
    variance = _largest_variance(scenario, mean_square)
    return size * (16 * _EPS + scenario.depth * activation(scenario.activation).kernel_error(variance))


def _sign_is_known(found: Enclosure) -> bool:
    return found.low > 0 or found.high <= 0


def _smallest_block(jacobians: Float[np.ndarray, "m c d"], terms: int) -> Enclosure:
    """Of the matrices J_i J_i', where J_i may be off the floats that it was computed as.

    The eigenvalue of the floats is enclosed in balls; its root, the least singular value, moves by no more
    than the error of J_i (Weyl): one eps for each of the `terms` that are summed on its way, relative to its
    norm.  What is singular as floats, such as a dead network, is so for certain.
    """
    if jacobians.shape[1] > jacobians.shape[2]:
        return Enclosure(0.0, 0.0, MOST_BITS)  # exact: more rows than columns are dependent

    def one(jacobian: Float[np.ndarray, "c d"]) -> Enclosure:
        ball = matrix(jacobian)
        gram_of = ball * ball.transpose()
        found = enclosure(smallest_eigenvalue(gram_of))
        if definite(gram_of) is False:
            return Enclosure(min(found.low, 0.0), 0.0, 0)
        error = terms * _EPS * float(np.linalg.norm(jacobian))
        low, high = (float(np.sqrt(max(end, 0.0))) for end in (found.low, found.high))
        return Enclosure((low - error) * abs(low - error), (high + error) ** 2, 0)

    found = doubled(lambda: least([one(j) for j in jacobians]), _sign_is_known, most=2 * FIRST_BITS)
    return found._replace(bits=0)


@network_trial(
    decides={
        "ark_positive_definiteness.kernels_in_balls": [
            EnclosureDecider("nngp_error_over_rounding", 1, "at most"),
            EnclosureDecider("ntk_error_over_rounding", 1, "at most"),
            EnclosureDecider("ark_error_over_rounding", 1, "at most"),
            EnclosureDecider("certified_scale_error_over_rounding", 1, "at most"),
        ]
    },
    space=ADVERSARIAL_TRAINING.over(
        depth=(1, 2, 3),
        activation=CLOSED_FORMS,
        arrangement=("generic", "parallel", "antipodal", "nearly_duplicate"),
        parameterization=("ntk", "standard"),
        sigma_b=(0.0, 0.3),
        sigma_w=Between(1.0, 2.0),
        input_growth=("fixed",),
        input_width=(16, 64),
        width=(32,),
        samples=(4,),
        data_seed=tuple(range(8)),
    ),
    effort=EXACT,
    random=False,
)
def kernels_in_balls(scenario: Scenario, keys: Array) -> dict[str, Any]:
    """The limit kernels as computed, against enclosures of their closed forms at the same inputs.

    By how much a kernel may be off comes from the same recursion in balls that carries an error of `STEP` in
    every step: little, but for pairs near full correlation under relu, whose angle costs a square root.
    """
    arch, x, _ = build(scenario)
    inputs = np.asarray(x)
    computed = mlp_limits(arch, gram(x), float(scenario.input_width), float(scenario.width))
    with precision(ANGLE_BITS):
        exact, rounded = (ball_kernels(arch, inputs, float(scenario.width), error) for error in (0.0, STEP))
        found = {
            name: errors_over_rounding(np.asarray(getattr(computed, name)), *balls)
            for name, balls in zip(exact._fields, zip(exact, rounded, strict=True), strict=True)
        }
        found["certified_scale"] = _scale_error(np.asarray(computed.ntk), np.asarray(computed.ark))
    values: dict[str, Any] = {}
    for name, error in found.items():
        values |= enclosed(f"{name}_error_over_rounding", [error] * len(keys))
    return values


def _scale_error(ntk: Float[np.ndarray, "m m"], ark: Float[np.ndarray, "m m"]) -> Enclosure:
    """That of the certified scale of kernels as computed; 0 where none is certified, or every one is.

    A solver for symmetric eigenvalues is off by n eps ||Theta|| (Higham, section 3.5).
    """
    diagonal, size = np.diagonal(ark), len(ark)
    spread, balls = float(diagonal.max() - diagonal.min()), symmetric(matrix(ntk))
    promised = certified_spread(ntk)
    if spread <= 0 or promised <= 0:
        return Enclosure(0.0, 0.0, ANGLE_BITS)
    solver = identity(size) * (balls.trace() * arb(0, size * _EPS))
    exact, rounded = (certified_scale(theta, vector(diagonal)) for theta in (balls, balls + solver))
    return enclosure(over_rounding(promised / spread, exact, rounded))


@network_trial(
    decides={
        "ark_positive_definiteness.transformed_margin": [
            BoundDecider("certified_over_critical", "one", "at most"),
            EnclosureDecider("margin_below_certificate", 0, "above"),
        ]
    },
    space=ADVERSARIAL_TRAINING.over(
        depth=(1, 2, 3),
        activation=ACTIVATIONS,
        sigma_w=Between(1.0, 2.0),
        sigma_b=Between(0.05, 0.5),
        input_growth=("fixed",),
        input_width=(64,),
        samples=(4, 6),
        data_seed=tuple(range(8)),
    ),
    effort=EXACT,
    random=False,
)
def transformed_kernel(scenario: Scenario, keys: Array) -> Observation:
    """Margin of sym(Theta A) against eta S: its measured critical scale and the certified one."""
    arch, x, _ = build(scenario)
    limits = mlp_limits(arch, gram(x))
    ntk, diagonal = np.asarray(limits.ntk), np.asarray(jnp.diagonal(limits.ark))
    spread = float(diagonal.max() - diagonal.min())
    if spread <= 64 * _EPS * diagonal.max():
        # Inputs of equal norm: the diagonal is constant but for rounding, and so is A.
        diagonal, spread = np.full_like(diagonal, diagonal.mean()), 0.0
    certified = certified_spread(ntk) / spread if spread > 0 else np.inf
    critical = critical_scale(ntk, diagonal)
    # Beyond four times the larger scale nothing new happens; without one, up to Delta = 20.
    end = 4 * (critical if 0 < critical < np.inf else 5 / max(spread, 1 / 4))
    scales = np.geomspace(end / 1000, end, 61)
    curve = margins(ntk, diagonal, scales)
    copies = np.ones(len(keys))
    below = scales < certified
    if has_closed_form(arch.activation):
        margin = _least_margin(arch, np.asarray(x), scales[below])
    else:
        value = float(curve[below].min(initial=1.0))
        rounding = _relative_rounding(scenario, len(ntk), float((x**2).mean(1).max()))
        margin = Enclosure(value - rounding, value + rounding, 0)
    values = {
        "certified_over_critical": copies * _ratio(certified, critical),
        "one": copies * (1 + len(ntk) * 16 * _EPS),
        **enclosed("margin_below_certificate", [margin] * len(keys)),
        "critical_scale": copies * critical,
        "certified_scale": copies * certified,
    }
    drawn = {name: values[name] for name in ("certified_scale", "critical_scale")}
    drawn |= {"scale": copies[:, None] * scales[None], "margin": copies[:, None] * curve[None]}
    return Observation(values, {"margin": drawn})


def _least_margin(arch: Architecture, x: np.ndarray, scales: np.ndarray) -> Enclosure:
    """The least margin of sym(Theta A) at these scales, in balls; 1 where there is none."""

    def margins() -> Enclosure:
        kernels = ball_kernels(arch, x)
        diagonal = [kernels.ark[i, i] for i in range(len(x))]
        found = [enclosure(transformed_margin(kernels.ntk, diagonal, float(scale))) for scale in scales]
        return least(found) if found else Enclosure(1.0, 1.0, FIRST_BITS)

    return doubled(margins, _sign_is_known)


def _ratio(certified: float, critical: float) -> float:
    """certified / critical, 0 where nothing is promised or nothing breaks."""
    return 0.0 if certified == 0 or np.isinf(critical) else float(np.divide(certified, critical))


def _largest_variance(scenario: Scenario, mean_square: float) -> float:
    bounded = scenario.activation in ("erf", "tanh", "sigmoid")
    variance = scenario.sigma_w**2 * mean_square + scenario.sigma_b**2
    largest = variance
    for _ in range(scenario.depth - 1):
        moment = 1.0 if bounded else 2 * variance + 2
        variance = scenario.sigma_w**2 * moment + scenario.sigma_b**2
        largest = max(largest, variance)
    return largest


def _spectra(gram: Float[np.ndarray, "s n n"], input_width: int) -> dict[str, Any]:
    """Defects of the Gram matrices and their rounding errors.

    Entries of G = J J' are inner products of length d, so each eigenvalue of the computed G, as the exact
    matrix that its floats are, is off by at most gamma_d ||J||_F^2 = d eps/2 tr G.  The symmetric eigensolver
    of floats adds a few n eps ||G||, for the rank alone (Higham, Accuracy and Stability of Numerical
    Algorithms, sections 3.1 and 3.5).
    """
    size = gram.shape[-1]
    transposed = gram.swapaxes(-1, -2)
    trace = np.trace(gram, axis1=-2, axis2=-1)
    values = np.linalg.eigvalsh((gram + transposed) / 2)
    beyond = values[..., -input_width - 1] if size > input_width else np.zeros(len(gram))
    return {
        "asymmetry": np.abs(gram - transposed).max((-2, -1)),
        "eigenvalue_beyond_d": beyond,
        "rounding": (input_width + 10 * size) * _EPS * trace,
        **enclosed("negative_part_over_rounding", (_negative_part(one, input_width) for one in gram)),
    }


def _negative_part(gram: Float[np.ndarray, "n n"], input_width: int) -> Enclosure:
    """max(-lambda_min, 0) of a computed Gram matrix, over what rounding may have taken from 0.

    An elimination costs a tenth of the eigenvalues: of a large matrix it shows that no eigenvalue lies below
    a small share of that rounding, which is all that is claimed.
    """

    def part() -> Enclosure:
        balls = symmetric(matrix(gram))
        rounding = balls.trace() * arb(input_width * _EPS / 2)
        if not rounding > 0:
            return Enclosure(0.0, 0.0, 0) if not gram.any() else Enclosure(-np.inf, np.inf, 0)
        if len(gram) > LARGE:
            for share in (1 / 64, 1.0):
                if definite(balls + identity(len(gram)) * (arb(share) * rounding)):
                    return Enclosure(0.0, share, 0)
        return enclosure((-smallest_eigenvalue(balls) / rounding).max(arb(0)))

    return doubled(part, lambda found: found.high <= 1 or found.low > 1)
