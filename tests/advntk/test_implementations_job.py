"""`advntk check adv_ntk --implementation`: ours, anybody's, and what a wrong request is told."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from advntk.checks.evidence import read_run

STRANGER = Path(__file__).parents[1] / "strangers" / "own_adv_ntk.py"
EXACT = ("solver", "gradient", "equivariance", "batching", "zero_start")
FEW = ["--axis", "activation=relu,depth=1,sigma_w=1.76,sigma_b=0.18,data_seed=1"]


@pytest.fixture
def stranger(tmp_path):
    """Run `advntk` where the module own_adv_ntk can be found."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    shutil.copy(STRANGER, folder)

    def run(*arguments):
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.run(
            [sys.executable, "-m", "advntk", *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            check=False,
        )

    run.folder = folder
    return run


@pytest.mark.slow
def test_a_strangers_implementation_holds(stranger, tmp_path):
    claims = [f"adv_ntk.{name}" for name in EXACT]
    found = stranger(
        "check", *claims, "--implementation", "own_adv_ntk:Own", *FEW, "--evidence", tmp_path / "e", "--json"
    )
    assert found.returncode == 0, found.stdout + found.stderr
    summary = json.loads(found.stdout)
    assert {c["id"]: c["verdict"] for c in summary["claims"]} == dict.fromkeys(claims, "HOLDS")
    assert {d.scenario["implementation"] for d in read_run(tmp_path / "e").decisions} == {"own_adv_ntk:Own"}
    page = (tmp_path / "e" / "index.html").read_text()
    assert "own_adv_ntk:Own" in page and "implementation=own_adv_ntk:Own" in page


@pytest.mark.slow
def test_a_broken_one_is_refuted_and_its_source_is_part_of_the_run(stranger, tmp_path):
    arguments = ["check", "adv_ntk.solver", "--implementation", "own_adv_ntk:Broken", *FEW]
    found = stranger(*arguments, "--evidence", tmp_path / "e", "--json")
    (claim,) = json.loads(found.stdout)["claims"]
    assert (claim["verdict"], found.returncode) == ("REFUTED", 1)
    with (stranger.folder / STRANGER.name).open("a") as file:
        file.write("\n# mended, perhaps\n")
    changed = stranger(*arguments, "--evidence", tmp_path / "e", "--resume")
    assert (
        changed.returncode == 2
        and "differs from this request in digests (weights_against_reference)" in changed.stderr
    )


@pytest.mark.slow
def test_the_published_solver_is_caught(advntk, tmp_path):
    """Through an undamped inverse in single precision."""
    found = advntk(
        "check", "adv_ntk.solver", "--implementation", "as_published", "--evidence", tmp_path, "--json"
    )
    (claim,) = json.loads(found.stdout)["claims"]
    assert (claim["verdict"], found.returncode) == ("REFUTED", 1)
    page = (tmp_path / "index.html").read_text()
    commands = [html.unescape(each) for each in re.findall(r'<code class="command">([^<]*)</code>', page)]
    checks = [words for words in map(shlex.split, commands) if words[:2] == ["advntk", "check"]]
    pins = [words[words.index("--axis") + 1] for words in checks]
    assert any("depth=" in text for text in pins)  # a scenario measured again
    assert "implementation=as_published" in pins  # the whole run again
    assert all(text.endswith("implementation=as_published") for text in pins)


@pytest.mark.parametrize(
    ("claim", "name", "words"),
    [
        (
            "adv_ntk.solver",
            "krylof",
            ["--implementation krylof", "krylov, reference, as_published"],
        ),
        ("adv_ntk.solver", "no_such_module:Own", ["cannot be loaded", "no_such_module", "PYTHONPATH"]),
        ("adv_ntk.solver", "own_adv_ntk:Nobody", ["cannot be loaded", "Nobody"]),
        ("adv_ntk.solver", "own_adv_ntk:Partial", ["lacks solve, vjp, predict"]),
        ("adv_ntk.solver", "own_adv_ntk:FLOAT16", ["dtype = 'float16'", "float32, float64"]),
        ("adv_ntk.solver", "raises:Own", ["cannot be loaded", "ZeroDivisionError"]),
        ("closed_form.search", "reference", ["none of the selected claims"]),
        ("adv_ntk.threat_model_as_published", "reference", ["none of the selected claims"]),
    ],
)
def test_what_cannot_be_put_to_the_test_is_said_in_one_line(stranger, tmp_path, claim, name, words):
    (stranger.folder / "raises.py").write_text("x = 1 / 0\n")
    found = stranger("check", claim, "--implementation", name, "--evidence", tmp_path / "e")
    assert found.returncode == 2, found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    for word in [f"--implementation {name}", *words]:
        assert word in found.stderr
    assert not (tmp_path / "e").exists()


@pytest.mark.slow
@pytest.mark.evidence
def test_quick_gives_every_claim_of_adv_ntk_its_expected_verdict(advntk, tmp_path):
    found = advntk("check", "adv_ntk", "--evidence", tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    unexpected = {c["id"]: (c["verdict"], c["reason"]) for c in summary["claims"] if not c["as_expected"]}
    assert unexpected == {}, found.stdout
    assert found.returncode == 0 and len(summary["claims"]) == 11
