"""Strict JAX for every test: double precision, no silent broadcasting, shapes checked at run time."""

from __future__ import annotations

import os
import warnings

import pytest
from hypothesis import settings

from advntk.implementations.runtime import configure

# Chosen with --hypothesis-profile; single tests may ask for less.  The database is a cache: what is worth
# keeping becomes an explicit example.
settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=2000, deadline=None)
settings.load_profile("ci")

# Response times are those of an installed command, whose libraries are compiled; hundreds of tests start one.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

configure("cpu")

import jax  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

# For every thread, unlike the context manager of the same name: ranks never broadcast silently.
jax.config.update("jax_numpy_rank_promotion", "raise")
# Annotated shapes are enforced in tests only.
install_import_hook(["advntk.implementations"], "beartype.beartype")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from advntk.implementations.neural_tangents_adapter import neural_tangents

    neural_tangents()


@pytest.fixture
def measure(tmp_path):
    """Run claims as every front door does; returns the summary of the run, whose record is `measure.record`.

    `measure(["diagonal_limit.ark"], pins={"depth": 1}, widths=(16, 32, 64, 128))`
    """
    from advntk.checks.mutation.planting import forget
    from advntk.reports.summary import summarise
    from advntk.wiring import RunSettings, prepare
    from advntk.wiring import measure as carry_out

    def run(claims, pins=None, theories=(), widths=(), **settings):
        # Traced programs and limits that are kept remember honest functions; planted ones must be seen.
        forget(("advntk",))
        prepared = prepare(
            RunSettings(
                claims=tuple(claims),
                axes=tuple(f"{name}={value}" for name, value in (pins or {}).items()),
                widths=",".join(map(str, widths)) or None,
                theories=tuple(theories),
                evidence=tmp_path / "evidence",
                **settings,
            )
        )
        run.record = carry_out(prepared)
        forget(("advntk",))
        return summarise(run.record)

    return run
