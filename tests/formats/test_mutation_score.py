"""The mutation score on the page: shown where its file is given, refused in one line where that is none."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from format_readers import read_html
from made_up_evidence import HOSTILE, add_run

from advntk.checks.evidence import read_run
from advntk.reports.formats import rendered
from advntk.reports.mutation_score import BadMutationScore, MutationScore, read_mutation_score

ROOT = Path(__file__).parents[2]


def falsehood(verdict="REFUTED", **changes):
    fault = {"claim": "made_up.claim", "statement": "it is not so", "verdict": verdict, "seconds": 1.5}
    return {**fault, **changes}


def written(path, falsehoods, **more):
    path.write_text(json.dumps({"code": "abc", "falsehoods": falsehoods, **more}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("missed", "total", "words"),
    [
        (0, 3, "3 of 3 planted falsehoods refuted: mutation score 100 %"),
        (1, 4, "3 of 4 planted falsehoods refuted: mutation score 75 %"),
        # Rounding to 100 % would hide the one that was missed.
        (1, 10_000, "9999 of 10000 planted falsehoods refuted: mutation score 99.9 %"),
        (2, 2, "0 of 2 planted falsehoods refuted: mutation score 0 %"),
    ],
)
def test_the_score_is_the_share_that_was_refuted_and_never_rounded_up(missed, total, words):
    faults = [falsehood("HOLDS")] * missed + [falsehood()] * (total - missed)
    assert MutationScore("abc", tuple(faults)).words() == words


def test_the_page_shows_the_score_that_it_is_given_and_none_otherwise(record, tmp_path):
    path = written(tmp_path / "score.json", [falsehood(), falsehood("HOLDS", statement=HOSTILE)])
    found = record()
    with_score, without = (
        rendered(found, "html", mutations) for mutations in (read_mutation_score(path), None)
    )
    texts = " ".join(read_html(with_score).texts)
    assert "1 of 2 planted falsehoods refuted: mutation score 50 %" in texts
    assert "<script>alert('x')</script>" in texts and "measured with source abc" in texts
    assert "Mutation score" not in without and "falsehood" not in without
    read_html(without)


def mutant(number, fate, **changes):
    made = {"id": f"m:f:constant:{number}", "function": "m:f", "operator": "constant", "fate": fate}
    words = {
        "description": "1 becomes 2",
        "before": "1",
        "after": "2",
        "claim": "made_up.claim",
        "reason": "so",
    }
    return {**made, **words, **changes}


def test_the_page_shows_mutants_by_their_fate_and_why_others_were_left_out(record, tmp_path):
    mutants = [mutant(1, "killed"), mutant(2, "survived", description=HOSTILE), mutant(3, "equivalent")]
    path = written(tmp_path / "score.json", [], mutants=mutants, outside={"m:g": "writes files"})
    score = read_mutation_score(path)
    page = rendered(record(), "html", score)
    texts = " ".join(read_html(page).texts)
    assert "1 of 2 mutants noticed by claims: mutation score 50 %; 1 survived, 1 equivalent" in texts
    assert "<script>alert('x')</script>" in texts and "1 mutants: survived" in texts
    assert "m:g" in texts and "writes files" in texts and "m:f:constant:3" in texts
    assert score.functions["m:f"].caught == 1
    assert not score.is_good(51) and score.is_good(50)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("{", "is no JSON"),
        ("\ufeff[", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "is no mutation score (Expected `object`, got `array`)"),
        ('{"code": "x", "falsehoods": []}', "is no mutation score (nothing was planted)"),
        (
            json.dumps({"code": "x", "falsehoods": [], "mutants": [{"id": "m:f:sign:result"}]}),
            "is no mutation score (Object missing required field",
        ),
        (json.dumps({"falsehoods": [falsehood()]}), "is no mutation score (Object missing required field"),
        *(
            (json.dumps({"code": "x", "falsehoods": [falsehood(), bad]}), "is no mutation score (")
            for bad in (
                *(3, {}, falsehood("PERHAPS"), falsehood(seconds=0), falsehood(seconds=None)),
                *(falsehood(seconds=float("nan")), falsehood(seconds=10**400), falsehood(["HOLDS"])),
            )
        ),
    ],
)
def test_another_file_is_refused_with_its_name_and_the_fix(tmp_path, content, words):
    path = tmp_path / "score.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(BadMutationScore) as caught:
        read_mutation_score(path)
    said = str(caught.value)
    assert said.startswith(f"--mutation-score {path}: {words}") and "\n" not in said
    assert said.endswith("; name a file that `advntk mutate` or `python -m benchmarks.catch` wrote")


def report(folder, *arguments):
    command = [sys.executable, "-m", "advntk", "report", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_the_report_command_takes_the_file(tmp_path):
    add_run(tmp_path / "evidence")
    written(tmp_path / "score.json", [falsehood()])
    done = report(tmp_path, "evidence", "--mutation-score", "score.json", "--out", "out")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "1 of 1 planted falsehoods refuted: mutation score 100 %" in page
    assert page == rendered(
        read_run(tmp_path / "evidence"), "html", read_mutation_score(tmp_path / "score.json")
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mutation-score", "none.json"), "--mutation-score none.json: cannot be read"),
        (
            ("--mutation-score", "score.json", "--format", "md,tex", "--out", "out"),
            "--mutation-score score.json: only the page shows it; add html to --format md,tex",
        ),
        (
            ("--mutation-score", "score.json", "--history"),
            "--mutation-score score.json: only the page of one run shows it; leave it out",
        ),
    ],
)
def test_what_cannot_be_shown_is_one_line_and_writes_nothing(tmp_path, arguments, words):
    add_run(tmp_path / "evidence")
    written(tmp_path / "score.json", [falsehood()])
    before = sorted(path.name for path in tmp_path.rglob("*"))
    done = report(tmp_path, "evidence", *arguments)
    assert done.returncode == 2 and done.stdout == "" and words in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_what_the_readme_and_the_table_say_is_what_was_measured():
    score = read_mutation_score(ROOT / "benchmarks" / "catch.json")
    assert (ROOT / "benchmarks" / "catch.md").read_text(encoding="utf-8").startswith(f"# {score.words()}\n")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    (counts,) = re.findall(r"\[(\d+) of (\d+) planted falsehoods\]\(benchmarks/catch.md\)", readme)
    assert tuple(map(int, counts)) == (score.refuted, len(score.falsehoods))
    assert f"a mutation score of {score.words().rsplit('mutation score ')[1]}." in readme
