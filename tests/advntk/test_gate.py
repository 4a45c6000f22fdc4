"""The gate: what it judges, its exit codes, and what it refuses; on evidence made up by hand."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from typer.testing import CliRunner

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence import (
    DecisionRow,
    EvidenceStore,
    Outcome,
    Provenance,
    RunCosts,
    RunRequest,
    TrialRow,
    read_run,
)
from advntk.checks.evidence.rows import StatedClaim, StatedRates, StatedSource
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.cli import app
from advntk.exits import (
    EXIT_INCONCLUSIVE,
    EXIT_INTERNAL,
    EXIT_MOVED,
    EXIT_NOTHING_MEASURED,
    EXIT_OK,
    EXIT_STALE,
    EXIT_UNEXPECTED,
)
from advntk.expectations import BadExpectations, Expectation, read_expectations
from advntk.gating import GateOutcome as Judged
from advntk.gating import judge
from advntk.theorems.vocabulary import Kind, Verdict

ARK, FIXED, NTK = "diagonal_limit.ark", "diagonal_limit.ark_fixed_input_converges", "diagonal_limit.ntk"
SMOOTHLESS = "linearization_equivalence.nonsmooth"
EXPECTED = {ARK: "HOLDS", NTK: "HOLDS", FIXED: "REFUTED", SMOOTHLESS: "as measured"}
TODAY = date(2026, 6, 1)


def evidence(folder, verdicts, finished=True, estimate=0.5, half=0.1):
    """A run with one decision per claim; None: planned, and nothing measured."""
    scenario = ADVERSARIAL_TRAINING.scenario()
    source = StatedSource("a paper", "here")
    stated = {
        name: StatedClaim(name, name.split(".")[0], "true", Kind.LIMIT, EXPECTED[name], source)
        for name in verdicts
    }
    store = EvidenceStore(folder)
    run = store.start_run(RunRequest("quick", 0, StatedRates(1e-6, 1e-3, 1, 1e-6), {}, stated), Provenance())
    for name, verdict in verdicts.items():
        if verdict is not None:
            values, outcome = scenario.as_dict(), Outcome.MEASURED
            store.add_trials(run, [TrialRow(name, scenario.id, values, "width", 64, 0, outcome, {})])
            said = Decision(
                Verdict(verdict), "gap", "exponent", estimate, estimate - half, estimate + half, 0.998, "why"
            )
            store.add_decision(
                run, DecisionRow(name, name, scenario.id, values, scenario.label(), "rate", said)
            )
    if finished:
        store.finish_run(run, RunCosts())
    store.close()
    return folder


def entry(claim=ARK, expected="HOLDS", expires="2999-01-01", **other):
    fields = {"claim": claim, "expected": expected, "reason": "a proof", "owner": "jane", **other}
    return (
        "[[claim]]\n"
        + "".join(f"{k} = {json.dumps(v)}\n" for k, v in fields.items())
        + f"expires = {expires}\n"
    )


@pytest.fixture
def gate(tmp_path):
    def run(verdicts, text=None, **made):
        arguments = ["gate", "--evidence", str(evidence(tmp_path / "now", verdicts, **made))]
        if text is not None:
            (tmp_path / "claims.toml").write_text(text)
            arguments += ["--expectations", str(tmp_path / "claims.toml")]
        return CliRunner().invoke(app, arguments)

    return run


class TestByTheory:
    @pytest.mark.parametrize(
        ("verdicts", "code"),
        [
            ({ARK: "HOLDS", FIXED: "REFUTED"}, EXIT_OK),
            ({ARK: "REFUTED"}, EXIT_UNEXPECTED),
            ({FIXED: "HOLDS"}, EXIT_UNEXPECTED),
            ({ARK: "INCONCLUSIVE"}, EXIT_INCONCLUSIVE),
            ({ARK: "OUT_OF_SCOPE"}, EXIT_INCONCLUSIVE),
            ({ARK: "ERROR"}, EXIT_INTERNAL),
            ({ARK: None}, EXIT_NOTHING_MEASURED),
            ({SMOOTHLESS: "REFUTED"}, EXIT_OK),
            ({SMOOTHLESS: "INCONCLUSIVE"}, EXIT_OK),
            ({SMOOTHLESS: "ERROR"}, EXIT_INTERNAL),
            ({ARK: "INCONCLUSIVE", NTK: "REFUTED"}, EXIT_UNEXPECTED),
            ({ARK: "ERROR", NTK: "REFUTED"}, EXIT_INTERNAL),
            ({ARK: "INCONCLUSIVE", NTK: None}, EXIT_NOTHING_MEASURED),
        ],
    )
    def test_exit_codes(self, gate, verdicts, code):
        assert gate(verdicts).exit_code == code

    def test_a_run_that_did_not_finish_is_never_a_pass(self, gate):
        found = gate({ARK: "HOLDS"}, finished=False)
        assert found.exit_code == EXIT_NOTHING_MEASURED and "--resume" in found.stdout


class TestByExpectations:
    def test_an_entry_overrules_the_theory(self, gate):
        assert gate({ARK: "REFUTED"}, entry(expected="REFUTED")).exit_code == EXIT_OK
        found = gate({ARK: "HOLDS"}, entry(expected="REFUTED"))
        assert found.exit_code == EXIT_UNEXPECTED
        assert "because a proof" in found.stdout and "owner: jane" in found.stdout

    def test_an_expected_inconclusive_is_fine(self, gate):
        assert gate({ARK: "INCONCLUSIVE"}, entry(expected="INCONCLUSIVE")).exit_code == EXIT_OK
        assert gate({ARK: "HOLDS"}, entry(expected="INCONCLUSIVE")).exit_code == EXIT_UNEXPECTED

    def test_other_claims_are_still_judged(self, gate):
        assert gate({ARK: "HOLDS", NTK: "REFUTED"}, entry()).exit_code == EXIT_UNEXPECTED

    def test_an_expected_claim_that_was_not_measured(self, gate):
        assert gate({NTK: "HOLDS"}, entry()).exit_code == EXIT_NOTHING_MEASURED

    def test_stale_ids_and_dates(self, gate):
        found = gate({ARK: "HOLDS"}, entry() + entry(claim="diagonal_limit.gone"))
        assert found.exit_code == EXIT_STALE and "no such claim" in found.stdout
        found = gate({ARK: "HOLDS"}, entry(expires="2020-01-01"))
        assert found.exit_code == EXIT_STALE and "expired on 2020-01-01" in found.stdout

    @pytest.mark.parametrize(("days", "outcome"), [(0, Judged.AS_EXPECTED), (1, Judged.STALE)])
    def test_an_entry_is_valid_on_its_last_day(self, tmp_path, days, outcome):
        record = read_run(evidence(tmp_path, {ARK: "HOLDS"}))
        expected = Expectation(ARK, Verdict.HOLDS, "a proof", "jane", TODAY)
        (found,) = judge(record, [expected], {ARK}, TODAY + timedelta(days))
        assert found.outcome is outcome


class TestFile:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "must hold"),
            ("x = ", "is no TOML"),
            ("[[other]]\na = 1\n", "must hold"),
            ("claim = 3", "must hold"),
            ("claim = [3]", "is no table"),
            ("[[claim]]\nclaim = 'a'\n", "lacks 'expected'"),
            (entry(colour="red"), "unknown field 'colour'"),
            (entry(expected="MAYBE"), "choose HOLDS"),
            (entry(expected="ERROR"), "choose HOLDS"),
            (entry(owner=" "), "owner = ' '"),
            (entry(reason=3), "reason = 3"),
            (entry(expires='"soon"'), "write a date"),
            (entry(expires="5"), "write a date"),
            (entry() + entry(), "has 2 entries"),
        ],
    )
    def test_what_is_refused(self, tmp_path, text, words):
        path = tmp_path / "claims.toml"
        path.write_text(text)
        with pytest.raises(BadExpectations, match=words) as raised:
            read_expectations(path)
        assert str(path) in str(raised.value)

    def test_no_file(self, tmp_path):
        with pytest.raises(BadExpectations, match="cannot be read"):
            read_expectations(tmp_path / "none.toml")

    def test_a_date_in_quotes_will_do(self, tmp_path):
        path = tmp_path / "claims.toml"
        path.write_text(entry(expires='"2027-06-30"'))
        assert read_expectations(path)[0].expires == date(2027, 6, 30)


class TestBaseline:
    @staticmethod
    def gate(tmp_path, before, now):
        old = evidence(tmp_path / "before", {ARK: "HOLDS"}, **before)
        new = evidence(tmp_path / "now", {ARK: "HOLDS"}, **now)
        arguments = ["gate", "--evidence", str(new), "--baseline", str(old)]
        return CliRunner().invoke(app, arguments)

    @pytest.mark.parametrize(
        ("estimate", "half", "code"),
        [
            (0.5, 0.1, EXIT_OK),
            (0.59, 0.01, EXIT_OK),  # inside the interval of before
            (0.9, 0.5, EXIT_OK),  # before lies inside the interval of now
            (0.65, 0.1, EXIT_MOVED),
            (0.35, 0.1, EXIT_MOVED),
        ],
    )
    def test_it_moves_where_each_is_outside_the_others_interval(self, tmp_path, estimate, half, code):
        found = self.gate(tmp_path, {}, {"estimate": estimate, "half": half})
        assert found.exit_code == code
        assert ("moved from 0.5 [0.4, 0.6]" in found.stdout) is (code == EXIT_MOVED)

    def test_an_unexpected_verdict_weighs_more(self, tmp_path):
        evidence(tmp_path / "now", {ARK: "REFUTED"}, estimate=0.1)
        old = evidence(tmp_path / "before", {ARK: "HOLDS"})
        found = CliRunner().invoke(
            app, ["gate", "--evidence", str(tmp_path / "now"), "--baseline", str(old), "--json"]
        )
        assert found.exit_code == EXIT_UNEXPECTED
        answer = json.loads(found.stdout)
        assert answer["outcome"] == "UNEXPECTED" and answer["comparison"]["changes"] == [
            {"claim": ARK, "before": "HOLDS", "now": "REFUTED"}
        ]


def test_what_older_evidence_left_open_is_said(tmp_path):
    import gzip
    import sqlite3
    from contextlib import closing
    from pathlib import Path

    old = Path(__file__).parents[1] / "checks" / "old_evidence" / "v2.sqlite.gz"
    (tmp_path / "evidence.sqlite").write_bytes(gzip.decompress(old.read_bytes()))
    with closing(sqlite3.connect(tmp_path / "evidence.sqlite")) as db:
        db.execute("CREATE TABLE plain AS SELECT * FROM trial")
        db.execute("INSERT INTO plain SELECT * FROM plain WHERE rowid = 7")
        db.execute("UPDATE plain SET numbers = '{}' WHERE rowid = 7")
        db.execute("DROP TABLE trial")
        db.execute("ALTER TABLE plain RENAME TO trial")
        db.commit()
    found = CliRunner().invoke(app, ["gate", "--evidence", str(tmp_path)])
    assert "left out         row 7 of table trial is ambiguous (row " in found.stdout
    found = CliRunner().invoke(app, ["gate", "--evidence", str(tmp_path), "--json"])
    assert json.loads(found.stdout)["left_out"][0]["row"] == 7


def test_terminal_escapes_of_evidence_and_expectations_stay_out_of_the_answer(tmp_path, gate):
    found = gate({ARK: "REFUTED"}, entry(reason="\x1b[31mred\nand more"))
    assert found.exit_code == EXIT_UNEXPECTED
    assert "\x1b" not in found.stdout and "because \ufffd[31mred and more" in found.stdout
