r"""Trial of the activations: functions, slopes and dual activations against their definitions.

What is allowed is rounding: some dozens of eps times the size sqrt(E f^2 E g^2) of an expectation, and what
the quadrature that it is held against leaves.  A kinked activation's slope depends on an angle of which the
cosine is known: near correlation 1 that costs half of the digits, and the bound says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between
from advntk.checks.trial import trial
from advntk.checks.trials.implementation.comparing import EPS, compiled, worst
from advntk.checks.trials.implementation.space import MOMENTS
from advntk.checks.trials.shared.definitions import DEFINITIONS, LEAKY_SLOPE, resolved
from advntk.implementations.networks.activations import activation
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.infinite import dense
from advntk.theorems.assumptions import ACTIVATIONS

# Every sign and size of correlation: none, moderate, nearly and exactly that of equal or opposite inputs.
CORRELATIONS = np.array([-1.0, -1 + 1e-9, -0.6, 0.0, 0.3, 0.95, 1 - 1e-6, 1 - 1e-12, 1.0])
POINTS = np.concatenate([-np.geomspace(9, 1e-3, 24), np.geomspace(1e-3, 9, 24)])
# Of sums, products and library functions on the way to an expectation; a dozen are measured.
ROUNDINGS = 64
# A covariance over the root of two variances, and the products that XLA contracts.
COSINE = 16 * EPS

STATISTICS = ("function", "slope", "expectation", "expected_slopes", "price")


@trial(
    decides={
        "implementation.activations": [
            BoundDecider(name, f"{name}_allowed", "at most") for name in STATISTICS
        ]
    },
    space=MOMENTS.over(activation=ACTIVATIONS, variance=Between(0.1, 4.0, 0.1), ratio=(1.0, 0.25, 2.0)),
    effort=Effort(quick=Measure(7, 1), standard=Measure(28, 1), thorough=Measure(100, 1)),
    random=False,
    seconds=lambda _: 1.0,
)
def activations_by_definition(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """phi and phi' at points; E[phi phi'], E[phi' phi''] and the derivatives of the first in all moments."""
    name, (phi, slope, curvature) = scenario.activation, DEFINITIONS[scenario.activation]
    p = np.full(CORRELATIONS.shape, scenario.variance)
    other = p * scenario.ratio
    # Correlations that are exactly 1 have a covariance that is the variance to the last digit.
    q = CORRELATIONS * (p if scenario.ratio == 1 else np.sqrt(p * other))
    value, slopes, in_q, in_p, in_other = (np.asarray(one) for one in duals(name)(q, p, other))
    at, along = (np.asarray(one) for one in function(name)(POINTS))
    found = {
        "function": worst((at - phi(POINTS), 16 * EPS * (1 + np.abs(POINTS)))),
        "slope": worst((along - slope(POINTS), ROUNDINGS * EPS * (1 + np.abs(POINTS)))),
        "expectation": worst(_against(value, phi, phi, q, p, other)),
    }
    kinked = name in ("relu", "leaky_relu")
    angle = _angle_known_to(q, p, other) if kinked else np.zeros_like(q)
    gain = (1 - (LEAKY_SLOPE if name == "leaky_relu" else 0.0)) ** 2 / (2 * np.pi) if kinked else 0.0
    between, allowed = _against(slopes, slope, slope, q, p, other)
    found["expected_slopes"] = worst((between, allowed + gain * angle))
    price = [_against(in_q, slope, slope, q, p, other)]
    if kinked:
        # phi'' is 1 - a times a delta at 0: E[phi'' phi] = (1 - a) density(0) E[phi(v) | u = 0].
        sine = np.sqrt(np.maximum(1 - (q**2 / (p * other)), 0))
        for found_here, ratio in ((in_p, other / p), (in_other, p / other)):
            wanted = gain / 2 * np.sqrt(ratio) * sine
            price.append((found_here - wanted, gain * np.sqrt(ratio) * (angle + ROUNDINGS * EPS)))
        price[0] = price[0][0], price[0][1] + gain * angle
    else:
        price += [
            _against(2 * in_p, curvature, phi, q, p, other),
            _against(2 * in_other, phi, curvature, q, p, other),
        ]
    found["price"] = worst(*price)
    values = {}
    for statistic, (error, bound) in found.items():
        values[statistic], values[f"{statistic}_allowed"] = error, bound
    return values


def function(name: str) -> Callable[[Any], tuple[Array, Array]]:
    """phi of the finite network, and its derivative, at several points."""
    phi = activation(name).phi
    return compiled(lambda x: (phi(x), jax.vmap(jax.grad(phi))(x)))


def duals(name: str) -> Callable[[Any, Any, Any], tuple[Array, ...]]:
    """(q, p, p') |-> E[phi phi'], E[phi' phi''] of the infinite layer, and the first's slopes in each."""
    form = dense(architecture(), 1)[2](jnp.ones((1, 1)), jnp.ones((1, 1)))
    layer = activation(name).layer()[2]

    def both(q: Array, p: Array, other: Array) -> tuple[Array, Array]:
        one = form.replace(nngp=q[None, None], cov1=p[None], cov2=other[None], ntk=jnp.ones((1, 1)))
        found = layer(one)
        return found.nngp[0, 0], found.ntk[0, 0]

    def everything(*moments: Array) -> tuple[Array, ...]:
        return *both(*moments), *jax.grad(lambda *m: both(*m)[0], argnums=(0, 1, 2))(*moments)

    return compiled(jax.vmap(everything))


def _against(
    found: np.ndarray, f: Callable, g: Callable, *moments: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Errors of expectations, and what rounding and the quadrature account for."""
    q, p, other = moments
    wanted, left = resolved(f, g, q, p, other)
    square, _ = resolved(lambda u: f(u) ** 2, lambda v: np.ones_like(v), p, p, p)
    theirs, _ = resolved(lambda u: g(u) ** 2, lambda v: np.ones_like(v), other, other, other)
    return found - wanted, 2 * left + ROUNDINGS * EPS * np.sqrt(square * theirs)


def _angle_known_to(q: np.ndarray, p: np.ndarray, other: np.ndarray) -> np.ndarray:
    cosine = q / np.sqrt(p * other)
    low, high = (np.clip(cosine + one * COSINE, -1, 1) for one in (-1, 1))
    return np.arccos(low) - np.arccos(high)
