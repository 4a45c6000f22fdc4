"""neural-tangents works through the adapter: import, gradients, number types, batching."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import sys
from functools import partial

import jax
import jax.core
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations import neural_tangents_adapter as adapter
from advntk.implementations.kernels.infinite import infinite_kernels
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.infinite import triple

EPS = float(np.finfo(np.float64).eps)
# Programs this small take longer to optimize than to run.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

NETWORKS = {
    "mlp_erf": architecture("mlp", 2, "erf"),
    "mlp_relu": architecture("mlp", 2, "relu"),
    # Variances near 1 keep the error of tanh's quadrature below rounding in every derivative used.
    "mlp_tanh": architecture("mlp", 2, "tanh", sigma_w=1.0),
    "cnn_flatten": architecture("cnn", 1, "erf"),
    "cnn_pool": architecture("cnn", 1, "relu", readout="pool"),
}


def inputs(name: str, samples: int, dtype=jnp.float64) -> jax.Array:
    """Generic inputs with a mean square of 1."""
    shape = (3,) if name.startswith("mlp") else (3, 3, 1)
    x = np.random.default_rng(7).standard_normal((samples, *shape))
    x /= np.sqrt((x**2).mean(axis=tuple(range(1, x.ndim)), keepdims=True))
    return jnp.asarray(x, dtype)


def test_import_from_several_threads_is_one_and_brings_no_tensorflow_and_no_tf2jax(fresh_python):
    done = fresh_python(
        "import sys\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from advntk.implementations.neural_tangents_adapter import neural_tangents\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    first, *others = pool.map(lambda _: neural_tangents(), range(4))\n"
        "assert callable(first.empirical_ntk_fn) and callable(first.stax.Dense)\n"
        "assert all(other is first for other in others)\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'tf2jax')))\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "[]"


def test_importing_the_adapter_alone_imports_neither_jax_nor_neural_tangents(fresh_python):
    done = fresh_python(
        "import sys\n"
        "import advntk.implementations.neural_tangents_adapter\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'jax', 'jaxlib', 'neural_tangents'}))\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_installed_pair_names_the_versions_found():
    pair = adapter.installed_pair()
    assert f"neural-tangents {importlib.metadata.version('neural-tangents')}" in pair
    assert f"JAX {jax.__version__}" in pair


def test_installed_pair_says_what_is_not_installed(monkeypatch):
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert "neural-tangents (not installed) with JAX (not installed)" in adapter.installed_pair()


@pytest.fixture
def not_yet_imported(monkeypatch):
    """The adapter as it is before its first call."""
    again = functools.cache(adapter._neural_tangents.__wrapped__)
    monkeypatch.setattr(adapter, "_neural_tangents", again)


@pytest.mark.parametrize("name", ["Jaxpr", "Primitive", "Var"])
def test_a_name_gone_from_jax_is_reported_with_the_pair_of_versions(monkeypatch, not_yet_imported, name):
    monkeypatch.delattr(jax.core, name, raising=False)
    monkeypatch.delattr(jax.extend.core, name)
    with pytest.raises(adapter.IncompatibleJax) as caught:
        adapter.neural_tangents()
    message = str(caught.value)
    assert adapter.installed_pair() in message
    assert f"jax.core.{name}" in message
    assert "uv sync --locked" in message


def test_a_name_missing_while_neural_tangents_imports_is_reported_too(monkeypatch, not_yet_imported):
    real = importlib.import_module

    def import_module(name: str, *rest):
        if name == "neural_tangents":
            raise AttributeError("module 'jax' has no attribute 'vanished_name'")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(adapter.IncompatibleJax, match="vanished_name") as caught:
        adapter.neural_tangents()
    assert adapter.installed_pair() in str(caught.value)


def test_a_missing_package_is_an_incompatible_pair(monkeypatch, not_yet_imported):
    monkeypatch.setitem(sys.modules, "neural_tangents", None)
    with pytest.raises(adapter.IncompatibleJax, match="neural_tangents"):
        adapter.neural_tangents()


@pytest.mark.parametrize("name", NETWORKS)
def test_input_gradients_of_the_kernels_are_finite_and_match_differences(name):
    arch, x = NETWORKS[name], inputs(name, 2)
    direction = jax.random.normal(jax.random.key(8), x.shape)
    step = 1e-4

    def both(v: jax.Array) -> jax.Array:
        return jnp.stack(infinite_kernels(arch, v))

    @compiled
    def measured() -> tuple:
        steps = step * jnp.array([0.0, 1.0, -1.0, 2.0, -2.0])
        return jax.jacrev(both)(x), jax.lax.map(lambda t: both(x + t * direction), steps)

    gradient, (centre, *near) = measured()
    assert np.isfinite(gradient).all()
    slope = np.tensordot(np.asarray(gradient), np.asarray(direction), x.ndim)
    fast, slow = (near[0] - near[1]) / (2 * step), (near[2] - near[3]) / (4 * step)
    # Central differences err by c * step^2: the two steps differ by 3 c step^2, whence c.  Values carry
    # the rounding of about 100 operations, divided by the step.
    rounding = 100 * EPS * np.abs(centre).max() / step
    assert (np.abs(fast - slope) <= np.abs(slow - fast) + rounding).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_double_precision_inputs_give_double_precision_kernels(name):
    kernels = jax.eval_shape(infinite_kernels, NETWORKS[name], inputs(name, 2))
    assert kernels.nngp.dtype == kernels.ntk.dtype == jnp.float64


def test_single_precision_inputs_give_single_precision_kernels():
    kernels = jax.eval_shape(infinite_kernels, NETWORKS["mlp_erf"], inputs("mlp_erf", 2, jnp.float32))
    assert kernels.nngp.dtype == kernels.ntk.dtype == jnp.float32


@pytest.mark.parametrize("name", ["mlp_erf", "cnn_pool"])
@pytest.mark.parametrize("other_samples", [None, 2])
def test_batching_does_not_change_the_kernels(name, other_samples):
    batch = adapter.neural_tangents().batch
    x = inputs(name, 4)
    other = None if other_samples is None else jax.random.normal(jax.random.key(9), (2, *x.shape[1:]))
    kernel_fn = jax.jit(triple(NETWORKS[name], 1, 1)[2], static_argnums=2)
    whole = kernel_fn(x, other, ("nngp", "ntk"))
    parts = batch(kernel_fn, batch_size=2)(x, other, ("nngp", "ntk"))
    for got, expected in zip(parts, whole, strict=True):
        assert got.shape == expected.shape
        # The same formula of about 100 operations, perhaps in another order; relu's angle of an input
        # with itself is the square root of a rounding error.
        rounding = np.full(got.shape, 100 * EPS)
        if other is None and NETWORKS[name].activation == "relu":
            np.fill_diagonal(rounding, np.sqrt(100 * EPS))
        assert (np.abs(got - expected) <= rounding * np.abs(expected).max()).all()
