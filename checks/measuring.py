"""Carrying out trials: two batches of seeds at a time."""

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
class Batch:
    """Some seeds of one rung of a family."""

    planned: PlannedCheck
    family: Family
    rung: Scenario
    seeds: range


# What a batch gave: statistic name |-> array over its seeds.
Values = Mapping[str, np.ndarray] | Broken


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


def submit(batch: Batch, plan: Plan, pool: ThreadPoolExecutor) -> Future:
    """Give a batch to `pool`; its result is of type `Values`."""
    return pool.submit(_measure, batch, plan.request.seed)


def _measure(batch: Batch, run_seed: int) -> Values:
    chunk = batch.family.chunk
    try:
        parts = [
            observe(batch.planned.check, batch.rung, run_seed, np.arange(start, start + chunk))
            for start in range(batch.seeds.start, batch.seeds.stop, chunk)
        ]
    except Exception as error:  # whatever a trial raises is an outcome, not a crash of the run
        return Broken(f"{type(error).__name__}: {error}".splitlines()[0])
    for name, value in parts[0].items():
        if value.shape[:1] != (chunk,):
            return Broken(f"{name!r} has shape {value.shape}; its first axis must be the {chunk} seeds")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
