"""Wrong limits of trained networks, and robust overfitting looked at in the wrong way; minutes in all."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from falsehood import instead, refuted_by
from wrong_theories import decide, restate

import advntk.checks.trials.closed_form.ensembles as ensembles
import advntk.checks.trials.linearization_equivalence.flows as linearization
import advntk.checks.trials.xi_fading.overfitting as xi_fading
import advntk.implementations.dynamics.adversarial_training as adversarial_training
import advntk.implementations.experiments.robust_overfitting as overfitting_inside
import advntk.theorems.linearization_equivalence as linearization_theory
from advntk.checks.deciders.rate import RateDecider
from advntk.theorems.vocabulary import Rate

CLEAN, SEARCHED = "linearization_equivalence.clean", "linearization_equivalence.adversarial"
PROCESS, OVERFITTING = "closed_form.gaussian_process", "xi_fading.robust_overfitting"
TRAINED = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "sigma_b": 0.1,
    "parameterization": "ntk",
    "data_seed": 0,
    "schedule": "constant",
    "strength": 0.4,
    "spread": 0.0,
    "training_time": 1.0,
}
# Uphill residuals grow exponentially, and differ between seeds by as much: a short while shows it.
SHORT = {**TRAINED, "training_time": 0.3}
ENSEMBLE = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "sigma_b": 0.1,
    "data_seed": 0,
    "schedule": "constant",
    "strength": 0.2,
    "training_time": 0.5,
}
# Small networks: what is planted does not go away with any width.
SWEEP, ENSEMBLE_SWEEP = (32, 64, 128, 256), (16, 24, 32, 64)
NOISY = {"label_noise": 0.1}
IN_TRAINING = {"pins": TRAINED, "widths": SWEEP, "slow": True}
IN_ENSEMBLES = {"pins": ENSEMBLE, "widths": ENSEMBLE_SWEEP, "slow": True}
ON_DIGITS = {"pins": NOISY, "slow": True}


def linear_outputs(monkeypatch, wrong):
    """Compare with another linear system: `wrong` maps (system, points) to another pair."""

    def outputs(honest, system, points, *rest):
        return honest(*wrong(system, points), *rest)

    instead(monkeypatch, linearization, "linear_outputs", outputs)


@refuted_by(CLEAN, **IN_TRAINING, also=(SEARCHED,))
def linear_reference_without_search(monkeypatch):
    """The linearized network is trained without a search."""

    def without(system, points):
        schedule = replace(points.schedule, scale=jnp.zeros_like(points.schedule.scale))
        return system, points._replace(schedule=schedule)

    linear_outputs(monkeypatch, without)


@refuted_by(CLEAN, **{**IN_TRAINING, "pins": SHORT}, also=(SEARCHED,))
def linear_reference_uphill(monkeypatch):
    """The linearized network climbs the loss."""
    linear_outputs(monkeypatch, lambda system, points: (system._replace(ntk=-system.ntk), points))


@refuted_by(CLEAN, **IN_TRAINING, also=(SEARCHED,))
def linear_reference_without_its_start(monkeypatch):
    """The linearized network starts at zero where the network starts at f_0."""
    linear_outputs(monkeypatch, lambda system, points: (system._replace(initial=0 * system.initial), points))


@refuted_by(SEARCHED, **IN_TRAINING, also=(CLEAN,))
def networks_trained_without_search(monkeypatch):
    """Networks are never searched, while theory searches them."""

    def nowhere(honest, forward, parameters, x, *rest):
        return x, jnp.asarray(0)

    instead(monkeypatch, adversarial_training, "search", nowhere)


@refuted_by(CLEAN, **IN_TRAINING)
def linearisation_to_order_two(monkeypatch):
    """The gap to the linearized network is claimed to fall like n^{-2}."""
    restate(monkeypatch, linearization_theory, CLEAN, rate=Rate(2.0))
    deciders = [RateDecider("clean_training", 2.0), RateDecider("clean_unseen", 2.0)]
    decide(monkeypatch, linearization, "joint_flow", CLEAN, deciders)


@refuted_by(PROCESS, **IN_ENSEMBLES)
def process_of_the_wrong_mean(monkeypatch):
    """The limiting process has the mean -A y."""

    def negated(honest, *given):
        return honest(*given[:-1], -given[-1])

    instead(monkeypatch, ensembles, "limit_process", negated)


@refuted_by(PROCESS, **IN_ENSEMBLES)
def process_without_the_mixed_covariance(monkeypatch):
    """The limiting covariance lacks K(x, X) A' and its transpose."""

    def without(honest, ntk, nngp, xi, cross_ntk, cross_nngp, there, targets):
        mean, covariance = honest(ntk, nngp, xi, cross_ntk, cross_nngp, there, targets)
        operator, _ = honest(ntk, nngp, xi, cross_ntk, cross_nngp, there, jnp.eye(len(xi)))
        mixed = operator @ cross_nngp.T
        return mean, covariance + mixed + mixed.T

    instead(monkeypatch, ensembles, "limit_process", without)


@refuted_by(PROCESS, **IN_ENSEMBLES, by=("variance", "characteristic"))
def process_as_uncertain_as_before_training(monkeypatch):
    """The limiting covariance stays K(x, x'), as if training moved means alone."""

    def untrained(honest, ntk, nngp, xi, cross_ntk, cross_nngp, there, targets):
        mean, _ = honest(ntk, nngp, xi, cross_ntk, cross_nngp, there, targets)
        return mean, there

    instead(monkeypatch, ensembles, "limit_process", untrained)


@refuted_by(OVERFITTING, **ON_DIGITS)
def attack_of_radius_zero(monkeypatch):
    """Robust accuracy is taken without moving any image."""
    instead(monkeypatch, xi_fading, "robust_overfitting", lambda honest, *given: honest(*given[:5], 0.0))


@refuted_by(OVERFITTING, **ON_DIGITS)
def robustness_on_training_images(monkeypatch):
    """Accuracies are taken on the training images and their noisy labels."""

    def seen(honest, *given):
        found = honest(*given)
        labels = found.y.argmax(1)
        return found._replace(
            validation_x=found.x, validation_labels=labels, test_x=found.x, test_labels=labels
        )

    instead(monkeypatch, xi_fading, "split", seen)


@refuted_by(OVERFITTING, **ON_DIGITS)
def attack_down_the_loss(monkeypatch):
    """The attack helps: it moves images against the gradient of their loss."""

    def helping(honest, slope, *rest):
        return honest(lambda at: -slope(at), *rest)

    instead(monkeypatch, overfitting_inside, "pgd_linf", helping)


@refuted_by(OVERFITTING, **ON_DIGITS)
def stopping_at_the_end(monkeypatch):
    """Early stopping is claimed to change nothing: the chosen time is the last one."""

    def last(honest, curves):
        robust = curves.test.robust
        return honest(curves)._replace(
            chosen=len(robust) - 1, robust=robust[-1], rise=robust[-1] - robust[0], drop=0.0
        )

    instead(monkeypatch, xi_fading, "peak", last)
