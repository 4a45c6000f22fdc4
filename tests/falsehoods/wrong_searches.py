"""Wrong searches: what adversarial training does to an input, and the exponential that says so."""

from __future__ import annotations

import jax.numpy as jnp
from falsehood import instead, refuted_by

import advntk.checks.trials.closed_form.flows as closed_form

SEARCH = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "sigma_b": 0.1,
    "parameterization": "ntk",
    "outputs": 2,
    "spread": 0.5,
    "data_seed": 0,
}
CLAIM = "closed_form.search"


def exponential(monkeypatch, wrong):
    """Put another residual after the search in place of exp(eta S Theta_x) r."""
    instead(monkeypatch, closed_form, "searched_residual", wrong)


@refuted_by(CLAIM, SEARCH)
def search_down_the_loss(monkeypatch):
    """The search lowers the loss: exp(-eta S Theta_x) r."""
    exponential(monkeypatch, lambda honest, ark, strengths, r: honest(ark, -strengths, r))


@refuted_by(CLAIM, SEARCH)
def search_without_its_strengths(monkeypatch):
    """eta S is dropped: exp(Theta_x) r."""
    exponential(monkeypatch, lambda honest, ark, strengths, r: honest(ark, jnp.ones_like(strengths), r))


@refuted_by(CLAIM, SEARCH)
def search_that_overshoots(monkeypatch):
    """The search runs one per cent longer than S."""
    exponential(monkeypatch, lambda honest, ark, strengths, r: honest(ark, 1.01 * strengths, r))


@refuted_by(CLAIM, SEARCH)
def search_with_a_stale_gradient(monkeypatch):
    """The residual in the search's gradient is that at its start: (I + eta S Theta_x) r."""

    def one_step(honest, ark, strengths, r):
        return r + strengths[:, None] * jnp.einsum("iab,ib->ia", ark, r)

    exponential(monkeypatch, one_step)


@refuted_by(CLAIM, SEARCH)
def search_in_ten_steps(monkeypatch):
    """Ten steps of gradient ascent are taken for the flow."""

    def ten_steps(honest, ark, strengths, r):
        for _ in range(10):
            r = r + strengths[:, None] / 10 * jnp.einsum("iab,ib->ia", ark, r)
        return r

    exponential(monkeypatch, ten_steps)


@refuted_by(CLAIM, SEARCH)
def search_of_each_output_alone(monkeypatch):
    """The ARK's blocks are taken as diagonal at a finite width."""
    exponential(monkeypatch, lambda honest, ark, *rest: honest(ark * jnp.eye(ark.shape[-1])[None], *rest))


@refuted_by(CLAIM, SEARCH)
def search_by_the_mean_kernel(monkeypatch):
    """Every sample is searched with the mean of all samples' ARK blocks."""

    def shared(honest, ark, *rest):
        return honest(jnp.broadcast_to(ark.mean(0, keepdims=True), ark.shape), *rest)

    exponential(monkeypatch, shared)


@refuted_by(CLAIM, SEARCH)
def search_of_the_wrong_sample(monkeypatch):
    """Each sample is searched with the next sample's strength."""
    exponential(monkeypatch, lambda honest, ark, strengths, r: honest(ark, jnp.roll(strengths, 1), r))


@refuted_by(CLAIM, SEARCH)
def search_in_the_parameters(monkeypatch):
    """The search's exponential takes the NTK's diagonal blocks in place of the ARK's."""

    def confused(honest, *given):
        found = honest(*given)
        blocks = jnp.moveaxis(jnp.diagonal(found.ntk, axis1=1, axis2=3), -1, 1)
        return found._replace(ark=(blocks + jnp.swapaxes(blocks, -1, -2)) / 2)

    instead(monkeypatch, closed_form, "linear_systems", confused)


@refuted_by(CLAIM, SEARCH)
def search_along_the_sign(monkeypatch):
    """Inputs move along the sign of the gradient while theory follows the gradient itself."""

    def sign(honest, jacobians, r, strengths, tolerance):
        step = strengths[:, None] * jnp.sign(jnp.einsum("icd,ic->id", jacobians, r))
        return r + jnp.einsum("icd,id->ic", jacobians, step)

    instead(monkeypatch, closed_form, "integrated_search", sign)


@refuted_by(CLAIM, SEARCH)
def search_integrated_loosely(monkeypatch):
    """The search is integrated to a tolerance of one per cent."""
    instead(monkeypatch, closed_form, "integrated_search", lambda honest, *given: honest(*given[:-1], 1e-2))
