"""`advntk check` while it is killed, stopped, crowded and out of room: nothing is lost or changed."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from under_load import (
    CHECK,
    PATIENCE_S,
    children,
    content,
    finish,
    start,
    trials_in,
    wait_for_end,
    wait_for_trials,
)

pytestmark = pytest.mark.load
KILLS = 20


def resumed(folder, undisturbed):
    """Go on, and end with what an undisturbed run ends with, to the last digit."""
    found = finish(*CHECK, "--evidence", folder, "--resume")
    assert found.returncode == 0, found.stderr
    assert content(folder) == undisturbed[0]


@pytest.mark.parametrize("moment", range(KILLS))
def test_a_run_killed_at_any_moment_goes_on_as_if_nothing_had_happened(tmp_path, undisturbed, moment):
    process = start(*CHECK, "--evidence", tmp_path)
    # One moment in each twentieth of a run, drawn anew for each.
    time.sleep(undisturbed[1] * (moment + random.Random(moment).random()) / KILLS)
    others = children(process) if process.poll() is None else []
    process.kill()
    process.communicate()
    wait_for_end(others)
    resumed(tmp_path, undisturbed)


def test_a_run_killed_again_and_again_ends_the_same(tmp_path, undisturbed):
    drawn = random.Random(0)
    for _ in range(6):
        process = start(*CHECK, "--evidence", tmp_path, "--resume")
        time.sleep(undisturbed[1] * (0.3 + 0.5 * drawn.random()))
        process.kill()
        process.communicate()
    resumed(tmp_path, undisturbed)


def test_a_killed_worker_ends_the_run_in_one_line(tmp_path, undisturbed):
    process = start(*CHECK, "--evidence", tmp_path)
    wait_for_trials(process, tmp_path)
    os.kill(children(process)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3 and "Traceback" not in errors
    (said,) = [line for line in errors.splitlines() if line.startswith("error:")]
    assert "--resume" in said and len(said) <= 300
    resumed(tmp_path, undisturbed)


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGINT, signal.SIGINT]])
def test_signals_end_a_run_at_once_and_keep_what_was_measured(tmp_path, undisturbed, signals):
    process = start(*CHECK, "--evidence", tmp_path)
    wait_for_trials(process, tmp_path)
    others, measured = children(process), trials_in(tmp_path)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.2)
    _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors
    # A second signal may meet Python on its way out, and end it as the system does: 130 to a shell.
    ends = (130, -signal.SIGINT) if len(signals) > 1 else (130,)
    assert process.returncode in (ends if signals[0] is signal.SIGINT else (143,))
    wait_for_end(others)
    assert trials_in(tmp_path) >= measured > 0
    resumed(tmp_path, undisturbed)


def test_a_stopped_worker_that_goes_on_changes_nothing(tmp_path, undisturbed):
    process = start(*CHECK, "--evidence", tmp_path)
    wait_for_trials(process, tmp_path)
    worker = children(process)[0]
    os.kill(worker, signal.SIGSTOP)
    time.sleep(undisturbed[1])
    os.kill(worker, signal.SIGCONT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert content(tmp_path) == undisturbed[0]


def test_a_run_with_a_stopped_worker_can_be_interrupted(tmp_path, undisturbed):
    process = start(*CHECK, "--evidence", tmp_path)
    wait_for_trials(process, tmp_path)
    others = children(process)
    os.kill(others[0], signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    wait_for_end(others)
    resumed(tmp_path, undisturbed)


def test_two_runs_in_one_folder_keep_out_of_each_others_way(tmp_path, undisturbed):
    both = [start(*CHECK, "--evidence", tmp_path) for _ in range(2)]
    wait_for_trials(both[0], tmp_path)
    # They wait, so that neither ends before the third one looks.
    for process in both:
        process.send_signal(signal.SIGSTOP)
    refused = finish(*CHECK, "--evidence", tmp_path, "--resume")
    for process in both:
        process.send_signal(signal.SIGCONT)
    for process in both:
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, errors
    assert content(tmp_path, 1) == content(tmp_path, 2) == undisturbed[0]
    assert refused.returncode == 2 and "is being measured by another process" in refused.stderr


def test_a_disk_that_is_full_in_the_middle_and_enlarged(small_disk, undisturbed):
    folder, resize = small_disk
    resize(100)
    found = finish(*CHECK, "--evidence", folder / "run")
    assert found.returncode in (2, 3) and "Traceback" not in found.stderr, found.stderr
    (said,) = [line for line in found.stderr.splitlines() if line.startswith("error:")]
    assert len(said) <= 300 and ("full" in said or "space" in said), said
    resize(100_000)
    resumed(folder / "run", undisturbed)


def test_a_disk_that_is_read_only(small_disk, tmp_path, undisturbed):
    folder, resize = small_disk
    resize(100_000)
    assert finish(*CHECK, "--evidence", folder).returncode == 0
    resize(100_000, "ro")
    for command in ((*CHECK, "--resume"), CHECK):
        refused = finish(*command, "--evidence", folder)
        assert refused.returncode == 2 and "Traceback" not in refused.stderr
        assert "cannot be written" in refused.stderr and len(refused.stderr.splitlines()) == 1
    told = finish("report", folder, "--format", "md", "--out", tmp_path / "report.md")
    assert told.returncode == 0, told.stderr
    resize(100_000, "rw")
    assert content(folder) == undisturbed[0]


def test_clock_and_time_zone_are_changed_in_between(tmp_path, undisturbed):
    process = start(*CHECK, "--evidence", tmp_path, TZ="Pacific/Kiritimati")
    wait_for_trials(process, tmp_path)
    process.kill()
    process.communicate()
    earlier = "import time; now = time.time; time.time = lambda: now() - 86400 * 400; "
    earlier += (
        "import advntk.checks.evidence.store as store; store._now = lambda: '2001-01-01T00:00:00.000+00:00'; "
    )
    found = finish(*CHECK, "--evidence", tmp_path, "--resume", first=earlier, TZ="America/Adak")
    assert found.returncode == 0, found.stderr
    assert content(tmp_path) == undisturbed[0]
