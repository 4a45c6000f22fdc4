"""A theory whose parts break: an ERROR of its claim, with the traceback in evidence, page and terminal."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import advntk
import advntk.checking
from advntk.cli import answer

TINY = """
import numpy as np
from advntk import *

SOURCE = Source("a book", "page 1")
THEOREM = Theorem("tiny", "t", "s", SOURCE, (Claim("tiny.small", "s", Kind.EXACT, SOURCE),))


def fine(scenario, keys):
    print("printed by a theory")
    return {"value": np.zeros(len(keys)), "bound": np.ones(len(keys))}


def broken(*_):
    raise ValueError("here it \\x1b[31mbroke")


class Broken(BoundDecider):
    decide = broken


class BrokenPremise(Premise):
    failure = broken


TRIAL, DECIDER, MORE = fine, BoundDecider, {}
PART
SPACE = Space(Axis("depth", 1)).over(depth=(1, 2))
DECIDES = {"tiny.small": [DECIDER("value", "bound", "at most")]}
small = trial(DECIDES, SPACE, Effort(Measure(1, 2)), **MORE)(TRIAL)
"""
PARTS = {
    "nothing": "",
    "trial": "TRIAL = broken",
    "decider": "DECIDER = Broken",
    "premise": "MORE = {'premises': (BrokenPremise('value', 1.0, 'p'),)}",
    "memory": "MORE = {'memory': broken}",
    "seconds": "MORE = {'seconds': broken}",
    "slow": "MORE = {'seconds': lambda s: 3600.0}",
    "prepare": "MORE = {'prepare': broken}",
}


def command(theory):
    return ["check", "tiny", "--theory", theory, "--evidence", "kept", "-j", "1"]


@pytest.fixture
def theory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(part):
        (tmp_path / f"tiny_{part}.py").write_text(TINY.replace("PART", PARTS[part]))
        return f"tiny_{part}.py"

    return write


@pytest.mark.parametrize("part", [part for part in PARTS if "broke" in PARTS[part].lower()])
def test_the_traceback_is_kept_shown_and_folded(theory, capfd, part):
    assert answer([*command(theory(part)), "--json", "--verbose"]) == 3
    out, err = capfd.readouterr()
    (claim,) = json.loads(out)["claims"]
    assert claim["verdict"] == "ERROR" and "here it" in claim["reason"]
    assert "Traceback (most recent call last)" in err and "in broken" in err
    assert "\x1b" not in out + err
    page = advntk.load_run("kept").page()
    assert "<details><summary>Traceback</summary>" in page and "in broken" in page and "\x1b" not in page


def test_what_a_theory_prints_is_no_answer(theory, capfd):
    assert answer([*command(theory("nothing")), "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["claims"][0]["verdict"] == "HOLDS"
    assert "printed by a theory" in err


def test_the_table_comes_before_a_page_that_fails(theory, capfd, monkeypatch):
    def fails(*_):
        raise RuntimeError("no page \x1b[31mtoday")

    monkeypatch.setattr(advntk.checking, "write_reports", fails)
    assert answer(command(theory("nothing"))) == 3
    out, err = capfd.readouterr()
    assert "tiny.small" in out and "HOLDS" in out and "1 of 1 claims as expected" in out
    assert "error: the page could not be made: RuntimeError: no page \\u001b[31mtoday; try `advntk" in err


def test_a_script_needs_no_guard_for_its_main_part(theory, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import advntk\n"
        f"run = advntk.check('tiny', theories={theory('nothing')!r}, jobs=2, progress=False)\n"
        "print('VERDICT', run.verdicts['tiny.small'])\n"
    )
    found = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("VERDICT HOLDS") == 1


def test_a_run_that_compiles_for_ever_is_refused_with_its_minutes(theory, capfd):
    for option, code in (([], 2), (["--max-minutes", "1e5"], 0)):
        assert answer([*command(theory("slow")), *option]) == code
    assert "takes about 60 minutes to compile and begin, 20 are allowed" in capfd.readouterr().err
