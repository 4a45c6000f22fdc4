"""The command `mutate` and `advntk.mutate`: what they say, write and exit with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import advntk
from advntk.cli import answer
from advntk.reports.mutation_score import read_mutation_score

THEORY = Path(__file__).parent / "toy_theory.py"
FALSEHOODS = '''
import sys

from advntk import refuted_by

TOY = sys.modules["advntk_theory_toy_theory"]


@refuted_by("toy.mean", {"dimension": 8})
def means_of_absolute_values(patch):
    """The mean of absolute values is taken for that of squares."""
    patch.setattr(TOY, "squared", abs)


@refuted_by("toy.mean", {"dimension": 8})
def nothing_at_all(patch):
    """Nothing is wrong."""


@refuted_by("closed_form.search", {})
def of_another_theory(patch):
    """Fits no claim that is asked for."""
'''


@pytest.fixture
def command(capfd, tmp_path, monkeypatch):
    """Run the command in a folder of its own, in this process, which measures nothing itself."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfd.readouterr()
        code = answer(["mutate", "--theory", str(THEORY), *map(str, arguments)])
        return code, *capfd.readouterr()

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no.claim"], "claim 'no.claim' is unknown"),
        (["--only", "toy_theory:squred"], "did you mean advntk_theory_toy_theory:squared?"),
        (["--only", "no_module"], "no_module: cannot be imported (ModuleNotFoundError"),
        (["--operators", "sing"], "--operators sing: there is none; choose from: sign, factor-1.01"),
        (["--sample", "0"], "--sample 0: "),
        (["--sample", "many"], "--sample many: "),
        (["--scenarios", "0"], "--scenarios 0: "),
        (["--fail-under", "101"], "--fail-under 101: "),
        (["--seed", "-1"], "--seed -1: "),
        (["--jobs", "0"], "--jobs 0: "),
        (["--no-generated"], "--no-generated: leaves nothing to plant; add --falsehoods FILE.py"),
        (["--falsehoods", "none.py"], "--falsehoods none.py: no such file"),
        (
            ["--falsehoods", "empty.py"],
            "--falsehoods empty.py: holds none; make some with `advntk.refuted_by`",
        ),
        (["--falsehoods", "broken.py"], "--falsehoods broken.py: cannot be loaded (SyntaxError"),
        (["--equivalents", "none.toml"], "--equivalents none.toml: cannot be read"),
        (["--equivalents", "broken.toml"], "--equivalents broken.toml: "),
        (["--equivalents", "other.toml"], "--equivalents other.toml: has 'reasons', which means nothing"),
        (["--equivalents", "empty.toml"], "--equivalents empty.toml: says no reason for 'm:f:*'"),
        (["--out", "theirs"], "mutation.json: "),
        (
            ["--resume", "--out", "old"],
            "--resume: old/mutants.jsonl has results of another source, 1 and not ",
        ),
        (["--axis", "dimension"], "--axis dimension: write NAME=VALUE"),
        (["--lst"], "did you mean --list?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_one_line_and_writes_nothing(command, tmp_path, arguments, words):
    (tmp_path / "empty.py").write_text("X = 1\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("def\n", encoding="utf-8")
    (tmp_path / "broken.toml").write_text("[", encoding="utf-8")
    (tmp_path / "other.toml").write_text("[reasons]\n", encoding="utf-8")
    (tmp_path / "empty.toml").write_text('[equivalents]\n"m:f:*" = ""\n', encoding="utf-8")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "mutation.json").write_text("{}", encoding="utf-8")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mutants.jsonl").write_text(
        '{"generator": "advntk mutate", "source": "1"}\n', encoding="utf-8"
    )
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, out, err = command(*arguments)
    assert code == 2 and out == "", err
    assert words in err and len(err.strip().splitlines()) == 1, err
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path: found for path, found in after.items() if path.suffix != ".pyc"} == before


def test_mutants_are_listed_without_being_run(command, tmp_path):
    code, out, _ = command("--list", "--only", "toy_theory:inflated")
    lines = out.splitlines()
    assert code == 0 and lines[0] == (
        "advntk_theory_toy_theory:inflated:drop-factor:1: `return x * 3.0` becomes `return x`"
    )
    assert lines[-2].startswith("4 mutants of the source of 1 functions") and lines[-1].startswith(
        "operators: sign, "
    )
    code, out, _ = command("--list", "--only", "toy_theory:inflated", "--operators", "constant", "--json")
    (one,) = json.loads(out)["mutants"]
    assert (one["before"], one["after"]) == ("return x * 3.0", "return x * 6.0")
    assert list(tmp_path.iterdir()) == []


# A mutant that never ends, two that a claim sees, one that none sees, one that nobody runs, one that is none.
CHOSEN = ["slow_to_end", "squared", "halved", "never_run", "twice"]
FATES = {
    "squared:times-over:1": "killed",
    "halved:drop-factor:2": "survived",
    "never_run:plus-minus:1": "not run",
    "twice:drop-factor:2": "equivalent",
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One run of the command, which the tests below look at."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "falsehoods.py").write_text(FALSEHOODS, encoding="utf-8")
    reasons = '[equivalents]\n"*:twice:constant:*" = "it is once, whatever it is called"\n'
    (folder / "reasons.toml").write_text(reasons, encoding="utf-8")
    found = advntk.mutate(
        only=[f"toy_theory:{name}" for name in CHOSEN],
        operators=("times-over", "plus-minus", "drop-factor", "constant", "compare", "sign"),
        theories=str(THEORY),
        falsehoods=folder / "falsehoods.py",
        equivalents=folder / "reasons.toml",
        out=folder / "out",
        scenarios=1,
        timeout=5,
        jobs=2,
        progress=False,
    )
    return folder, found


@pytest.mark.slow
def test_every_mutant_has_its_fate(measured):
    _, found = measured
    fates = {result.id.partition(":")[2]: str(result.fate) for result in found.results}
    assert {name: fates[name] for name in FATES} == FATES
    # It counts up from one, until it is below.
    assert fates["slow_to_end:plus-minus:1"] == "timed out"
    reasons = {result.id.partition(":")[2]: result.reason for result in found.results}
    assert reasons["twice:constant:1"] == "declared: it is once, whatever it is called"
    assert reasons["twice:drop-factor:2"].startswith("no result changes beyond rounding in ")
    assert found.unseen == ["advntk_theory_toy_theory:never_run"]
    assert found.left_out == {"toy.measured": "reported as measured: it expects nothing"}


@pytest.mark.slow
def test_falsehoods_of_ones_own_are_planted_where_they_fit(measured):
    _, found = measured
    assert {one["name"]: one["verdict"] for one in found.falsehoods} == {
        "means of absolute values": "REFUTED",
        "nothing at all": "HOLDS",
    }
    assert not found.score.is_good(0)


@pytest.mark.slow
def test_results_are_gone_on_with_and_give_the_same(measured, capfd, monkeypatch):
    folder, found = measured
    path = folder / "out" / "mutants.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:30])
    monkeypatch.chdir(folder)
    capfd.readouterr()
    code = answer(
        [
            *("mutate", "--theory", str(THEORY), "--equivalents", "reasons.toml", "--out", "out", "--resume"),
            *(part for name in CHOSEN for part in ("--only", f"toy_theory:{name}")),
            *("--operators", "times-over,plus-minus,drop-factor,constant,compare,sign", "--scenarios", "1"),
            *("--jobs", "1", "--json"),
        ]
    )
    out, _ = capfd.readouterr()
    assert code == 1
    again = json.loads(out)
    assert {one["id"]: one["fate"] for one in again["mutants"]} == {r.id: r.fate for r in found.results}
    # The page takes the same file as that of the falsehoods.
    score = read_mutation_score(folder / "out" / "mutation.json")
    assert score.mutants == tuple(read_mutation_score(folder / "out" / "mutation.json").mutants)
    assert [one.fate for one in score.mutants] == [one.fate for one in found.results]
    text = (folder / "out" / "mutation.md").read_text(encoding="utf-8")
    assert text.startswith(f"<!-- advntk mutate -->\n# {score.words()}\n")
    assert "`return 0.5 * x` becomes `return x`" in text
