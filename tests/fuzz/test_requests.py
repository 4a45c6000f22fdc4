"""Odd requests and odd theories: every one is answered by a documented exit code and a short line.

`ADVNTK_FUZZ_EXAMPLES` says how many of each kind are tried; the ordinary suite tries few.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import advntk.checking
import advntk.fetching
import advntk.implementations.adv_ntk.training
import advntk.training
from advntk import exits
from advntk.checks.evidence import read_run
from advntk.cli import answer, app
from advntk.wiring import measure, planned, prepare, read_request

EXAMPLES = int(os.environ.get("ADVNTK_FUZZ_EXAMPLES", "0"))
CODES = {value for name, value in vars(exits).items() if name.startswith("EXIT_")}
# What a terminal obeys: none of it may be in an answer.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def tried(few: int):
    return settings(
        max_examples=EXAMPLES or few,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class Accepted(Exception):
    """A request that would be carried out: nothing was wrong with it."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder to be in, where nothing is measured, trained, fetched or opened."""
    folder, before = tmp_path_factory.mktemp("requests"), Path.cwd()
    (folder / "folder").mkdir()
    (folder / "text.txt").write_text("notes")
    (folder / "loop.py").symlink_to("loop.py")
    patch = pytest.MonkeyPatch()

    def run(asked_for, ready):
        asked = read_request(asked_for)
        ready()
        planned(asked_for, asked, 2)
        raise Accepted

    def accept(*_, **__):
        raise Accepted

    patch.setattr(advntk.checking, "run", run)
    patch.setattr(advntk.implementations.adv_ntk.training, "gram", accept)
    patch.setattr(advntk.fetching, "fetch", accept)
    patch.setattr("advntk.benchmarking._at", accept)
    patch.setattr("webbrowser.open", accept)
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    for name in ("ADVNTK_THEORY", "ADVNTK_JOBS"):
        patch.delenv(name, raising=False)
    os.chdir(folder)
    yield folder
    os.chdir(before)
    patch.undo()


def commands(group, path=()):
    """(words, command) of every command that there is, so that new ones are tried as well."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = list(commands(typer.main.get_command(app)))
CLAIMS = ("closed_form.search", "diagonal_limit.ntk", "adv_ntk.solver", "xi_fading", "closed_form")
ODD = (
    "", " ", "0", "-1", "1", "2", "1e400", "-0.0", "nan", "inf", "1e-320", "99999999999999999999", "8/255", "1/0",
    "1e99999999", "x" * 400, "a.py", "loop.py", "folder", "text.txt", "/dev/null/x", "none.npz", "x.npz", "../..",
    f"{'é' * 200}.npz", f"{'n' * 300}.py", "\x1b[31mred\x1b[0m", "\u202eevil", "\udcff", "😀", "a\nb", "--", "-", ",",
    "=", "depth=1", "depth=2", "depth=50", "outputs=1000000", "samples=1500,outputs=10", "input_width=100000000000000",
    "sigma_w=1e-308", "data=none", "label_noise=1,outputs=1", "width=8,16,32,64", "8,16,32,64", "8,8,8,8", "math:pi",
    "html", "html,json", "quick", "digits", "sphere", "krylov", "linf", "sgd", "mlp3", "cnn2-pool", "cifar10-mlp5-r8",
    "ridge,ridge", "json:x", "os:nothing", "advntk", "sys", "évidence", "cpu", "gpu", "True", "0x10", "1_000",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_characters="\0"), max_size=30),
    st.integers().map(str),
    st.floats().map(str),
    st.text(st.characters(exclude_characters="\0"), min_size=250, max_size=600),
)


@st.composite
def command_lines(draw):
    path, command = draw(st.sampled_from(COMMANDS))
    parts = list(path)
    if "check" in path and len(path) == 1 and draw(st.integers(0, 9)):
        parts.append(draw(st.sampled_from(CLAIMS)))  # a plan of all claims takes seconds
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.integers(0, 9))
        if kind == 0:
            parts.append(draw(VALUES))
            continue
        if kind == 1:
            parts.append(f"--{draw(st.text('abcdefghijklmnop-', max_size=9))}")
            continue
        options = [p for p in command.params if p.param_type_name == "option" and "--help" not in p.opts]
        option = draw(st.sampled_from(options or command.params))
        names = [*option.opts, *option.secondary_opts] or ["--json"]
        times = 2 if draw(st.integers(0, 4)) == 0 else 1
        for _ in range(times):
            parts.append(draw(st.sampled_from(names)))
            if not getattr(option, "is_flag", False) and draw(st.integers(0, 19)):
                parts.append(draw(VALUES))
    return parts


def files(folder):
    """What is there, but for caches, which are nobody's."""
    return {
        path: path.lstat().st_mtime_ns
        for path in folder.rglob("*")
        if "cache" not in path.parts and not path.is_dir()
    }


@tried(60)
@given(command_lines())
@example(["check", "closed_form.search", "--seed", "1", "--seed", "2"])
@example(["check", "--theory", "loop.py"])
@example(["check", "--theory", "n" * 300 + ".py"])
@example(["check", "closed_form.search", "--data", "n" * 300 + ".npz"])
@example(["data", "check", "n" * 300 + ".npz"])
@example(["check", "ark_positive_definiteness.gram_psd", "--axis", "samples=1500,outputs=10"])
@example(["check", "diagonal_limit.ntk", "--axis", "depth=50"])
@example(["check", "adv_ntk", "--axis", "outputs=1000000"])
@example(["train", "--radius", "1e99999999"])
@example(["check", "--seed", "\x1b[31m"])
@example(["\u202echek"])
def test_command_lines(place, capfd, line):
    judge_command_line(place, capfd, line)


def judge_command_line(place, capfd, line):
    before = files(place)
    accepted = False
    capfd.readouterr()
    try:
        code = answer(line)
    except Accepted:
        accepted, code = True, 0
    out, err = capfd.readouterr()
    if "Accepted" in err:  # told as a traceback of ours
        accepted, code, err = True, 0, ""
    assert code in CODES, (line, code)
    assert "Traceback" not in err, (line, err)
    assert not OBEYED.search(out + err), (line, out, err)
    if code == exits.EXIT_USAGE and "Usage: " not in err:
        told = [text for text in err.splitlines() if not text.startswith("Usage: ")]
        assert len(told) == 1 and told[0].startswith("error: "), (line, err)
        assert len(told[0]) <= 300 and not out, (line, err)
        assert files(place) == before, line
    if accepted:
        for path in set(files(place)) - set(before):
            path.unlink()


TINY = """
import numpy as np
from advntk import *
SOURCE = Source("a book", "page 1")


def fine(scenario, keys):
    return {"value": np.zeros(len(keys)), "bound": np.ones(len(keys))}


def nothing(scenario):
    return 0


class Odd(Exception):
    def __str__(self):
        raise self


class Left(BaseException):
    pass


def raising(error):
    def function(*_, **__):
        raise error
    return function


def printing(scenario, keys):
    print("printed by a theory")
    return fine(scenario, keys)


def endless(*_):
    return endless(*_)


def warned(scenario, keys):
    import warnings
    warnings.warn("odd", UserWarning)
    return fine(scenario, keys)


class Decider(BoundDecider):
    pass


SPACE = Space(Axis("depth", AXIS_DEFAULT, low=1, high=9, constraint=CONSTRAINT, symbol=SYMBOL))
ASSUMED = ASSUMPTIONS
CLAIM = Claim(CLAIM_ID, STATEMENT, KIND, SOURCE, ASSUMED, rate=RATE, expected=EXPECTED, note=NOTE)
THEOREM = Theorem(THEOREM_ID, TITLE, STATEMENT, SOURCE, CLAIMS)
small = trial(DECIDES, SPACE.over(depth=CHOICE), EFFORT, SWEEP, MEMORY, PREPARE, RANDOM, EXPLORES, PREMISES,
              SECONDS)(TRIAL)
"""
ERRORS = (
    "SystemExit(0)", "KeyboardInterrupt()", "GeneratorExit()", "Left('x')", "Odd()", "StopIteration()",
    "MemoryError()", "RecursionError()", "ValueError('\\x1b[31mred\\n' * 99)", "UnicodeDecodeError('a', b'', 0, 1, '')",
    "UsageError('mine')", "ExceptionGroup('g', [ValueError()])",
)  # fmt: skip
RAISING = tuple(f"raising({error})" for error in ERRORS)
WRONG = (
    "None",
    "5",
    "'banana'",
    "()",
    "[]",
    "{}",
    "object()",
    "1j",
    "float('nan')",
    "b'x'",
    "True",
    "fine",
    "'\\ud800'",
)
GIVEN = tuple(
    f"lambda s, k: {found}"
    for found in (
        "None", "5", "'x'", "[]", "{}", "(i for i in ())", "{'value': 'x'}", "{'value': ['a'] * len(k)}",
        "{'value': 1j * np.ones(len(k)), 'bound': np.ones(len(k))}", "{'value': np.ones(3)}", "{1: np.ones(len(k))}",
        "{'value': np.array([object()] * len(k)), 'bound': np.ones(len(k))}",
        "{'value': np.ones((len(k), 2)), 'bound': np.ones(len(k))}", "{'value': [[1], [1, 2]], 'bound': np.ones(len(k))}",
        "{'value': np.full(len(k), np.nan), 'bound': np.ones(len(k))}", "{'\\ud800': np.ones(len(k))}",
        "{'value': np.full(len(k), np.inf), 'bound': np.ones(len(k))}", "{'value': np.zeros(len(k)), 'bound': 0 * np.ones(len(k))}",
        "{'value': np.ma.masked_all(len(k)), 'bound': np.ones(len(k))}", "Observation('x')", "Observation({}, {'x': 5})",
        "Observation(fine(s, k), {'curves': {'x': 'y'}})", "Observation(fine(s, k), result=np.full(len(k), 99))",
        "Observation(fine(s, k), result='bad')", "Observation(fine(s, k), result=np.ones(len(k)))",
        "np.zeros(len(k), dtype='datetime64[s]')", "{'value': np.zeros(len(k), 'M8[s]'), 'bound': np.ones(len(k))}",
        "{**fine(s, k), 'extra\\x1b[31m': np.zeros(len(k))}",
    )
)  # fmt: skip
# Slot |-> what it holds in a theory that is fine, and what else is tried.
SLOTS = {
    "AXIS_DEFAULT": ("1", ("0", "1.5", "'x'", *WRONG)),
    "CONSTRAINT": ("None", (*RAISING, *WRONG, "lambda v: 5", "lambda v: ''", "lambda v: 'is odd'")),
    "SYMBOL": ("'L'", WRONG),
    "ASSUMPTIONS": ("()", (
        *WRONG, *(f"(Assumption('a', 's', {function}, ('depth',)),)" for function in (*RAISING, *WRONG)),
        "(Assumption('a', 's', lambda s: s.nothing, ('depth',)),)", "(Assumption('a', 5, nothing),)",
        "(Assumption('a', 's', lambda s: s.depth < 2 or 1 / 0, ('depth',)),)",
    )),
    "CLAIM_ID": ("'tiny.small'", ("'small'", "'tiny.'", "'tiny.\\x1b[31m'", "'tiny.a b'", "'tiny.' + 'x' * 500", *WRONG)),
    "STATEMENT": ("'s'", ("'\\x1b[31mred'", "'$\\\\frac{$'", "'\\u202e'", "'x' * 5000", *WRONG)),
    "KIND": ("Kind.EXACT", ("Kind.LIMIT", "'exact'", *WRONG)),
    "RATE": ("None", ("Rate(0.5)", "Rate('x')", "Rate(float('nan'))", "Rate(0)", *WRONG)),
    "EXPECTED": ("Verdict.HOLDS", ("Verdict.ERROR", "'HOLDS'", "Verdict.REFUTED", "None", *WRONG)),
    "NOTE": ("''", WRONG),
    "THEOREM_ID": ("'tiny'", ("'closed_form'", "''", "'ti ny'", *WRONG)),
    "TITLE": ("'t'", ("'\\x1b]0;x\\x07'", *WRONG)),
    "CLAIMS": ("(CLAIM,)", ("(CLAIM, CLAIM)", "CLAIM", "(CLAIM, 5)", "[CLAIM]", *WRONG)),
    "DECIDES": ("{CLAIM_ID: [BoundDecider('value', 'bound', 'at most')]}", (
        *(f"{{CLAIM_ID: {deciders}}}" for deciders in (
            *WRONG, "['x']", "[BoundDecider]", "BoundDecider('value', 'bound', 'at most')", "[BoundDecider(5, 6, 'above')]",
            "[BoundDecider('value', 'bound', 'sideways')]", "[BoundDecider('nothing', 'bound', 'above')]",
            "[RateDecider('value', 0.5)]", "[LevelDecider('value', 0)]", "[MedianDecider('value', 0, 'above')]",
            "[type('Mine', (Decider,), {'decide': raising(SystemExit(0))})('value', 'bound', 'above')]",
            "[type('Mine', (Decider,), {'decide': lambda *_: 5})('value', 'bound', 'above')]",
        )), "{'tiny.other': [BoundDecider('value', 'bound', 'above')]}", *WRONG,
    )),
    "CHOICE": ("(1, 2)", ("(1, 'x')", "(0,)", "Between(1, 2)", "(1.5,)", "range(3)", *WRONG)),
    "EFFORT": ("Effort(Measure(1, 2))", (
        "'much'", "Effort('x')", "Effort(Measure('x', 2))", "Effort(Measure(1, -2))", "Effort(Measure(1, 2, (1, 2)))",
        "Effort(Measure(1, 2, looks=0))", "Effort(Measure(1, 2, held=5))", "Effort(Measure(1, 2, held=(('depth', 'x'),)))",
        "Effort(Measure(0, 0))", "Effort(Measure(1.5, 2))", *WRONG,
    )),
    "SWEEP": ("None", ("Sweep('depth')", "Sweep('nothing')", "Sweep(5)", f"Sweep('depth', {RAISING[0]})", *WRONG)),
    "MEMORY": ("nothing", (
        *RAISING, *WRONG, "lambda s: 'much'", "lambda s: -1", "lambda s: float('nan')", "lambda s: 10**30", "lambda s: None",
    )),
    "PREPARE": ("nothing", (*RAISING, *WRONG)),
    "RANDOM": ("True", WRONG),
    "EXPLORES": ("()", ("('depth',)", "('x',)", "'depth'", "(5,)", *WRONG)),
    "PREMISES": ("()", (
        "(Premise('value', 1.0, 'p'),)", "(Premise('nothing', 1.0, 'p'),)", "(Premise(5, 'x', None),)", "(5,)", *WRONG,
    )),
    "SECONDS": ("nothing", (*RAISING, *WRONG, "lambda s: 1e9", "lambda s: 'long'")),
    "TRIAL": ("fine", (*RAISING, *WRONG, *GIVEN, "endless", "warned", "printing")),
}  # fmt: skip
MUTATIONS = [(slot, value) for slot, (_, values) in SLOTS.items() for value in values]


def text_of(changes):
    """A theory with these slots changed."""
    text = TINY
    for slot in sorted(SLOTS, key=len, reverse=True):
        text = re.sub(rf"\b{slot}\b", lambda _, s=slot: changes.get(s, SLOTS[s][0]), text)
    # What a slot holds may name another one.
    return re.sub(r"\bCLAIM_ID\b", lambda _: changes.get("CLAIM_ID", SLOTS["CLAIM_ID"][0]), text)


@pytest.fixture(scope="module")
def theories(tmp_path_factory):
    """A folder to be in, where a run makes no page, which takes longer than all else."""
    folder, before = tmp_path_factory.mktemp("theories"), Path.cwd()
    patch = pytest.MonkeyPatch()

    def run(asked_for, ready):
        read_request(asked_for)
        ready()
        return measure(prepare(asked_for))

    patch.setattr(advntk.checking, "run", run)
    patch.setattr(advntk.checking, "write_reports", lambda *_: None)
    # Which source its numbers depend on is nobody's question here.
    patch.setattr("advntk.checks.digests.digest_of", lambda _: "one")
    patch.setattr("advntk.checks.digests.source_digest", lambda: "one")
    patch.setattr("advntk.provenance._commit", lambda: "none")
    patch.delenv("ADVNTK_THEORY", raising=False)
    os.chdir(folder)
    yield folder
    os.chdir(before)
    patch.undo()


@tried(90)
@given(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=2, unique_by=lambda change: change[0]))
@example([("TRIAL", "printing")])
@example([("TRIAL", "endless")])
@example([("EXPECTED", "Verdict.ERROR")])
@example([("DECIDES", "{CLAIM_ID: 'banana'}")])
@example([("MEMORY", "lambda s: 'much'")])
@example([("PREPARE", "raising(KeyboardInterrupt())")])
@example([("TRIAL", "lambda s, k: Observation(fine(s, k), result=np.full(len(k), 99))")])
def test_theories(theories, capfd, changes):
    judge_theory(theories, capfd, dict(changes))


def judge_theory(theories, capfd, changes):
    name, evidence = "tiny_fuzzed", theories / "evidence"
    sys.modules.pop(f"advntk_theory_{name}", None)
    (theories / f"{name}.py").write_text(text_of(changes), encoding="utf-8", errors="replace")
    shutil.rmtree(evidence, ignore_errors=True)
    capfd.readouterr()
    wanted = ["check", "tiny", "--theory", f"{name}.py", "--evidence", "evidence", "--json"]
    code = answer(wanted)
    out, err = capfd.readouterr()
    assert code in CODES, (changes, code)
    assert "Traceback" not in err, (changes, err)
    assert not OBEYED.search(out + err), (changes, out, err)
    if code == exits.EXIT_USAGE:
        told = err.splitlines()
        assert len(told) == 1 and told[0].startswith("error: ") and len(told[0]) <= 300, (changes, err)
        assert not out and not evidence.exists(), changes
    elif code == exits.EXIT_INTERNAL:
        decided = {str(row.decision.verdict) for row in read_run(evidence).decisions}
        assert decided == {"ERROR"}, (changes, decided, err)
    if code != exits.EXIT_USAGE:
        assert out.startswith("{") and out.endswith("}\n"), (changes, out)


def test_the_tiny_theory_is_fine(theories, capfd):
    judge_theory(theories, capfd, {})
    assert answer(["check", "tiny", "--theory", "tiny_fuzzed.py", "--evidence", "evidence", "--json"]) == 0
