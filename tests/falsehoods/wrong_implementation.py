"""Wrong networks, kernels and initializations: what everything is built from."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
from falsehood import instead, refuted_by

import advntk.checks.trials.implementation.initialization as initialization
import advntk.checks.trials.implementation.kernels as kernels
import advntk.implementations.dual_activation as dual_activation
import advntk.implementations.kernels.closed_form_ntk as closed_form_ntk
import advntk.implementations.kernels.empirical as empirical
import advntk.implementations.kernels.tiling as tiling
import advntk.implementations.networks.activations as activations
import advntk.implementations.networks.finite as finite
import advntk.implementations.networks.infinite as infinite
import advntk.implementations.networks.residual as residual
from advntk.implementations.arc_cosine import kinked_duals
from advntk.implementations.neural_tangents_adapter import elementwise, stax

ACTIVATIONS, INITIALIZATION, FORWARD, KERNELS, CONVOLUTIONAL, RESIDUAL = (
    f"implementation.{name}"
    for name in (
        "activations",
        "initialization",
        "forward",
        "kernels",
        "convolutional_kernels",
        "residual_kernels",
    )
)
GELU, LEAKY, TANH = ({"activation": name} for name in ("gelu", "leaky_relu", "tanh"))
MLP, CNN, POOL = ({"structure": name} for name in ("mlp", "cnn", "cnn_pool"))
CLOSED_ERF = {"activation": "erf", "parameterization": "ntk", "sigma_b": 0.3}


def entry(monkeypatch, name, **changed):
    """Change what the table of activations says of one."""
    table = activations.ACTIVATIONS
    monkeypatch.setitem(table, name, replace(table[name], **changed))


@refuted_by(ACTIVATIONS, GELU, by=("function", "slope"))
def gelu_by_its_tanh_approximation(monkeypatch):
    """The finite network's gelu is x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))/2."""
    entry(monkeypatch, "gelu", phi=lambda x: jax.nn.gelu(x, approximate=True))


@refuted_by(ACTIVATIONS, GELU, by=("expectation", "price"))
def kernel_of_gelu_one_percent_large(monkeypatch):
    """The infinite gelu layer's E[phi phi'] is a hundredth too large."""
    honest = activations.ACTIVATIONS["gelu"].layer

    def larger():
        init, apply, kernel = honest()

        def scaled(k, **more):
            found = kernel(k, **more)
            return found.replace(nngp=1.01 * found.nngp)

        return init, apply, scaled

    entry(monkeypatch, "gelu", layer=larger)


@refuted_by(ACTIVATIONS, LEAKY, by=("expectation", "expected_slopes", "price"))
def gain_of_leaky_relu_without_its_square(monkeypatch):
    """The dual of leaky relu has the gain (1 - a)/2 in place of (1 - a)^2/2."""
    a = activations.LEAKY_SLOPE
    value, slope = kinked_duals(a)
    phi = activations.ACTIVATIONS["leaky_relu"].phi
    entry(
        monkeypatch,
        "leaky_relu",
        layer=lambda: elementwise(
            phi,
            lambda q, p, other: a * q + (value(q, p, other) - a * q) / (1 - a),
            lambda q, p, other: a + (slope(q, p, other) - a) / (1 - a),
        ),
    )


@refuted_by(ACTIVATIONS, TANH, by=("price",))
def price_without_its_half(monkeypatch):
    """d/dp E[phi phi'] is taken for E[phi'' phi']."""
    phi = activations.ACTIVATIONS["tanh"].phi
    slope = dual_activation.derivative(phi)
    value = dual_activation.dual(phi, phi)

    @jax.custom_jvp
    def wrong(q, p, other):
        return value(q, p, other)

    @wrong.defjvp
    def _(primals, tangents):
        curvature = dual_activation.derivative(slope)
        along = (
            dual_activation.dual(slope, slope)(*primals) * tangents[0]
            + dual_activation.dual(curvature, phi)(*primals) * tangents[1]
            + dual_activation.dual(phi, curvature)(*primals) * tangents[2]
        )
        return value(*primals), along

    entry(
        monkeypatch,
        "tanh",
        layer=lambda: elementwise(phi, wrong, dual_activation.dual(slope, slope)),
    )


@refuted_by(ACTIVATIONS, TANH)
def quadrature_cut_at_three_sigma(monkeypatch):
    """Expectations are integrated to three standard deviations."""
    monkeypatch.setattr(dual_activation, "_REACH", 3.0)
    monkeypatch.setattr(dual_activation, "_STEP", 6.0 / (dual_activation.NODES - 1))


@refuted_by(INITIALIZATION, MLP, by=("correlation", "repeated"))
def layers_that_share_their_draws(monkeypatch):
    """Every layer's parameters begin with the same random numbers."""

    def shared(honest, arch, normals, shapes):
        return [honest(arch, normals, [shape])[0] for shape in shapes]

    instead(monkeypatch, finite, "parameters_from", shared)


@refuted_by(INITIALIZATION, {**CNN, "parameterization": "standard"})
def fan_in_of_channels_alone(monkeypatch):
    """A convolution's fan-in is its number of channels, without the nine offsets."""
    instead(
        monkeypatch, finite, "fan_in", lambda honest, shape: shape[2] if len(shape) == 4 else honest(shape)
    )


@refuted_by(INITIALIZATION, MLP)
def networks_that_share_their_key(monkeypatch):
    """All networks are drawn with the first one's key."""
    instead(
        monkeypatch,
        initialization,
        "initialize_seeds",
        lambda honest, arch, keys, *rest: honest(arch, jnp.broadcast_to(keys[:1], keys.shape), *rest),
    )


@refuted_by(INITIALIZATION, MLP, by=("distribution",))
def uniform_parameters(monkeypatch):
    """Parameters are uniform, of the right variance."""

    def uniform(honest, keys, count, dtype=jnp.float64):
        draw = jax.vmap(lambda key: jax.random.uniform(key, (count,), dtype, -(3**0.5), 3**0.5))
        return draw(keys)

    instead(monkeypatch, finite, "standard_normals", uniform)


@refuted_by(FORWARD, MLP)
def readout_without_bias(monkeypatch):
    """The last layer has no bias."""
    instead(
        monkeypatch,
        finite,
        "read_out",
        lambda honest, layer, scale, *rest: honest(layer, (scale[0], 0.0 * scale[1]), *rest),
    )


@refuted_by(FORWARD, POOL)
def pooling_as_a_sum(monkeypatch):
    """Pooling adds pixels up."""

    def summed(honest, layer, scale, readout, x):
        return honest(layer, scale, readout, x * (x.shape[0] * x.shape[1] if readout == "pool" else 1))

    instead(monkeypatch, finite, "read_out", summed)


@refuted_by(FORWARD, CNN)
def convolution_of_turned_kernels(monkeypatch):
    """Kernels are turned by half a turn before they are laid on the image."""
    instead(
        monkeypatch,
        finite,
        "_convolve",
        lambda honest, image, kernel, *rest: honest(image, kernel[::-1, ::-1], *rest),
    )


@refuted_by(FORWARD, CNN)
def convolution_around_the_edges(monkeypatch):
    """Beyond an edge of the image comes the opposite edge."""

    def circular(honest, image, kernel, *rest):
        wide = jnp.pad(image, ((1, 1), (1, 1), (0, 0)), mode="wrap")
        return honest(wide, kernel, *rest)[1:-1, 1:-1]

    instead(monkeypatch, finite, "_convolve", circular)


@refuted_by(FORWARD, MLP, by=("kernel",))
def layerwise_kernel_without_biases(monkeypatch):
    """The layerwise NTK leaves out the biases' gradients."""

    def unbiased(honest, forward, parameters, x):
        without = replace(forward, scales=[(w, 0.0 * b) for w, b in forward.scales])
        shifted = [(w, b) for w, b in parameters]
        return honest(forward, shifted, x)._replace(ntk=honest(without, shifted, x).ntk)

    instead(monkeypatch, empirical, "_by_layers", unbiased)


@refuted_by(KERNELS, CLOSED_ERF, by=("gradient_error",))
def variance_slope_of_the_fused_erf_kernel(monkeypatch):
    """dq_{l+1}/dq_l of erf is twice what it is."""
    instead(monkeypatch, closed_form_ntk, "_deepened_slope", lambda honest, arch, q: 2 * honest(arch, q))


@refuted_by(KERNELS, CLOSED_ERF, by=("gradient_error",))
def fused_gradient_without_its_factor(monkeypatch):
    """The fused gradient counts an input's own variance once instead of twice."""

    def halved(honest, *given):
        in_covariance, in_variance = honest(*given)
        return in_covariance, in_variance / 2

    instead(monkeypatch, closed_form_ntk, "_pulled_back", halved)


@refuted_by(KERNELS, {"activation": "leaky_relu", "parameterization": "ntk"})
def leaky_kernel_of_another_slope(monkeypatch):
    """The closed form of leaky relu has the slope 0.11."""
    monkeypatch.setitem(closed_form_ntk._SLOPES, "leaky_relu", 0.11)


@refuted_by(KERNELS, {"activation": "relu", "parameterization": "ntk"})
def first_tile_alone(monkeypatch):
    """Of each row and column of blocks the first is computed, and no other."""
    instead(monkeypatch, tiling, "starts", lambda honest, size, side: honest(size, side)[:1])


@refuted_by(KERNELS, {"activation": "erf"}, by=("input_derivatives_error",))
def trace_without_one_coordinate(monkeypatch):
    """The ARK's trace form is nine tenths of what it is."""
    instead(monkeypatch, kernels, "ark_trace", lambda honest, *given: 0.9 * honest(*given))


def layers(monkeypatch, owner, **changed):
    """Give `owner` a neural-tangents whose named layers are others."""
    there = {name: getattr(stax(), name) for name in dir(stax()) if not name.startswith("_")}
    monkeypatch.setattr(owner, "stax", lambda: SimpleNamespace(**{**there, **changed}))


@refuted_by(CONVOLUTIONAL, {**CNN, "activation": "erf"})
def limit_with_a_fan_in_of_channels(monkeypatch):
    """The infinite convolution's fan-in is its number of channels, without the nine offsets."""
    layers(
        monkeypatch, infinite, Conv=lambda *a, W_std, **k: stax().Conv(*a, W_std=3 * jnp.asarray(W_std), **k)
    )


@refuted_by(CONVOLUTIONAL, {**POOL, "activation": "erf"})
def pooled_limit_flattened(monkeypatch):
    """The pooled network's limit flattens its pixels."""
    layers(monkeypatch, infinite, GlobalAvgPool=stax().Flatten)


@refuted_by(CONVOLUTIONAL, {**CNN, "activation": "erf", "sigma_b": 0.4})
def convolution_without_bias(monkeypatch):
    """The infinite convolution has no biases."""
    layers(
        monkeypatch,
        infinite,
        Conv=lambda *a, b_std, **k: stax().Conv(*a, b_std=0.0 * jnp.asarray(b_std), **k),
    )


IN_BLOCKS = {"structure": "residual", "activation": "erf", "sigma_b": 0.4}


@refuted_by(RESIDUAL, IN_BLOCKS)
def branch_without_bias(monkeypatch):
    """Convolutions of three by three have no biases."""

    def unbiased(honest, net, width, stride=1, side=3):
        return honest(
            net if side == 1 else net.with_scales(net.sigma_w, 0.0 * net.sigma_b), width, stride, side
        )

    instead(monkeypatch, residual, "_convolution", unbiased)


@refuted_by(RESIDUAL, IN_BLOCKS)
def blocks_without_a_shortcut(monkeypatch):
    """Blocks are their branches alone."""

    def plain(honest, net, width, halving):
        phi = residual.activation(net.activation).layer()
        first = residual._convolution(net, width, 2 if halving else 1)
        return stax().serial(phi, first, phi, residual._convolution(net, width))

    instead(monkeypatch, residual, "_block", plain)


@refuted_by(RESIDUAL, IN_BLOCKS)
def stages_of_one_resolution(monkeypatch):
    """No stage halves the image."""
    instead(monkeypatch, residual, "_block", lambda honest, net, width, halving: honest(net, width, False))
