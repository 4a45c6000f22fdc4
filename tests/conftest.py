"""Strict JAX for every test: double precision, no silent broadcasting, shapes checked at run time."""

from __future__ import annotations

import warnings

import pytest

from implementations.runtime import configure

configure("cpu")

import jax  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

# Annotated shapes are enforced in tests only.
install_import_hook(["implementations"], "beartype.beartype")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from implementations.neural_tangents_adapter import neural_tangents

    neural_tangents()


@pytest.fixture(autouse=True)
def strict_jax():
    """Arrays of different rank never broadcast silently."""
    with jax.numpy_rank_promotion("raise"):
        yield
