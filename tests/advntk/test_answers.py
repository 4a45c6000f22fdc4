"""What commands say, and how they refuse: short lines that no terminal obeys, whatever was given."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import advntk
from advntk import speaking
from advntk.cli import answer
from advntk.printable import one_line, printable
from advntk.settings_validation import BadSetting


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["check", "--seed", "x"], "--seed x: must be a valid integer"),
        (["check", "--seed", "-1"], "--seed -1: must be greater than or equal to 0"),
        (["check", "--seed"], "--seed: a value is missing; give a whole number"),
        (["check", "--jobs", "0"], "--jobs 0: must be greater than or equal to 1"),
        (["check", "--memory", "-1"], "--memory -1: must be greater than or equal to 0.1"),
        (["check", "--memory", "nan"], "--memory nan: "),
        (["check", "--profile", "slow"], "--profile slow: 'slow' is not one of 'quick', 'standard'"),
        (["check", "--evidence", ""], "--evidence : is empty; give DIR"),
        (["check", "--seeds", "1"], "--seeds: no such option of `advntk check`; did you mean --seed?"),
        (
            ["check", "--zzzzzz"],
            "--zzzzzz: no such option of `advntk check`; `advntk check --help`",
        ),
        (["check", "--json=3"], "--json: option '--json' does not take a value"),
        (["chekc"], "'chekc' is no command of `advntk`; did you mean 'check'?"),
        (["data", "fetch", "mnist"], "NAME: 'mnist' is not one of 'cifar10', 'svhn'"),
        (["explain"], "CLAIM: is missing; `advntk explain --help`"),
        (["explain", "a", "b"], "`advntk explain`: got unexpected extra argument(s) (b)"),
        (["train", "--radius", "1e99999999"], "--radius 1e99999999: give a number, or a fraction"),
        (["train", "--radius", "1/0"], "--radius 1/0: give a number, or a fraction"),
        (
            ["train", "--baselines", "ridge", "--beside", "standard"],
            "--baselines ridge and --beside stand",
        ),
        (["benchmark", "adv-ntk", "--sizes", "0"], "--sizes 0: give whole numbers above 0"),
        (["check", "--allow-changed"], "--allow-changed: means something with --resume only"),
        (["check", "--theory", "n" * 300 + ".py"], "--theory nnn"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_what_the_parser_refuses_is_one_line_with_the_value_given(capfd, arguments, line):
    assert answer(arguments) == 2
    out, err = capfd.readouterr()
    assert err.startswith(f"error: {line}") and err.count("\n") == 1 and len(err) <= 301
    assert out == ""


@pytest.mark.parametrize(
    ("twice", "said"),
    [
        (["check", "no.such", "--seed", "1", "--seed", "2"], "--seed 1 and --seed 2"),
        (["check", "no.such", "-j", "2", "--jobs=3"], "--jobs 2 and --jobs 3"),
        (["check", "no.such", "--data", "sphere", "--data", "digits"], "--data sphere and --data digits"),
        (["gate", "--evidence", "a", "--evidence", "b"], "--evidence a and --evidence b"),
        (["report", "--out", "a", "--out", "b"], "--out a and --out b"),
        (["train", "--network", "mlp3", "--network", "mlp5"], "--network mlp3 and --network mlp5"),
        (["train", "--per-class", "--per-sample"], "--per-class and --per-sample"),
        (["evaluate", "m.npz", "--audit", "--no-audit"], "--audit and --no-audit"),
        (["data", "check", "digits", "--data-dir", "a", "--data-dir", "b"], "--data-dir a and --data-dir b"),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else None,
)
def test_two_values_of_one_option_are_refused_with_both_named(capfd, twice, said):
    assert answer(twice) == 2
    assert capfd.readouterr().err == f"error: {said}: one value only can be meant; keep one of them\n"


def test_one_value_may_be_given_twice_and_a_value_in_the_environment_is_named(capfd, monkeypatch):
    assert (
        answer(
            [
                "claims",
                "--theory",
                "tests/strangers/arc_cosine.py",
                "--theory",
                "tests/strangers/arc_cosine.py",
            ]
        )
        == 0
    )
    assert answer(["gate", "--evidence", "nowhere", "--evidence", "nowhere"]) == 2
    assert "nowhere: no evidence.sqlite" in capfd.readouterr().err
    monkeypatch.setenv("ADVNTK_JOBS", "many")
    assert answer(["check"]) == 2
    assert capfd.readouterr().err.startswith("error: $ADVNTK_JOBS=many (--jobs): must be a valid integer")


@pytest.mark.parametrize("text", ["\x1b[31mred", "\x9b31m", "\u202eabc", "a\rb", "\x07", "\udcff", "\u2066x"])
def test_no_terminal_obeys_a_text(text):
    shown = printable(f"x{text}y\n\tz")
    assert shown.isprintable() or set(shown) - set("\n\t") == {c for c in shown if c.isprintable()}
    assert shown.encode() and shown.endswith("y\n\tz")
    # Where a text is part of JSON, it says the same as before.
    if not any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


def test_a_line_is_cut_in_its_middle():
    line = one_line("error: --axis " + "x" * 999 + ": choose another\nvalue")
    assert len(line) == 300 and " … " in line
    assert line.startswith("error: --axis xx") and line.endswith("choose another value")
    assert one_line("short") == "short"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colours_are_ours_alone(monkeypatch):
    from rich.table import Table
    from rich.text import Text

    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    table = Table()
    table.add_column("claim")
    table.add_row(Text("\x1b]0;title\x07mine", style="bold red"))
    speaking.show(table, "\x1b[31mline")
    assert "\\u001b]0;titlemine" in out.getvalue() and "\\u001b[31mline" in out.getvalue()
    assert "\x1b]" not in out.getvalue() and "\x07" not in out.getvalue() and "\x1b[1;31m" in out.getvalue()


def test_a_full_disk_and_a_closed_pipe(monkeypatch, capfd):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert answer(["claims"]) == 3
        monkeypatch.undo()
    assert capfd.readouterr().err == "error: standard output cannot be written (No space left on device)\n"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert answer(["claims"]) == 0
        monkeypatch.undo()
    assert capfd.readouterr().err == ""


def test_what_others_print_goes_elsewhere(capfd):
    with speaking.answers_alone():
        print("printed")
        subprocess.run(["echo", "by another program"], check=True)
        speaking.say("the answer")
    print("afterwards")
    out, err = capfd.readouterr()
    assert "the answer\nafterwards\n" in out and "print" not in out
    assert "printed" in err or "by another program" in err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seed": "x"}, "--seed 'x': give a whole number"),
        ({"seed": -1}, "--seed -1: give a whole number"),
        ({"seed": True}, "--seed True: give a whole number"),
        ({"jobs": 0}, "--jobs 0: give a whole number"),
        ({"memory_gib": float("nan")}, "--memory nan: give a number"),
        ({"max_minutes": "long"}, "--max-minutes 'long': give a number"),
        ({"device": "tpu"}, "--device 'tpu': choose cpu or gpu"),
        ({"profile": None}, "--profile None: choose one of"),
        ({"claims": 5}, "CLAIM (5,): give ids"),
        ({"theories": [5]}, "--theory (5,): give .py files"),
        ({"data": ""}, "--data '': give a source"),
        ({"shrink": "yes"}, "--shrink 'yes': give True or False"),
        ({"evidence": 5}, "evidence = 5: give the path"),
        ({"axes": ["depth"]}, "axes = ['depth']: give a mapping"),
        ({"axes": {"depth": None}}, "axes = {'depth': None}: give a number or a word"),
        ({"sweeps": {"width": 64}}, "sweeps = {'width': 64}: give several numbers"),
        ({"allow_changed": True}, "--allow-changed: means something with --resume only"),
    ],
    ids=str,
)
def test_settings_from_a_script_are_refused_by_name(given, said):
    with pytest.raises(advntk.UsageError) as raised:
        advntk.check(**{"claims": "closed_form.search", "progress": False, **given})
    assert str(raised.value).startswith(said)
    assert isinstance(raised.value, BadSetting) or "profile" in given


def test_nothing_else_prints():
    """Answers go out in one place, where texts are looked at."""
    quiet = ("print(", "typer.echo(", "sys.stdout.write(")
    here = Path(advntk.__file__).parent
    loud = [
        path.name
        for room in (here, *(here / name for name in ("checks", "reports", "implementations", "theorems")))
        for path in (room.glob("*.py") if room == here else room.resolve().rglob("*.py"))
        for line in path.read_text().splitlines()
        if line.strip().startswith(quiet) and path.name != "speaking.py"
    ]
    assert loud == []
