r"""Gaps between trained networks and what they are said to follow: times, steps, the largest gaps."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.checks.trials.shared.linear_systems import LinearSystem
from advntk.implementations.dynamics.adversarial_training import Points
from advntk.implementations.dynamics.linearized import integrate, outputs
from advntk.implementations.dynamics.regularization import search_growth
from advntk.implementations.dynamics.schedules import Schedule

TIMES, FRACTIONS = 5, 3
# Tolerance, largest and least step of the run that is used, and of a rougher one at ten times its tolerance.
# That one is off by about ten times as much, so that their distance overestimates the error of the first.
FINE, ROUGH = (1e-4, 0.5, 1e-6), (1e-3, 1.0, 1e-6)
# Kinks stop any integrator from being as exact; the distance between the two runs says how exact it is.
KINKED_FINE, KINKED_ROUGH = (3e-3, 0.5, 1 / 8), (1e-2, 1.0, 1 / 4)

Steps = tuple[float, ...]


def linear_outputs(
    system: LinearSystem, points: Points, times: Array, samples: int
) -> tuple[Float[Array, "s times fractions p c"], Array]:
    """Outputs of the linearized network at the same times and fractions, and the result of its integrator."""
    return _linear_outputs(system, points.y, points.schedule, times, samples)


# Without the inputs, whose width grows along a sweep: one program for all of it.
@jax.jit(static_argnames=("samples",))
def _linear_outputs(
    system: LinearSystem, y: Array, schedule: Schedule, times: Array, samples: int
) -> tuple[Array, Array]:
    seen = schedule.take(samples)

    def one(one_seed: LinearSystem) -> tuple[Array, Array]:
        ntk, ark, initial = one_seed
        residual = initial[:samples] - y[:samples]
        flow = integrate(ntk[:samples, :, :samples], ark[:samples], residual, seen, times, 1e-8)

        def at(t: Array, integral: Array) -> Array:
            left = outputs(initial, ntk[:, :, :samples], integral) - y

            def after(fraction: Array) -> Array:
                growth = search_growth(ark, fraction * schedule.strengths(t))
                return y + jnp.einsum("iab,ib->ia", growth, left)

            return jax.vmap(after)(jnp.linspace(0.0, 1.0, FRACTIONS))

        return jax.vmap(at)(times, flow.integrals), flow.result

    # A loop, as in integrate_seeds.
    return jax.lax.map(one, system)


@partial(jax.jit, static_argnames=("samples",))
def largest_gaps(
    difference: Float[Array, "s times fractions p c"], samples: int, unit: Float[Array, " s"]
) -> dict[str, Float[Array, " s"]]:
    """Largest root mean square over points and outputs, along times and fractions, per seed."""
    found = {}
    for place, part in (("training", difference[..., :samples, :]), ("unseen", difference[..., samples:, :])):
        size = jnp.sqrt((part**2).mean((-2, -1))) / unit[:, None, None]
        found[f"clean_{place}"] = size[:, :, 0].max(1)
        found[f"searched_{place}"] = size.max((1, 2))
    return found
