"""Carrying out a plan of a made-up check: premises that are measured, and seeds that gave up."""

from __future__ import annotations

from math import nan
from types import ModuleType

import numpy as np
import pytest

from advntk.checks.axes import Axes
from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.rate import RateDecider
from advntk.checks.description import describe
from advntk.checks.efforts import Measure, Profile
from advntk.checks.evidence import EvidenceStore, read_run
from advntk.checks.planning import Request, make_plan
from advntk.checks.running import run_plan
from advntk.checks.trial import Premise, check
from advntk.reports.summary import summarise
from advntk.theorems.vocabulary import Claim, Kind, Rate, Source, Theorem, Verdict

SOURCE = Source("a book", "page 1")
WIDTHS = (8, 16, 32, 64)
SEEDS = 40
BEYOND = Premise("condition", 10.0, "the condition number")
NEVER_ABOVE = {"value": np.zeros(SEEDS), "bound": np.ones(SEEDS)}


@pytest.fixture
def carry_out(tmp_path):
    """Run one claim on a trial `(scenario) |-> statistics`, at four widths or at one; read it back."""

    def run(trial, kind=Kind.EXACT, premises=(), expected=Verdict.HOLDS, depths=(1,)):
        exact = kind is Kind.EXACT
        rate = None if exact else Rate(0.5)
        claim = Claim("mine.a", "s", kind, SOURCE, rate=rate, expected=expected, note="made up")
        theorem = Theorem("mine", "t", "s", SOURCE, (claim,))
        decider = BoundDecider("value", "bound", "at most") if exact else RateDecider("gap", 0.5)
        module = ModuleType("advntk_theory_running")

        @check(
            decides={"mine.a": [decider]},
            axes=Axes(depth=depths),
            effort="exact" if exact else "ladder",
            premises=premises,
        )
        def made_up(scenario, keys):
            return trial(scenario)

        module.made_up = made_up  # type: ignore[attr-defined]
        other = dict.fromkeys(("level", "flow", "contrast", "ensemble", "splits"), Measure(1, 1))
        alone = Measure(len(depths), SEEDS)
        ladder = Measure(len(depths), SEEDS, WIDTHS)
        profile = Profile("tiny", ladder=ladder, exact=alone, **other, search=5)
        plan = make_plan(Request(profile, data="gaussian", miss=1e-3), [(theorem, claim)], [module])
        store = EvidenceStore(tmp_path / "evidence")
        number = store.start_run(
            describe(plan), {"versions": {}, "device": "cpu", "dtype": "float64", "code": "test"}
        )
        run_plan(plan, store, number)
        store.finish_run(number, {})
        store.close()
        record = read_run(tmp_path / "evidence", number)
        return record, summarise(record)["claims"][0]

    return run


def falling(scenario):
    """Statistics of a claim that holds at rate 1/2."""
    return {"gap": np.full(SEEDS, scenario.width**-0.5)}


class TestPremises:
    @pytest.mark.parametrize(
        ("worst", "verdict"), [(9.0, "HOLDS"), (10.0, "HOLDS"), (10.5, "OUT_OF_SCOPE"), (nan, "OUT_OF_SCOPE")]
    )
    def test_one_seed_beyond_is_out_of_scope(self, carry_out, worst, verdict):
        condition = np.append(np.ones(SEEDS - 1), worst)
        _, claim = carry_out(lambda _: {**NEVER_ABOVE, "condition": condition}, premises=(BEYOND,))
        assert claim["verdict"] == verdict

    def test_the_reason_gives_the_number(self, carry_out):
        condition = np.append(np.ones(SEEDS - 1), 1234.0)
        record, claim = carry_out(lambda _: {**NEVER_ABOVE, "condition": condition}, premises=(BEYOND,))
        (said,) = record.decisions
        assert said["reason"].startswith("the condition number is 1.2e+03, beyond 10 (")
        assert (claim["out_of_scope"], claim["scenarios"]) == (1, 0)

    def test_it_takes_a_refutation_away_and_leaves_no_counterexample(self, carry_out):
        wrong = {"value": np.full(SEEDS, 2.0), "bound": np.ones(SEEDS)}
        _, claim = carry_out(lambda _: {**wrong, "condition": np.full(SEEDS, 11.0)}, premises=(BEYOND,))
        assert claim["verdict"] == "OUT_OF_SCOPE" and claim["findings"] == []
        _, claim = carry_out(lambda _: {**wrong, "condition": np.full(SEEDS, 9.0)}, premises=(BEYOND,))
        assert claim["verdict"] == "REFUTED" and claim["findings"] != []

    def test_every_premise_is_asked(self, carry_out):
        premises = (Premise("other", 1.0, "the other"), BEYOND)
        found = {**NEVER_ABOVE, "other": np.zeros(SEEDS), "condition": np.full(SEEDS, 11.0)}
        record, _ = carry_out(lambda _: found, premises=premises)
        assert "the condition number is 11" in record.decisions[0]["reason"]

    def test_only_the_scenario_where_it_fails_is_left_out(self, carry_out):
        def trial(scenario):
            return {**NEVER_ABOVE, "condition": np.full(SEEDS, 5.0 * scenario.depth)}

        _, claim = carry_out(trial, premises=(BEYOND,), depths=(1, 2, 3))
        assert (claim["verdict"], claim["scenarios"], claim["out_of_scope"]) == ("HOLDS", 2, 1)

    @pytest.mark.parametrize("width", WIDTHS)
    @pytest.mark.parametrize("worst", [11.0, nan])
    def test_one_rung_beyond_is_out_of_scope(self, carry_out, width, worst):
        """A premise that cannot be measured does not hold, whichever rung it is."""

        def trial(scenario):
            condition = np.full(SEEDS, worst if scenario.width == width else 1.0)
            return {**falling(scenario), "condition": condition}

        _, claim = carry_out(trial, Kind.LIMIT, premises=(BEYOND,))
        assert claim["verdict"] == "OUT_OF_SCOPE"

    def test_a_broken_trial_stays_an_error(self, carry_out):
        def trial(_):
            raise ArithmeticError("no kernel today")

        record, claim = carry_out(trial, premises=(BEYOND,))
        assert claim["verdict"] == "ERROR"
        assert record.decisions[0]["reason"] == "ArithmeticError: no kernel today"

    def test_a_premise_without_its_statistic_is_an_error_that_says_so(self, carry_out):
        record, claim = carry_out(lambda _: NEVER_ABOVE, premises=(BEYOND,))
        assert claim["verdict"] == "ERROR"
        assert "'condition'" in record.decisions[0]["reason"]


class TestGaveUp:
    @staticmethod
    def trial(stopped):
        """Seeds of these numbers give up at width 32."""

        def found(scenario):
            gave_up = np.isin(np.arange(SEEDS), stopped) & (scenario.width == 32)
            return {"gap": np.where(gave_up, nan, falling(scenario)["gap"]), "gave_up": gave_up}

        return found

    def test_rows_say_which_seeds_gave_up(self, carry_out):
        record, _ = carry_out(self.trial([3, 17]), Kind.LIMIT)
        (rows,) = record.trials.values()
        assert len(rows) == len(WIDTHS) * SEEDS
        stopped = [(row.width, row.seed) for row in rows if row.outcome == "integrator gave up"]
        assert sorted(stopped) == [(32, 3), (32, 17)]
        assert {row.outcome for row in rows} == {"integrator gave up", "measured"}

    @pytest.mark.parametrize(("lost", "verdict"), [(2, "HOLDS"), (38, "INCONCLUSIVE"), (40, "INCONCLUSIVE")])
    def test_a_few_are_borne_and_many_are_not_and_none_is_an_error(self, carry_out, lost, verdict):
        _, claim = carry_out(self.trial(range(lost)), Kind.LIMIT)
        assert claim["verdict"] == verdict
        assert claim["trials"] == len(WIDTHS) * SEEDS

    def test_without_the_statistic_all_are_measured(self, carry_out):
        record, _ = carry_out(falling, Kind.LIMIT)
        assert {row.outcome for rows in record.trials.values() for row in rows} == {"measured"}


class TestAsMeasured:
    """A claim of which theory predicts nothing."""

    @pytest.mark.parametrize(
        ("exponent", "verdict"), [(0.5, "HOLDS"), (0.0, "REFUTED"), (nan, "INCONCLUSIVE")]
    )
    def test_whatever_is_measured_is_as_expected(self, carry_out, exponent, verdict):
        def trial(scenario):
            return {"gap": np.full(SEEDS, scenario.width**-exponent)}

        _, claim = carry_out(trial, Kind.LIMIT, expected=None)
        assert (claim["expected"], claim["verdict"], claim["as_expected"]) == ("as measured", verdict, True)

    def test_what_broke_is_not(self, carry_out):
        def trial(_):
            raise ArithmeticError("no kernel today")

        _, claim = carry_out(trial, Kind.LIMIT, expected=None)
        assert (claim["verdict"], claim["as_expected"]) == ("ERROR", False)


class TestCounterexamples:
    """Of a control, whose counterexample is always made as simple as it gets (the least depth here)."""

    @staticmethod
    def found(claim):
        return [(f["kind"], f["scenario"]["depth"]) for f in claim["findings"]]

    def test_the_simplest_is_reported(self, carry_out):
        def trial(scenario):
            return {"value": np.full(SEEDS, 2.0 if scenario.depth > 1 else 0.0), "bound": np.ones(SEEDS)}

        _, claim = carry_out(trial, expected=Verdict.REFUTED, depths=(1, 2, 3))
        assert claim["as_expected"] and self.found(claim) == [("counterexample", 2)]

    def test_none_is_reported_where_a_premise_fails(self, carry_out):
        """Else replaying the reported scenario would say that it is out of scope."""

        def trial(scenario):
            condition = np.full(SEEDS, 11.0 if scenario.depth == 1 else 1.0)
            return {"value": np.full(SEEDS, 2.0), "bound": np.ones(SEEDS), "condition": condition}

        _, claim = carry_out(trial, expected=Verdict.REFUTED, premises=(BEYOND,), depths=(1, 2))
        assert claim["verdict"] == "REFUTED" and self.found(claim) == [("counterexample", 2)]

    def test_a_scenario_that_breaks_is_none_and_the_run_goes_on(self, carry_out):
        def trial(scenario):
            if scenario.depth == 1:
                raise ArithmeticError("no kernel today")
            return {"value": np.full(SEEDS, 2.0), "bound": np.ones(SEEDS)}

        _, claim = carry_out(trial, expected=Verdict.REFUTED, depths=(1, 2))
        assert claim["verdict"] == "REFUTED" and self.found(claim) == [("counterexample", 2)]
