"""What code of a user's raises is an outcome; an interruption by a signal stays one."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from advntk.implementations.adv_ntk.contract import implementation
from advntk.implementations.foreign_code import Raised, contained, described


class Own(BaseException):
    pass


class Mute(BaseException):
    def __str__(self):
        sys.exit(0)


RAISED = [SystemExit(0), SystemExit(), KeyboardInterrupt("mine"), GeneratorExit(), Own("x"), Mute()]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_what_is_no_exception_becomes_one_that_names_it(error):
    with pytest.raises(Raised, match=f"^{type(error).__name__}: ") as raised, contained():
        raise error
    assert raised.value.__cause__ is error
    assert described(raised.value) == described(error)


def test_an_exception_stays_what_it_is():
    with pytest.raises(StopIteration), contained():
        raise StopIteration
    assert described(ValueError("two\nlines")) == "ValueError: two lines"


@pytest.fixture
def attentive():
    # Whoever starts the tests in the background has them ignore interruptions.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_passes_through_at_any_depth_and_handlers_are_put_back(attentive):
    with pytest.raises(KeyboardInterrupt), contained(), contained():
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_it_was_the_code_itself():
    found = []

    def run():
        try:
            with contained():
                raise KeyboardInterrupt
        except Exception as error:
            found.append(described(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == ["KeyboardInterrupt:"]


@pytest.mark.parametrize("where", ["the module", "the class"])
def test_an_implementation_that_exits_while_it_is_loaded_is_refused(tmp_path, monkeypatch, where):
    name = f"exits_in_{where.split()[1]}"
    body = "import sys\n" + (
        "sys.exit(0)\n" if where == "the module" else "class Own:\n    def __init__(self): sys.exit(0)\n"
    )
    (tmp_path / f"{name}.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be loaded \(SystemExit: 0\)"):
        implementation(f"{name}:Own")
