"""Infinite-width kernels are what random finite networks give on average.

With one hidden layer the mean over initializations is the limit at every width, so the test is exact.
With two it is the limit plus b/n + O(1/n^2); 2 mean(2n) - mean(n) cancels b/n, and what is left, below
b/n^2, is far inside the interval of the test.  All tests share the error rate of `assert_mean`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.kernels.empirical import kernels_at_initialization
from advntk.implementations.kernels.infinite import ark_product, ark_trace, infinite_kernels
from advntk.implementations.networks.activations import ACTIVATIONS
from advntk.implementations.networks.architecture import Architecture, architecture
from advntk.implementations.networks.finite import apply, initialize
from advntk.implementations.networks.infinite import triple
from advntk.implementations.neural_tangents_adapter import neural_tangents

OUTPUTS = 2
limit = jax.jit(infinite_kernels, static_argnames=("width", "outputs"))


def inputs(arch: Architecture, samples: int = 2) -> jax.Array:
    shape = (3,) if arch.family == "mlp" else (4, 4, 1)
    return jax.random.normal(jax.random.key(3), (samples, *shape))


def keys(seed: int, count: int) -> jax.Array:
    return jax.random.split(jax.random.key(seed), count)


def per_output(kernel) -> np.ndarray:
    """The limit of an (m, c, m, c) kernel: outputs are independent and alike."""
    return np.asarray(kernel)[:, None, :, None] * np.eye(OUTPUTS)[None, :, None, :]


def empirical(arch: Architecture, seed: int, seeds: int, width: int) -> list[np.ndarray]:
    """NTK and ARK per seed."""
    x = inputs(arch)
    if arch.family == "mlp":
        kernels = kernels_at_initialization(arch, keys(seed, seeds), x, width, OUTPUTS)
    else:

        def one(key: jax.Array) -> list[jax.Array]:
            return [k[0] for k in kernels_at_initialization(arch, key[None], x, width, OUTPUTS)]

        kernels = jax.jit(lambda ks: jax.lax.map(one, ks))(keys(seed, seeds))
    return [np.asarray(kernel) for kernel in kernels]


def extrapolated(arch: Architecture, seeds: int, width: int) -> list[np.ndarray]:
    """Samples whose mean is free of the 1/n term."""
    narrow, wide = empirical(arch, 1, seeds, width), empirical(arch, 2, seeds, 2 * width)
    return [2 * w - n for n, w in zip(narrow, wide, strict=True)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mean_mlp_ntk_of_one_hidden_layer_is_the_limit(assert_mean, activation):
    arch = architecture("mlp", 1, activation)
    ntk, _ = empirical(arch, 0, 2000, 32)
    assert_mean(ntk, per_output(limit(arch, inputs(arch)).ntk), resolves=0.1)


@pytest.mark.parametrize(("family", "readout"), [("mlp", "flatten"), ("cnn", "flatten"), ("cnn", "pool")])
def test_mean_standard_ntk_and_ark_of_one_hidden_layer_are_the_limits(assert_mean, family, readout):
    arch = architecture(family, 1, "erf", parameterization="standard", readout=readout)
    ntk, ark = empirical(arch, 0, 2000, 16)
    x = inputs(arch)
    assert_mean(ntk, per_output(limit(arch, x, width=16, outputs=OUTPUTS).ntk), resolves=0.1)
    assert_mean(ark, per_output(jax.jit(ark_trace)(arch, x)), resolves=0.2)
    if family == "mlp":  # The same data reject the product form, which is another kernel at d = 3.
        with pytest.raises(AssertionError, match="standard errors"):
            assert_mean(ark, per_output(jax.jit(ark_product)(arch, x)), resolves=0.2)


@pytest.mark.parametrize(("activation", "readout"), [("erf", "flatten"), ("relu", "pool")])
def test_mean_cnn_kernels_of_two_hidden_layers_extrapolate_to_the_limits(assert_mean, activation, readout):
    arch = architecture("cnn", 2, activation, readout=readout)
    ntk, ark = extrapolated(arch, 1000, 12)
    assert_mean(ntk, per_output(limit(arch, inputs(arch)).ntk), resolves=0.2)
    if activation == "erf":  # At equal inputs the trace form needs a smooth activation.
        assert_mean(ark, per_output(jax.jit(ark_trace)(arch, inputs(arch))), resolves=0.25)


def test_mean_mlp_kernels_of_two_hidden_layers_extrapolate_to_the_limits(assert_mean):
    # With the input width fixed the ARK keeps fluctuating at any width: more seeds, narrower networks.
    arch = architecture("mlp", 2, "erf")
    ntk, ark = extrapolated(arch, 12000, 16)
    assert_mean(ntk, per_output(limit(arch, inputs(arch)).ntk), resolves=0.1)
    assert_mean(ark, per_output(jax.jit(ark_trace)(arch, inputs(arch))), resolves=0.15)


def feature_kernels(arch: Architecture, seed: int, seeds: int, width: int) -> np.ndarray:
    """sigma_w^2 phi.phi'/n + sigma_b^2 per seed: the covariance of the outputs given the features.

    The output layer is replaced by the identity, so that the network shows its scaled features.
    """
    x = inputs(arch)

    def one(key: jax.Array) -> jax.Array:
        parameters = initialize(arch, key, x.shape[1:], width, OUTPUTS)
        size = parameters[-1][0].shape[1]
        parameters[-1] = (jnp.eye(size), jnp.zeros(size))
        features = jax.vmap(lambda v: apply(arch, parameters, v))(x)
        return features @ features.T + arch.sigma_b**2

    return np.asarray(jax.jit(lambda ks: jax.lax.map(one, ks))(keys(seed, seeds)))


@pytest.mark.parametrize("family", ["mlp", "cnn"])
def test_mean_feature_kernel_of_two_hidden_layers_extrapolates_to_the_nngp_kernel(assert_mean, family):
    arch = architecture(family, 2, "erf")
    samples = 2 * feature_kernels(arch, 5, 3000, 24) - feature_kernels(arch, 4, 3000, 12)
    assert_mean(samples, np.asarray(limit(arch, inputs(arch)).nngp), resolves=0.15)


@pytest.mark.parametrize(
    ("family", "readout", "implementations"),
    [("mlp", "flatten", (1, 2)), ("cnn", "flatten", (1,)), ("cnn", "pool", (2,))],
)
def test_mean_of_neural_tangents_own_empirical_ntk_is_the_limit(
    assert_mean, family, readout, implementations
):
    arch = architecture(family, 1, "erf", readout=readout)
    x, width = inputs(arch), 16
    init_fn, apply_fn, _ = triple(arch, width, OUTPUTS)
    ntk_fns = [
        neural_tangents().empirical_ntk_fn(apply_fn, trace_axes=(), implementation=number)
        for number in implementations
    ]

    def one(key: jax.Array) -> list[jax.Array]:
        _, parameters = init_fn(key, x.shape)
        return [ntk_fn(x, None, parameters).transpose(0, 2, 1, 3) for ntk_fn in ntk_fns]

    for samples in jax.jit(lambda ks: jax.lax.map(one, ks))(keys(6, 1500)):
        assert_mean(samples, per_output(limit(arch, x).ntk), resolves=0.15)
