"""Empirical NTK and ARK: two routes agree with each other and with plain gradients, and their laws."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.implementations.kernels.empirical import (
    EmpiricalKernels,
    as_matrix,
    empirical_kernels,
    jacobian_kernels,
    kernels_at_initialization,
    kernels_of_seeds,
    layerwise_kernels,
    memory_per_seed,
)
from advntk.implementations.networks.activations import ACTIVATIONS
from advntk.implementations.networks.architecture import Architecture, architecture
from advntk.implementations.networks.finite import (
    apply,
    forward_pass,
    initialize,
    parameter_count,
    standard_normals,
    weight_shapes,
)
from advntk.implementations.neural_tangents_adapter import neural_tangents

EPS = float(np.finfo(np.float64).eps)
# Programs this small take longer to optimize than to run.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=10)
WIDTH = 4

# Every activation, with both parameterizations, depths 1 to 4 and 1 to 3 outputs spread over them.
MLPS = [
    (name, ("ntk", "standard")[(i + i // 4) % 2], 1 + i % 4, 1 + i % 3) for i, name in enumerate(ACTIVATIONS)
]
NETWORKS = {
    "mlp": Architecture("mlp", 2, "tanh"),
    "cnn_flatten": Architecture("cnn", 2, "erf"),
    "cnn_pool": Architecture("cnn", 1, "gelu", parameterization="standard", readout="pool"),
}
by_jacobians = compiled(jacobian_kernels)
by_layers = compiled(layerwise_kernels)
of_network = compiled(empirical_kernels)


def network(arch: Architecture, seed: int, samples: int = 3, outputs: int = 2):
    shape = (5,) if arch.family == "mlp" else (3, 3, 1)
    x = jax.random.normal(jax.random.key(seed), (samples, *shape))
    return initialize(arch, jax.random.key(seed + 1), shape, WIDTH, outputs), x


def assert_same_kernels(got: EmpiricalKernels, expected: EmpiricalKernels, terms: int) -> None:
    """Equal to the rounding of sums of `terms` products.

    An entry is an inner product of two gradients, so its rounding is relative to the product of their
    norms: the square root of the diagonal entries (Cauchy-Schwarz).
    """
    for a, b in zip(got, expected, strict=True):
        norms = np.sqrt(np.einsum("iaia->ia", np.asarray(b)))
        scale = norms[:, :, None, None] * norms[None, None]
        assert a.shape == b.shape
        assert (np.abs(np.asarray(a - b)) <= terms * EPS * np.maximum(scale, scale.max() * 1e-3)).all()


@pytest.mark.parametrize(("name", "parameterization", "depth", "outputs"), MLPS)
@EXACT
@given(seed=st.integers(0, 2**31), sigma_w=st.floats(0.5, 2), sigma_b=st.floats(0, 1))
def test_layerwise_kernels_equal_jacobian_kernels(
    name, parameterization, depth, outputs, seed, sigma_w, sigma_b
):
    arch = architecture("mlp", depth, name, sigma_w, sigma_b, parameterization)
    parameters, x = network(arch, seed, outputs=outputs)
    terms = parameter_count([w.shape for w, _ in parameters])
    assert_same_kernels(by_layers(arch, parameters, x), by_jacobians(arch, parameters, x), 8 * terms)


@pytest.mark.parametrize("name", ["mlp", "cnn_pool"])
def test_kernels_are_inner_products_of_gradients_one_output_and_sample_at_a_time(name):
    arch = NETWORKS[name]
    parameters, x = network(arch, 11)

    @compiled
    def gradients(x_i, a):
        in_theta, in_x = jax.grad(lambda p, v: apply(arch, p, v)[a], argnums=(0, 1))(parameters, x_i)
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(in_theta)]), in_x.ravel()

    every = [[gradients(x_i, a) for a in range(2)] for x_i in x]
    expected = EmpiricalKernels(
        *(
            jnp.array([[[[g[k] @ h[k] for h in row] for row in every] for g in own] for own in every])
            for k in (0, 1)
        )
    )
    terms = parameter_count([w.shape for w, _ in parameters])
    assert_same_kernels(of_network(arch, parameters, x), expected, 8 * terms)


@pytest.mark.parametrize("name", NETWORKS)
@EXACT
@given(seed=st.integers(0, 2**31), order=st.permutations(range(3)))
def test_kernels_are_symmetric_positive_semidefinite_and_follow_the_samples(name, seed, order):
    arch = NETWORKS[name]
    parameters, x = network(arch, seed)
    kernels = of_network(arch, parameters, x)
    terms = 8 * parameter_count([w.shape for w, _ in parameters])
    assert_same_kernels(EmpiricalKernels(*(k.transpose(2, 3, 0, 1) for k in kernels)), kernels, terms)
    for kernel in kernels:
        values = np.linalg.eigvalsh(as_matrix(kernel))
        # Weyl: rounding moves eigenvalues by at most its norm, the size times the largest entry's.
        assert values[0] >= -len(values) * terms * EPS * values[-1]
    order = np.array(order)
    permuted = EmpiricalKernels(*(k[order][:, :, order] for k in kernels))
    assert_same_kernels(of_network(arch, parameters, x[order]), permuted, terms)


@pytest.mark.parametrize("name", ["mlp", "cnn_flatten"])
def test_batched_seeds_equal_one_key_at_a_time(name):
    arch = NETWORKS[name]
    _, x = network(arch, 12)
    keys = jax.random.split(jax.random.key(13), 3)
    batch = kernels_at_initialization(arch, keys, x, WIDTH, 2)
    assert batch.ntk.shape == batch.ark.shape == (3, 3, 2, 3, 2)
    terms = 8 * parameter_count(weight_shapes(arch, x.shape[1:], WIDTH, 2))
    for key, *of_seed in zip(keys, *batch, strict=True):
        single = of_network(arch, initialize(arch, key, x.shape[1:], WIDTH, 2), x)
        assert_same_kernels(EmpiricalKernels(*of_seed), single, terms)
    assert float(jnp.abs(batch.ntk[0] - batch.ntk[1]).max()) > 1e-3, "seeds must differ"


def test_kernels_follow_the_dtype_of_the_inputs():
    arch = NETWORKS["mlp"]
    x = jnp.ones((2, 5), jnp.float32)
    shapes = jax.eval_shape(
        lambda keys: kernels_at_initialization(arch, keys, x, WIDTH, 2),
        jax.random.split(jax.random.key(0), 2),
    )
    assert shapes.ntk.dtype == shapes.ark.dtype == jnp.float32


@pytest.mark.parametrize("readout", ["flatten", "pool"])
def test_the_layerwise_route_refuses_a_cnn(readout):
    arch = Architecture("cnn", 1, readout=readout)
    parameters, x = network(arch, 0)
    refuse = getattr(layerwise_kernels, "__wrapped__", layerwise_kernels)
    with pytest.raises(ValueError, match=r"family = 'cnn'.*MLPs only"):
        refuse(arch, parameters, x)


@pytest.mark.parametrize(("name", "implementation"), [("mlp", 1), ("mlp", 2), ("cnn_flatten", 2)])
def test_neural_tangents_finds_the_same_empirical_ntk(name, implementation):
    arch = NETWORKS[name]
    parameters, x = network(arch, 14)

    def batched(p, v):
        return jax.vmap(lambda v_i: apply(arch, p, v_i))(v)

    ntk_fn = neural_tangents().empirical_ntk_fn(batched, trace_axes=(), implementation=implementation)
    theirs = compiled(lambda p, v: ntk_fn(v, None, p).transpose(0, 2, 1, 3))(parameters, x)
    ours = of_network(arch, parameters, x)
    terms = 8 * parameter_count([w.shape for w, _ in parameters])
    assert_same_kernels(EmpiricalKernels(theirs, ours.ark), ours, terms)


@EXACT
@given(
    seeds=st.lists(st.integers(1, 2), max_size=1),
    samples=st.integers(1, 3),
    outputs=st.integers(1, 3),
)
def test_as_matrix_orders_rows_by_sample_then_output(seeds, samples, outputs):
    shape = (*seeds, samples, outputs, samples, outputs)
    kernel = np.arange(float(np.prod(shape))).reshape(shape)
    matrix = np.asarray(as_matrix(jnp.asarray(kernel)))
    assert matrix.shape == (*seeds, samples * outputs, samples * outputs)
    for i, a, j, b in np.ndindex(shape[-4:]):
        np.testing.assert_array_equal(matrix[..., i * outputs + a, j * outputs + b], kernel[..., i, a, j, b])


@EXACT
@given(
    family=st.sampled_from(["mlp", "cnn"]),
    readout=st.sampled_from(["flatten", "pool"]),
    depth=st.integers(1, 4),
    width=st.integers(1, 64),
    samples=st.integers(1, 5),
    outputs=st.integers(1, 4),
)
def test_memory_estimate_holds_parameters_and_kernels_and_grows(
    family, readout, depth, width, samples, outputs
):
    arch = Architecture(family, depth, readout=readout)
    shape = (16,) if family == "mlp" else (4, 4, 1)

    def estimate(width=width, samples=samples, outputs=outputs):
        return memory_per_seed(arch, shape, width, samples, outputs)

    parameters = parameter_count(weight_shapes(arch, shape, width, outputs))
    held = 8 * (parameters + 2 * (samples * outputs) ** 2)
    if family == "cnn":  # Its route forms every parameter gradient.
        held += 8 * samples * outputs * parameters
    assert held <= estimate()
    assert estimate() < min(estimate(width=width + 1), estimate(samples=samples + 1))
    assert estimate() < estimate(outputs=outputs + 1)


def compiled_bytes(arch: Architecture, shape, width: int, samples: int, outputs: int, seeds: int) -> int:
    """What XLA sets aside for drawing and for the kernels, the larger of the two."""
    count = parameter_count(weight_shapes(arch, shape, width, outputs))
    x, keys = jnp.zeros((samples, *shape)), jax.random.split(jax.random.key(0), seeds)
    shapes = weight_shapes(arch, shape, width, outputs)
    parameters = [(jnp.zeros((seeds, *w)), jnp.zeros((seeds, w[0] if len(w) == 2 else w[3]))) for w in shapes]
    forward = forward_pass(arch, shapes)
    programs = (
        standard_normals.lower(keys, count, jnp.float64),
        jax.jit(lambda p: kernels_of_seeds(forward, p, x)).lower(parameters),
    )
    sizes = [program.compile().memory_analysis() for program in programs]
    return max(s.argument_size_in_bytes + s.output_size_in_bytes + s.temp_size_in_bytes for s in sizes)


@pytest.mark.parametrize(
    ("depth", "inputs", "width", "samples", "outputs"),
    [(1, 256, 64, 2, 1), (2, 16, 64, 6, 3), (4, 16, 8, 8, 3)],
)
def test_memory_estimate_covers_the_compiled_mlp_program(depth, inputs, width, samples, outputs):
    arch, shape, seeds = Architecture("mlp", depth), (inputs,), 4
    taken = compiled_bytes(arch, shape, width, samples, outputs, seeds)
    assert taken <= seeds * memory_per_seed(arch, shape, width, samples, outputs)


def test_memory_estimate_covers_the_compiled_cnn_program():
    arch, shape, seeds = Architecture("cnn", 2), (4, 4, 1), 16
    taken = compiled_bytes(arch, shape, 8, 3, 2, seeds)
    assert taken <= seeds * memory_per_seed(arch, shape, 8, 3, 2)
