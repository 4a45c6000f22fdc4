"""Wrong by a few per cent, or in what everything is built from: limits that only their values tell."""

from __future__ import annotations

import jax.numpy as jnp
from falsehood import instead, refuted_by

import advntk.checks.trials.closed_form.ensembles as ensembles
import advntk.checks.trials.diagonal_limit.values as values
import advntk.implementations.networks.finite as finite
import advntk.implementations.networks.finite_residual as finite_residual
from advntk.implementations.kernels.infinite import ark_product

NNGP, NTK, ARK = (f"diagonal_limit.{name}_value" for name in ("nngp", "ntk", "ark"))
XI, FIXED = "diagonal_limit.xi_value", "diagonal_limit.ark_fixed_input_value"
PROCESS = "closed_form.gaussian_process_value"
SCALES = {"sigma_w": 1.5, "sigma_b": 0.5, "data_seed": 0}
MLP = {**SCALES, "family": "mlp", "depth": 1, "activation": "erf", "parameterization": "ntk"}
CNN = {**SCALES, "family": "cnn", "depth": 1, "activation": "erf", "readout": "flatten"}
POOLED = {**CNN, "readout": "pool"}
RESNET = {**CNN, "family": "resnet"}
FIXED_PINS = {**SCALES, "depth": 1, "activation": "erf", "input_width": 16, "parameterization": "ntk"}
PROCESS_PINS = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "sigma_b": 0.1,
    "data_seed": 0,
    "schedule": "constant",
    "strength": 0.2,
    "training_time": 0.5,
}


def limits_with(monkeypatch, **factors):
    """Limits of MLPs of which some are `factors` times as large."""

    def wrong(honest, *arguments):
        found = honest(*arguments)
        return found._replace(**{name: factor * getattr(found, name) for name, factor in factors.items()})

    instead(monkeypatch, values, "mlp_limits", wrong)


@refuted_by(NNGP, MLP)
def nngp_off_by_two_per_cent(monkeypatch):
    """The limit NNGP is two per cent too large."""
    limits_with(monkeypatch, nngp=1.02)


@refuted_by(NTK, MLP)
def ntk_off_by_two_per_cent(monkeypatch):
    """The limit NTK is two per cent too large."""
    limits_with(monkeypatch, ntk=1.02)


@refuted_by(ARK, MLP)
def ark_off_by_three_per_cent(monkeypatch):
    """The limit ARK is three per cent too small."""
    limits_with(monkeypatch, ark=0.97)


@refuted_by(NTK, MLP)
def network_without_its_readout_bias(monkeypatch):
    """The readout of finite MLPs has no bias."""

    def wrong(honest, arch, shapes, dtype=jnp.float64):
        found = honest(arch, shapes, dtype)
        found.scales[-1] = (found.scales[-1][0], jnp.zeros_like(found.scales[-1][1]))
        return found

    import advntk.implementations.kernels.sample_means as sample_means

    instead(monkeypatch, sample_means, "forward_pass", wrong)


@refuted_by(NNGP, CNN)
def convolution_without_its_window(monkeypatch):
    """The fan-in of a convolution counts channels and forgets the pixels of its window."""

    def wrong(honest, shape):
        return honest(shape) if len(shape) == 2 else shape[2]

    instead(monkeypatch, finite, "fan_in", wrong)


@refuted_by(NTK, POOLED)
def pixels_summed_by_pooling(monkeypatch):
    """Pooling adds pixels up instead of averaging them."""

    def wrong(honest, layer, scale, readout, x):
        return honest(layer, scale, readout, x * (x.shape[0] * x.shape[1] if readout == "pool" else 1))

    instead(monkeypatch, finite, "read_out", wrong)


@refuted_by(NNGP, POOLED)
def flattened_limit_of_a_pooled_network(monkeypatch):
    """The limit of a network that pools is that of one that flattens."""
    from dataclasses import replace

    def wrong(honest, network, *arguments):
        return honest(replace(network, readout="flatten"), *arguments)

    instead(monkeypatch, values, "infinite_kernels", wrong)


@refuted_by(NNGP, RESNET)
def residual_branch_without_its_bias(monkeypatch):
    """The second convolution of every residual block has no bias."""
    calls = {"here": 0}

    def wrong(honest, layer, scale, image, stride=1):
        calls["here"] += 1
        # Stem, first and second convolution of the only block.
        last = calls["here"] % 3 == 0
        return honest(layer, (scale[0], 0.0 * scale[1]) if last else scale, image, stride)

    instead(monkeypatch, finite_residual, "linear", wrong)


@refuted_by(XI, MLP)
def xi_of_stronger_searches(monkeypatch):
    """The limit of Xi takes strengths that are a fifth too large."""

    def wrong(honest, ark, schedule, *time):
        from dataclasses import replace

        return honest(ark, replace(schedule, scale=1.2 * schedule.scale), *time)

    instead(monkeypatch, values, "xi_diagonal", wrong)


@refuted_by(FIXED, FIXED_PINS, by=("mean_diagonal", "mean_cosines"))
def product_form_at_fixed_input_width(monkeypatch):
    """With d fixed the ARK's mean is claimed to be the product form, that of the joint limit."""
    monkeypatch.setattr(values, "ark_trace", ark_product)


@refuted_by(FIXED, FIXED_PINS, by=("spread",))
def covariance_of_gradients_off_by_a_tenth(monkeypatch):
    """The predicted covariance of input gradients is a tenth too large."""
    instead(monkeypatch, values, "input_gradient_covariance", lambda honest, *a: 1.1 * honest(*a))


@refuted_by(ARK, MLP)
def input_gradients_off_by_five_per_cent(monkeypatch):
    """Input gradients of finite networks are five per cent too large."""

    def wrong(honest, *arguments):
        found = honest(*arguments)
        return found._replace(of_inputs=1.05 * found.of_inputs)

    import advntk.implementations.kernels.sample_means as sample_means

    instead(monkeypatch, sample_means, "layers_of", wrong)


@refuted_by(PROCESS, PROCESS_PINS, by=("paired_mean",), slow=True)
def mean_off_by_six_per_cent(monkeypatch):
    """The mean of the Gaussian process is six per cent too large."""

    def wrong(honest, *arguments):
        mean, covariance = honest(*arguments)
        return 1.06 * mean, covariance

    instead(monkeypatch, ensembles, "limit_process", wrong)


@refuted_by(PROCESS, PROCESS_PINS, by=("paired_covariance",), slow=True)
def covariance_off_by_a_tenth(monkeypatch):
    """The covariance of the Gaussian process is a tenth too large."""

    def wrong(honest, *arguments):
        mean, covariance = honest(*arguments)
        return mean, 1.1 * covariance

    instead(monkeypatch, ensembles, "limit_process", wrong)
