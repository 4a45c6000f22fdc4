"""Wrong schedules, exponentials and training steps, and units of strengths and times that are mixed up."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from falsehood import instead, refuted_by

import advntk.checks.trials.implementation.dynamics as dynamics
import advntk.checks.trials.shared.linear_systems as linear_systems
import advntk.implementations.dynamics.closed_form as closed_form
import advntk.implementations.dynamics.discrete_training as discrete_training
import advntk.implementations.dynamics.magnus as magnus
import advntk.implementations.dynamics.regularization as regularization
import advntk.implementations.dynamics.schedules as schedules
import advntk.implementations.exponentials as exponentials

DYNAMICS, UNITS = "implementation.dynamics", "implementation.units"
VARYING = {"schedule": "growing", "spread": 0.5, "strength": 0.5}


@refuted_by(DYNAMICS, VARYING, by=("descent",))
def discrete_training_off_by_one_step(monkeypatch):
    """Outputs are taken one training step early."""

    def early(honest, forward, parameters, points, n, counts, how):
        return honest(forward, parameters, points, n, jnp.maximum(counts - 1, 0), how)

    instead(monkeypatch, dynamics, "descend_seeds", early)


@refuted_by(DYNAMICS, VARYING, by=("descent",))
def every_search_step_at_full_strength(monkeypatch):
    """Each of the K steps of a search has the strength of all of them."""

    def strong(honest, forward, parameters, x, y, strengths, steps):
        return honest(forward, parameters, x, y, strengths * steps, steps)

    instead(monkeypatch, discrete_training, "ascend", strong)


@refuted_by(DYNAMICS, VARYING)
def xi_by_the_midpoint_rule(monkeypatch):
    """Xi(t) is integrated with one node per panel."""
    nodes = (np.arange(16) + 0.5) / 16
    monkeypatch.setattr(regularization, "_TAU", nodes)
    monkeypatch.setattr(regularization, "_WEIGHT", np.full(16, 1 / 16))


@refuted_by(DYNAMICS, VARYING, by=("commutator",))
def commutator_without_its_half(monkeypatch):
    """O_2 is int [A, int A], without 1/2."""
    monkeypatch.setattr(magnus, "_WEIGHTS", 2 * magnus._WEIGHTS)


@refuted_by(DYNAMICS, {**VARYING, "schedule": "early_stopped"})
def early_stopping_that_goes_on(monkeypatch):
    """Strengths of early stopping become negative beyond their end."""
    monkeypatch.setitem(schedules._SHAPES, "early_stopped", lambda u: 1 - u)


@refuted_by(DYNAMICS, VARYING, by=("closed_forms",))
def closed_form_without_symmetrization(monkeypatch):
    """phi_1 of the symmetric matrix is taken at twice its argument."""
    instead(monkeypatch, closed_form, "phi1", lambda honest, a: honest(2 * a))


@refuted_by(DYNAMICS, VARYING, by=("exponentials",))
def series_one_term_short(monkeypatch):
    """The series of phi_2 is cut after four terms."""
    monkeypatch.setattr(exponentials, "_TERMS", 4)


@refuted_by(UNITS, {"schedule": "constant"}, by=("strength_error",))
def strengths_in_units_of_theta(monkeypatch):
    """Strengths are taken in units of the NTK."""
    instead(
        monkeypatch,
        linear_systems,
        "_scaled",
        lambda honest, limits, *rest: honest(limits._replace(ark=limits.ntk), *rest),
    )


@refuted_by(UNITS, {"schedule": "constant"}, by=("time_error",))
def times_in_units_of_the_ark(monkeypatch):
    """Times are taken in units of the ARK."""
    instead(
        monkeypatch,
        linear_systems,
        "_scaled",
        lambda honest, limits, *rest: honest(limits._replace(ntk=limits.ark), *rest),
    )


@refuted_by(UNITS, {"schedule": "growing", "spread": 0.5}, by=("strength_error",))
def strengths_that_do_not_differ(monkeypatch):
    """Every sample is searched with the mean strength."""
    instead(
        monkeypatch,
        linear_systems,
        "_scaled",
        lambda honest, limits, x, y, strength, spread, *rest: honest(
            limits, x, y, strength, 0 * spread, *rest
        ),
    )


@refuted_by(UNITS, {"schedule": "oscillating"}, by=("strength_error",))
def oscillations_of_half_a_turn(monkeypatch):
    """Oscillating strengths run through a quarter of their phase."""
    monkeypatch.setitem(linear_systems._PHASE, "oscillating", np.pi)
