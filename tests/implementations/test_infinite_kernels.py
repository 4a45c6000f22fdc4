"""Infinite-width kernels: closed forms, the two forms of the ARK, symmetries."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.implementations.kernels.infinite import (
    InfiniteKernels,
    MlpLimits,
    ark_product,
    ark_trace,
    infinite_kernels,
    input_gradient_covariance,
    mlp_limits,
)
from advntk.implementations.networks.activations import ACTIVATIONS
from advntk.implementations.networks.architecture import Architecture, architecture

EPS = float(np.finfo(np.float64).eps)
# Programs this small take longer to optimize than to run.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=15)
# An entry of a kernel is O(100) operations on numbers of its own size.
ROUNDING = 100 * EPS

kernels_of = compiled(infinite_kernels)
product = compiled(ark_product)
trace = compiled(ark_trace)
gradient_covariance = compiled(input_gradient_covariance)


@compiled
def both_routes(arch: Architecture, x: jax.Array) -> tuple[InfiniteKernels, MlpLimits]:
    return infinite_kernels(arch, x), mlp_limits(arch, x @ x.T / x.shape[1])


def gaussian(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


# Closed forms for one hidden layer, written out by hand.


def pre_activation_covariance(sigma_w, sigma_b, x):
    x = np.asarray(x)
    return sigma_w**2 * x @ x.T / x.shape[1] + sigma_b**2


def erf_expectations(q):
    """E[erf erf] and E[erf' erf'] (Williams 1997)."""
    p = 1 + 2 * np.diag(q)
    norm = np.sqrt(p[:, None] * p[None, :])
    return 2 / np.pi * np.arcsin(2 * q / norm), 4 / np.pi / np.sqrt(norm**2 - 4 * q**2)


def relu_expectations(q):
    """E[relu relu] and E[relu' relu'] (Cho & Saul 2009)."""
    root = np.sqrt(np.diag(q))
    norm = root[:, None] * root[None, :]
    angle = np.arccos(np.clip(q / norm, -1, 1))
    return norm * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi), (np.pi - angle) / (
        2 * np.pi
    )


@pytest.mark.parametrize(("name", "expectations"), [("erf", erf_expectations), ("relu", relu_expectations)])
@EXACT
@given(seed=st.integers(0, 2**31), sigma_w=st.floats(0.5, 2), sigma_b=st.floats(0, 1))
def test_one_hidden_layer_has_the_closed_form(name, expectations, seed, sigma_w, sigma_b):
    arch, x = architecture("mlp", 1, name, sigma_w, sigma_b), gaussian(seed, 3, 4)
    q = pre_activation_covariance(sigma_w, sigma_b, x)
    value, slope = expectations(q)
    nngp = sigma_w**2 * value + sigma_b**2
    ntk = nngp + q * sigma_w**2 * slope
    ark = sigma_w**4 * slope
    # relu's slope is linear in the angle, whose error is that of the cosine over the sine of the angle,
    # and the square root of rounding where the angle is zero.
    rounding = np.full(q.shape, ROUNDING)
    if name == "relu":
        cosine = q / np.sqrt(np.outer(np.diag(q), np.diag(q)))
        rounding = ROUNDING / np.maximum(np.sqrt(np.maximum(1 - cosine**2, 0)), np.sqrt(ROUNDING))
    else:  # 1 / sqrt(norm^2 - 4 q^2) cancels where inputs are long and alike.
        norm = np.outer(1 + 2 * np.diag(q), 1 + 2 * np.diag(q))
        rounding = ROUNDING * norm / (norm - 4 * q**2)
    found = kernels_of(arch, x)
    for got, expected in ((found.nngp, nngp), (found.ntk, ntk), (product(arch, x), ark)):
        assert (np.abs(np.asarray(got) - expected) <= rounding * np.abs(expected).max()).all()


def erf_kernel_of_scalars(sigma_w, sigma_b, depth):
    """K as a function of x.x'/d, |x|^2/d, |x'|^2/d for erf, in high precision."""

    def kernel(q, p, p_other):
        def affine(v):
            return sigma_w**2 * v + sigma_b**2

        q, p, p_other = affine(q), affine(p), affine(p_other)
        for _ in range(depth):
            q, p, p_other = (
                affine(2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt((1 + 2 * a) * (1 + 2 * b))))
                for c, a, b in ((q, p, p_other), (p, p, p), (p_other, p_other, p_other))
            )
        return q

    return kernel


def one_over_d_coefficient(sigma_w: str, sigma_b: str, depth: int, q=1, p=1, p_other=1) -> float:
    """d (trace - product): K_qq q + 2 p K_qp + 2 p' K_qp' + 4 q K_pp'.

    From the chain rule: x enters K through q = x.x'/d and p = |x|^2/d, x' through q and p'.
    """
    with mpmath.workdps(40):
        kernel = erf_kernel_of_scalars(mpmath.mpf(sigma_w), mpmath.mpf(sigma_b), depth)

        def second(*orders):
            return mpmath.diff(kernel, (mpmath.mpf(q), mpmath.mpf(p), mpmath.mpf(p_other)), orders)

        return float(
            q * second(2, 0, 0)
            + 2 * p * second(1, 1, 0)
            + 2 * p_other * second(1, 0, 1)
            + 4 * q * second(0, 1, 1)
        )


def test_the_one_over_d_term_of_two_erf_layers_is_the_known_number():
    assert one_over_d_coefficient("1.5", "0.1", 2) == pytest.approx(-2.136, abs=5e-4)


@pytest.mark.parametrize("d", [16, 256])
def test_trace_and_product_forms_differ_by_exactly_the_one_over_d_term(d):
    arch = architecture("mlp", 2, "erf", 1.5, 0.1)
    # Two inputs with |x|^2 = |x'|^2 = d and x.x' = 0.6 d, whatever d.
    x = jnp.zeros((2, d)).at[:, 0].set(jnp.array([1.0, 0.6])).at[1, 1].set(0.8) * np.sqrt(d)
    gap = d * np.asarray(trace(arch, x) - product(arch, x))
    along, across = one_over_d_coefficient("1.5", "0.1", 2), one_over_d_coefficient("1.5", "0.1", 2, 0.6)
    # Both forms are O(10); the trace adds d terms of size 10/d, and the difference is blown up by d.
    allowed = d * ROUNDING * 10
    np.testing.assert_allclose(gap, [[along, across], [across, along]], rtol=0, atol=allowed)


def sphere(seed: int, samples: int, d: int) -> jax.Array:
    """Inputs with |x|^2 = d, as in the data sets."""
    x = gaussian(seed, samples, d)
    return jnp.sqrt(d) * x / jnp.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize(("name", "depth"), [("erf", 2), ("tanh", 1)])
@settings(EXACT, max_examples=5)
@given(seed=st.integers(0, 2**31))
def test_gradient_covariance_is_a_covariance_whose_trace_is_the_trace_form(name, depth, seed):
    # Variances stay below 2, where the quadrature for tanh is exact to rounding in every derivative used.
    arch, x = architecture("mlp", depth, name, 1.2, 0.2), sphere(seed, 2, 3)
    diagonal = np.diag(trace(arch, x))
    for x_i, expected in zip(x, diagonal, strict=True):
        covariance = np.asarray(gradient_covariance(arch, x_i))
        allowed = 10 * ROUNDING * np.abs(covariance).max()
        assert np.abs(covariance - covariance.T).max() <= allowed
        assert abs(np.trace(covariance) - expected) <= allowed
        assert np.linalg.eigvalsh((covariance + covariance.T) / 2)[0] >= -allowed


def test_gradient_covariance_of_tanh_is_positive_semidefinite_for_long_inputs():
    covariance = gradient_covariance(architecture("mlp", 2, "tanh", 2.0, 0.1), 2 * sphere(2, 1, 3)[0])
    assert np.linalg.eigvalsh(np.asarray(covariance))[0] >= 0


def test_gradient_covariance_is_rotated_with_the_input():
    arch, x = architecture("mlp", 1, "erf"), gaussian(5, 4)
    rotation = np.linalg.qr(gaussian(6, 4, 4))[0]
    got = np.asarray(gradient_covariance(arch, jnp.asarray(rotation @ np.asarray(x))))
    expected = rotation @ np.asarray(gradient_covariance(arch, x)) @ rotation.T
    np.testing.assert_allclose(got, expected, rtol=0, atol=10 * ROUNDING * np.abs(expected).max())


@pytest.mark.parametrize("readout", ["flatten", "pool"])
def test_the_product_form_refuses_a_cnn(readout):
    cnn = Architecture("cnn", 1, readout=readout)
    with pytest.raises(ValueError, match=r"family = 'cnn'.*use ark_trace"):
        ark_product(cnn, gaussian(0, 2, 9))
    with pytest.raises(ValueError, match=r"family = 'cnn'"):
        mlp_limits(cnn, jnp.eye(2))


def test_the_ark_does_not_depend_on_the_parameterization():
    x, ntk = gaussian(1, 2, 3), architecture("mlp", 1, "erf")
    standard = replace(ntk, parameterization="standard")
    np.testing.assert_array_equal(product(standard, x), product(ntk, x))
    np.testing.assert_array_equal(trace(standard, x), trace(ntk, x))


def test_kernels_between_two_sets_are_a_block_of_the_kernels_of_both():
    arch, x = architecture("mlp", 1, "erf"), gaussian(2, 5, 4)
    pairs = [(form(arch, x), form(arch, x[:2], x[2:])) for form in (product, trace)]
    pairs += zip(kernels_of(arch, x), kernels_of(arch, x[:2], x[2:]), strict=True)
    for whole, part in pairs:
        assert part.shape == (2, 3)
        np.testing.assert_allclose(part, whole[:2, 2:], rtol=0, atol=ROUNDING * np.abs(whole).max())


@pytest.mark.parametrize("name", ACTIVATIONS)
@settings(EXACT, max_examples=8)
@given(seed=st.integers(0, 2**31))
def test_mlp_kernels_are_symmetric_positive_semidefinite_and_rotation_invariant(name, seed):
    # Variances stay below 2, where quadrature is exact to rounding.
    arch, x = architecture("mlp", 2, name, 1.2, 0.2), sphere(seed, 3, 4)
    rotation = jnp.asarray(np.linalg.qr(np.random.default_rng(seed).standard_normal((4, 4)))[0])
    turned = x @ rotation
    cosine = np.asarray(x @ x.T) / 4
    # Kinked activations: the slope is linear in the angle (see the closed form above).
    sine = np.sqrt(np.maximum(1 - cosine**2, 0)) if "relu" in name else np.ones((3, 3))
    rounding = ROUNDING / np.maximum(sine, np.sqrt(ROUNDING))
    layers, limits = both_routes(arch, x)
    layers_turned, limits_turned = both_routes(arch, turned)
    for kernel, same, rotated, same_rotated in (
        (layers.nngp, limits.nngp, layers_turned.nngp, limits_turned.nngp),
        (layers.ntk, limits.ntk, layers_turned.ntk, limits_turned.ntk),
        (limits.ark, limits.ark, limits_turned.ark, limits_turned.ark),
    ):
        kernel, size = np.asarray(kernel), np.abs(kernel).max()
        assert np.linalg.eigvalsh((kernel + kernel.T) / 2)[0] >= -3 * rounding.max() * size
        for other in (kernel.T, same, rotated, same_rotated):
            assert (np.abs(kernel - other) <= rounding * size).all()


@pytest.mark.parametrize("readout", ["flatten", "pool"])
def test_cnn_kernels_are_symmetric_positive_semidefinite(readout):
    arch, x = architecture("cnn", 2, "erf", readout=readout), gaussian(3, 4, 3, 3, 1)
    for kernel in kernels_of(arch, x):
        kernel = np.asarray(kernel)
        allowed = len(x) * ROUNDING * np.abs(kernel).max()
        assert np.abs(kernel - kernel.T).max() <= allowed
        assert np.linalg.eigvalsh((kernel + kernel.T) / 2)[0] >= -allowed


def test_a_cnn_sees_where_pixels_are_and_an_mlp_does_not():
    image = gaussian(4, 1, 3, 3, 1)
    shuffled = image.reshape(1, 9)[:, np.array([1, 0, 2, 3, 4, 5, 6, 7, 8])]
    mlp, cnn = architecture("mlp", 1, "erf"), architecture("cnn", 1, "erf")
    np.testing.assert_allclose(
        kernels_of(mlp, shuffled).nngp, kernels_of(mlp, image.reshape(1, 9)).nngp, rtol=ROUNDING
    )
    gap = kernels_of(cnn, shuffled.reshape(1, 3, 3, 1)).nngp - kernels_of(cnn, image).nngp
    assert float(jnp.abs(gap).max()) > 1e-3


def test_the_standard_ntk_grows_with_the_width_and_the_nngp_does_not():
    arch, x = architecture("mlp", 1, "erf", 1.3, 0.2, "standard"), gaussian(7, 3, 4)
    with_width = compiled(infinite_kernels, static_argnames="width")
    narrow, wide = (with_width(arch, x, width=n) for n in (8, 16))
    np.testing.assert_array_equal(narrow.nngp, wide.nngp)
    value, _ = erf_expectations(pre_activation_covariance(1.3, 0.2, x))
    # The output weights see n features each: 8 more features add 8 E[erf erf].
    allowed = 16 * ROUNDING * np.abs(np.asarray(wide.ntk)).max()
    np.testing.assert_allclose(wide.ntk - narrow.ntk, 8 * value, rtol=0, atol=allowed)
    # The route through the Gram matrix takes both widths as numbers.
    limits = mlp_limits(arch, x @ x.T / 4, 4.0, 16.0)
    np.testing.assert_allclose(limits.ntk, wide.ntk, rtol=0, atol=allowed)
    np.testing.assert_allclose(limits.nngp, wide.nngp, rtol=0, atol=allowed)
