"""Who measures: threads of this process, and processes beside it; anything else that takes batches.

An executor takes batches and promises what they give; results do not depend on which one it is.
Half of a short run is tracing programs in Python, which one process does one at a time.  Processes trace
side by side, at the price of starting JAX in each.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from advntk.checks.measuring import Batch, Measured, measured
from advntk.checks.planning import CONCURRENT
from advntk.checks.theories import checks_of
from advntk.checks.trial import Check
from advntk.implementations.foreign_code import Failure
from advntk.implementations.memory import peak_memory_bytes, usable_memory
from advntk.implementations.runtime import CompilationCount, Device, configure
from advntk.theorems.catalogue import load

# What a worker holds in a quick run, generously: more of them than fit would only swap.
_BYTES_PER_WORKER = 3 * 2**30


class WorkerLost(RuntimeError):
    """A process that measured is gone: it was killed, most likely for want of memory."""


class Costs(NamedTuple):
    """What a worker's process has cost so far: compilations, their seconds, the most memory it held."""

    compilations: int
    seconds: float
    peak_memory_bytes: int


class Executor(Protocol):
    """Measures batches, somewhere."""

    @property
    def splits(self) -> int:
        """Into how many parts the largest batch of a scenario may be split."""
        ...

    @property
    def costs(self) -> list[Costs]:
        """What other processes have cost so far."""
        ...

    def submit(self, batches: Sequence[Batch], run_seed: int) -> list[Future[Measured | Failure]]:
        """Measure batches some time.  Those given together may be done in any order.

        A future raises `WorkerLost` if whoever had the batch is gone.
        """
        ...


@dataclass(eq=False)
class _Worker:
    """One that measures one batch at a time, perhaps in a `process` of its own."""

    pool: ThreadPoolExecutor | ProcessPoolExecutor
    process: BaseProcess | None = None
    seen: set[str] = field(default_factory=set)
    busy: bool = False

    def begin(self, batch: Batch, run_seed: int) -> Future:
        """Start on a batch; gives what it measured, and what its process has cost if that is another one."""
        self.busy = True
        check, how = batch.planned.check, (batch.seeds, batch.scenario.chunk, run_seed)
        self.seen.add(check.name)
        if self.process is None:
            return self.pool.submit(measured, check, batch.at.scenario, *how)
        return self.pool.submit(_measured_by_name, _full_name(check), batch.at.scenario.as_dict(), *how)


class Workers:
    """Hands batches to whoever is free; use as a context.

    A worker keeps to the trials whose programs it has traced, as long as there are any.
    """

    def __init__(self, workers: Sequence[_Worker]) -> None:
        """Made by `threads` and `processes`."""
        self._workers = workers
        self._waiting: list[tuple[Batch, int, Future]] = []
        self._lock = threading.RLock()
        self._costs: dict[int, Costs] = {}

    @property
    def splits(self) -> int:
        """As many as there are workers."""
        return len(self._workers)

    @property
    def costs(self) -> list[Costs]:
        """Of every other process that has measured anything."""
        return list(self._costs.values())

    def submit(self, batches: Sequence[Batch], run_seed: int) -> list[Future[Measured | Failure]]:
        """As every executor does; of batches given together, whoever is free chooses."""
        promised: list[Future] = [Future() for _ in batches]
        with self._lock:
            self._waiting += [(batch, run_seed, one) for batch, one in zip(batches, promised, strict=True)]
            self._feed()
        return promised

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """After an interruption, what has not begun never begins, and other processes do not finish."""
        with self._lock:
            self._waiting.clear()
        for worker in self._workers:
            if kind is not None and worker.process is not None:
                # One that is stopped, by a debugger say, does not hear of anything milder.
                worker.process.kill()
            worker.pool.shutdown(cancel_futures=True)

    def _feed(self) -> None:
        for worker in self._workers:
            if self._waiting and not worker.busy:
                batch, run_seed, promised = self._waiting.pop(self._choice(worker))
                worker.begin(batch, run_seed).add_done_callback(partial(self._done, worker, promised))

    def _choice(self, worker: _Worker) -> int:
        """Place of the next batch: of a trial that is known here, else one that nobody knows, else any."""
        names = [batch.planned.check.name for batch, _, _ in self._waiting]
        known = Counter(name for other in self._workers for name in other.seen)
        orders: tuple[Callable[[str], bool], ...] = (
            lambda name: name in worker.seen,
            lambda name: not known[name],
        )
        return next((i for wanted in orders for i, name in enumerate(names) if wanted(name)), 0)

    def _done(self, worker: _Worker, promised: Future, done: Future) -> None:
        with self._lock:
            worker.busy = False
            error = None if done.cancelled() else done.exception()
            if isinstance(error, BrokenProcessPool):
                worker.busy = True  # there is nobody to give anything to
                error = WorkerLost(
                    "a process that measured is gone (killed, for want of memory?); what was measured is "
                    "kept: go on with --resume, and --jobs 1 takes the least memory"
                )
            if error is not None:
                promised.set_exception(error)
            elif not done.cancelled():
                values = done.result()
                if worker.process is not None:
                    values, self._costs[id(worker)] = values
                promised.set_result(values)
            self._feed()


@contextmanager
def threads(number: int = CONCURRENT) -> Iterator[Workers]:
    """Workers that share this process and its programs."""
    with Workers([_Worker(_thread()) for _ in range(number)]) as found:
        yield found


@contextmanager
def processes(
    number: int, device: Device, cache: Path | None = None, theories: tuple[str, ...] = ()
) -> Iterator[Workers]:
    """One worker in this process and the others in processes of their own, which start at once.

    Every process settles JAX as this one is to (`advntk.implementations.runtime.configure`) and loads the
    same `theories`, by which it knows the trials: only names, scenarios and numbers pass between them.
    """
    with deaf_to_interruptions():
        others = [_started(device, cache, theories) for _ in range(number - 1)]
    with Workers([_Worker(_thread()), *others]) as found:
        yield found


def _started(device: Device, cache: Path | None, theories: tuple[str, ...]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        1, mp_context=context, initializer=_prepare, initargs=(device, cache, theories)
    )
    before = set(multiprocessing.active_children())
    with without_main():
        pool.submit(os.getpid)  # without a task nothing starts
    (process,) = set(multiprocessing.active_children()) - before
    return _Worker(pool, process)


@contextmanager
def without_main() -> Iterator[None]:
    """What is started now runs nobody's script again: it needs nothing of it.

    A script that has no `if __name__ == "__main__":` would start itself over and over.
    """
    main = sys.modules["__main__"]
    bare = ModuleType("__main__")
    bare.__spec__ = None
    sys.modules["__main__"] = bare
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def deaf_to_interruptions() -> Iterator[None]:
    """What is started now never sees Ctrl-C, which reaches every process of a terminal.

    The one that reports ends the others.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def reasonable_number() -> int:
    """As many workers as there are cores for and as fit into memory."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    return max(1, min(cores, usable_memory() // _BYTES_PER_WORKER))


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="trial")


# In a process that measures for another one: the trials by name, and what it has compiled.
_trials: dict[str, Check] = {}
_compilations = CompilationCount()


def _prepare(device: Device, cache: Path | None, theories: tuple[str, ...]) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    configure(device, cache)
    _compilations.watch()
    for module in load(theories).modules:
        _trials.update({_full_name(check): check for check in checks_of(module)})


def end_with_parent() -> None:
    """A parent that is killed cannot end its children."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _full_name(check: Check) -> str:
    return f"{check.module}:{check.name}"


def _measured_by_name(
    name: str, values: dict[str, Any], seeds: range, chunk: int, run_seed: int
) -> tuple[Measured | Failure, Costs]:
    check = _trials[name]
    found = measured(check, check.space.scenario(**values), seeds, chunk, run_seed)
    return found, Costs(_compilations.number, _compilations.seconds, peak_memory_bytes())
