"""Wrong ways for the search to fade: flows, bounds and limits."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from falsehood import instead, refuted_by

import advntk.checks.trials.xi_fading.decay as xi_fading
from advntk.implementations.kernels.empirical import kernels_of_seeds

LYAPUNOV, CLOSED, PREDICTION = "xi_fading.lyapunov", "xi_fading.closed_form", "xi_fading.prediction"
SINGULAR, SLOWEST = "xi_fading.singular_limit", "xi_fading.negative_eta_rate"
SIMPLE = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "sigma_b": 0.1,
    "parameterization": "ntk",
    "data_seed": 0,
    "width": 64,
    "schedule": "constant",
    "spread": 0.5,
}
FADING = {**SIMPLE, "strength": 1.0, "training_time": 20.0}
WEAK = {**FADING, "strength": 0.1}
STRONG = {**FADING, "strength": 3.0, "spread": 0.9, "training_time": 2.0}
# What a wrong weight gets wrong is over early on: Theta E is not normal, and |r| grows before it falls.
EARLY = {**STRONG, "depth": 3, "activation": "relu", "training_time": 0.02}
TWICE = {**SIMPLE, "strength": 1.0}
TWICE.pop("parameterization")
NEGATIVE = {**TWICE, "strength": -1.0}


def flow(monkeypatch, wrong):
    """Integrate another flow than the true one."""
    instead(monkeypatch, xi_fading, "integrate_seeds", wrong)


def bounds(monkeypatch, wrong):
    """Change what the flow is held against."""
    instead(monkeypatch, xi_fading, "_against_bounds", wrong)


@refuted_by(LYAPUNOV, WEAK, also=(PREDICTION,))
def kernel_that_learns_at_half_the_speed(monkeypatch):
    """The flow is driven by half the NTK."""
    flow(monkeypatch, lambda honest, ntk, *rest: honest(ntk / 2, *rest))


@refuted_by(LYAPUNOV, {**WEAK, "training_time": 2.0}, also=(PREDICTION,))
def training_uphill(monkeypatch):
    """Parameters climb the loss."""
    flow(monkeypatch, lambda honest, ntk, *rest: honest(-ntk, *rest))


@refuted_by(LYAPUNOV, {**FADING, "strength": 2.0})
def search_that_lowers_the_loss(monkeypatch):
    """The strengths' sign is wrong, so that residuals shrink in the search and training is slower."""

    def negated(honest, *arguments):
        found = honest(*arguments)
        schedule = replace(found.points.schedule, scale=-found.points.schedule.scale)
        return found._replace(points=found.points._replace(schedule=schedule))

    instead(monkeypatch, xi_fading, "setting", negated)


@refuted_by(LYAPUNOV, EARLY)
def lyapunov_function_without_its_weight(monkeypatch):
    """V is |r|^2 in place of r' Theta^{-1} r, which strong unequal searches let grow at first."""
    instead(monkeypatch, xi_fading, "lyapunov", lambda honest, ntk, r: (r**2).sum())


@refuted_by(LYAPUNOV, EARLY)
def lyapunov_function_of_the_inverse_weight(monkeypatch):
    """V is r' Theta r in place of r' Theta^{-1} r."""
    instead(monkeypatch, xi_fading, "lyapunov", lambda honest, ntk, r: jnp.einsum("ia,iajb,jb->", r, ntk, r))


@refuted_by(LYAPUNOV, WEAK)
def fading_at_twice_the_rate(monkeypatch):
    """V is claimed to fall like exp(-4 lambda_min t)."""

    def faster(honest, *given):
        found = honest(*given)
        return {**found, "excess": (found["fading"]["v"] - found["fading"]["bound"] ** 2).max(1)}

    bounds(monkeypatch, faster)


@refuted_by(PREDICTION, FADING, spares=(LYAPUNOV,))
def predictor_of_the_wrong_sign(monkeypatch):
    """Outputs at unseen points are f_0 + Theta(x, X) int E r."""
    instead(monkeypatch, xi_fading, "outputs", lambda honest, start, cross, p: honest(start, cross, -p))


@refuted_by(PREDICTION, FADING, spares=(LYAPUNOV,))
def predictor_without_its_prior(monkeypatch):
    """Outputs at unseen points lack f_0."""
    instead(monkeypatch, xi_fading, "outputs", lambda honest, start, *rest: honest(0 * start, *rest))


@refuted_by(PREDICTION, FADING, also=(LYAPUNOV,))
def outputs_without_the_search_in_their_integral(monkeypatch):
    """Outputs at unseen points integrate r in place of the searched residual E r."""

    def clean(honest, ntk, ark, residual, schedule, times, tolerance):
        found = honest(ntk, ark, residual, schedule, times, tolerance)
        growth = xi_fading.search_growth
        shrink = jax.vmap(lambda a: jnp.linalg.inv(growth(a, schedule.strengths(0.0))))(ark)
        return found._replace(integrals=jnp.einsum("siab,stib->stia", shrink, found.integrals))

    flow(monkeypatch, clean)


@refuted_by(PREDICTION, FADING)
def limit_of_ridge_regression(monkeypatch):
    """The flow is claimed to end at ridge regression: a tenth of its mean diagonal is added to the NTK."""

    def ridge(honest, system, points, found, end, m):
        size = jnp.einsum("siaia->s", system.ntk[:, :m, :, :m]) / (m * points.y.shape[1])
        unit = jnp.eye(m)[:, None, :, None] * jnp.eye(points.y.shape[1])[None, :, None, :]
        ntk = system.ntk.at[:, :m, :, :m].add(0.1 * size[:, None, None, None, None] * unit[None])
        return honest(system._replace(ntk=ntk), points, found, end, m)

    bounds(monkeypatch, ridge)


@refuted_by(PREDICTION, {**FADING, "data_seed": 3})
def limit_predicted_from_the_ark(monkeypatch):
    """The limit is predicted from the ARK in place of the NTK, brought to its size."""
    systems, arks = xi_fading.linear_systems, {}

    def remembered(forward, parameters, x):
        # The flow is that of the NTK; a limit does not depend on its kernel's scale, bounds do.
        found = systems(forward, parameters, x)
        ark = kernels_of_seeds(forward, parameters, x).ark
        size = jnp.einsum("siaia->s", found.ntk) / jnp.einsum("siaia->s", ark)
        arks[float(found.initial.sum())] = ark * size[:, None, None, None, None]
        return found

    def from_ark(honest, system, *rest):
        return honest(system._replace(ntk=arks[float(system.initial.sum())]), *rest)

    monkeypatch.setattr(xi_fading, "linear_systems", remembered)
    bounds(monkeypatch, from_ark)


@refuted_by(CLOSED, FADING)
def propagator_that_grows(monkeypatch):
    """The closed form's propagator is exp(Theta Xi)."""
    instead(monkeypatch, xi_fading, "dense_propagator", lambda honest, ntk, xi: honest(-ntk, xi))


def _bound(exponent, with_condition):
    """The bound on the propagator, with another exponent or without the root of cond Xi."""

    def wrong(honest, system, points, time, m):
        norm, _ = honest(system, points, time, m)
        schedule = jax.tree.map(lambda leaf: leaf[:m] if leaf.ndim else leaf, points.schedule)
        blocks = np.linalg.eigvalsh(xi_fading.xi_blocks(system.ark[:, :m], schedule, time))
        least, most = blocks.min((1, 2)), blocks.max((1, 2))
        root = np.sqrt(most / least) if with_condition else 1.0
        smallest = np.asarray(xi_fading._spectrum(system, m))[:, 0]
        return norm, jnp.asarray(root * np.exp(-smallest * (most if exponent == "most" else least)))

    return wrong


@refuted_by(CLOSED, STRONG)
def bound_without_the_condition_of_xi(monkeypatch):
    """The propagator is claimed to be at most exp(-lambda_min(Theta) lambda_min(Xi)), as if normal."""
    instead(monkeypatch, xi_fading, "_propagator", _bound("least", with_condition=False))


@refuted_by(CLOSED, STRONG)
def bound_by_the_largest_growth(monkeypatch):
    """The propagator's bound takes lambda_max(Xi) for lambda_min(Xi) in its exponent."""
    instead(monkeypatch, xi_fading, "_propagator", _bound("most", with_condition=True))


@refuted_by(SINGULAR, TWICE, by=("limit_error",))
def targets_of_one_input_weighed_equally(monkeypatch):
    """The limit at an input that occurs twice is the plain mean of its two targets."""

    def equal(honest, ark, strengths):
        return jnp.broadcast_to(jnp.eye(ark.shape[-1]), ark.shape)

    instead(monkeypatch, xi_fading, "search_growth", equal)


@refuted_by(SINGULAR, TWICE, by=("limit_error",))
def targets_weighed_by_the_inverse_growth(monkeypatch):
    """The target whose search grows more is given the lesser weight."""
    instead(monkeypatch, xi_fading, "search_growth", lambda honest, ark, strengths: honest(ark, -strengths))


@refuted_by(SINGULAR, TWICE, by=("limit_error", "conserved_error"))
def nugget_on_a_singular_kernel(monkeypatch):
    """A thousandth of its largest entry is added to the NTK's diagonal, so that nothing is conserved."""

    def safer(honest, ntk, *rest):
        unit = jnp.eye(ntk.shape[1])[:, None, :, None] * jnp.eye(ntk.shape[2])[None, :, None, :]
        return honest(ntk + 1e-3 * ntk.max() * unit[None], *rest)

    flow(monkeypatch, safer)


@refuted_by(SLOWEST, NEGATIVE)
def rate_of_the_mean_growth(monkeypatch):
    """Under negative strengths V is claimed to fall at the rate of the mean growth, not of the least."""

    def mean(honest, ark, schedule, time):
        growth = xi_fading.search_growth(ark, schedule.strengths(0.0))
        return time * jnp.einsum("iaa->", growth) / (ark.shape[0] * ark.shape[1])

    instead(monkeypatch, xi_fading, "least_growth", mean)
