"""`import advntk` is all that a user writes: runs, results, theories of one's own, networks and attacks."""

from __future__ import annotations

import doctest
import html
import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import advntk
from advntk.theorems.vocabulary import Verdict

STRANGERS = Path(__file__).parents[1] / "strangers"
MONTE_CARLO = STRANGERS / "monte_carlo.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    return advntk.check("monte_carlo", theories=str(MONTE_CARLO), evidence=folder, progress=False)


def test_a_run_says_what_came_out(run):
    assert run.verdicts == {"monte_carlo.root": Verdict.HOLDS, "monte_carlo.heavy_tail": Verdict.REFUTED}
    assert run.as_expected
    root = run.results["monte_carlo.root"]
    low, high = root.interval
    assert root.quantity == "exponent" and low <= root.value <= high
    assert root.scenarios == 2 and root.trials == 2 * 32 * 4


def test_the_table_is_one_of_columns(run):
    table = run.table()
    assert table["claim"] == list(run.verdicts) and table["verdict"] == list(run.verdicts.values())
    assert {len(column) for column in table.values()} == {2}


def test_trials_are_an_arrow_table(run):
    trials = run.trials()
    assert trials.num_rows == sum(result.trials for result in run.results.values())
    assert set(trials["axis"].to_pylist()) == {"samples"}
    assert set(trials["point"].to_pylist()) == {64, 128, 256, 512, 1024, 4096}


def test_a_run_shows_itself(run, tmp_path):
    assert "2 of 2 claims as expected" in repr(run)
    assert run._repr_html_().count("<tr>") == 3 and "monte_carlo.root" in run._repr_html_()
    assert all("<svg" in drawing.svg for drawing in run.figures("monte_carlo.root"))
    page = run.save(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Monte Carlo integration" in page
    with pytest.raises(KeyError, match=r"no claim 'monte_carlo\.rot'; it has: monte_carlo\.root"):
        run.figures("monte_carlo.rot")


def test_evidence_is_kept_where_asked_and_read_again(run):
    again = advntk.load_run(run.folder)
    assert again.results == run.results
    unkept = advntk.check(
        "monte_carlo.root", theories=str(MONTE_CARLO), progress=False, sweeps={"samples": (8, 16, 32, 64)}
    )
    assert unkept.folder is None and unkept.record.request.sweeps == {"samples": [8, 16, 32, 64]}


def test_the_same_request_gives_the_same_numbers_on_the_command_line(run, tmp_path):
    command = ["check", "monte_carlo", "--theory", str(MONTE_CARLO), "--evidence", str(tmp_path), "--json"]
    found = subprocess.run(
        [sys.executable, "-m", "advntk", *command], capture_output=True, text=True, check=True
    )
    claims = {claim["id"]: claim["estimate"]["value"] for claim in json.loads(found.stdout)["claims"]}
    assert claims == {name: result.value for name, result in run.results.items()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"claims": "monte_carlo.rot"}, "did you mean 'monte_carlo.root'"),
        ({"profile": "slow"}, "--profile slow: choose one of: quick"),
        ({"axes": {"power": 2.0}}, "--axis power=2.0: power must be at most 0.99"),
        ({"axes": {"depth": 2}}, "none of the selected claims has an axis 'depth'"),
        ({"axes": {"samples": 8}}, "runs over a sweep that chooses samples itself"),
        ({"sweeps": {"width": (1, 2, 3, 4)}}, "none of the selected claims sweeps over width"),
        ({"sweeps": {"samples": (1, 2)}}, "at least 4"),
        ({"data": "gaussian"}, "none of the selected claims has an axis 'data'"),
        ({"theories": "none.py"}, "--theory none.py: no such file"),
    ],
)
def test_what_cannot_be_done_is_one_usage_error(arguments, words):
    asked = {"claims": "monte_carlo", "theories": (str(MONTE_CARLO),), **arguments}
    with pytest.raises(advntk.UsageError) as raised:
        advntk.check(**asked, progress=False)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_an_axis_and_a_claim_with_a_rate_in_it_touch_only_the_theorys_own_file(tmp_path):
    """One more claim of Monte Carlo integration: an error that falls along an axis of its own."""
    text = MONTE_CARLO.read_text(encoding="utf-8")
    for old, new in (
        (
            "    claims=(\n",
            '    claims=(\n        Claim("monte_carlo.blocks", "The error falls with $b$", Kind.LIMIT, '
            'SOURCE, rate=Rate(0.5, "blocks")),\n',
        ),
        ("SPACE = Space(\n", 'SPACE = Space(\n    Axis("blocks", 8, low=1, symbol="β", unit="blocks"),\n'),
    ):
        assert old in text
        text = text.replace(old, new)
    text += """

@trial(
    decides={"monte_carlo.blocks": [RateDecider("error", 0.5)]},
    space=SPACE.over(power=(0.1, 0.2), samples=(16,)),
    sweep=Sweep("blocks"),
    effort=Effort(Measure(2, 32, (4, 8, 16, 32, 64))),
)
def more_blocks(scenario, keys):
    return error(scenario.replace(samples=scenario.samples * scenario.blocks), keys)
"""
    theory = tmp_path / "wider.py"
    theory.write_text(text, encoding="utf-8")
    folder = tmp_path / "evidence"
    run = advntk.check("monte_carlo.blocks", theories=str(theory), evidence=folder, progress=False)
    assert run.verdicts == {"monte_carlo.blocks": Verdict.HOLDS}
    # The page speaks of the axis: on the plot, among what was sampled, in the command that measures again.
    page = html.unescape(run.page())
    assert "β" in page and "blocks" in page
    commands = re.findall(r'<code class="command">(advntk check [^<]*)</code>', page)
    one = next(command for command in commands if "power=" in command)
    assert "blocks=" not in one and "samples=16" in one
    again = subprocess.run(
        [sys.executable, "-m", *shlex.split(one), "--evidence", str(tmp_path / "again"), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    (claim,) = json.loads(again.stdout)["claims"]
    assert claim["estimate"]["value"] in {d.decision.estimate for d in run.record.decisions}


@pytest.mark.parametrize("name", ["networks", "kernels", "attacks", "adv_ntk"])
def test_examples_of_the_public_modules_run(name):
    found = doctest.testmod(importlib.import_module(f"advntk.{name}"))
    assert found.attempted > 3 and found.failed == 0


def test_everything_public_is_there_and_documented():
    for name in advntk.__all__:
        found = getattr(advntk, name)
        assert found.__doc__, name
    assert set(advntk.__all__) <= set(dir(advntk))
    with pytest.raises(AttributeError, match="no attribute 'chek'"):
        advntk.chek  # noqa: B018


def test_user_facing_examples_import_advntk_alone():
    rooms = re.compile(r"advntk\.(checks|reports|theorems|implementations)\b")
    root = Path(__file__).parents[2]
    theory = (root / "advntk" / "theories").rglob("*.py")
    for path in [*STRANGERS.glob("*.py"), *theory, root / "README.md"]:
        assert not rooms.search(path.read_text(encoding="utf-8")), path
