"""The one door to neural-tangents, and the only module that touches private or restored JAX names.

neural-tangents 0.6.5, the last release, was written for an older JAX: it imports names from
`jax.core`, `jax.util` and `jax.interpreters.ad` that JAX has since moved or removed, and its
`experimental` sub-package imports TensorFlow.  This module puts the few names back and leaves that
sub-package out.  The analytic kernels, `batch`, `predict` and the empirical kernels 1 and 2 work
under it; the structured-derivatives kernel (implementation 3) does not, and is not used here.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import sys
import threading
import types
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from advntk.exceptions import UsageError

_MOVED_TO_JAX_EXTEND = ("Jaxpr", "JaxprEqn", "Literal", "Primitive", "Var")
_STILL_IN_PRIVATE_CORE = ("AbstractValue", "ShapedArray", "Value", "eval_context")


class IncompatibleJax(ImportError, UsageError):
    """This pair of neural-tangents and JAX does not work together."""


def installed_pair() -> str:
    """'neural-tangents X with JAX Y on Python Z', as found."""
    found = {}
    for name in ("neural-tangents", "jax"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "(not installed)"
    python = ".".join(map(str, sys.version_info[:3]))
    return f"neural-tangents {found['neural-tangents']} with JAX {found['jax']} on Python {python}"


# Trials run in several threads; half-restored names must be seen by none of them.
_IMPORTING = threading.RLock()


def neural_tangents() -> types.ModuleType:
    """Import neural-tangents once, with the missing JAX names put back; safe from any thread.

    Raises:
      IncompatibleJax: a name is missing that this adapter cannot supply; the message says which
        versions were found and which name is missing.
    """
    with _IMPORTING:
        return _neural_tangents()


@functools.cache
def _neural_tangents() -> types.ModuleType:
    try:
        _restore_core()
        _restore_util()
        _restore_zeros_like()
        # An empty stand-in: the real sub-package imports TensorFlow and is not used here.
        sys.modules.setdefault(
            "neural_tangents.experimental", types.ModuleType("neural_tangents.experimental")
        )
        found = importlib.import_module("neural_tangents")
        _quieten_sums()
        return found
    except (ImportError, AttributeError) as error:
        raise IncompatibleJax(
            f"cannot import neural-tangents: found {installed_pair()}; missing: {error}. "
            "Known to work: neural-tangents 0.6.5 with JAX 0.10.2 (Python 3.11) and 0.12.0 "
            "(Python 3.12); install the locked versions (uv sync --locked)."
        ) from error


def stax() -> Any:
    """`neural_tangents.stax`."""
    return neural_tangents().stax


def elementwise(fn: Any, dual: Any, dual_derivative: Any) -> Any:
    """`stax.Elementwise` of an activation with its dual and the dual's derivative."""
    return stax().Elementwise(fn=fn, nngp_fn=dual, d_nngp_fn=dual_derivative)


def precision(dtype: Any) -> AbstractContextManager:
    """A context in which neural-tangents computes with kernels of this dtype.

    It infers the shapes of layers from weights of JAX's widest dtype, and refuses a convolution of float32
    covariances where that is float64.
    """
    import jax

    return jax.enable_x64(False) if dtype == "float32" else nullcontext()


def _quieten_sums() -> None:
    # At every call of a kernel, layers that add branches warn that they do not check independence, which
    # the networks here have by construction.  Filters of warnings are shared by all threads: not those.
    branching = importlib.import_module("neural_tangents._src.stax.branching")
    branching.warnings = types.SimpleNamespace(warn=lambda *_: None)  # type: ignore[attr-defined]


def _restore_core() -> None:
    import jax.core
    import jax.extend.core

    for name in _MOVED_TO_JAX_EXTEND:
        _put_back(jax.core, name, jax.extend.core)
    if not all(_has(jax.core, name) for name in _STILL_IN_PRIVATE_CORE):
        private = importlib.import_module("jax._src.core")
        for name in _STILL_IN_PRIVATE_CORE:
            _put_back(jax.core, name, private)


def _restore_util() -> None:
    try:
        importlib.import_module("jax.util")
    except ImportError:
        module = types.ModuleType("jax.util")
        private = importlib.import_module("jax._src.util")
        for name in ("safe_map", "safe_zip"):
            _put_back(module, name, private)
        sys.modules["jax.util"] = module


def _restore_zeros_like() -> None:
    from jax.extend.core import Primitive
    from jax.interpreters import ad

    # Only a key in a table of rules for implementation 3; the primitive itself is gone from JAX.
    if not _has(ad, "zeros_like_p"):
        ad.zeros_like_p = Primitive("zeros_like")  # type: ignore[attr-defined]


def _has(module: Any, name: str) -> bool:
    # JAX answers for names on their way out with a DeprecationWarning.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hasattr(module, name)


def _put_back(module: Any, name: str, origin: Any) -> None:
    if not _has(module, name):
        if not _has(origin, name):
            raise ImportError(f"{module.__name__}.{name} (also gone from {origin.__name__})")
        setattr(module, name, getattr(origin, name))
