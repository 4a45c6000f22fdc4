"""Carrying out trials, a batch of seeds at a time."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from advntk.checks.planning import PlannedCheck, PlannedPoint, PlannedScenario
from advntk.checks.scenario import Scenario
from advntk.checks.sweeps import Point
from advntk.checks.trial import Check, Observation
from advntk.implementations.foreign_code import Failure, contained, failure
from advntk.implementations.results import Result

if TYPE_CHECKING:
    from jax import Array

# Point of the sweep |-> statistic |-> array over the seeds.
Observed = dict[Point, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Batch:
    """Some seeds of one point of a scenario: what is handed to whoever measures."""

    planned: PlannedCheck
    scenario: PlannedScenario
    at: PlannedPoint
    seeds: range

    def parts(self, most: int) -> list[Batch]:
        """The same seeds as at most `most` batches of whole calls, so that results do not depend on it."""
        chunk = self.scenario.chunk
        calls = len(self.seeds) // chunk
        number = max(1, min(most, calls))
        starts = [self.seeds.start + chunk * (k * calls // number) for k in range(number)]
        ends = [*starts[1:], self.seeds.stop]
        return [
            Batch(self.planned, self.scenario, self.at, range(start, end))
            for start, end in zip(starts, ends, strict=True)
        ]


@dataclass(frozen=True)
class Measured:
    """What a batch gave, as numpy arrays with a leading axis over its seeds, and on which device."""

    values: Mapping[str, np.ndarray]
    figures: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    result: np.ndarray | None = None
    device: str = ""


def keys_for(check: Check, scenario: Scenario, run_seed: int, seeds: np.ndarray) -> Array:
    """Random keys of a trial: a function of the run's seed, the trial, the scenario and the seed number."""
    import jax

    name = zlib.crc32(f"{check.name}/{scenario.id}".encode())
    base = jax.random.fold_in(jax.random.key(run_seed), name)
    return jax.vmap(lambda s: jax.random.fold_in(base, s))(seeds)


def observe(check: Check, scenario: Scenario, run_seed: int, seeds: np.ndarray) -> Measured:
    """One call of the trial, as numpy arrays with a leading axis over `seeds`.

    Raises:
      ValueError, TypeError: what came back is no observation of these seeds.
      Exception: whatever the trial raises; `Raised` for what is none.
    """
    with contained():
        return _observed(check.trial(scenario, keys_for(check, scenario, run_seed, seeds)), len(seeds))


def _observed(found: Any, count: int) -> Measured:
    if not isinstance(found, Observation):
        found = Observation(dict(_mapping("what it gave", found)))
    values = {str(name): _numbers(name, value, count) for name, value in _mapping("values", found.values)}
    figures = {
        str(kind): {
            str(name): _numbers(f"{kind}.{name}", value, count) for name, value in _mapping(str(kind), parts)
        }
        for kind, parts in _mapping("figures", found.figures)
    }
    return Measured(values, figures, None if found.result is None else _results(found.result, count))


def _mapping(name: str, found: Any) -> Any:
    """Names with what they stand for."""
    if not isinstance(found, Mapping):
        raise TypeError(
            f"{name} is of type {type(found).__name__}; a trial gives an Observation, or a dict from "
            "statistics to one number per seed"
        )
    return found.items()


def _numbers(name: object, value: object, count: int) -> np.ndarray:
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name!r} is masked; a trial gives NaN for what it did not measure")
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name!r} has the type {array.dtype}; a trial gives real numbers")
    if array.shape[:1] != (count,):
        raise ValueError(f"{name!r} has shape {array.shape}; its first axis must be the {count} seeds")
    return array


def _results(value: object, count: int) -> np.ndarray:
    array = _numbers("result", value, count)
    known = {int(result) for result in Result}
    if array.dtype.kind not in "iub" or array.ndim != 1 or not set(array.tolist()) <= known:
        raise ValueError("'result' must be one number per seed, each the value of a Result")
    return array


def measured(check: Check, scenario: Scenario, seeds: range, chunk: int, run_seed: int) -> Measured | Failure:
    """What a trial gives for `seeds`, asked for `chunk` of them at a time; `Failure` if it raises."""
    try:
        parts = [
            observe(check, scenario, run_seed, np.arange(start, start + chunk))
            for start in range(seeds.start, seeds.stop, chunk)
        ]
        return joined(parts, device_name())
    except Exception as error:  # whatever a trial raises is an outcome, not a crash of the run
        return failure(error)


def joined(parts: list[Measured], device: str) -> Measured:
    """Several calls of a trial, one after the other."""
    first = parts[0]
    return Measured(
        {name: np.concatenate([part.values[name] for part in parts]) for name in first.values},
        {
            kind: {name: np.concatenate([part.figures[kind][name] for part in parts]) for name in inside}
            for kind, inside in first.figures.items()
        },
        None
        if first.result is None
        else np.concatenate([part.result for part in parts if part.result is not None]),
        device,
    )


def device_name() -> str:
    """Where JAX computes in this process, in words."""
    import jax

    found = jax.devices()[0]
    return f"{found.platform} ({found.device_kind})" if found.platform != "cpu" else "cpu"
