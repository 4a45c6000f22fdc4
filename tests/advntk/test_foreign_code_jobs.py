"""A user's theory or implementation that calls sys.exit(0): never exit code 0 of ours."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import advntk

TINY = """
import numpy as np
from advntk import *

SOURCE = Source("a book", "page 1")
SPACE = Space(Axis("depth", 1, low=1, high=9))


def leave(*_):
    raise ERROR


def fine(scenario, keys):
    return {"value": np.zeros(len(keys)), "bound": np.ones(len(keys))}


class Leaving(BoundDecider):
    decide = leave


class LeavingPremise(Premise):
    failure = leave


class Number:
    __array__ = leave


TRIAL, DECIDER, MORE = fine, BoundDecider("value", "bound", "at most"), {}
WHERE
ASSUMED = MORE.pop("assumptions", ())
THEOREM = Theorem("tiny", "t", "s", SOURCE, (Claim("tiny.small", "s", Kind.EXACT, SOURCE, ASSUMED),))
small = trial({"tiny.small": [DECIDER]}, SPACE.over(depth=(1, 2)), Effort(Measure(2, 2)), **MORE)(TRIAL)
"""
PLACES = {
    "trial": "TRIAL = leave",
    "value": "TRIAL = lambda *_: {'value': Number(), 'bound': np.ones(2)}",
    "decider": "DECIDER = Leaving('value', 'bound', 'at most')",
    "premise": "MORE = {'premises': (LeavingPremise('value', 1.0, 'p'),)}",
    "memory": "MORE = {'memory': leave}",
    "explored": "TRIAL, MORE = leave, {'explores': ('depth',)}",
    # Where the simplest scenario meets it; at load another line would say so.
    "assumption": "shallow = Assumption('a', 's', lambda s: s.depth < 2 or leave(), ('depth',))\n"
    "MORE = {'assumptions': (shallow,)}",
}
EXITS = """
import sys
from advntk.adv_ntk import Implementation


class Own(Implementation):
    def solve(self, *_):
        raise ERROR

    vjp = solve
"""


@pytest.mark.parametrize("error", ["SystemExit(0)", "KeyboardInterrupt()", "GeneratorExit()", "OSError(1)"])
@pytest.mark.parametrize("where", PLACES)
def test_whatever_a_users_code_raises_is_an_error_of_its_claim(tmp_path, where, error):
    theory = tmp_path / f"tiny_{where}_{error[:4]}.py"
    theory.write_text(TINY.replace("WHERE", PLACES[where]).replace("ERROR", error))
    run = advntk.check("tiny", theories=str(theory), progress=False)
    (result,) = run.results.values()
    assert result.verdict == "ERROR" and error.split("(")[0] in result.reason
    assert run.record.finished is not None


def test_an_assumption_that_leaves_at_once_is_refused_when_loaded(tmp_path):
    theory = tmp_path / "tiny_at_load.py"
    place = "MORE = {'assumptions': (Assumption('a', 's', leave, ('depth',)),)}"
    theory.write_text(TINY.replace("WHERE", place).replace("ERROR", "SystemExit(0)"))
    with pytest.raises(advntk.UsageError, match=r"the assumption 'a' raises SystemExit: 0"):
        advntk.check("tiny", theories=str(theory), progress=False)


@pytest.mark.parametrize("error", ["SystemExit(0)", "KeyboardInterrupt"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_trial_that_ends_the_program_is_an_error(advntk_command, tmp_path, error, jobs):
    text = TINY.replace("WHERE", PLACES["trial"]).replace("ERROR", error)
    (tmp_path / "tiny.py").write_text(text)
    found = advntk_command("check", "tiny", "--theory", "tiny.py", cwd=tmp_path, jobs=jobs)
    assert found.returncode == 3, found.stderr
    assert "ERROR" in found.stdout and error.split("(")[0] in found.stdout
    assert "interrupted" not in found.stderr


@pytest.mark.parametrize("error", ["SystemExit(0)", "KeyboardInterrupt"])
def test_an_implementation_that_ends_the_program_while_it_trains_is_an_error(tmp_path, error):
    (tmp_path / "exits.py").write_text(EXITS.replace("ERROR", error))
    sizes = ("--training", "20", "--validation", "10", "--test", "10", "--iterations", "1")
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    found = subprocess.run(
        [sys.executable, "-m", "advntk", "train", *sizes, "--implementation", "exits:Own"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert found.returncode == 3 and error.split("(")[0] in found.stderr.splitlines()[-1], found.stderr
    assert not (tmp_path / "adv-ntk.npz").exists()
