"""Processes that measure mutants: what hangs, dies or eats memory there ends nothing here.

A process imports and plans once and then takes tasks one after the other.  Before each step it says how much
processor time that may take; when that is used up, the process is killed and another one takes its place.
Other work on the machine makes a step longer and not dearer; one that sleeps is given up after ten times as
long.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from advntk.checks.executors import deaf_to_interruptions, end_with_parent, without_main
from advntk.checks.mutation.judging import Announce

# What a process may take to import, plan and be ready.
_START_SECONDS = 600.0
_MOST_STARTS_IN_VAIN = 3
_POLL_SECONDS = 0.5
# Seconds on the clock for every second of a processor that is allowed.
_SLEEP = 10.0

Serve = Callable[[Any], Any]  # a task in, its result out
Setup = Callable[[Announce], Serve]  # called once in the process


class CannotStart(RuntimeError):
    """No process gets ready; the message says why."""


@dataclass(frozen=True)
class Lost:
    """A task that its process did not survive: `how` is "timed out" or "died"; `what` it was doing."""

    how: str
    what: str
    seconds: float


@dataclass(eq=False)
class _Process:
    process: BaseProcess
    connection: Connection
    queue: deque[Any] = field(default_factory=deque)
    task: Any = None
    begun: float = 0.0
    deadline: float = 0.0
    most_used: float = math.inf
    doing: str = "getting ready"
    ready: bool = False

    def allow(self, seconds: float, doing: str) -> None:
        """From now on it may use so much of a processor, and ten times as long on the clock."""
        self.doing = doing
        self.deadline = time.monotonic() + _SLEEP * seconds
        self.most_used = self.used() + seconds

    def used(self) -> float:
        """Seconds that all of its threads have used of processors; 0 where nobody counts."""
        try:
            fields = (
                Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            )
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_late(self) -> bool:
        """Whether it has used more than it may."""
        return time.monotonic() > self.deadline or self.used() > self.most_used


def carry_out(
    setup: Setup, groups: Iterable[list[Any]], number: int, memory: int | None = None
) -> Iterator[tuple[Any, Any]]:
    """Carry out tasks in other processes; yields each with its result, as they come.

    Args:
      setup: makes, in a new process, the function that carries tasks out; pickled.
      groups: tasks; those of one group are carried out in their order, in one process as far as it lives.
      number: of processes.
      memory: bytes that each may take; None: as many as there are.

    Yields:
      (task, result), a `Lost` where there is none.

    Raises:
      CannotStart: processes die or raise before they take a task.
    """
    waiting = deque(deque(group) for group in groups if group)
    running: list[_Process] = []
    in_vain = 0
    try:
        while waiting or any(one.task is not None or one.queue for one in running):
            while len(running) < min(number, len(running) + len(waiting)):
                running.append(_started(setup, memory))
            for one in running:
                _feed(one, waiting)
            for one, message in _messages(running):
                if message[0] == "ready":
                    one.ready, in_vain = True, 0
                    _feed(one, waiting)
                elif message[0] == "limit":
                    one.allow(message[1], message[2])
                elif message[0] == "done":
                    task, one.task = one.task, None
                    # Before the next task is made: it may depend on what became of this one.
                    yield task, message[1]
                else:
                    running.remove(one)
                    _end(one)
                    if one.task is not None:
                        yield one.task, Lost(message[0], message[1], time.monotonic() - one.begun)
                    elif not one.ready:
                        in_vain += 1
                        if in_vain >= _MOST_STARTS_IN_VAIN or message[0] == "raised":
                            raise CannotStart(message[1])
                    if one.queue:
                        waiting.appendleft(one.queue)
    finally:
        for one in running:
            _end(one)


def _feed(one: _Process, waiting: deque[deque[Any]]) -> None:
    if not one.ready or one.task is not None:
        return
    if not one.queue and waiting:
        one.queue = waiting.popleft()
    if one.queue:
        task = one.queue.popleft()
        task = task() if callable(task) else task
        one.task, one.begun = task, time.monotonic()
        one.allow(_START_SECONDS, "a task")
        with suppress(OSError):  # it died; its end is noticed with the others
            one.connection.send(task)


def _messages(running: list[_Process]) -> Iterator[tuple[_Process, tuple[Any, ...]]]:
    """What processes say, and the end of those that do not speak any more."""
    busy = [one for one in running if one.task is not None or not one.ready]
    heard = wait([one.connection for one in busy], _POLL_SECONDS)
    for one in busy:
        if one.connection in heard:
            try:
                message = one.connection.recv()
            except (EOFError, OSError):
                one.process.join(5)
                code = one.process.exitcode
                yield one, ("died", f"{one.doing} (exit code {code})", code)
            else:
                yield one, message
        elif one.is_late():
            yield one, ("timed out", one.doing)


def _started(setup: Setup, memory: int | None) -> _Process:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, setup, memory), daemon=True)
    with deaf_to_interruptions(), without_main():
        process.start()
    there.close()
    found = _Process(process, here)
    found.allow(_START_SECONDS, "getting ready")
    return found


def _end(one: _Process) -> None:
    one.process.kill()
    one.process.join()
    one.connection.close()


def _serve(connection: Connection, setup: Setup, memory: int | None) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    if memory is not None:
        with suppress(ValueError, OSError):  # not everywhere, and not above what is allowed already
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    try:
        serve = setup(lambda seconds, what: connection.send(("limit", seconds, what)))
    except BaseException:
        connection.send(("raised", traceback.format_exc()))
        return
    connection.send(("ready",))
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            found = serve(task)
        except BaseException:
            # What is left of this process is not to be trusted.
            connection.send(("died", traceback.format_exc(), None))
            return
        connection.send(("done", found))
