"""Carrying out trials, a batch of seeds at a time."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from advntk.checks.check import Check
from advntk.checks.planning import Family, PlannedCheck
from advntk.checks.scenario import Scenario

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


def measured(check: Check, rung: Scenario, seeds: range, chunk: int, run_seed: int) -> Values:
    """What a trial gives for `seeds`, asked for `chunk` of them at a time; `Broken` if it raises."""
    try:
        parts = [
            observe(check, rung, run_seed, np.arange(start, start + chunk))
            for start in range(seeds.start, seeds.stop, chunk)
        ]
    except Exception as error:  # whatever a trial raises is an outcome, not a crash of the run
        return Broken(f"{type(error).__name__}: {error}".splitlines()[0])
    for name, value in parts[0].items():
        if value.shape[:1] != (chunk,):
            return Broken(f"{name!r} has shape {value.shape}; its first axis must be the {chunk} seeds")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
