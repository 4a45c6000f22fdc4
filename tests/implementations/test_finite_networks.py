"""Finite networks: forward pass, parameter shapes, scales at initialization, checked arguments."""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.implementations.kernels.infinite import infinite_kernels
from advntk.implementations.networks.activations import ACTIVATIONS
from advntk.implementations.networks.architecture import Architecture, architecture
from advntk.implementations.networks.finite import (
    apply,
    fan_in,
    initialize,
    layer_scales,
    parameter_count,
    parameters_from,
    standard_normals,
    weight_shapes,
)
from advntk.implementations.networks.infinite import triple

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True)
PARAMETERIZATIONS = ("ntk", "standard")
NETWORKS = [("mlp", "flatten"), ("cnn", "flatten"), ("cnn", "pool")]
WIDTH, OUTPUTS = 3, 2


def input_shape(family: str) -> tuple[int, ...]:
    return (5,) if family == "mlp" else (3, 4, 2)


def transplanted(template, parameters):
    """neural-tangents' parameter tree filled with this project's parameters."""
    ours = iter(parameters)

    def fill(layer):
        if not layer:
            return layer
        w, b = next(ours)
        return (w.T if w.ndim == 2 else w).reshape(layer[0].shape), b.reshape(layer[1].shape)

    filled = [fill(layer) for layer in template]
    assert next(ours, None) is None
    return filled


def rounding(shapes: list[tuple[int, ...]], scale: float) -> float:
    """Every layer sums fan-in products; each of its roundings reaches the outputs amplified O(1)."""
    return 8 * EPS * sum(fan_in(shape) for shape in shapes) * scale


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
@pytest.mark.parametrize(("family", "readout"), NETWORKS)
@settings(EXACT, max_examples=2)
@given(
    seed=st.integers(0, 2**31),
    depth=st.integers(1, 2),
    sigma_w=st.floats(0.5, 2),
    sigma_b=st.floats(0, 1),
)
def test_forward_pass_equals_neural_tangents(
    family, readout, parameterization, name, seed, depth, sigma_w, sigma_b
):
    arch = architecture(family, depth, name, sigma_w, sigma_b, parameterization, readout)
    shape = input_shape(family)
    parameters = initialize(arch, jax.random.key(seed), shape, WIDTH, OUTPUTS)
    x = jax.random.normal(jax.random.key(seed + 1), (2, *shape))
    init_fn, apply_fn, _ = triple(arch, WIDTH, OUTPUTS)
    template = jax.eval_shape(lambda key: init_fn(key, x.shape)[1], jax.random.key(0))
    expected = apply_fn(transplanted(template, parameters), x)
    got = jnp.stack([apply(arch, parameters, x_i) for x_i in x])
    assert got.shape == expected.shape == (2, OUTPUTS)
    shapes = [w.shape for w, _ in parameters]
    # Pre-activations and outputs are sums of normals of variance at most sigma_w^2 + sigma_b^2.
    scale = (1 + sigma_w) ** (depth + 1) * (1 + float(jnp.abs(x).max()))
    np.testing.assert_allclose(got, expected, rtol=0, atol=rounding(shapes, scale))


@settings(EXACT, max_examples=5)
@given(
    depth=st.integers(1, 4),
    width=st.integers(1, 6),
    outputs=st.integers(1, 3),
    network=st.sampled_from(NETWORKS),
    parameterization=st.sampled_from(PARAMETERIZATIONS),
)
def test_parameter_shapes_and_count_are_those_of_neural_tangents(
    depth, width, outputs, network, parameterization
):
    family, readout = network
    arch = Architecture(family, depth, parameterization=parameterization, readout=readout)
    shapes = weight_shapes(arch, input_shape(family), width, outputs)
    init_fn, _, _ = triple(arch, width, outputs)
    theirs = jax.eval_shape(lambda key: init_fn(key, (1, *input_shape(family)))[1], jax.random.key(0))
    assert parameter_count(shapes) == sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(theirs))
    assert len(shapes) == depth + 1
    parameters = parameters_from(arch, jnp.arange(float(parameter_count(shapes))), shapes)
    assert [w.shape for w, _ in parameters] == shapes
    assert shapes[-1][0] == outputs and parameters[-1][1].shape == (outputs,)


def test_parameters_use_every_normal_number_once():
    arch = Architecture("cnn", 2)
    shapes = weight_shapes(arch, (3, 4, 2), 3, 2)
    normals = jnp.arange(float(parameter_count(shapes)))
    parameters = parameters_from(arch, normals, shapes)
    used = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(parameters)])
    np.testing.assert_array_equal(used, normals)


@pytest.mark.parametrize(("shape", "expected"), [((7, 5), 5), ((3, 3, 2, 6), 18)])
def test_fan_in_counts_the_inputs_of_one_unit(shape, expected):
    assert fan_in(shape) == expected


def test_standard_normals_depend_only_on_the_key_and_the_dtype():
    keys = jax.random.split(jax.random.key(1), 3)
    together = standard_normals(keys, 4)
    np.testing.assert_array_equal(together[1:2], standard_normals(keys[1:2], 4))
    assert len(np.unique(together)) == 12
    assert standard_normals(keys, 4, jnp.float32).dtype == jnp.float32


@pytest.mark.parametrize(("family", "readout"), NETWORKS)
@settings(EXACT, max_examples=8)
@given(seed=st.integers(0, 2**31), sigma_w=st.floats(0.5, 2), sigma_b=st.floats(0, 1))
def test_both_parameterizations_are_the_same_function_at_initialization(
    family, readout, seed, sigma_w, sigma_b
):
    ntk = architecture(family, 2, "tanh", sigma_w, sigma_b, "ntk", readout)
    shape, key = input_shape(family), jax.random.key(seed)
    x = jax.random.normal(jax.random.key(seed + 1), shape)
    outputs = []
    for arch in (ntk, replace(ntk, parameterization="standard")):
        parameters = initialize(arch, key, shape, WIDTH, OUTPUTS)
        outputs.append(apply(arch, parameters, x))
    shapes = weight_shapes(ntk, shape, WIDTH, OUTPUTS)
    scale = (1 + sigma_w) ** 3 * (1 + float(jnp.abs(x).max()))
    np.testing.assert_allclose(*outputs, rtol=0, atol=rounding(shapes, scale))


@pytest.mark.parametrize(
    ("family", "readout", "parameterization"),
    [("mlp", "flatten", "ntk"), ("mlp", "flatten", "standard"), ("cnn", "pool", "standard")],
)
def test_output_covariance_at_initialization_is_the_nngp_kernel(
    assert_mean, family, readout, parameterization
):
    # With one hidden layer this holds at every width, so 20 000 narrow networks decide it.
    arch = architecture(family, 1, "erf", parameterization=parameterization, readout=readout)
    x = jax.random.normal(jax.random.key(2), (2, *input_shape(family)))
    shapes = weight_shapes(arch, x.shape[1:], WIDTH, OUTPUTS)
    # Each parameterization draws its own networks.
    keys = jax.random.split(jax.random.key(PARAMETERIZATIONS.index(parameterization)), 20_000)
    normals = standard_normals(keys, parameter_count(shapes))

    @jax.jit
    def products(normals):
        def one(row):
            f = jax.vmap(lambda v: apply(arch, parameters_from(arch, row, shapes), v))(x).ravel()
            return f[:, None] * f[None, :]

        return jax.lax.map(one, normals)

    nngp = np.asarray(jax.jit(infinite_kernels)(arch, x).nngp)
    assert_mean(products(normals), np.kron(nngp, np.eye(OUTPUTS)), resolves=0.1)


def test_layer_scales_sit_in_the_forward_pass_of_the_ntk_parameterization_only():
    arch = architecture(sigma_w=1.5, sigma_b=0.3)
    assert layer_scales(arch, (7, 4)) == (0.75, 0.3)
    assert layer_scales(arch, (3, 3, 4, 7)) == (0.25, 0.3)
    assert layer_scales(replace(arch, parameterization="standard"), (7, 4)) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("argument", "value", "said"),
    [
        ("family", "transformer", ["family = 'transformer'", "mlp, cnn"]),
        ("parameterization", "mup", ["parameterization = 'mup'", "ntk, standard"]),
        ("readout", "attention", ["readout = 'attention'", "flatten, pool"]),
        ("activation_name", "swish", ["activation = 'swish'", ", ".join(ACTIVATIONS)]),
        ("depth", 0, ["depth = 0", "at least 1"]),
        ("depth", -3, ["depth = -3", "at least 1"]),
        ("sigma_w", 0.0, ["sigma_w = 0.0", "positive"]),
        ("sigma_w", -1.5, ["sigma_w = -1.5", "positive"]),
        ("sigma_w", float("nan"), ["sigma_w = nan", "positive"]),
        ("sigma_b", -0.1, ["sigma_b = -0.1", "not be negative"]),
        ("sigma_b", float("nan"), ["sigma_b = nan", "not be negative"]),
    ],
)
def test_a_bad_argument_is_named_with_its_value_and_the_fix(argument, value, said):
    # The values are what a person may type; the annotations are checked here only, so go around them.
    unchecked = getattr(architecture, "__wrapped__", architecture)
    with pytest.raises(ValueError) as caught:
        unchecked(**{argument: value})
    for part in said:
        assert part in str(caught.value)


def test_good_arguments_give_the_architecture_they_say():
    arch = architecture("cnn", 3, "tanh", 2.0, 0.0, "standard", "pool")
    assert arch == Architecture("cnn", 3, "tanh", 2.0, 0.0, "standard", "pool")
    assert arch.with_scales(1.0, 0.5) == Architecture("cnn", 3, "tanh", 1.0, 0.5, "standard", "pool")


def test_architecture_traces_its_scales_and_nothing_else():
    leaves, structure = jax.tree.flatten(architecture(sigma_w=1.25, sigma_b=0.5))
    assert leaves == [1.25, 0.5]
    assert jax.tree.unflatten(structure, leaves) == architecture(sigma_w=1.25, sigma_b=0.5)
    other = jax.tree.structure(architecture(depth=3))
    assert structure != other and structure == jax.tree.structure(architecture(sigma_w=9.0))
