"""Threat models and their projections, and attacks against optima known without them."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, linprog

from advntk.implementations.attacks.apgd import apgd
from advntk.implementations.attacks.losses import (
    margin,
)
from advntk.implementations.attacks.pgd import pgd, pgd_linf
from advntk.implementations.attacks.square import patch_sizes, square
from advntk.implementations.attacks.threat import NORMS, ThreatModel, project, random_start, size

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=15)
SEEDS = st.integers(0, 2**31)
RADII = st.floats(0.01, 3)
K, D, C = 5, 6, 4
LOW, HIGH = -0.5, 0.5
KEY = jax.random.key(3)

# Programs this small take longer to optimize than to run.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
projected = compiled(project)
started = compiled(random_start)


def furthest(norm: str, slope: np.ndarray, radius: float, lower: np.ndarray, upper: np.ndarray) -> float:
    """max slope . delta over |delta| <= radius and lower <= delta <= upper, of one sample, by SciPy."""
    if norm == "l2":
        # Stationary points are clip(mu slope), longer with mu.
        def over(mu):
            return np.linalg.norm(np.clip(mu * slope, lower, upper)) - radius

        largest = 1e3 / np.abs(slope).min()
        mu = largest if over(largest) <= 0 else brentq(over, 0, largest, xtol=1e-300, rtol=4 * EPS)
        return float(slope @ np.clip(mu * slope, lower, upper))
    # delta = up - down.
    bounds = [(0, min(one, radius)) for one in (*np.maximum(upper, 0), *np.maximum(-lower, 0))]
    ball = {"A_ub": np.ones((1, 2 * len(slope))), "b_ub": [radius]} if norm == "l1" else {}
    return -linprog(np.concatenate([-slope, slope]), bounds=bounds, method="highs", **ball).fun


def optima(threat: ThreatModel, slopes: np.ndarray, x: np.ndarray) -> np.ndarray:
    rows = zip(slopes, threat.low - x, threat.high - x, strict=True)
    return np.array([furthest(threat.norm, one, threat.radius, low, high) for one, low, high in rows])


def instance(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Slopes away from 0 and inputs in the box, some on its border."""
    rng = np.random.default_rng(seed)
    slopes = rng.choice([-1, 1], (K, D)) * rng.uniform(0.1, 2, (K, D))
    return slopes, np.clip(rng.uniform(-0.7, 0.7, (K, D)), LOW, HIGH)


# Distances here are of order 1 and sum D terms.
ROUNDING = 50 * D * EPS


@pytest.mark.parametrize("norm", NORMS)
@EXACT
@given(seed=SEEDS, radius=RADII, stretch=st.floats(0.01, 5))
def test_projection_is_the_nearest_point_of_ball_and_box(norm, seed, radius, stretch):
    threat = ThreatModel(norm, radius, LOW, HIGH)
    direction, x = instance(seed)
    moved = x + stretch * direction
    moved[0, :2] = x[0, :2]
    found = np.asarray(projected(threat, x, moved))
    assert found.min() >= LOW and found.max() <= HIGH
    assert (np.asarray(size(threat, jnp.asarray(found - x))) <= radius + ROUNDING * (1 + radius)).all()
    np.testing.assert_allclose(projected(threat, x, found), found, rtol=0, atol=ROUNDING * (1 + radius))
    # Of a convex set z is the point nearest to m if and only if (m - z) . q <= (m - z) . z in all of it;
    # `furthest` has a slope of 0 in none but these rows' linear programmes, hence the shift.
    normal = moved - found
    normal = np.where(np.abs(normal) < 1e-12, 1e-12, normal)
    reached = (normal * (found - x)).sum(1)
    slack = (1e-9 if norm != "linf" else 1e-10) * (1 + np.abs(normal).sum(1)) * (1 + radius)
    assert (reached >= optima(threat, normal, x) - slack).all()


@pytest.mark.parametrize("norm", NORMS)
def test_projection_leaves_what_is_inside_and_radius_0_leaves_nothing(norm):
    slopes, x = instance(1)
    near = np.clip(x + 1e-3 * slopes, LOW, HIGH)
    inside = projected(ThreatModel(norm, 1.0, LOW, HIGH), x, near)
    np.testing.assert_allclose(inside, near, rtol=0, atol=4 * EPS)
    none = ThreatModel(norm, 0.0, LOW, HIGH)
    np.testing.assert_array_equal(projected(none, x, x + slopes), x)
    np.testing.assert_array_equal(started(none, KEY, x), x)
    # Without a box the l2 ball scales and nothing else.
    if norm == "l2":
        ball = projected(ThreatModel(norm, 0.3), x, x + slopes)
        scaled = x + 0.3 * slopes / np.linalg.norm(slopes, axis=1, keepdims=True)
        np.testing.assert_allclose(ball, scaled, rtol=0, atol=ROUNDING)


def test_sizes_are_norms_of_whole_samples():
    delta = jnp.asarray([[[3.0, -4.0]], [[0.0, 1.0]]])
    for norm, expected in (("linf", [4, 1]), ("l2", [5, 1]), ("l1", [7, 1])):
        np.testing.assert_array_equal(size(ThreatModel(norm, 1.0), delta), expected)


@pytest.mark.parametrize("norm", NORMS)
def test_random_starts_are_uniform_in_the_ball_and_in_the_box(norm):
    many, d = 4000, 3
    x = jnp.zeros((many, d))
    sizes = np.asarray(size(ThreatModel(norm, 2.0), started(ThreatModel(norm, 2.0), KEY, x)))
    assert sizes.max() <= 2 * (1 + 10 * EPS)
    # Uniform in d dimensions: (size/radius)^d is uniform in [0, 1]; its mean, five standard deviations.
    assert abs(((sizes / 2) ** d).mean() - 0.5) < 5 * np.sqrt(1 / 12 / many)
    boxed = np.asarray(started(ThreatModel(norm, 2.0, -0.2, 0.1), KEY, x))
    assert boxed.min() == -0.2 and boxed.max() == 0.1


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"norm": "l3"}, "norm = 'l3'.*linf, l2, l1"),
        ({"radius": -0.1}, "radius = -0.1"),
        ({"radius": float("nan")}, "radius = nan"),
        ({"radius": float("inf")}, "radius = inf"),
        ({"low": 1.0, "high": 1.0}, r"low, high = 1.0, 1.0.*low < high"),
    ],
)
def test_impossible_threat_models_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        ThreatModel(**{"norm": "l2", "radius": 1.0, "low": 0.0, "high": 1.0, **wrong})


# Linear predictors: the optimum of every norm is known.


def line(slopes):
    """Losses slope . x and their gradients."""
    return lambda at: (jnp.sum(slopes * at, axis=1), slopes)


@compiled
def pgd_of_line(slopes, x, threat, step, key):
    return pgd(line(slopes), x, threat, step, 240, key)


@compiled
def apgd_of_line(slopes, x, threat, key):
    return apgd(line(slopes), x, threat, 60, key)


def shortfall(threat: ThreatModel, slopes: np.ndarray, x: np.ndarray, found: jax.Array) -> np.ndarray:
    moved = np.asarray(found) - x
    assert (np.asarray(size(threat, jnp.asarray(moved))) <= threat.radius * (1 + ROUNDING) + ROUNDING).all()
    assert np.asarray(found).min() >= threat.low and np.asarray(found).max() <= threat.high
    return optima(threat, slopes, x) - (slopes * moved).sum(1)


@pytest.mark.parametrize("norm", NORMS)
@EXACT
@given(seed=SEEDS, radius=st.floats(0.05, 1), boxed=st.booleans())
def test_gradient_attacks_reach_the_optimum_of_a_linear_loss(norm, seed, radius, boxed):
    slopes, x = instance(seed)
    low, high = (LOW, HIGH) if boxed else (-100.0, 100.0)
    threat = ThreatModel(norm, radius, low, high)
    if not boxed:
        dual = {"linf": 1, "l2": 2, "l1": np.inf}[norm]
        best = radius * np.linalg.norm(slopes, dual, axis=1)
        np.testing.assert_allclose(optima(threat, slopes, x), best, rtol=1e-7)
    step = radius / (4 if norm == "l2" else 20)
    gap = shortfall(threat, slopes, x, pgd_of_line(slopes, x, threat, step, KEY))
    largest = np.abs(slopes).max(1)
    # linf: exact.  l2: each step shrinks what is off the optimum by about 1/(1 + 1/4).  l1: what is off
    # shrinks by at least step/D a step, gone after 20 D steps; a step then moves that mass for ever.
    allowed = step if norm == "l1" else 1e-7
    assert (gap <= allowed * largest).all() and (gap >= -1e-7).all()
    if norm != "l1":
        gap = shortfall(threat, slopes, x, apgd_of_line(slopes, x, threat, KEY))
        # Its first step, of twice the radius, is halved only once it gains nothing more.
        assert (gap <= 1e-7 * largest).all()


def linear(weights):
    return lambda x: x.reshape(len(x), -1) @ weights


@pytest.mark.parametrize("shape", [(6,), (3, 3, 2)])
def test_square_reaches_the_optimum_of_a_linear_predictor(shape):
    d = int(np.prod(shape))
    rng = np.random.default_rng(d)
    weights, x = rng.standard_normal((d, 2)), rng.uniform(LOW, HIGH, (K, *shape))
    labels = jnp.asarray([0, 1, 0, 1, 0])
    threat = ThreatModel("linf", 0.2, LOW, HIGH)
    outputs = linear(jnp.asarray(weights))
    found = compiled(partial(square, outputs, queries=800))(x, labels, threat, KEY)
    slopes = np.where(np.asarray(labels)[:, None] == 0, -1, 1) * (weights[:, 0] - weights[:, 1])[None, :]
    gap = shortfall(threat, slopes, x.reshape(K, d), found.reshape(K, d))
    # Patches of one pixel draw the signs of all channels anew: the last 600 queries hit each of <= 9
    # pixels some 60 times, and the better of 4 sign pairs each time with chance 1/4 (0.75^60 = 3e-8).
    assert (gap <= 1e-9).all()
    few = compiled(partial(square, outputs, queries=3))(x, labels, threat, KEY)
    assert (margin(outputs(few), labels) >= margin(outputs(x), labels)).all()


def test_patches_shrink_by_the_schedule():
    sizes = patch_sizes(10, 8, 10_000, 0.8)
    assert tuple(sizes[0]) == (8, 8) and tuple(sizes[11]) == (6, 6) and tuple(sizes[-1]) == (1, 1)
    assert (np.diff(sizes[:, 0]) <= 0).all()
    flat = patch_sizes(1, 20, 100, 0.5)
    assert (flat[:, 0] == 1).all() and flat[0, 1] == 10 and flat[-1, 1] == 1


# A network that bends.


def test_pgd_of_a_linear_loss_is_that_of_the_bare_gradient():
    slopes, x = instance(5)
    bare = pgd_linf(lambda _: jnp.asarray(slopes), jnp.asarray(x), 0.2, 0.03, 9, LOW, HIGH)
    found = pgd(line(jnp.asarray(slopes)), jnp.asarray(x), ThreatModel("linf", 0.2, LOW, HIGH), 0.03, 9)
    np.testing.assert_array_equal(found, bare)
