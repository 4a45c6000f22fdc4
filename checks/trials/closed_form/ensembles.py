r"""Trials of the closed form in the limit: ensembles of trained networks against a Gaussian process."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.axes import WIDTH
from advntk.checks.deciders.level import LevelDecider
from advntk.checks.deciders.value import ValueDecider
from advntk.checks.efforts import ENSEMBLE
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between
from advntk.checks.trial import Observation
from advntk.checks.trials.shared.building import dense_seconds, network_trial
from advntk.checks.trials.shared.linear_systems import flow_memory, networks, setting
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.checks.trials.shared.stated_search import stated_xi
from advntk.implementations.dynamics.adversarial_training import Points, TrainingFlow, train_seeds
from advntk.implementations.dynamics.closed_form import limit_operator, limit_process
from advntk.implementations.kernels.infinite import InfiniteKernels, infinite_kernels
from advntk.implementations.kernels.sample_means import output_covariances
from advntk.implementations.networks.protocol import Parameters
from advntk.implementations.results import first_failure
from advntk.theorems.assumptions import SMOOTH

# Ensembles: half way, on a log scale, to a variance (or mean) wrong by a factor 2, and to a
# characteristic function that belongs to a variance wrong by a factor 1.8.
_MOMENT, _CHARACTERISTIC = 2**0.5, 1.22
# By value: what is told from equal, the finest that the noise of the seeds allows.
_OFF = (0.03, 0.01, 0.003)


@network_trial(
    decides={
        "closed_form.gaussian_process": [
            LevelDecider("mean", _MOMENT),
            LevelDecider("variance", _MOMENT),
            LevelDecider("characteristic", _CHARACTERISTIC),
        ],
        "closed_form.gaussian_process_value": [
            ValueDecider("paired_mean", _OFF),
            ValueDecider("paired_covariance", _OFF, "readout_control"),
        ],
    },
    space=ADVERSARIAL_TRAINING.over(
        depth=(1, 2),
        activation=SMOOTH,
        sigma_w=Between(1.2, 1.6),
        sigma_b=Between(0.1, 0.5),
        samples=(3,),
        outputs=(2,),
        schedule=("constant", "growing", "decaying"),
        strength=Between(0.1, 0.3),
        training_time=Between(0.5, 1.5),
        data_seed=tuple(range(8)),
    ),
    sweep=WIDTH,
    effort=ENSEMBLE,
    memory=flow_memory,
    seconds=dense_seconds,
)
def trained_ensemble(scenario: Scenario, keys: Array) -> Observation:
    """Moments and characteristic function of trained networks' outputs, over those of the limit.

    Every network is trained twice, the second time with its readout reversed, which reverses f_0 and leaves
    the kernels as they are.  The mean of the two is free of f_0 to first order; half their difference has the
    covariance of the process in the limit, and only that of f_0 to blame for most of its noise: the
    difference of f_0 f_0' from its covariance given the hidden layers, whose mean is zero, is taken off.
    """
    unseen = 2
    arch, points, limits, end = setting(scenario, unseen)
    forward, parameters = networks(scenario, arch, keys)
    *hidden, (w, b) = parameters
    times = jnp.stack([jnp.zeros_like(end), end])

    def trained(theta: Parameters) -> TrainingFlow:
        return train_seeds(forward, theta, points, scenario.samples, times, 2, 1e-3, 0.5)

    flow, reversed_flow = trained(parameters), trained([*hidden, (-w, -b)])
    result = first_failure(flow.result, reversed_flow.result)
    kernels = infinite_kernels(arch, points.x)

    def ended(outputs: Array, result: Array) -> Array:
        return jnp.where(result[:, None, None] == 0, outputs[:, -1, 0], jnp.nan)

    found, other = ended(flow.outputs, flow.result), ended(reversed_flow.outputs, reversed_flow.result)
    # Xi of the strengths that the scenario states: networks that are trained without a search do not fit.
    ark = np.diagonal(np.asarray(limits.ark))[: scenario.samples]
    xi = stated_xi(ark[None, :, None, None], scenario, float(ark.mean()), float(end))[0, :, 0, 0]
    limit = _limit(kernels, jnp.asarray(xi), points, scenario.samples)
    ratios, band = _ensemble(found, limit)
    given = output_covariances(arch, forward, parameters, points.x)
    pairs = _paired(found, other, flow.outputs[:, 0, 0], given, limit)
    return Observation({**ratios, **pairs}, {"ensemble": ratios, "band": band}, result)


class _Limit(NamedTuple):
    """The Gaussian process at all points, its operator A, and directions with their deviations."""

    mean: Float[Array, "p c"]
    covariance: Float[Array, "p p"]
    operator: Float[Array, "p m"]
    directions: Float[Array, "k p"]
    deviation: Float[Array, " k"]


@jax.jit(static_argnames=("samples",))
def _limit(kernels: InfiniteKernels, xi: Array, points: Points, samples: int) -> _Limit:
    ntk, nngp = kernels.ntk, kernels.nngp
    mean, covariance = limit_process(
        ntk[:samples, :samples],
        nngp[:samples, :samples],
        xi,
        ntk[:, :samples],
        nngp[:, :samples],
        nngp,
        points.y[:samples],
    )
    # Single outputs and sums of two, each over its predicted deviation.
    count = len(mean)
    first, second = jnp.triu_indices(count)
    directions = (
        jnp.eye(count)[first] + jnp.where(first == second, 0.0, 1.0)[:, None] * jnp.eye(count)[second]
    )
    deviation = jnp.sqrt(jnp.einsum("kp,pq,kq->k", directions, covariance, directions))
    operator = limit_operator(ntk[:samples, :samples], xi, ntk[:, :samples])
    return _Limit(mean, covariance, operator, directions, deviation)


@jax.jit
def _ensemble(
    found: Float[Array, "s p c"], limit: _Limit
) -> tuple[dict[str, Float[Array, " s"]], dict[str, Array]]:
    mean = limit.mean
    z = _standardized(found - mean[None], limit)

    def for_the_eye(of_first_output: Array) -> Array:
        return jnp.round(jnp.broadcast_to(of_first_output, found.shape[:2]), 4)

    band = {
        "output": for_the_eye(found[:, :, 0]),
        "band_mean": for_the_eye(mean[:, 0]),
        "band_deviation": for_the_eye(jnp.sqrt(jnp.diagonal(limit.covariance))),
    }
    ratios = {
        "mean": jnp.einsum("spc,pc->s", found, mean) / (mean**2).sum(),
        "variance": (z**2).mean((1, 2)),
        "characteristic": jnp.cos(z).mean((1, 2)) / jnp.exp(-0.5),
    }
    return ratios, band


@jax.jit
def _paired(
    found: Float[Array, "s p c"],
    other: Float[Array, "s p c"],
    start: Float[Array, "s p c"],
    given: Float[Array, "s p p"],
    limit: _Limit,
) -> dict[str, Float[Array, " s"]]:
    """Ratios of means and covariances from a network and its reverse; `given` is the covariance of f_0."""
    mean, samples = limit.mean, limit.operator.shape[1]
    # What the limit makes of f_0: the part of the outputs that is linear in it.
    passed = jnp.eye(len(mean)) - jnp.pad(limit.operator, ((0, 0), (0, len(mean) - samples)))
    at_start = _standardized(jnp.einsum("pq,sqc->spc", passed, start), limit)
    along = limit.directions @ passed / limit.deviation[:, None]
    expected = jnp.einsum("kp,spq,kq->sk", along, given, along).mean(1)
    return {
        "paired_mean": jnp.einsum("spc,pc->s", (found + other) / 2, mean) / (mean**2).sum(),
        "paired_covariance": (_standardized((found - other) / 2, limit) ** 2).mean((1, 2)),
        "readout_control": (at_start**2).mean((1, 2)) - expected,
    }


def _standardized(values: Float[Array, "s p c"], limit: _Limit) -> Float[Array, "s k c"]:
    return jnp.einsum("kp,spc->skc", limit.directions, values) / limit.deviation[None, :, None]
