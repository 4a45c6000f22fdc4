"""Strict JAX for every test: double precision, no silent broadcasting, shapes checked at run time."""

from __future__ import annotations

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
    """Run claims through plan, trials, deciders and evidence; returns the summary of the run.

    `measure(["diagonal_limit.ark"], pins={"depth": 1}, widths=(16, 32, 64, 128))`
    """
    import jax

    from advntk.checks.description import describe
    from advntk.checks.evidence import EvidenceStore, read_run
    from advntk.checks.planning import Request, make_plan
    from advntk.checks.efforts import PROFILES
    from advntk.checks.running import run_plan
    from advntk.reports.summary import summarise
    from advntk.theorems.catalogue import load

    def run(claims, pins=None, theories=(), shrink=False, **request):
        # Traced programs remember the functions they were traced from; planted ones must be seen.
        jax.clear_caches()
        catalogue = load(theories)
        plan = make_plan(
            Request(PROFILES["quick"], pins=tuple((pins or {}).items()), **request),
            catalogue.select(claims),
            catalogue.modules,
        )
        folder = tmp_path / "evidence"
        store = EvidenceStore(folder)
        number = store.start_run(
            describe(plan), {"versions": {}, "device": "cpu", "dtype": "float64", "code": "test"}
        )
        run_plan(plan, store, number, shrink=shrink)
        store.finish_run(number, {})
        store.close()
        run.record = read_run(folder, number)
        jax.clear_caches()
        return summarise(run.record)

    return run
