"""`advntk check`, end to end: evidence, summary, page, exit codes; and the quick profile."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from advntk.checks.evidence import BadEvidence, read_run

STRANGER = Path(__file__).parents[1] / "strangers" / "arc_cosine.py"
# A small sweep of one architecture: all of the machinery, little of the arithmetic.
SMALL = ["--axis", "depth=1,activation=erf,parameterization=ntk,samples=4,outputs=3"]
SMALL += ["--widths", "32,64,128,256"]


@pytest.fixture(scope="module")
def small_run(advntk, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    found = advntk("check", "diagonal_limit.ark", *SMALL, "--seed", 7, "--evidence", folder)
    return found, folder


def test_a_run_leaves_evidence_summary_and_page(small_run):
    found, folder = small_run
    assert found.returncode == 0, found.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["evidence.sqlite", "index.html", "summary.json"]
    assert "diagonal_limit.ark" in found.stdout and "HOLDS" in found.stdout
    assert "trials" in found.stderr  # progress, in plain lines


def test_the_summary_says_what_was_run_and_what_came_out(small_run):
    summary = json.loads((small_run[1] / "summary.json").read_text())
    run, (claim,) = summary["run"], summary["claims"]
    assert summary["schema_version"] == 2
    assert {"versions", "device", "dtype", "seed", "profile", "wall_time_s"} <= run.keys()
    assert (run["seed"], run["profile"], run["dtype"]) == (7, "quick", "float64")
    assert run["compilations"]["number"] > 0
    assert {"id", "theorem", "verdict", "expected", "scenarios", "trials", "estimate"} <= claim.keys()
    low, high = claim["estimate"]["interval"]
    assert low <= claim["estimate"]["value"] <= high
    # 64 seeds at each of four widths, for every scenario, doubled where they do not decide.
    assert claim["trials"] >= 64 * 4 * claim["scenarios"] and claim["trials"] % (64 * 4) == 0


def test_the_raw_numbers_are_kept(small_run):
    record = read_run(small_run[1])
    rows = [row for found in record.trials.values() for row in found]
    assert {(row.axis, row.point) for row in rows} == {("width", width) for width in (32, 64, 128, 256)}
    assert all(row.numbers["ark_gap"] > 0 for row in rows)
    # The joint limit: the input width follows the hidden one.
    assert all(row.scenario["input_width"] == row.point for row in rows)


def test_the_same_seed_gives_the_same_summary_and_another_seed_another(advntk, small_run, tmp_path):
    def claims(seed, folder, jobs=1):
        advntk("check", "diagonal_limit.ark", *SMALL, "--seed", seed, "--evidence", folder, jobs=jobs)
        return json.loads((folder / "summary.json").read_text())["claims"]

    first = json.loads((small_run[1] / "summary.json").read_text())["claims"]
    # However many processes measure.
    assert claims(7, tmp_path / "same", jobs=3) == first
    assert claims(8, tmp_path / "other") != first


def test_a_second_run_is_appended_and_the_first_stays(advntk, small_run, tmp_path):
    arguments = ["check", "ark_positive_definiteness.transformed_margin", "--axis", "activation=erf,depth=1"]
    for seed in (0, 1):
        found = advntk(*arguments, "--evidence", tmp_path, "--seed", seed, "--json")
        assert json.loads(found.stdout)["run"]["seed"] == seed  # nothing but JSON on standard output
    assert (read_run(tmp_path, 1).request.seed, read_run(tmp_path).request.seed) == (0, 1)


def test_an_unexpected_verdict_exits_with_1(advntk, tmp_path):
    theory = tmp_path / "wrong.py"
    theory.write_text(STRANGER.read_text().replace("angle) / (2", "angle) / (3").replace("(2 *", "(3 *"))
    found = advntk("check", "arc_cosine", "--theory", theory, "--evidence", tmp_path / "e")
    assert found.returncode == 1, found.stderr
    assert "REFUTED (expected HOLDS)" in found.stdout


def test_a_strangers_theorem_fits_in_without_touching_the_engine(advntk, tmp_path):
    assert len(STRANGER.read_text().splitlines()) <= 50
    assert "arc_cosine.nngp" in advntk("claims", "--theory", STRANGER).stdout
    found = advntk("check", "arc_cosine", "--theory", STRANGER, "--evidence", tmp_path, jobs=2)
    assert found.returncode == 0, found.stderr
    assert "arc_cosine.nngp" in found.stdout
    page = (tmp_path / "index.html").read_text()
    assert "Arc-cosine limit of a ReLU layer" in page and "<svg" in page


def test_commands_on_the_page_find_a_strangers_theorem(advntk, tmp_path):
    few = ("--axis", "samples=3", "--widths", "32,64,128,256")
    advntk("check", "arc_cosine", "--theory", STRANGER, *few, "--evidence", tmp_path / "first")
    page = (tmp_path / "first" / "index.html").read_text()
    commands = [
        html.unescape(each) for each in re.findall(r'<code class="command">(advntk check [^<]*)</code>', page)
    ]
    assert len(commands) > 1
    for number, command in enumerate({commands[0], commands[-1]}):  # one scenario, the whole run
        found = advntk(*shlex.split(command)[1:], "--evidence", tmp_path / f"again-{number}")
        assert found.returncode == 0, found.stderr
        replayed = _verdicts(tmp_path / f"again-{number}")
        assert replayed <= _verdicts(tmp_path / "first")


def _verdicts(folder):
    return {(d.scenario_id, d.decision.verdict) for d in read_run(folder).decisions}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupted_run_keeps_what_it_measured(tmp_path):
    # Whoever starts the tests in the background has them, and what they start, ignore interruptions.
    attentive = "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler); "
    run = attentive + "runpy.run_module('advntk', run_name='__main__', alter_sys=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", run, "check", "diagonal_limit", "--evidence", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if (tmp_path / "evidence.sqlite").exists() and _trials(tmp_path):
                break
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "interrupted" in errors
    record = read_run(tmp_path)
    assert record.finished is None and record.trials


def _children(pid):
    return (Path(f"/proc/{pid}/task/{pid}/children").read_text()).split() if sys.platform == "linux" else []


def _trials(folder):
    try:
        return read_run(folder).trials
    except ValueError:
        return {}


@pytest.mark.evidence
def test_quick_gives_every_claim_of_a_theorem_its_expected_verdict_on_digits(advntk, tmp_path):
    found = advntk("check", "ark_positive_definiteness", "--evidence", tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert {c["id"]: c["verdict"] for c in summary["claims"]} == {
        c["id"]: c["expected"] for c in summary["claims"]
    }, found.stdout
    assert found.returncode == 0 and len(summary["claims"]) == 6
    assert summary["run"]["peak_memory_bytes"] <= 3 * 2**30


@pytest.mark.slow
def test_claims_run_as_pytest_items(tmp_path):
    def pytest_checks(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "pytest", "checks", "-q", "-p", "no:cacheprovider", *arguments],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            check=False,
        )

    listed = pytest_checks("--collect-only")
    assert "diagonal_limit.ark_fixed_input_converges" in listed.stdout
    ran = pytest_checks("-k", "transformed_margin", "--advntk-evidence", tmp_path, "--advntk-seed", "3")
    assert ran.returncode == 0, ran.stdout
    record = read_run(tmp_path)
    assert record.request.seed == 3 and record.finished
    # Every scenario is an item, and nothing else was measured.
    assert f"{len(record.trials)} passed" in ran.stdout
    assert {d.claim for d in record.decisions} == {"ark_positive_definiteness.transformed_margin"}
    # With workers: what one of them finds reaches the one that reports, and each keeps its evidence.
    ran = pytest_checks(
        "-k", "transformed_margin", "--advntk-evidence", tmp_path / "w", "-n", "2", "--dist", "loadfile"
    )
    assert ran.returncode == 0, ran.stdout
    assert sum(1 for _ in (tmp_path / "w").glob("gw*/evidence.sqlite")) == 1


def test_a_killed_run_is_resumed(advntk, tmp_path):
    command = [
        sys.executable,
        "-m",
        "advntk",
        "check",
        "diagonal_limit.ark",
        *SMALL,
        "--evidence",
        tmp_path,
        "-j",
        2,
    ]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        with contextlib.suppress(BadEvidence):
            if (tmp_path / "evidence.sqlite").exists() and read_run(tmp_path).trials:
                break
        assert process.poll() is None
        time.sleep(0.05)
    others = _children(process.pid)
    process.kill()
    process.wait()
    # What it started goes with it.
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{other}").exists() for other in others):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    before = read_run(tmp_path)
    refused = advntk("check", "diagonal_limit.ark", *SMALL, "--evidence", tmp_path, "--resume", "--seed", "1")
    assert refused.returncode == 2 and "differs from this request in seed (0 then, 1 now)" in refused.stderr
    found = advntk("check", "diagonal_limit.ark", *SMALL, "--evidence", tmp_path, "--resume")
    assert found.returncode == 0, found.stderr
    after = read_run(tmp_path)
    assert (after.id, after.started) == (before.id, before.started) and after.finished
    for scenario, rows in before.trials.items():
        kept = {(row.point, row.seed): row.numbers for row in after.trials[scenario]}
        assert all(kept[row.point, row.seed] == row.numbers for row in rows)
