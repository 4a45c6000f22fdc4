r"""Trial of initial parameters: their law, and that no two of them share their draws.

What is measured on a group of networks is put as the probability of something at least as odd under the law
that is claimed, the least over all arrays of parameters and corrected for their number: uniform on [0, 1]
where the law is right, however many networks there are.  Its median over groups is 1/2 then, and nearly 0
where it is wrong.
"""

from __future__ import annotations

from itertools import combinations

import jax
import numpy as np
import scipy.stats
from jaxtyping import Array

from advntk.checks.deciders.median import MedianDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between
from advntk.checks.trial import trial
from advntk.checks.trials.implementation.building import Sizes, arch_of, numbers, shapes_by_hand
from advntk.checks.trials.implementation.space import NETWORKS
from advntk.implementations.networks.finite import initialize_seeds

GROUP = 16  # of one group
ODD = 0.05
_SIZES = {"mlp": Sizes((18,), 24, 20), "cnn": Sizes((4, 3, 2), 10, 8), "cnn_pool": Sizes((4, 3, 2), 10, 8)}


@trial(
    decides={
        "implementation.initialization": [
            MedianDecider("mean", ODD, "above"),
            MedianDecider("variance", ODD, "above"),
            MedianDecider("distribution", ODD, "above"),
            MedianDecider("correlation", ODD, "above"),
            MedianDecider("repeated", 0.5, "below"),
        ]
    },
    space=NETWORKS.over(
        structure=("mlp", "cnn", "cnn_pool"),
        parameterization=("ntk", "standard"),
        depth=(2, 3),
        sigma_w=Between(1.0, 2.0),
        sigma_b=Between(0.1, 0.5),
    ),
    effort=Effort(
        quick=Measure(4, 64, held=(("depth", 2),)), standard=Measure(10, 96), thorough=Measure(12, 256)
    ),
)
def law_of_initial_parameters(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """How odd means, variances, distributions and correlations are; how many numbers occur twice."""
    sizes = _SIZES[scenario.structure]
    many = jax.vmap(lambda key: jax.random.split(key, GROUP))(keys).reshape(-1)
    drawn = numbers(initialize_seeds(arch_of(scenario), many, *sizes))
    shapes = shapes_by_hand(scenario, sizes)
    parts = []
    for (w, b), shape in zip(drawn, shapes, strict=True):
        units = shape[0] if len(shape) == 2 else shape[3]
        if w.shape[1:] != shape or b.shape[1:] != (units,):
            raise ValueError(f"weights of shape {w.shape[1:]}, biases {b.shape[1:]}; not {shape}, {(units,)}")
        fan_in = shape[1] if len(shape) == 2 else 9 * shape[2]
        standard = scenario.parameterization == "standard"
        by_w, by_b = (scenario.sigma_w / np.sqrt(fan_in), scenario.sigma_b) if standard else (1.0, 1.0)
        parts += [w / by_w, b / by_b]
    # Per group, network and number.
    parts = [part.reshape(len(keys), GROUP, -1) for part in parts]
    found = [_oddity([part[group] for part in parts]) for group in range(len(keys))]
    return {name: np.array([one[name] for one in found]) for name in found[0]}


def _oddity(parts: list[np.ndarray]) -> dict[str, float]:
    flat = [part.ravel() for part in parts]
    means = [2 * scipy.stats.norm.sf(abs(one.sum()) / np.sqrt(one.size)) for one in flat]
    tails = [scipy.stats.chi2.cdf((one**2).sum(), one.size) for one in flat]
    shapes = [scipy.stats.kstest(one, "norm").pvalue for one in flat]
    # Number for number as far as both go: between arrays of one network, and between neighbours in line.
    together = [
        (a[:, :n], b[:, :n]) for a, b in combinations(parts, 2) for n in [min(a.shape[1], b.shape[1])]
    ]
    together += [(part[:-1], part[1:]) for part in parts]
    products = [(a * b).ravel() for a, b in together]
    apart = [2 * scipy.stats.norm.sf(abs(one.sum()) / np.sqrt(one.size)) for one in products]
    # Rounded, since scales are divided out again; two of some ten thousand normal numbers agree to twelve
    # digits by chance in one of ten thousand groups.
    everything = np.round(np.concatenate(flat), 12)
    return {
        "mean": _least(means),
        "variance": _least([2 * min(one, 1 - one) for one in tails]),
        "distribution": _least(shapes),
        "correlation": _least(apart),
        "repeated": float(everything.size - np.unique(everything).size),
    }


def _least(probabilities: list[float]) -> float:
    return float(1 - (1 - min(probabilities)) ** len(probabilities))
