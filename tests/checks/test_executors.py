"""Who measures what: threads, processes, one of them lost, and an interruption."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from made_up_theories import SMALL, theory

from advntk.checks.deciders.rate import RateDecider
from advntk.checks.efforts import PROFILES
from advntk.checks.executors import WorkerLost, Workers, _Worker, processes, threads
from advntk.checks.measuring import Batch, Measured
from advntk.checks.pins import Pin
from advntk.checks.planning import PlannedCheck, PlannedPoint, PlannedScenario, Request, make_plan
from advntk.checks.sweeps import Sweep
from advntk.implementations.foreign_code import Failure
from advntk.theorems.catalogue import load


@pytest.fixture(scope="module")
def batches():
    """All batches of a claim that takes seconds and depends on the seeds of the networks."""
    catalogue = load()
    selected = catalogue.select(["ark_positive_definiteness.gram_psd"])
    held = {"family": "mlp", "activation": "erf", "depth": 1, "width": 16, "parameterization": "ntk"}
    pins = tuple(Pin(name, str(value), f"--axis {name}={value}") for name, value in held.items())
    plan = make_plan(Request(PROFILES["quick"], pins=pins), selected, catalogue.modules)
    return [Batch(p, s, at, range(p.seeds)) for p in plan.checks for s in p.scenarios for at in s.points]


def results(workers, batches, seed=3):
    return [promised.result() for promised in workers.submit(batches, seed)]


def test_processes_measure_what_threads_measure(batches):
    with threads(2) as workers:
        wanted = results(workers, batches)
        assert not workers.costs
    with processes(3, "cpu") as workers:
        # So many that the others take part, however long they take to start.
        found = results(workers, batches * 20)
        costs = workers.costs
    assert costs and all(c.compilations > 0 and c.peak_memory_bytes > 2**27 for c in costs)
    for values, others in zip(wanted * 20, found, strict=True):
        assert values.values.keys() == others.values.keys()
        for name in values.values:
            np.testing.assert_array_equal(values.values[name], others.values[name])


def test_a_lost_process_is_named(batches):
    with pytest.raises(WorkerLost, match=r"gone.*--resume.*--jobs 1"), processes(2, "cpu") as workers:
        (other,) = [worker.process for worker in workers._workers if worker.process]
        promised = workers.submit(batches * 10, 3)
        os.kill(other.pid, signal.SIGKILL)
        for one in promised:
            one.result(timeout=60)


def test_an_interruption_ends_the_other_processes(batches):
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), processes(3, "cpu") as workers:
        others = [worker.process for worker in workers._workers if worker.process]
        workers.submit(batches * 1000, 3)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 30
    # Not by themselves, after what they are at.
    assert [other.exitcode for other in others] == [-signal.SIGKILL] * 2


class Shelf:
    """A pool that finishes what it is given when it is told to."""

    def __init__(self):
        self.given: list[tuple[str, Future]] = []

    def submit(self, _, check, *__):
        self.given.append((check.name, Future()))
        return self.given[-1][1]

    def finish(self, value):
        self.given[-1][1].set_result(value)

    def shutdown(self, **_):
        pass


def batch(name, trial=None, width=8, chunk=1):
    """One call of a trial of this name."""
    check = replace(
        theory(trial, {"mine.a": [RateDecider("gap", 0.5)]}, sweep=Sweep("width")).check, name=name
    )
    check = replace(check, trial=trial or check.trial)
    scenario = SMALL.scenario(width=width)
    at = PlannedPoint(width, scenario)
    one = PlannedScenario(scenario, (at,), chunk)
    return Batch(PlannedCheck(check, (), SMALL, (one,), chunk, 1), one, at, range(chunk))


def test_a_worker_keeps_to_the_trials_it_knows():
    shelves = [Shelf(), Shelf()]
    with Workers([_Worker(shelf) for shelf in shelves]) as workers:
        workers.submit([batch(name) for name in "aabbc"], 0)
        one, other = shelves
        # The first takes a; the second something that nobody knows yet.
        assert [s.given[-1][0] for s in shelves] == ["a", "b"]
        one.finish({})
        other.finish({})
        assert [s.given[-1][0] for s in shelves] == ["a", "b"]
        one.finish({})
        assert one.given[-1][0] == "c"
        workers.submit([batch("a")], 0)
        other.finish({})
        # Better something that the other knows than nothing.
        assert other.given[-1][0] == "a"
        one.finish({})
        other.finish({})


def test_all_are_busy_before_any_waits_and_results_go_where_they_belong():
    busy = threading.Barrier(3, timeout=30)

    def trial(scenario, keys):
        busy.wait()
        return {"width": np.full(len(keys), scenario.width)}

    with threads(3) as workers:
        promised = workers.submit([batch("t", trial, width, 2) for width in (3, 1, 2)], 0)
        found = [one.result(timeout=60) for one in promised]
    assert all(isinstance(values, Measured) and values.device == "cpu" for values in found)
    assert [values.values["width"].tolist() for values in found] == [[3, 3], [1, 1], [2, 2]]


def test_what_raises_is_a_result_with_its_place():
    def trial(scenario, keys):
        raise ArithmeticError("no kernel\ntoday")

    with threads(1) as workers:
        (found,) = [one.result(timeout=60) for one in workers.submit([batch("t", trial)], 0)]
    assert isinstance(found, Failure) and found.error == "ArithmeticError: no kernel today"
    assert "in trial" in found.trace
