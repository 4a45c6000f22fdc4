"""The state of JAX: device, precision, compilations, versions; and the CPU against a GPU."""

from __future__ import annotations

import importlib.metadata
import json
import platform

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.runtime import CompilationCount, DeviceUnavailable, configure, versions

# Hides every accelerator from the process, wherever the tests run.
NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "", "ROCR_VISIBLE_DEVICES": ""}


def test_configure_pins_double_precision_and_full_matrix_products():
    assert configure("cpu").startswith("cpu: ")
    assert jax.config.jax_enable_x64
    assert jax.config.jax_default_matmul_precision == "highest"
    assert jnp.ones(1).dtype == jnp.float64


def test_asking_for_a_gpu_without_one_names_the_option_and_the_fix(fresh_python):
    done = fresh_python(
        "from advntk.implementations.runtime import DeviceUnavailable, configure\n"
        "try:\n"
        "    configure('gpu')\n"
        "except DeviceUnavailable as error:\n"
        "    print('said:', error)\n",
        **NO_GPU,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.strip().splitlines()[-1]
    assert said.startswith("said: --device gpu: not available here (")
    assert "--device cpu" in said and "uv sync --extra cuda" in said
    assert "\n" not in said.partition("said: ")[2]


def test_a_device_other_than_the_running_one_is_refused():
    with pytest.raises(DeviceUnavailable, match=r"--device gpu: .*JAX runs on cpu.*--device cpu"):
        configure("gpu")
    assert jax.devices()[0].platform == "cpu"


def test_configure_overrides_a_platform_set_outside(fresh_python):
    done = fresh_python(
        "from advntk.implementations.runtime import configure\nprint(configure('cpu'))\n",
        JAX_PLATFORMS="cuda",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cpu: ")


def test_compilations_are_counted_once_each():
    count = CompilationCount()
    assert count.watch() is count
    assert count.watch() is count, "watching twice must not count twice"

    @jax.jit
    def function(v):
        return jnp.sin(v) * 2

    two, three = np.ones(2), np.ones(3)
    before = count.number
    function(two).block_until_ready()
    assert count.number == before + 1
    assert count.seconds > 0
    function(two).block_until_ready()
    assert count.number == before + 1, "a compiled program serves again"
    function(three).block_until_ready()
    assert count.number == before + 2, "another shape is another program"


def test_versions_name_everything_a_number_depends_on():
    found = versions()
    assert found["python"] == platform.python_version()
    for name in ("jax", "jaxlib", "neural-tangents", "numpy", "scipy", "scikit-learn", "hypothesis"):
        assert found[name] == importlib.metadata.version(name)
    assert "advntk" in found
    json.dumps(found)


def test_a_package_that_is_not_installed_is_reported_as_such(monkeypatch):
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = versions()
    assert found.pop("python") == platform.python_version()
    assert set(found.values()) == {"not installed"}


COMPARISON = """
import json, sys
from advntk.implementations.runtime import DeviceUnavailable, configure
try:
    found = configure("gpu")
except DeviceUnavailable as error:
    print(json.dumps({"missing": str(error)}))
    sys.exit()
import jax, numpy as np
from advntk.implementations.kernels.empirical import kernels_at_initialization
from advntk.implementations.kernels.infinite import ark_product, infinite_kernels
from advntk.implementations.networks.architecture import architecture

x = np.random.default_rng(0).standard_normal((4, 16))
worst, places = 0.0, set()
for arch, inputs in (
    (architecture("mlp", 2, "erf"), x),
    (architecture("mlp", 2, "tanh", sigma_w=1.0), x),
    (architecture("cnn", 1, "erf", readout="pool"), x.reshape(4, 4, 4, 1)),
):
    results = []
    for platform in ("cpu", "gpu"):
        with jax.default_device(jax.devices(platform)[0]):
            v = jax.numpy.asarray(inputs)
            keys = jax.random.split(jax.random.key(0), 3)
            kernels = [*kernels_at_initialization(arch, keys, v, 32, 2), *jax.jit(infinite_kernels)(arch, v)]
            if arch.family == "mlp":
                kernels.append(jax.jit(ark_product)(arch, v))
            places |= {device.platform for kernel in kernels for device in kernel.devices()}
            results.append([np.asarray(kernel) for kernel in kernels])
    for on_cpu, on_gpu in zip(*results, strict=True):
        worst = max(worst, float(np.abs(on_cpu - on_gpu).max() / np.abs(on_cpu).max()))
print(json.dumps({"found": found, "worst": worst, "places": sorted(places)}))
"""


@pytest.mark.gpu
def test_gpu_and_cpu_give_the_same_kernels(fresh_python):
    done = fresh_python(COMPARISON)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.strip().splitlines()[-1])
    if "missing" in result:
        pytest.skip(result["missing"])
    assert result["places"] == ["cpu", "gpu"]
    # Random numbers are the same up to the last bits of the inverse error function.  The longest sums run
    # over 32 * 32 weights twice, in another order: a relative error of eps times their number.
    assert result["worst"] <= 2 * 32 * 32 * float(np.finfo(np.float64).eps)


TWO_AT_A_TIME = """
import threading
from advntk.implementations.runtime import configure
configure("cpu")
import jax, jax.numpy as jnp
from jax.scipy.linalg import lu_factor

@jax.jit
def program(a):
    def step(_, c):
        return sum(lu_factor(c + k * jnp.eye(24))[0] * 1e-3 for k in range(8)) + a
    def guarded(i, c):
        return jax.lax.cond(c.sum() > 1e9, lambda c: c, lambda c: step(i, c), c)
    return jax.lax.fori_loop(0, 10, guarded, a)

a = jax.random.normal(jax.random.key(0), (64, 24, 24))
program(a).block_until_ready()

def many():
    for _ in range(60):
        program(a).block_until_ready()

threads = [threading.Thread(target=many) for _ in range(2)]
[t.start() for t in threads]
[t.join() for t in threads]
print("done")
"""


@pytest.mark.slow
def test_batched_factorisations_side_by_side_do_not_wait_for_each_other_for_ever(fresh_python):
    """With XLA's own number of threads they do, on two cores, within a few seconds."""
    assert fresh_python(TWO_AT_A_TIME).stdout.strip() == "done"
