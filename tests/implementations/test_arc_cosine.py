"""Dual activations of ReLU and leaky ReLU: values, and derivatives where two inputs coincide."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from advntk.implementations.arc_cosine import angular, kinked_duals
from advntk.implementations.kernels.infinite import infinite_kernels
from advntk.implementations.networks.activations import LEAKY_SLOPE
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.neural_tangents_adapter import stax

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=25)
# Programs this small take longer to optimize than to run.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
slopes = compiled(jax.jacfwd(angular))


@EXACT
@given(cosine=st.floats(-1, 1) | st.floats(0, 1e-10).map(lambda gap: 1 - gap))
@example(cosine=-1.0)
@example(cosine=1.0)
@example(cosine=1 - 10 * EPS)
def test_angular_functions_against_many_digits(cosine):
    slope, value = (float(item) for item in angular(jnp.asarray(cosine)))
    # What is 1 up to the rounding of a cosine is 1.
    cosine = 1.0 if cosine > 1 - 8 * EPS else cosine
    with mpmath.workdps(40):
        angle = mpmath.acos(mpmath.mpf(cosine))
        exact_slope = 1 - angle / mpmath.pi
        exact = mpmath.sin(angle) / mpmath.pi + exact_slope * mpmath.mpf(cosine)
        # A polynomial with positive coefficients, square roots and sums of numbers up to 1.
        assert abs(slope - exact_slope) < 20 * EPS
        assert abs(value - exact) < 20 * EPS


@pytest.mark.parametrize("cosine", [1.0, 1 + EPS, 1 - 3 * EPS, -1.0])
def test_the_derivative_along_the_angle_vanishes_where_inputs_coincide_or_oppose(cosine):
    slope, value = slopes(jnp.asarray(cosine))
    assert slope == 0 and value == float(cosine > 0)


@EXACT
@given(cosine=st.floats(-0.999, 0.999))
def test_derivatives_away_from_there(cosine):
    slope, value = slopes(jnp.asarray(cosine))
    sine = np.sqrt((1 - cosine) * (1 + cosine))
    assert abs(float(slope) * np.pi * sine - 1) < 20 * EPS
    assert abs(float(value) - (1 - np.arccos(cosine) / np.pi)) < 20 * EPS


@compiled
def both_layers(x: jax.Array) -> list:
    """NNGP and NTK of one hidden layer of leaky ReLU, by kinked_duals and by neural-tangents."""
    nt, (dual, dual_derivative) = stax(), kinked_duals(LEAKY_SLOPE)
    ours = nt.Elementwise(nngp_fn=dual, d_nngp_fn=dual_derivative)
    found = []
    for layer in (ours, nt.LeakyRelu(alpha=LEAKY_SLOPE)):
        kernel = nt.serial(nt.Dense(1, 1.3, 0.4), layer, nt.Dense(1))[2]
        found.append(kernel(x, None, ("nngp", "ntk")))
    return [jnp.stack([kernel.nngp, kernel.ntk]) for kernel in found]


@EXACT
@given(seed=st.integers(0, 2**31))
def test_leaky_relu_is_that_of_neural_tangents(seed):
    ours, theirs = both_layers(jnp.asarray(np.random.default_rng(seed).standard_normal((4, 3))))
    # The two agree to the square root of rounding where the angle is 0, closer elsewhere.
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(ours, theirs, rtol=np.sqrt(100 * EPS))
    np.testing.assert_allclose(ours[:, off], theirs[:, off], rtol=1e-11)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
def test_gradients_at_coinciding_parallel_and_vanishing_inputs_are_finite_and_of_order_one(activation, dtype):
    arch = architecture("mlp", 3, activation, 1.5, 0.0)
    generic = np.random.default_rng(3).standard_normal((2, 4))
    x = jnp.asarray(np.concatenate([generic, generic[:1], 2 * generic[1:], np.zeros((1, 4))]), dtype)

    def kernels(at: jax.Array) -> jax.Array:
        return jnp.stack(infinite_kernels(arch, at))

    values = np.asarray(kernels(x))
    # The derivative at a zero input itself is not defined: the kernel has a kink there as well.
    gradient = np.asarray(jax.jit(jax.jacrev(kernels))(x))[:, :4, :4, :4]
    assert np.isfinite(gradient).all() and np.abs(gradient).max() < 100 * np.abs(values).max()
    rounding = 100 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(values[:, 0, 2], values[:, 0, 0], rtol=rounding)
    # Without a bias the network is positively homogeneous: K(x, 2x) = 2 K(x, x), and x . grad K(x, x) = 2 K.
    np.testing.assert_allclose(values[:, 1, 3], 2 * values[:, 1, 1], rtol=rounding)
    own = gradient[:, range(4), range(4), range(4)]
    diagonal = values[:, range(4), range(4)]
    np.testing.assert_allclose(np.einsum("kid,id->ki", own, x[:4]), 2 * diagonal, rtol=rounding)
    assert (values[:, 4] == 0).all()
