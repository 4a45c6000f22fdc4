"""The state of JAX for a run: device, precision, and a count of compilations.

`configure` must be called before anything imports `jax`; it is the only place that sets JAX's
global options.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from advntk.exceptions import UsageError

Device = Literal["cpu", "gpu"]

# Short runs are mostly compiling, two trials at a time: leave out LLVM's last optimizations and do not
# split one program over threads.  A fifth less compilation, and nothing lost while running (measured).
_QUICK_TO_COMPILE = "--xla_backend_optimization_level=1 --xla_cpu_parallel_codegen_split_count=1"
# The older, shorter way to LLVM IR saves another sixth.  XLA ends the process at a flag that it does not
# know, and later versions do not know this one.
_OLDER_EMITTERS = " --xla_cpu_use_fusion_emitters=false"

# Batched LAPACK calls run on XLA's pool of threads, split their batch over the same pool and block until
# the parts are done (jax::ParallelBatchMap).  The pool has one thread per core: on two cores, two such
# calls at a time wait for ever.  With more threads than calls there is always one left to do the parts.
_LEAST_POOL = 16

# Programs that took less long to compile are not worth a file.
_WORTH_KEEPING_S = 0.1
_MOST_KEPT_BYTES = 2**30

_COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"


class DeviceUnavailable(UsageError):
    """The requested device is not there."""


@dataclass
class CompilationCount:
    """How many XLA compilations happened since `watch`, and the sum of their durations in seconds."""

    number: int = 0
    seconds: float = 0.0
    _watching: bool = field(default=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def watch(self) -> CompilationCount:
        """Start counting (once); returns self."""
        import jax.monitoring

        def listen(event: str, duration_secs: float, **_: str | int) -> None:
            if event == _COMPILE_EVENT:
                with self._lock:
                    self.number += 1
                    self.seconds += duration_secs

        if not self._watching:
            jax.monitoring.register_event_duration_secs_listener(listen)
            self._watching = True
        return self


def configure(device: Device = "cpu", cache: Path | None = None) -> str:
    """Pin JAX to `device` in double precision and return a description of the device found.

    Compiled programs are kept in the folder `cache`, if one is given and the user names none of their own
    (JAX_COMPILATION_CACHE_DIR); it may be deleted at any time.

    Raises:
      DeviceUnavailable: no such device, or JAX was already started on another one.
    """
    if "jax" not in sys.modules:
        os.environ["JAX_PLATFORMS"] = "cpu" if device == "cpu" else "cuda,cpu"
        # Take GPU memory as it is needed: other programs share the card.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        os.environ.setdefault("PJRT_NPROC", str(max(_LEAST_POOL, os.cpu_count() or 1)))
        # Equinox's runtime checks call back into Python, and JAX keeps no program that does.  What they
        # would stop becomes NaN instead, which every check counts as not measured.
        os.environ.setdefault("EQX_ON_ERROR", "nan")
        # Flags of the user's own come last, and win.
        os.environ["XLA_FLAGS"] = f"{_quick_to_compile()} {os.environ.get('XLA_FLAGS', '')}".strip()
    import jax

    jax.config.update("jax_enable_x64", True)
    # Programs run in the thread that calls them, not in XLA's own pool.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    if cache is not None and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_KEEPING_S)
        jax.config.update("jax_compilation_cache_max_size", _MOST_KEPT_BYTES)
    # Accelerators multiply in reduced precision unless told otherwise.
    jax.config.update("jax_default_matmul_precision", "highest")
    try:
        found = jax.devices()[0]
    except RuntimeError as error:
        raise DeviceUnavailable(_explanation(device, str(error).splitlines()[0])) from error
    if found.platform != device:
        raise DeviceUnavailable(_explanation(device, f"JAX runs on {found.platform}"))
    return f"{found.platform}: {found.device_kind}"


def _quick_to_compile() -> str:
    from importlib.metadata import version

    return _QUICK_TO_COMPILE + (_OLDER_EMITTERS if version("jaxlib").startswith("0.10.") else "")


def _explanation(device: str, reason: str) -> str:
    fix = "use --device cpu, or install the GPU build with the 'cuda' extra (uv sync --extra cuda)"
    return f"--device {device}: not available here ({reason}); {fix}"


def versions() -> dict[str, str]:
    """Versions of everything that a number can depend on."""
    from importlib.metadata import PackageNotFoundError, version

    names = ("jax", "jaxlib", "neural-tangents", "numpy", "optax", "scipy", "scikit-learn", "hypothesis")
    found = {"python": sys.version.split()[0]}
    for name in ("advntk", *names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
