"""Wrong kernels at initialization: finite networks, their limits, and how the two are put together."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from falsehood import instead, refuted_by
from jax import lax

import advntk.checks.measuring
import advntk.checks.trials.diagonal_limit.kernels as diagonal_limit
import advntk.implementations.kernels.empirical as empirical
import advntk.implementations.networks.activations as activations
import advntk.implementations.networks.finite as finite
from advntk.checks.sweeps import Sweep
from advntk.implementations.dual_activation import dual
from advntk.implementations.neural_tangents_adapter import elementwise, stax

NTK, ARK, XI = "diagonal_limit.ntk", "diagonal_limit.ark", "diagonal_limit.xi"
LEVEL = "diagonal_limit.ark_fixed_input"
# One simple architecture: a fault does not need many scenarios to show.
SIMPLE = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "sigma_b": 0.5,
    "parameterization": "ntk",
    "samples": 4,
    "outputs": 3,
    "strength": 0.8,
    "data_seed": 0,
}
STANDARD = {**SIMPLE, "parameterization": "standard"}
TANH = {**SIMPLE, "activation": "tanh"}
# Small networks: what is planted does not go away with any width.
SWEEP = (32, 64, 128, 256)
SPREAD = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "sigma_b": 0.1,
    "input_width": 8,
    "data_seed": 0,
}


@refuted_by(ARK, SIMPLE, widths=SWEEP, spares=(NTK,))
def ark_without_any_sigma_w(monkeypatch):
    """The limit ARK lacks its factor sigma_w^{2(L+1)}."""

    def without(honest, arch, *rest):
        found = honest(arch, *rest)
        return found._replace(ark=found.ark / arch.sigma_w ** (2 * arch.depth + 2))

    instead(monkeypatch, diagonal_limit, "mlp_limits", without)


@refuted_by(ARK, SIMPLE, widths=SWEEP, spares=(NTK,))
def ark_that_lost_one_sigma_w_squared(monkeypatch):
    """The limit ARK is sigma_w^{2L} times its product, one factor sigma_w^2 short."""

    def without(honest, arch, *rest):
        found = honest(arch, *rest)
        return found._replace(ark=found.ark / arch.sigma_w**2)

    instead(monkeypatch, diagonal_limit, "mlp_limits", without)


@refuted_by(ARK, SIMPLE, widths=SWEEP, spares=(NTK,))
def ark_that_lost_a_layer(monkeypatch):
    """The product form runs over one hidden layer less than there are."""

    def fewer(honest, arch, *rest):
        return honest(arch, *rest)._replace(ark=honest(replace(arch, depth=arch.depth - 1), *rest).ark)

    instead(monkeypatch, diagonal_limit, "mlp_limits", fewer)


@refuted_by(ARK, SIMPLE, widths=SWEEP, spares=(NTK,))
def input_width_kept_fixed(monkeypatch):
    """Only the hidden widths grow where the limit is joint."""
    # The number of inputs is a width of its own: 64 at every point.
    monkeypatch.setattr(Sweep, "at", lambda _, scenario, width: scenario.replace(width=width, input_width=64))


@refuted_by(NTK, SIMPLE, widths=SWEEP, also=(ARK,))
def no_scaling_with_the_fan_in(monkeypatch):
    """The forward pass multiplies weights by sigma_w, without 1/sqrt(fan-in)."""
    instead(monkeypatch, finite, "layer_scales", lambda honest, arch, shape: (arch.sigma_w, arch.sigma_b))


@refuted_by(NTK, SIMPLE, widths=SWEEP)
def inputs_not_divided_by_their_width(monkeypatch):
    """The limit kernel takes x.x' for x.x'/d."""
    instead(monkeypatch, diagonal_limit, "gram", lambda honest, x: honest(x) * x.shape[1])


@refuted_by(NTK, SIMPLE, widths=SWEEP)
def bias_dropped_in_the_forward_pass(monkeypatch):
    """Networks are computed without their biases, the limit with them."""
    instead(monkeypatch, finite, "layer_scales", lambda honest, *layer: (honest(*layer)[0], 0.0))


@refuted_by(NTK, SIMPLE, widths=SWEEP, spares=(ARK,))
def nngp_taken_for_the_ntk(monkeypatch):
    """The limit NTK is the NNGP kernel, as if the output layer alone were trained."""

    def output_layer_alone(honest, *given):
        found = honest(*given)
        return found._replace(ntk=found.nngp)

    instead(monkeypatch, diagonal_limit, "mlp_limits", output_layer_alone)


@refuted_by(ARK, SIMPLE, widths=SWEEP, spares=(NTK,))
def ntk_taken_for_the_ark(monkeypatch):
    """The kernel of parameter gradients stands for that of input gradients in the limit."""

    def confused(honest, *given):
        found = honest(*given)
        return found._replace(ark=found.ntk)

    instead(monkeypatch, diagonal_limit, "mlp_limits", confused)


@refuted_by(NTK, STANDARD, widths=SWEEP, spares=(ARK,))
def limit_in_the_other_parameterisation(monkeypatch):
    """Networks are in the standard parameterisation, the limit NTK in that named after it."""

    def other(honest, arch, *rest):
        return honest(replace(arch, parameterization="ntk"), *rest)

    instead(monkeypatch, diagonal_limit, "mlp_limits", other)


@refuted_by(ARK, STANDARD, widths=SWEEP)
def weights_scaled_twice(monkeypatch):
    """Weights of the standard parameterisation are drawn small and divided by sqrt(fan-in) once more."""

    def again(honest, arch, shape):
        return honest(replace(arch, parameterization="ntk"), shape)

    instead(monkeypatch, finite, "layer_scales", again)


@refuted_by(NTK, SIMPLE, widths=SWEEP)
def weights_with_a_mean(monkeypatch):
    """Initial weights are drawn from N(1/2, 1)."""
    instead(monkeypatch, finite, "standard_normals", lambda honest, *drawn: honest(*drawn) + 0.5)


@refuted_by(NTK, SIMPLE, widths=SWEEP)
def weights_of_twice_the_variance(monkeypatch):
    """Initial weights are drawn from N(0, 2)."""
    instead(monkeypatch, finite, "standard_normals", lambda honest, *drawn: 2**0.5 * honest(*drawn))


@refuted_by(XI, SIMPLE, widths=SWEEP, also=(NTK, ARK), by=("xi_gap", "xi_off_diagonal"))
def outputs_that_share_their_weights(monkeypatch):
    """All outputs read the last hidden layer through the same weights, so that they never decouple."""

    def shared(honest, *given):
        *hidden, (w, b) = honest(*given)
        return [*hidden, (jnp.broadcast_to(w[:1], w.shape), b)]

    instead(monkeypatch, finite, "parameters_from", shared)


@refuted_by(XI, SIMPLE, spares=(NTK, ARK), by=("xi_gap",))
def xi_of_the_last_strength(monkeypatch):
    """The limit of Xi takes the strength at the end of training for all of its time."""

    def at_the_end(honest, ark, schedule, time=1.0):
        return time * jnp.exp(ark * schedule.strengths(time)[:, None])

    instead(monkeypatch, diagonal_limit, "xi_diagonal", at_the_end)


@refuted_by(NTK, SIMPLE, widths=SWEEP)
def slope_of_the_activation_in_its_place(monkeypatch):
    """Finite networks apply phi' where phi belongs."""
    slope = replace(activations.ACTIVATIONS["erf"], phi=lambda u: 2 / jnp.sqrt(jnp.pi) * jnp.exp(-(u**2)))
    monkeypatch.setitem(activations.ACTIVATIONS, "erf", slope)


@refuted_by(ARK, SIMPLE, widths=SWEEP, also=(NTK,))
def slope_of_the_activation_taken_as_one(monkeypatch):
    """The kernels' backward pass goes straight through activations, as if phi' = 1."""

    def straight_through(honest, choice, u):
        return u + lax.stop_gradient(honest(choice, u) - u)

    instead(monkeypatch, empirical, "chosen", straight_through)


@refuted_by(NTK, SIMPLE, widths=SWEEP)
def dual_of_another_activation(monkeypatch):
    """The limit of erf networks is computed with the arc-cosine dual of relu."""
    relu = replace(activations.ACTIVATIONS["erf"], layer=lambda: stax().Relu())
    monkeypatch.setitem(activations.ACTIVATIONS, "erf", relu)


@refuted_by(ARK, TANH, widths=SWEEP)
def dual_of_phi_for_that_of_its_slope(monkeypatch):
    """Each layer multiplies the limit ARK by E[phi phi'] of the values in place of that of the slopes."""

    def layer():
        return elementwise(jnp.tanh, dual(jnp.tanh, jnp.tanh), dual(jnp.tanh, jnp.tanh))

    wrong = replace(activations.ACTIVATIONS["tanh"], layer=layer)
    monkeypatch.setitem(activations.ACTIVATIONS, "tanh", wrong)


@refuted_by(LEVEL, SPREAD, by=("off_diagonal_spread",))
def input_gradients_of_twice_the_covariance(monkeypatch):
    """The spread is predicted from 2 Sigma: squares four times too large."""
    instead(monkeypatch, diagonal_limit, "input_gradient_covariance", lambda honest, *at: 2 * honest(*at))


# One network has some spread, which is far from the mean of all in some scenarios only: this is one.
@refuted_by(LEVEL, {**SPREAD, "data_seed": 2})
def the_same_key_for_every_seed(monkeypatch):
    """All seeds of a point draw the same network, so that their mean is no expectation."""

    def same(honest, check, point, run_seed, seeds):
        return honest(check, point, run_seed, 0 * seeds)

    instead(monkeypatch, advntk.checks.measuring, "keys_for", same)
