r"""The search that a scenario states, in plain numbers: strengths at any time, and Xi by quadrature.

Schedules, Xi and the growth of the program under test have no part in it: held against these numbers, a
statement about adversarial training fails where the search is missing on both of its sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.scenario import Scenario
from advntk.implementations.dynamics.adversarial_training import Points
from advntk.implementations.networks.finite import Forward
from advntk.implementations.networks.protocol import Parameters

# Shape |-> strength at u = rate t; early stopping has a kink at u = 1.
STRENGTHS: dict[str, Callable[[float], float]] = {
    "constant": lambda u: 1.0,
    "growing": lambda u: 1 + u,
    "decaying": lambda u: math.exp(-u),
    "oscillating": lambda u: (1 + math.sin(u)) / 2,
    "early_stopped": lambda u: min(max(1 - u, 0.0), 1.0),
}
# Equal Runge-Kutta steps of a whole search: of order four, exact to 1e-6 for the strengths that are sampled.
_STEPS = 16
# Of each stage: how far along the last slope it looks, and with which weight it counts.
_RUNGE_KUTTA = ((0.0, 1 / 6), (0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6))
# Gauss-Legendre nodes over the whole time, for schedules without a kink that make no turns.
_NODES = 24


def stated_strengths(scenario: Scenario, share: float) -> Float[np.ndarray, " m"]:
    """eta_i(t) S of the samples at a share of the training time, in units of 1/mean_i Theta_x(x_i, x_i).

    Args:
      scenario: strength, spread and schedule; samples differ evenly.
      share: t/T, from 0 to 1.

    Returns:
      One strength per sample, (m,).
    """
    differ = np.linspace(-1.0, 1.0, scenario.samples) if scenario.samples > 1 else np.zeros(1)
    # One phase in the training time, two full turns of oscillations; growing strengths end at what is said.
    phase = 4 * math.pi if scenario.schedule == "oscillating" else 1.0
    base = scenario.strength / (2.0 if scenario.schedule == "growing" else 1.0)
    shape = STRENGTHS[scenario.schedule]
    turns = phase * (1 - scenario.spread * differ / 2) * share
    return base * (1 + scenario.spread * differ) * np.array([shape(float(u)) for u in turns])


def stated_growth(
    ark: Float[np.ndarray, "s m c c"], strengths: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "s m c c"]:
    """The blocks exp(eta_i S Theta_x(x_i, x_i)) of E, for symmetric blocks of the ARK.

    Args:
      ark: blocks, (s, m, c, c).
      strengths: eta_i S, (m,).

    Returns:
      Blocks, (s, m, c, c).
    """
    values, vectors = np.linalg.eigh(np.asarray(ark))
    growth = np.exp(values * strengths[None, :, None])
    found: np.ndarray = np.einsum("smak,smk,smbk->smab", vectors, growth, vectors)
    return found


def stated_xi(
    ark: Float[np.ndarray, "s m c c"], scenario: Scenario, unit: float, end: float
) -> Float[np.ndarray, "s m c c"]:
    """The blocks of Xi(T) by one Gauss-Legendre rule: constant, growing and decaying strengths.

    Args:
      ark: blocks, (s, m, c, c), symmetric.
      scenario: what states the strengths.
      unit: mean_i Theta_x(x_i, x_i) of the limit, in whose inverse strengths are stated.
      end: the training time T.

    Returns:
      Blocks, (s, m, c, c).

    Raises:
      ValueError: another schedule.
    """
    if scenario.schedule not in ("constant", "growing", "decaying"):
        raise ValueError(f"schedule = {scenario.schedule!r}: one rule does not integrate it")
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    growths = [stated_growth(ark, stated_strengths(scenario, (1 + node) / 2) / unit) for node in nodes]
    found: np.ndarray = end / 2 * np.einsum("q,qsmab->smab", weights, np.array(growths))
    return found


@jax.jit
def stated_positions(
    forward: Forward,
    parameters: Parameters,
    x: Float[Array, "m d"],
    y: Float[Array, "m c"],
    strengths: Float[Array, " m"],
) -> Float[Array, "s m d"]:
    """Inputs after a search of networks at fixed parameters, by the classical Runge-Kutta method.

    Args:
      forward: the networks' forward pass.
      parameters: with a leading seed axis.
      x: clean inputs, (m, d).
      y: targets, (m, c).
      strengths: eta_i S, (m,).

    Returns:
      Inputs at the end of the search, (s, m, d).
    """

    def of(theta: Parameters) -> Array:
        def loss(moved: Array) -> Array:
            return 0.5 * ((forward(theta, moved) - y) ** 2).sum()

        def slope(moved: Array) -> Array:
            found: Array = strengths[:, None] * jax.grad(loss)(moved)
            return found

        # One stage after the other, so that one gradient is compiled for all four.
        def stage(state: tuple[Array, Array, Array], part: Array) -> tuple[tuple[Array, Array, Array], None]:
            start, moved, before = state
            here = slope(start + part[0] / _STEPS * before)
            return (start, moved + part[1] / _STEPS * here, here), None

        def step(moved: Array, _: None) -> tuple[Array, None]:
            begin = (moved, moved, jnp.zeros_like(moved))
            return jax.lax.scan(stage, begin, jnp.asarray(_RUNGE_KUTTA))[0][1], None

        return jax.lax.scan(step, x, None, length=_STEPS)[0]

    return jax.lax.map(of, parameters)


def search_error(
    scenario: Scenario,
    unit: float,
    forward: Forward,
    parameters: Parameters,
    points: Points,
    searched: Float[Array, "s m c"],
) -> Float[Array, " s"]:
    """How far outputs after the search at time 0 are from those after the search that a scenario states.

    Args:
      scenario: what states the strengths.
      unit: mean_i Theta_x(x_i, x_i) of the limit, in whose inverse strengths are stated.
      forward: the networks' forward pass.
      parameters: theta_0, with a leading seed axis.
      points: inputs and targets, the samples first.
      searched: outputs at the samples after the search under test, (s, m, c).

    Returns:
      Root mean square over samples and outputs, (s,).
    """
    strengths = jnp.asarray(stated_strengths(scenario, 0.0) / unit)
    m = len(strengths)
    moved = stated_positions(forward, parameters, points.x[:m], points.y[:m], strengths)
    return jnp.sqrt(((searched - jax.vmap(forward)(parameters, moved)) ** 2).mean((1, 2)))
