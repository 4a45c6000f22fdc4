"""`advntk check` on the theorems of the dynamics: verdicts, figures, and what a wrong request is told."""

from __future__ import annotations

import json

import pytest

from advntk.checks.evidence import read_run


@pytest.fixture
def advntk(in_process):
    """Without a process of its own."""
    return in_process


@pytest.mark.slow
@pytest.mark.evidence
def test_quick_gives_every_claim_of_the_dynamics_its_expected_verdict(advntk_command, tmp_path):
    theorems = ("linearization_equivalence", "closed_form", "xi_fading")
    found = advntk_command("check", *theorems, "--evidence", tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    unexpected = {c["id"]: (c["verdict"], c["reason"]) for c in summary["claims"] if not c["as_expected"]}
    assert unexpected == {}, found.stdout
    assert found.returncode == 0 and len(summary["claims"]) == 18
    assert summary["run"]["peak_memory_bytes"] <= 4 * 2**30
    # The smallest counterexample to the closed form is kept, made as simple as it gets.
    (counterexample,) = next(
        c["findings"] for c in summary["claims"] if c["id"] == "closed_form.non_commuting"
    )
    assert (counterexample["scenario"]["samples"], counterexample["scenario"]["depth"]) == (2, 1)
    page = (tmp_path / "index.html").read_text()
    for words in ("wrong labels", "Defect of the closed form", "exp(-2 lambda_min t)"):
        assert words in page
    record = read_run(tmp_path)
    flows = [row for (trial, _), rows in record.trials.items() if trial == "joint_flow" for row in rows]
    assert {row.point for row in flows} == {32, 64, 128, 256}
    assert all(row.scenario["input_width"] == row.point for row in flows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("xi_fading.lyapunov", "--axis", "strength=-1"), ["strength=-1", "scope", "every η"]),
        (("closed_form.commuting", "--axis", "training_time=0"), ["training_time must be above 0"]),
        (("linearization_equivalence", "--axis", "training_time=-2"), ["training_time must be above 0"]),
        (("xi_fading.lyapunov", "--axis", "strength=inf"), ["strength must be finite"]),
        (("closed_form.search", "--axis", "schedule=sudden"), ["schedule must be one of: constant"]),
        (("linearization_equivalence.clean", "--axis", "activation=relu"), ["smooth"]),
        (("linearization_equivalence", "--widths", "32,64,128,100000"), ["GiB"]),
    ],
)
def test_requests_outside_the_theory_end_with_one_line(advntk, tmp_path, arguments, said):
    found = advntk("check", *arguments, "--evidence", tmp_path / "e")
    assert found.returncode == 2, found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    for part in said:
        assert part in found.stderr
    assert not (tmp_path / "e").exists()


def test_an_ill_conditioned_kernel_is_out_of_scope_with_its_condition_number(advntk, tmp_path):
    """Twelve samples and nine parameters: the NTK is singular."""
    found = advntk(
        "check", "xi_fading.lyapunov", "--evidence", tmp_path, "--json",
        "--axis", "activation=erf,depth=1,samples=12,outputs=1,input_width=2,width=2,strength=0.1",
        "--axis", "schedule=constant,training_time=0.5,spread=0,parameterization=ntk,data_seed=0",
    )  # fmt: skip
    (claim,) = json.loads(found.stdout)["claims"]
    assert claim["verdict"] == "OUT_OF_SCOPE" and found.returncode == 1
    record = read_run(tmp_path)
    assert all("the condition number of the NTK is" in d.decision.reason for d in record.decisions)
