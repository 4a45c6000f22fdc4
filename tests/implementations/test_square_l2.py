"""The moves of the Square attack in l2: bumps by a slow reference, mass that is kept, what is reached."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.attacks import square_l2
from advntk.implementations.attacks.losses import margin
from advntk.implementations.attacks.square import square
from advntk.implementations.attacks.threat import ThreatModel, size

KEY = jax.random.key(5)
RADIUS = 0.7


def slow_half(tall, wide):
    """One half of a bump, entry by entry."""
    n = max(tall, wide) // 2
    half = np.zeros((tall, wide))
    for r in range(tall):
        for s in range(wide):
            rings = n - max(abs(r - tall // 2), abs(s - wide // 2))
            half[r, s] = sum(1 / (n + 1 - k) ** 2 for k in range(rings + 1))
    return half


@pytest.mark.parametrize("tall, wide, turned", [(1, 7, False), (3, 3, True), (5, 5, False), (6, 4, True)])
def test_bumps_by_a_slow_reference(tall, wide, turned):
    found = square_l2._bump(
        jnp.arange(tall), jnp.arange(wide), jnp.array([tall, wide]), jnp.array(turned), max(tall, wide)
    )
    if turned:
        wanted = np.vstack([slow_half(tall // 2, wide), -slow_half(tall - tall // 2, wide)])
    else:
        wanted = np.hstack([slow_half(tall, wide // 2), -slow_half(tall, wide - wide // 2)])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("shape", [(1, 12, 1), (8, 8, 1), (7, 9, 3)])
def test_moves_keep_to_the_sphere_and_to_their_windows(shape):
    held = square_l2.tiles(jax.random.split(KEY, 4), RADIUS, shape, jnp.dtype("float64"))
    assert held.shape == (4, *shape) and (np.asarray(held) != np.asarray(held)[:1]).any()
    lengths = [np.linalg.norm(one) for one in held]
    np.testing.assert_allclose(lengths, RADIUS, rtol=1e-14)
    sides = (1, 4) if shape[0] == 1 else (3, 3)
    for number in range(20):
        new = square_l2.moved(jax.random.fold_in(KEY, number), held[0], jnp.array(sides), RADIUS)
        assert np.linalg.norm(new) == pytest.approx(RADIUS, rel=1e-13)
        changed = (np.asarray(new) != np.asarray(held[0])).any(axis=2)
        # Two windows at most.
        assert 0 < changed.sum() <= 2 * sides[0] * sides[1]


def test_what_the_ball_has_left_is_spent():
    held = jnp.zeros((6, 6, 2))
    new = square_l2.moved(KEY, held, jnp.array([3, 3]), RADIUS)
    assert np.linalg.norm(new) == pytest.approx(RADIUS, rel=1e-13)
    np.testing.assert_allclose(jnp.linalg.norm(new, axis=(0, 1)), RADIUS / np.sqrt(2), rtol=1e-13)


@pytest.mark.parametrize("shape", [(20,), (6, 6, 2)])
def test_much_of_the_optimum_of_a_linear_predictor_is_reached(shape):
    d, rng = int(np.prod(shape)), np.random.default_rng(0)
    weights = jnp.asarray(rng.standard_normal((d, 2)))
    x = jnp.asarray(rng.uniform(-0.5, 0.5, (5, *shape)))
    labels, threat = jnp.array([0, 1, 0, 1, 0]), ThreatModel("l2", 0.3)

    def outputs(at):
        return at.reshape(len(at), -1) @ weights

    run = jax.jit(partial(square, outputs), static_argnames="queries")
    clean = margin(outputs(x), labels)
    best = 0.3 * np.linalg.norm(weights[:, 0] - weights[:, 1])
    reached = [
        (margin(outputs(run(x, labels, threat, KEY, queries=q)), labels) - clean) / best for q in (0, 2000)
    ]
    found = run(x, labels, threat, KEY, queries=2000)
    assert (size(threat, found - x) <= 0.3 * (1 + 1e-12)).all()
    assert (reached[0] <= 1).all() and (reached[1] >= reached[0]).all() and (reached[1] <= 1 + 1e-12).all()
    # A random direction reaches 1/sqrt(d) of it; the search is blind, and its bumps are not sparse.
    assert (reached[1] >= 0.5).all()
    boxed = ThreatModel("l2", 0.3, -0.5, 0.5)
    inside = run(x, labels, boxed, KEY, queries=50)
    assert (jnp.abs(inside) <= 0.5).all() and (size(boxed, inside - x) <= 0.3 * (1 + 1e-12)).all()
