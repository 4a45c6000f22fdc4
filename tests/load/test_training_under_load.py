"""`advntk train` while it is killed: what goes on ends with the same model, bit by bit."""

from __future__ import annotations

import random
import signal
import time

import numpy as np
import pytest
from under_load import TRAIN, finish, start

pytestmark = pytest.mark.load
KILLS = 20


def resumed(model, trained):
    found = finish(*TRAIN, "--out", model, "--resume")
    assert found.returncode == 0, found.stderr
    with np.load(model) as kept:
        for name, wanted in trained[0].items():
            np.testing.assert_array_equal(kept[name], wanted)


@pytest.mark.parametrize("moment", range(KILLS))
def test_training_killed_at_any_moment_goes_on_as_if_nothing_had_happened(tmp_path, trained, moment):
    model = tmp_path / "model.npz"
    process = start(*TRAIN, "--out", model)
    time.sleep(trained[1] * (moment + random.Random(moment).random()) / KILLS)
    process.kill()
    process.communicate()
    resumed(model, trained)
    assert {path.name for path in tmp_path.iterdir()} <= {"model.npz", "model.checkpoint.npz"}


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGINT, signal.SIGINT]])
def test_signals_end_training_and_it_goes_on(tmp_path, trained, signals):
    model, checkpoint = tmp_path / "model.npz", tmp_path / "model.checkpoint.npz"
    process = start(*TRAIN, "--out", model)
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.02)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.1)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    # A second signal may meet Python on its way out, and end it as the system does: 130 to a shell.
    ends = (130, -signal.SIGINT) if len(signals) > 1 else (130,)
    assert process.returncode in (ends if signals[0] is signal.SIGINT else (143,))
    resumed(model, trained)


def test_a_disk_that_is_full_in_the_middle_and_enlarged(small_disk, trained):
    folder, resize = small_disk
    resize(60)
    found = finish(*TRAIN, "--out", folder / "model.npz")
    assert found.returncode in (2, 3) and "Traceback" not in found.stderr, found.stderr
    resize(100_000)
    resumed(folder / "model.npz", trained)
