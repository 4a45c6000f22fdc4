r"""Trials of the ARK's definiteness: Gram matrices, diagonal blocks, the limit kernel, sym(Theta A)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.efforts import EXACT
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between
from advntk.checks.trial import Observation, Premise
from advntk.checks.trials.diagonal_limit.kernels import gram, memory
from advntk.checks.trials.shared.building import build, dense_seconds, network_trial
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.implementations.dynamics.transformed import certified_spread, critical_scale, margins
from advntk.implementations.kernels.empirical import as_matrix, diagonal_blocks, kernels_at_initialization
from advntk.implementations.kernels.infinite import mlp_limits
from advntk.implementations.networks.activations import activation
from advntk.theorems.assumptions import ACTIVATIONS

_EPS = float(np.finfo(np.float64).eps)
# Images of one's own may be anything; what scenarios arrange is judged by the claim's assumptions.
_GENERAL = Premise(
    "degenerate_inputs", 0, "the number of inputs that repeat another or are zero without bias"
)


@network_trial(
    decides={
        "ark_positive_definiteness.gram_psd": [
            BoundDecider("asymmetry", "rounding", "at most"),
            BoundDecider("negative_part", "rounding", "at most"),
        ],
        "ark_positive_definiteness.rank": [BoundDecider("eigenvalue_beyond_d", "rounding", "at most")],
        "ark_positive_definiteness.diagonal_blocks": [
            BoundDecider("smallest_block_eigenvalue", "block_rounding", "above")
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
def gram_matrix(scenario: Scenario, keys: Array) -> dict[str, Array]:
    """Spectrum of finite networks' ARK over all inputs and outputs, and of its diagonal blocks."""
    arch, x, _ = build(scenario)
    ark = kernels_at_initialization(arch, keys, x, scenario.width, scenario.outputs).ark
    return _spectra(ark, scenario.input_width)


@network_trial(
    decides={
        "ark_positive_definiteness.limit_kernel": [BoundDecider("smallest_eigenvalue", "rounding", "above")]
    },
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
def limit_kernel(scenario: Scenario, keys: Array) -> dict[str, Array]:
    """Smallest eigenvalue of the infinite-width ARK, against what counts as zero in float64."""
    arch, x, _ = build(scenario)
    kernel = np.asarray(mlp_limits(arch, gram(x)).ark)
    values = np.linalg.eigvalsh((kernel + kernel.T) / 2)
    # Largest variance of a pre-activation: bounded phi^2 <= 1, or linear growth |phi(u)| <= |u| + 1.
    variance = _largest_variance(scenario, float((x**2).mean(1).max()))
    layers = scenario.depth * activation(scenario.activation).kernel_error(variance)
    rounding = len(kernel) * values[-1] * (16 * _EPS + layers)
    copies = np.ones(len(keys))
    repeated = len(x) - len(np.unique(np.asarray(x), axis=0))
    vanishing = 0 if scenario.sigma_b > 0 else int((~np.asarray(x).any(axis=1)).sum())
    return {
        "smallest_eigenvalue": values[0] * copies,
        "rounding": rounding * copies,
        "degenerate_inputs": (repeated + vanishing) * copies,
    }


@network_trial(
    decides={
        "ark_positive_definiteness.transformed_margin": [
            BoundDecider("certified_over_critical", "one", "at most"),
            BoundDecider("negative_part", "rounding", "at most"),
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
    below = curve[scales < certified]
    copies = np.ones(len(keys))
    values = {
        "certified_over_critical": copies * _ratio(certified, critical),
        "one": copies * (1 + len(ntk) * 16 * _EPS),
        "negative_part": copies * max(-below.min(initial=0.0), 0.0),
        "rounding": copies * len(ntk) * 16 * _EPS,
        "critical_scale": copies * critical,
        "certified_scale": copies * certified,
    }
    drawn = {name: values[name] for name in ("certified_scale", "critical_scale")}
    drawn |= {"scale": copies[:, None] * scales[None], "margin": copies[:, None] * curve[None]}
    return Observation(values, {"margin": drawn})


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


def _spectra(ark: Float[Array, "s m c m c"], input_width: int) -> dict[str, Array]:
    """Defects of the Gram matrices and their rounding errors.

    Entries of G = J J' are inner products of length d, so each eigenvalue of the computed G is off
    by at most gamma_d ||J||_F^2 = d eps tr G, and the symmetric eigensolver adds a few n eps ||G||
    (Higham, Accuracy and Stability of Numerical Algorithms, sections 3.1 and 3.5).
    """
    gram = np.asarray(as_matrix(ark))
    size = gram.shape[-1]
    transposed = gram.swapaxes(-1, -2)
    trace = np.trace(gram, axis1=-2, axis2=-1)
    values = np.linalg.eigvalsh((gram + transposed) / 2)
    beyond = values[..., -input_width - 1] if size > input_width else np.zeros(len(gram))
    blocks = np.asarray(diagonal_blocks(ark))
    block_trace = np.trace(blocks, axis1=-2, axis2=-1)
    smallest = np.linalg.eigvalsh(blocks)[..., 0]
    outputs = blocks.shape[-1]
    relative = (input_width + 10 * outputs) * _EPS
    worst = np.argmin(smallest / np.maximum(block_trace, np.finfo(float).tiny), axis=1)[:, None]
    return {
        "asymmetry": np.abs(gram - transposed).max((-2, -1)),
        "negative_part": np.maximum(-values[..., 0], 0),
        "eigenvalue_beyond_d": beyond,
        "rounding": (input_width + 10 * size) * _EPS * trace,
        "smallest_block_eigenvalue": np.take_along_axis(smallest, worst, 1)[:, 0],
        "block_rounding": relative * np.take_along_axis(block_trace, worst, 1)[:, 0],
    }
