"""Wrong closed forms of the training dynamics, and wrong commutators."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
from falsehood import Falsehood, instead, refuted_by

import advntk.checks.trials.closed_form.flows as closed_form
import advntk.implementations.dynamics.closed_form as closed_form_inside
import advntk.implementations.dynamics.magnus as magnus
from advntk.implementations.dynamics.regularization import search_growth

CLAIM = "closed_form.commuting"
SIMPLE = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "sigma_b": 0.1,
    "parameterization": "ntk",
    "data_seed": 0,
}
CONSTANT = {**SIMPLE, "schedule": "constant", "strength": 1.0, "spread": 0.5, "training_time": 2.0}
# With one hidden layer the kernel is symmetric in the outputs alone: swapping them would be no fault.
DEEPER = {**CONSTANT, "depth": 2}
# E is scalar, so that the matrices commute, and grows in time.
SCALAR = {**CONSTANT, "schedule": "growing"}
VARYING = {**SIMPLE, "samples": 4, "outputs": 2, "strength": 1.0, "spread": 0.5, "training_time": 0.8}


def solution(monkeypatch, wrong):
    """Put another closed form in place of the true one."""
    instead(monkeypatch, closed_form, "closed_form", wrong)


def regularization(monkeypatch, wrong):
    """Put another Xi(t) in place of the true one."""
    instead(monkeypatch, closed_form, "xi_blocks", wrong)


@refuted_by(CLAIM, SCALAR)
def xi_from_one_point_in_time(monkeypatch):
    """Xi(t) is t times the growth at t/2: exact for constant strengths, and only for them."""

    def midpoint(honest, ark, schedule, time):
        return time * jax.vmap(search_growth, (0, None))(ark, schedule.strengths(time / 2))

    regularization(monkeypatch, midpoint)


@refuted_by(CLAIM, SCALAR)
def xi_of_the_first_strength(monkeypatch):
    """Xi(t) takes the strength at time zero for all of training."""

    def at_start(honest, ark, schedule, time):
        return time * jax.vmap(search_growth, (0, None))(ark, schedule.strengths(0.0))

    regularization(monkeypatch, at_start)


@refuted_by(CLAIM, CONSTANT)
def xi_without_its_strengths(monkeypatch):
    """Xi(t) is the integral of exp(Theta_x): eta S is dropped."""

    def without(honest, ark, schedule, time):
        return honest(ark, replace(schedule, scale=jnp.ones_like(schedule.scale)), time)

    regularization(monkeypatch, without)


@refuted_by(CLAIM, CONSTANT)
def xi_of_the_mean_strength(monkeypatch):
    """Xi(t) gives every sample the samples' mean strength."""

    def shared(honest, ark, schedule, time):
        mean = jnp.full_like(schedule.scale, schedule.scale.mean())
        return honest(ark, replace(schedule, scale=mean), time)

    regularization(monkeypatch, shared)


@refuted_by(CLAIM, CONSTANT)
def xi_at_half_the_time(monkeypatch):
    """The closed form is half a step behind: Xi(t/2) stands for Xi(t)."""
    regularization(monkeypatch, lambda honest, ark, schedule, time: honest(ark, schedule, time / 2))


@refuted_by(CLAIM, CONSTANT)
def xi_of_each_output_alone(monkeypatch):
    """Xi is taken as diagonal at a finite width."""
    regularization(
        monkeypatch, lambda honest, ark, *rest: honest(ark * jnp.eye(ark.shape[-1])[None, None], *rest)
    )


@refuted_by(CLAIM, CONSTANT)
def xi_of_the_wrong_samples(monkeypatch):
    """Every sample gets the ARK block of the next."""
    regularization(monkeypatch, lambda honest, ark, *rest: honest(jnp.roll(ark, 1, axis=1), *rest))


@refuted_by(CLAIM, CONSTANT)
def search_on_the_wrong_side_of_the_kernel(monkeypatch):
    """exp(-Xi Theta) = Xi exp(-Theta Xi) Xi^{-1} stands for exp(-Theta Xi)."""

    def other_side(honest, ntk, xi, residual):
        found = honest(ntk, xi, jnp.linalg.solve(xi, residual[..., None])[..., 0])
        return found._replace(residual=jnp.einsum("iab,ib->ia", xi, found.residual))

    solution(monkeypatch, other_side)


@refuted_by(CLAIM, CONSTANT, by=("residual_error",))
def wrong_adjoint(monkeypatch):
    """The residual is carried back by Xi^{1/2} where Xi^{-1/2} belongs."""

    def adjoint(honest, ntk, xi, residual):
        found = honest(ntk, xi, residual)
        return found._replace(residual=jnp.einsum("iab,ib->ia", xi, found.residual))

    solution(monkeypatch, adjoint)


@refuted_by(CLAIM, CONSTANT, by=("residual_error",))
def exponential_of_the_symmetric_part(monkeypatch):
    """exp(-sym(Theta Xi)) stands for exp(-Theta Xi)."""

    def symmetrized(honest, ntk, xi, residual):
        (m, c), found = residual.shape, honest(ntk, xi, residual)
        product = jnp.einsum("iapb,pbc->iapc", ntk, xi).reshape(m * c, m * c)
        left = jax.scipy.linalg.expm(-(product + product.T) / 2) @ residual.reshape(-1)
        return found._replace(residual=left.reshape(m, c))

    solution(monkeypatch, symmetrized)


@refuted_by(CLAIM, DEEPER)
def transposed_blocks_of_the_kernel(monkeypatch):
    """The NTK's outputs are swapped, which keeps it symmetric and its diagonal blocks as they are."""
    solution(monkeypatch, lambda honest, ntk, *rest: honest(jnp.transpose(ntk, (0, 3, 2, 1)), *rest))


@refuted_by(CLAIM, CONSTANT)
def outputs_decoupled_at_finite_width(monkeypatch):
    """The NTK's entries between different outputs are dropped, as if the width were infinite."""

    def decoupled(honest, ntk, *rest):
        return honest(ntk * jnp.eye(ntk.shape[1])[None, :, None, :], *rest)

    solution(monkeypatch, decoupled)


@refuted_by(CLAIM, CONSTANT)
def closed_form_in_single_precision(monkeypatch):
    """The closed form is evaluated in float32."""

    def rounded(honest, *given):
        found = honest(*(array.astype(jnp.float32) for array in given))
        return jax.tree.map(lambda array: array.astype(jnp.float64), found)

    solution(monkeypatch, rounded)


@refuted_by(CLAIM, CONSTANT, by=("output_error",))
def wrong_outputs_with_the_right_residual(monkeypatch):
    """phi_1(-v) is taken as e^{-v/2}, which agrees to first order and serves the outputs alone."""
    monkeypatch.setattr(closed_form_inside, "phi1", lambda values: jnp.exp(-values / 2))


@refuted_by(CLAIM, CONSTANT, by=("output_error",))
def outputs_as_if_training_were_over(monkeypatch):
    """The weights are Theta^{-1} r, those of infinite time, at a finite one."""

    def converged(honest, ntk, xi, residual):
        flat = residual.reshape(-1)
        weights = jnp.linalg.solve(ntk.reshape(flat.size, -1), flat).reshape(residual.shape)
        return honest(ntk, xi, residual)._replace(weights=weights)

    solution(monkeypatch, converged)


@refuted_by(CLAIM, CONSTANT)
def loose_integration_of_the_linear_flow(monkeypatch):
    """The flow is integrated to a tolerance of 1e-4."""
    instead(monkeypatch, closed_form, "integrate_seeds", lambda honest, *system: honest(*system[:-1], 1e-4))


def _commutator(name, statement, factor, worst):
    def plant(monkeypatch):
        instead(monkeypatch, magnus, "commutator_term", lambda honest, *system: factor * honest(*system))

    # A true prediction is off by an order 2 in time less; this one is as far off at the earliest time, an
    # eighth, where a sixteenth is allowed: by |1 - factor|, up to what the true one is off there.
    return Falsehood(name, statement, "closed_form.magnus", plant, VARYING, slow=True, worst=worst)


COMMUTATOR_SIGN = _commutator("commutator of the wrong sign", "The commutator's sign is wrong.", -1, 32)
COMMUTATOR_HALF = _commutator("commutator twice as large", "The commutator lost its factor 1/2.", 2, 16)
COMMUTATOR_NONE = _commutator("no commutator", "The closed form is claimed to have no defect.", 0, 16)
