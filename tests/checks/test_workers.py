"""Who measures what: threads, processes, one of them lost, and an interruption."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest

from advntk.checks.efforts import PROFILES
from advntk.checks.executors import WorkerLost, Workers, _Worker, processes, threads
from advntk.checks.measuring import Batch, Broken
from advntk.checks.planning import Request, make_plan
from advntk.theorems.catalogue import load


@pytest.fixture(scope="module")
def batches():
    """All batches of a claim that takes seconds and depends on the seeds of the networks."""
    catalogue = load()
    selected = catalogue.select(["ark_positive_definiteness.gram_psd"])
    pins = {"family": "mlp", "activation": "erf", "depth": 1, "width": 16, "parameterization": "ntk"}
    plan = make_plan(Request(PROFILES["quick"], pins=tuple(pins.items())), selected, catalogue.modules)
    return [Batch(p, f, rung, range(p.seeds)) for p in plan.checks for f in p.families for rung in f.rungs]


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
        assert values.keys() == others.keys()
        for name in values:
            np.testing.assert_array_equal(values[name], others[name])


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
    assert [other.exitcode for other in others] == [-signal.SIGTERM] * 2


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


def made_up(name):
    planned = SimpleNamespace(check=SimpleNamespace(name=name))
    return SimpleNamespace(planned=planned, family=SimpleNamespace(chunk=1), rung=None, seeds=range(1))


def test_a_worker_keeps_to_the_trials_it_knows():
    shelves = [Shelf(), Shelf()]
    with Workers([_Worker(shelf) for shelf in shelves]) as workers:
        workers.submit([made_up(name) for name in "aabbc"], 0)
        one, other = shelves
        # The first takes a; the second something that nobody knows yet.
        assert [s.given[-1][0] for s in shelves] == ["a", "b"]
        one.finish({})
        other.finish({})
        assert [s.given[-1][0] for s in shelves] == ["a", "b"]
        one.finish({})
        assert one.given[-1][0] == "c"
        workers.submit([made_up("a")], 0)
        other.finish({})
        # Better something that the other knows than nothing.
        assert other.given[-1][0] == "a"
        one.finish({})
        other.finish({})


def test_all_are_busy_before_any_waits_and_results_go_where_they_belong():
    busy = threading.Barrier(3, timeout=30)

    def trial(rung, keys):
        busy.wait()
        return {"width": np.full(len(keys), rung)}

    def batch(width):
        planned = SimpleNamespace(check=SimpleNamespace(name="t", trial=trial))
        rung = SimpleNamespace(id=str(width), __int__=lambda: width)
        return SimpleNamespace(planned=planned, family=SimpleNamespace(chunk=2), rung=rung, seeds=range(2))

    with threads(3) as workers:
        promised = workers.submit([batch(w) for w in range(3)], 0)
        found = [one.result(timeout=60) for one in promised]
    assert all(not isinstance(values, Broken) for values in found)
    assert [values["width"][0].id for values in found] == ["0", "1", "2"]
