"""Processes that carry tasks out: none that hangs, dies or eats memory ends the others' work."""

from __future__ import annotations

import os

import pytest
from served import broken, setup

from advntk.checks.mutation.workers import CannotStart, Lost, carry_out

pytestmark = pytest.mark.slow


def done(*groups, number=2, **more):
    return [(task, result) for task, result in carry_out(setup, [list(g) for g in groups], number, **more)]


def test_every_task_has_its_result_in_the_order_of_its_group():
    found = done([("a", 1), ("a", 2), ("a", 3)], [("b", 1), ("b", 2)])
    assert all(task == result for task, result in found) and len(found) == 5
    for name in "ab":
        numbers = [task[1] for task, _ in found if task[0] == name]
        assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    ("what", "how"), [("hang", "timed out"), ("spin", "timed out"), ("die", "died"), ("raise", "died")]
)
def test_what_a_process_does_not_survive_is_said_and_the_rest_goes_on(what, how):
    found = dict(done([("before",), (what,), ("after",)], number=1))
    assert (found["before",], found["after",]) == (("before",), ("after",))
    lost = found[what,]
    assert isinstance(lost, Lost) and lost.how == how
    assert ("no such task" if what == "raise" else f"doing {what}") in lost.what


def test_memory_beyond_what_is_allowed_is_refused_to_the_task_and_to_no_other():
    found = dict(done([("eat",), ("after",)], number=1, memory=4 * 2**30))
    assert isinstance(found["eat",], Lost) and "MemoryError" in found["eat",].what
    assert found["after",] == ("after",)


def test_tasks_that_are_made_when_they_are_due_know_what_came_before():
    seen = []

    def second():
        return ("second", len(seen))

    for task, _ in carry_out(setup, [[("first",), second]], 1):
        seen.append(task)
    assert seen == [("first",), ("second", 1)]


def test_processes_that_never_get_ready_are_one_error():
    with pytest.raises(CannotStart, match="nothing is installed here"):
        list(carry_out(broken, [[("a",)]], 2))


def test_whoever_stops_listening_leaves_no_process_behind():
    tasks = carry_out(setup, [[("who",), ("who",)]], 1)
    _, number = next(tasks)
    tasks.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
