"""f^theta: linear in theta, exact in x, and what wide networks follow at any input width."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from advntk.implementations.dynamics.adversarial_training import Points, train_seeds
from advntk.implementations.dynamics.schedules import Schedule
from advntk.implementations.dynamics.theta_linearization import ThetaLinearized, train_theta_linearized_seeds
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.finite import forward_pass, initialize_seeds, weight_shapes

M, UNSEEN, D, C, SEEDS = 3, 2, 5, 2, 2
TIMES = jnp.linspace(0.0, 0.6, 3)
ARCH = architecture("mlp", 1, "erf", 1.5, 0.3)


def networks(width, seeds=SEEDS):
    parameters = initialize_seeds(ARCH, jax.random.split(jax.random.key(3), seeds), (D,), width, C)
    return forward_pass(ARCH, weight_shapes(ARCH, (D,), width, C)), parameters


def points(strength):
    g = np.random.default_rng(0)
    x, y = g.standard_normal((M + UNSEEN, D)), g.standard_normal((M + UNSEEN, C))
    scale = jnp.full(M + UNSEEN, strength)
    return Points(jnp.asarray(x), jnp.asarray(y), Schedule.of("constant", scale, jnp.ones_like(scale)))


def one(parameters, seed):
    return jax.tree.map(lambda leaf: leaf[seed], parameters)


def test_it_is_the_network_at_the_origin_and_linear_in_theta_at_every_input():
    forward, parameters = networks(16)
    origin, other = one(parameters, 0), one(parameters, 1)
    linear = ThetaLinearized(forward, origin)
    x = points(0.0).x
    for at in (x, x + 0.7):
        np.testing.assert_allclose(linear(origin, at), forward(origin, at), rtol=0, atol=1e-13)
        half = jax.tree.map(lambda a, b: (a + b) / 2, origin, other)
        middle = (linear(origin, at) + linear(other, at)) / 2
        np.testing.assert_allclose(linear(half, at), middle, rtol=0, atol=1e-12)
        change = jax.tree.map(jnp.subtract, other, origin)
        small = jax.tree.map(lambda a, b: a + 1e-5 * b, origin, change)
        slope = (forward(small, at) - forward(origin, at)) / 1e-5
        np.testing.assert_allclose(linear(other, at) - linear(origin, at), slope, rtol=0, atol=1e-3)
        np.testing.assert_allclose(ThetaLinearized(forward, origin, 0.0)(origin, at), 0, rtol=0, atol=1e-13)


def test_without_a_search_it_is_the_flow_of_its_kernel():
    forward, parameters = networks(16)
    here = points(0.0)
    found = train_theta_linearized_seeds(forward, parameters, here, M, TIMES, 2, 1e-6)
    for seed in range(SEEDS):
        theta = one(parameters, seed)
        rows = jax.jacobian(forward)(theta, here.x)
        flat = np.concatenate(
            [np.asarray(leaf).reshape((M + UNSEEN) * C, -1) for leaf in jax.tree.leaves(rows)], 1
        )
        kernel, trained = flat @ flat.T, slice(0, M * C)
        start = np.asarray(forward(theta, here.x)).ravel()
        residual = start[trained] - np.asarray(here.y[:M]).ravel()
        for i, t in enumerate(TIMES):
            gram = kernel[trained, trained]
            passed = np.linalg.solve(gram, residual - scipy.linalg.expm(-float(t) * gram) @ residual)
            expected = start - kernel[:, trained] @ passed
            np.testing.assert_allclose(found.outputs[seed, i, 0].ravel(), expected, rtol=0, atol=1e-5)
    assert (found.result == 0).all()


def test_wide_networks_follow_it_at_a_fixed_input_width():
    gaps = []
    for width in (32, 256):
        forward, parameters = networks(width, 4)
        here = points(0.3)
        found = train_seeds(forward, parameters, here, M, TIMES, 2, 1e-5)
        linear = train_theta_linearized_seeds(forward, parameters, here, M, TIMES, 2, 1e-5)
        moved = np.abs(linear.outputs[:, :, 1] - linear.outputs[:, :, 0]).max()
        assert moved > 0.1, "no search to speak of"
        gaps.append(float(jnp.abs(found.outputs - linear.outputs).max((1, 2, 3, 4)).mean()))
    assert gaps[1] < gaps[0] / 3
