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
from odd_theories import MUTATIONS, text_of
from odd_words import ODD

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
    patch.setattr("advntk.mutating._baselines", accept)
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
CLAIMS = ("closed_form.search", "diagonal_limit.ntk", "adv_ntk.solver")
if EXAMPLES:  # a plan of several claims takes a second, and one of all several
    CLAIMS = (*CLAIMS, "xi_fading", "closed_form", "")
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
    if path == ("check",) and (claim := draw(st.sampled_from(CLAIMS))):
        parts.append(claim)
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


@tried(30)
@given(command_lines())
@example(["check", "closed_form.search", "--seed", "1", "--seed", "2"])
@example(["check", "--theory", "loop.py"])
@example(["check", "--theory", "n" * 300 + ".py"])
@example(["data", "check", "n" * 300 + ".npz"])
@example(["check", "ark_positive_definiteness.gram_psd", "--axis", "samples=1500,outputs=10"])
@example(["check", "diagonal_limit.ntk", "--axis", "depth=50"])
@example(["check", "adv_ntk.solver", "--axis", "outputs=1000000"])
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
    if code == exits.EXIT_USAGE:
        told = err.splitlines()
        assert len(told) == 1 and told[0].startswith("error: "), (line, err)
        assert len(told[0]) <= 300 and not out, (line, err)
        assert files(place) == before, line
    if accepted:
        for path in set(files(place)) - set(before):
            path.unlink()


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


@tried(50)
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
