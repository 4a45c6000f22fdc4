"""Results: every failure has a cause and a remedy, and the integrator's own reason survives."""

from __future__ import annotations

import diffrax
import jax
import jax.numpy as jnp
import pytest

from advntk.implementations.results import Result, first_failure, of_finite, of_integrator


def test_every_failure_says_what_happened_and_what_to_do():
    assert Result.successful == 0 and not Result.successful.remedy
    words = [one.message for one in Result]
    assert all(words) and len(set(words)) == len(words)
    assert all(one.remedy for one in Result if one != Result.successful)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("successful", Result.successful),
        ("max_steps_reached", Result.max_steps_reached),
        ("dt_min_reached", Result.dtmin_reached),
        ("nonfinite", Result.not_finite),
        ("nonlinear_divergence", Result.breakdown),
        ("singular", Result.breakdown),
    ],
)
def test_the_reason_of_the_integrator_is_kept(name, expected):
    assert int(of_integrator(getattr(diffrax.RESULTS, name))) == expected


@pytest.mark.parametrize(
    ("controller", "max_steps", "expected"),
    [
        (diffrax.PIDController(rtol=1e-9, atol=1e-9), 4096, Result.successful),
        (diffrax.PIDController(rtol=1e-9, atol=1e-9), 3, Result.max_steps_reached),
        (diffrax.PIDController(rtol=1e-9, atol=1e-9, dtmin=0.5, force_dtmin=False), 64, Result.dtmin_reached),
    ],
)
def test_the_reason_of_a_whole_integration_per_seed(controller, max_steps, expected):
    def one(start):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: -30 * y), diffrax.Tsit5(), 0.0, 1.0, 1.0, start,
            stepsize_controller=controller, max_steps=max_steps, throw=False,
        )  # fmt: skip
        return of_integrator(solution.result)

    found = jax.vmap(one)(jnp.arange(1.0, 4.0))
    assert found.tolist() == [expected] * 3


def test_the_first_failure_counts():
    one, other = jnp.array([0, 2, 0, 4]), jnp.array([0, 1, 3, 0])
    assert first_failure(one, other).tolist() == [0, 2, 3, 4]
    assert of_finite(jnp.array([True, False])).tolist() == [Result.successful, Result.not_finite]
