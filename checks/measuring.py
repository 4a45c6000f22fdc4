"""Carrying out trials: two scenarios at a time, results in the order of the plan."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from checks.check import Check
from checks.planning import CONCURRENT, Family, Plan, PlannedCheck
from checks.scenario import Scenario

Observed = dict[int, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Broken:
    """A trial that raised instead of measuring."""

    error: str


@dataclass(frozen=True)
class Measured:
    """What the trial gave at one rung of one family: statistic name |-> array over the seeds."""

    family: Family
    rung: Scenario
    seeds: np.ndarray
    values: Mapping[str, np.ndarray] | Broken


def keys_for(check: Check, rung: Scenario, run_seed: int, seeds: np.ndarray):
    """Random keys of a trial: a function of the run's seed, the trial, the rung and the seed number."""
    import jax

    name = zlib.crc32(f"{check.name}/{rung.id}".encode())
    base = jax.random.fold_in(jax.random.key(run_seed), name)
    return jax.vmap(lambda s: jax.random.fold_in(base, s))(seeds)


def observe(check: Check, rung: Scenario, run_seed: int, seeds: np.ndarray) -> dict[str, np.ndarray]:
    """One call of the trial, as numpy arrays with a leading axis over `seeds`."""
    found = check.trial(rung, keys_for(check, rung, run_seed, seeds))
    return {name: np.asarray(value) for name, value in found.items()}


@contextmanager
def workers() -> Iterator[ThreadPoolExecutor]:
    """Threads that measure side by side: most of a short run is compiling, on one core each."""
    pool = ThreadPoolExecutor(CONCURRENT, thread_name_prefix="trial")
    try:
        yield pool
    finally:
        # After an interruption, what has not begun never begins.
        pool.shutdown(cancel_futures=True)


Tasks = list[tuple[Family, Scenario, Future]]


def submit(planned: PlannedCheck, plan: Plan, pool: ThreadPoolExecutor) -> Tasks:
    """Give every rung of every family of a check to `pool`, in order."""
    return [
        (family, rung, pool.submit(_one_rung, planned, family, rung, plan.request.seed))
        for family in planned.families
        for rung in family.rungs
    ]


def collect(planned: PlannedCheck, tasks: Tasks) -> Iterator[Measured]:
    """What was measured, in the order of the plan."""
    seeds = np.arange(planned.seeds)
    for family, rung, future in tasks:
        yield Measured(family, rung, seeds, future.result())


def _one_rung(
    planned: PlannedCheck, family: Family, rung: Scenario, run_seed: int
) -> dict[str, np.ndarray] | Broken:
    try:
        chunks = [
            observe(planned.check, rung, run_seed, np.arange(start, start + family.chunk))
            for start in range(0, planned.seeds, family.chunk)
        ]
    except Exception as error:  # whatever a trial raises is an outcome, not a crash of the run
        return Broken(f"{type(error).__name__}: {error}".splitlines()[0])
    for name, value in chunks[0].items():
        if value.shape[:1] != (family.chunk,):
            return Broken(
                f"{name!r} has shape {value.shape}; its first axis must be the {family.chunk} seeds"
            )
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
