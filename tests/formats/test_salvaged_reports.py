"""What reports make of salvaged evidence: no verdict that rests on what is lost goes without a word."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from format_readers import read_html, read_json, read_junit, read_summary
from made_up_evidence import add_run, said
from typer.testing import CliRunner

from advntk.checks.evidence import FILE_NAME, BadEvidence, read_run
from advntk.cli import app
from advntk.reporting import BadReport
from advntk.reports.formats import FORMATS, rendered
from advntk.reports.summary import summarise

GOOD, OTHER, FALSE = "made_up.good", "made_up.other", "made_up.false"
CLAIMS = {GOOD: [said(), said("HOLDS", 0.7)], OTHER: [said()], FALSE: [said("REFUTED", 0.1), said()]}
FINDINGS = ((FALSE, "L=2"),)


@pytest.fixture
def folder(tmp_path):
    return add_run(tmp_path / "evidence", CLAIMS, findings=FINDINGS)


def damage(folder, table, number, column="run", value="nobody's"):
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, number))
        db.commit()


def claims_of(folder):
    summary = summarise(read_run(folder, salvage=True))
    return {claim["id"]: claim for claim in summary["claims"]}, summary["missing"]


def verdicts(claims):
    return {
        name: (claim["verdict"], claim["decided"], claim["as_expected"]) for name, claim in claims.items()
    }


WHOLE = {
    GOOD: ("HOLDS", True, True),
    OTHER: ("HOLDS", True, True),
    FALSE: ("REFUTED", True, False),
}
UNKNOWN = ("INCONCLUSIVE", False, False)


def test_a_claim_that_lost_a_decision_is_not_known_and_no_other_is_touched(folder):
    damage(folder, "decision", 1, "decision", "{}")
    claims, missing = claims_of(folder)
    assert verdicts(claims) == {**WHOLE, GOOD: UNKNOWN}
    assert claims[GOOD]["reason"].startswith("not known: decisions on it are damaged; without them: HOLDS, ")
    assert claims[GOOD]["left_out"] == {"decisions": 1, "trials": 0}
    assert claims[OTHER]["left_out"] == {"decisions": 0, "trials": 0}
    assert missing["claims"] == [GOOD]
    assert f"Decisions on {GOOD} are, or may be, among them: not known." in missing["words"]


def test_the_only_decision(folder):
    damage(folder, "decision", 3, "decision", "null")
    claims, _ = claims_of(folder)
    assert verdicts(claims) == {**WHOLE, OTHER: UNKNOWN}
    assert claims[OTHER]["reason"] == "not known: decisions on it are damaged"


def test_what_is_refuted_stays_refuted_whatever_was_lost(folder):
    damage(folder, "decision", 5, "decision", "null")  # one that held
    claims, _ = claims_of(folder)
    assert verdicts(claims) == WHOLE and claims[FALSE]["left_out"]["decisions"] == 1
    damage(folder, "decision", 4, "decision", "null")  # the one that refuted
    assert verdicts(claims_of(folder)[0]) == {**WHOLE, FALSE: UNKNOWN}


def test_a_decision_of_nobody_knows_which_claim_may_be_of_every_one(folder):
    damage(folder, "decision", 1, "claim", b"\xff")
    assert verdicts(claims_of(folder)[0]) == {GOOD: UNKNOWN, OTHER: UNKNOWN, FALSE: WHOLE[FALSE]}


def test_lost_trials_are_said_of_the_claims_that_were_decided_from_them(folder):
    damage(folder, "trial", 2, "numbers", "[]")
    claims, missing = claims_of(folder)
    assert verdicts(claims) == WHOLE
    assert {claim["left_out"]["trials"] for claim in claims.values()} == {1}
    assert all("left out here" in claim["reason"] for claim in claims.values())
    assert missing["affected"] == list(CLAIMS)
    damage(folder, "trial", 2, "scenario_id", "another")
    assert {claim["left_out"]["trials"] for claim in claims_of(folder)[0].values()} == {0}


def test_a_lost_finding_changes_no_verdict(folder):
    damage(folder, "finding", 1, "finding", "7")
    claims, missing = claims_of(folder)
    assert verdicts(claims) == WHOLE
    assert {claim["reason"] for claim in claims.values()} == {"because it is so"}
    assert missing["words"] == [
        "The evidence is damaged, and what was damaged was left out (1 of table finding): row 1 of table "
        "finding is damaged (finding: no object)."
    ]


def test_every_format_says_it(folder):
    damage(folder, "decision", 1, "decision", "{}")
    damage(folder, "trial", 2, "numbers", "[]")
    record = read_run(folder, salvage=True)
    for name in FORMATS:
        if FORMATS[name].text is not None:
            assert "damaged" in rendered(record, name), name
    page = "".join(read_html(rendered(record, "html")).texts)
    assert "what was damaged was left out (1 of table trial, 1 of table decision)" in page
    assert "2 rows left out of the evidence" in page
    rows = read_summary(rendered(record, "json"))["missing"]["left_out"]
    assert [(row["table"], row["row"], row["column"]) for row in rows] == [
        ("trial", 2, "numbers"),
        ("decision", 1, "decision"),
    ]
    junit = read_junit(rendered(record, "junit"))
    errors = [case.get("name") for case in junit.iter("testcase") if case.find("error") is not None]
    assert errors == ["finished", GOOD]


def call(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_on_the_command_line(folder, tmp_path):
    damage(folder, "decision", 1, "decision", "{}")
    for number in (1, 2, 3, 4):
        damage(folder, "trial", number, "outcome", f"odd \x1b[31m {number}")
    before = (folder / FILE_NAME).read_bytes()
    refused = call("report", folder, "--out", tmp_path / "out")
    assert isinstance(refused.exception, BadReport) and not (tmp_path / "out").exists()
    assert "5 damaged rows in all (4 of trial, 1 of decision)" in str(refused.exception)
    assert "`advntk report --salvage` shows the rest" in str(refused.exception)
    found = call("report", folder, "--salvage", "--out", tmp_path / "out")
    assert found.exit_code == 0, found
    assert found.stdout.count("left out: row ") == 5 and "\x1b" not in found.stdout
    assert "missing: The evidence is damaged" in found.stdout
    assert (folder / FILE_NAME).read_bytes() == before
    for arguments in (("--compare", folder, folder), ("--history", folder)):
        assert isinstance(call("report", *arguments, "--format", "json", "--out", "-").exception, BadReport)
        found = call("report", *arguments, "--salvage", "--format", "json", "--out", "-")
        assert found.exit_code == 0 and "The evidence is damaged" in str(read_json(found.stdout))


def test_a_run_that_is_lost_is_left_out_of_a_history_with_a_word(folder, tmp_path):
    add_run(folder, CLAIMS)
    damage(folder, "run", 2, "request", "null")
    found = call(
        "report", "--history", folder, "--salvage", "--format", "json,html", "--out", tmp_path / "out"
    )
    assert found.exit_code == 0 and "run 2 cannot be salvaged: row 2 of table run is damaged" in found.stdout
    content = read_json((tmp_path / "out" / "history.json").read_text())
    assert [run["id"] for run in content["runs"]] == [1] and len(content["left_out"]) == 1
    page = "".join(read_html((tmp_path / "out" / "history.html").read_text()).texts)
    assert "run 2 cannot be salvaged" in page
    for arguments in (("--compare", folder), (folder,)):
        found = call("report", *arguments, "--salvage")
        assert "run 2 cannot be salvaged" in str(found.exception)


def test_a_gate_and_a_table_of_trials_refuse_damaged_evidence(folder, tmp_path):
    damage(folder, "finding", 1, "finding", "7")
    for arguments in (
        ("gate", "--evidence", folder),
        ("gate", "--evidence", add_run(tmp_path / "whole"), "--baseline", folder),
        ("export", "--evidence", folder, "--out", tmp_path / "t.csv"),
    ):
        found = call(*arguments)
        assert isinstance(found.exception, BadEvidence), arguments
        assert "row 1 of table finding is damaged" in str(found.exception)
    assert not (tmp_path / "t.csv").exists()
