"""Carrying out a plan of a made-up check: premises that are measured, and seeds that gave up."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from made_up_theories import POINTS, SMALL, carry_out, claim, theory

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.rate import RateDecider
from advntk.checks.efforts import Measure
from advntk.checks.evidence import Outcome
from advntk.checks.sweeps import Sweep
from advntk.checks.trial import Observation, Premise
from advntk.implementations.results import Result
from advntk.theorems.vocabulary import Kind, Verdict

SEEDS = 40
BEYOND = Premise("condition", 10.0, "the condition number")
NEVER_ABOVE = {"value": np.zeros(SEEDS), "bound": np.ones(SEEDS)}


@pytest.fixture
def measured(tmp_path):
    """Run one claim on a trial `(scenario) |-> statistics`, at four widths or at one; read it back."""

    def run(trial, kind=Kind.EXACT, premises=(), expected=Verdict.HOLDS, depths=(1,)):
        exact = kind is Kind.EXACT
        decider = BoundDecider("value", "bound", "at most") if exact else RateDecider("gap", 0.5)
        made = theory(
            lambda scenario, keys: trial(scenario),
            {"mine.a": [decider]},
            SMALL.over(depth=depths),
            Measure(len(depths), SEEDS, () if exact else POINTS),
            None if exact else Sweep("width"),
            [claim("mine.a", decider, expected=expected)],
            premises=premises,
        )
        return carry_out(made.plan(), tmp_path / "evidence")

    return run


def verdicts(record):
    """Of all scenarios, in the order of their depth."""
    return [said.decision.verdict for said in sorted(record.decisions, key=lambda d: d.scenario["depth"])]


def falling(scenario):
    """Statistics of a claim that holds at rate 1/2."""
    return {"gap": np.full(SEEDS, scenario.width**-0.5)}


class TestPremises:
    @pytest.mark.parametrize(
        ("worst", "verdict"), [(9.0, "HOLDS"), (10.0, "HOLDS"), (10.5, "OUT_OF_SCOPE"), (nan, "OUT_OF_SCOPE")]
    )
    def test_one_seed_beyond_is_out_of_scope(self, measured, worst, verdict):
        condition = np.append(np.ones(SEEDS - 1), worst)
        record = measured(lambda _: {**NEVER_ABOVE, "condition": condition}, premises=(BEYOND,))
        assert verdicts(record) == [verdict]

    def test_the_reason_gives_the_number(self, measured):
        condition = np.append(np.ones(SEEDS - 1), 1234.0)
        record = measured(lambda _: {**NEVER_ABOVE, "condition": condition}, premises=(BEYOND,))
        (said,) = record.decisions
        assert said.decision.reason.startswith("the condition number is 1.2e+03, beyond 10 (")
        assert verdicts(record) == ["OUT_OF_SCOPE"]

    def test_it_takes_a_refutation_away_and_leaves_no_counterexample(self, measured):
        wrong = {"value": np.full(SEEDS, 2.0), "bound": np.ones(SEEDS)}
        record = measured(lambda _: {**wrong, "condition": np.full(SEEDS, 11.0)}, premises=(BEYOND,))
        assert verdicts(record) == ["OUT_OF_SCOPE"] and record.findings == []
        record = measured(lambda _: {**wrong, "condition": np.full(SEEDS, 9.0)}, premises=(BEYOND,))
        assert verdicts(record) == ["REFUTED"] and record.findings != []

    def test_every_premise_is_asked(self, measured):
        premises = (Premise("other", 1.0, "the other"), BEYOND)
        found = {**NEVER_ABOVE, "other": np.zeros(SEEDS), "condition": np.full(SEEDS, 11.0)}
        record = measured(lambda _: found, premises=premises)
        assert "the condition number is 11" in record.decisions[0].decision.reason

    def test_only_the_scenario_where_it_fails_is_left_out(self, measured):
        def trial(scenario):
            return {**NEVER_ABOVE, "condition": np.full(SEEDS, 5.0 * scenario.depth)}

        record = measured(trial, premises=(BEYOND,), depths=(1, 2, 3))
        assert verdicts(record) == ["HOLDS", "HOLDS", "OUT_OF_SCOPE"]

    @pytest.mark.parametrize("width", POINTS)
    @pytest.mark.parametrize("worst", [11.0, nan])
    def test_one_point_beyond_is_out_of_scope(self, measured, width, worst):
        """A premise that cannot be measured does not hold, whichever point it is."""

        def trial(scenario):
            condition = np.full(SEEDS, worst if scenario.width == width else 1.0)
            return {**falling(scenario), "condition": condition}

        record = measured(trial, Kind.LIMIT, premises=(BEYOND,))
        assert verdicts(record) == ["OUT_OF_SCOPE"]

    def test_a_broken_trial_stays_an_error(self, measured):
        def trial(_):
            raise ArithmeticError("no kernel today")

        record = measured(trial, premises=(BEYOND,))
        assert verdicts(record) == ["ERROR"]
        assert record.decisions[0].decision.reason == "ArithmeticError: no kernel today"

    def test_a_premise_without_its_statistic_is_an_error_that_says_so(self, measured):
        record = measured(lambda _: NEVER_ABOVE, premises=(BEYOND,))
        assert verdicts(record) == ["ERROR"]
        assert "'condition'" in record.decisions[0].decision.reason


class TestStopped:
    @staticmethod
    def trial(stopped, result=Result.max_steps_reached):
        """Seeds of these numbers give up at width 32."""

        def found(scenario):
            gave_up = np.isin(np.arange(SEEDS), stopped) & (scenario.width == 32)
            gap = np.where(gave_up, nan, falling(scenario)["gap"])
            return Observation({"gap": gap}, result=np.where(gave_up, int(result), 0))

        return found

    @pytest.mark.parametrize("result", [r for r in Result if r is not Result.successful])
    def test_rows_say_which_seeds_gave_up_and_why(self, measured, result):
        record = measured(self.trial([3, 17], result), Kind.LIMIT)
        (rows,) = record.trials.values()
        assert len(rows) == len(POINTS) * SEEDS
        stopped = [row for row in rows if row.outcome is not Outcome.MEASURED]
        assert sorted((row.point, row.seed) for row in stopped) == [(32, 3), (32, 17)]
        assert {(row.outcome, row.message) for row in stopped} == {(Outcome(result.name), result.message)}
        assert {row.message for row in rows if row.outcome is Outcome.MEASURED} == {""}

    @pytest.mark.parametrize(("lost", "verdict"), [(2, "HOLDS"), (38, "INCONCLUSIVE"), (40, "INCONCLUSIVE")])
    def test_a_few_are_borne_and_many_are_not_and_none_is_an_error(self, measured, lost, verdict):
        record = measured(self.trial(range(lost)), Kind.LIMIT)
        assert verdicts(record) == [verdict]
        (rows,) = record.trials.values()
        assert len(rows) == len(POINTS) * SEEDS

    def test_without_a_result_all_are_measured(self, measured):
        record = measured(falling, Kind.LIMIT)
        assert {row.outcome for rows in record.trials.values() for row in rows} == {Outcome.MEASURED}


class TestAsMeasured:
    """A claim of which theory predicts nothing."""

    @pytest.mark.parametrize(
        ("exponent", "verdict"), [(0.5, "HOLDS"), (0.0, "REFUTED"), (nan, "INCONCLUSIVE")]
    )
    def test_it_is_decided_as_any_other(self, measured, exponent, verdict):
        def trial(scenario):
            return {"gap": np.full(SEEDS, scenario.width**-exponent)}

        record = measured(trial, Kind.LIMIT, expected=None)
        assert record.request.claims["mine.a"].expected == "as measured"
        assert verdicts(record) == [verdict]

    def test_what_broke_is_an_error(self, measured):
        def trial(_):
            raise ArithmeticError("no kernel today")

        record = measured(trial, Kind.LIMIT, expected=None)
        assert verdicts(record) == ["ERROR"]


class TestCounterexamples:
    """Of a control, whose counterexample is always made as simple as it gets (the least depth here)."""

    @staticmethod
    def found(record):
        return [(f.kind, f.scenario["depth"]) for f in record.findings]

    def test_the_simplest_is_reported(self, measured):
        def trial(scenario):
            return {"value": np.full(SEEDS, 2.0 if scenario.depth > 1 else 0.0), "bound": np.ones(SEEDS)}

        record = measured(trial, expected=Verdict.REFUTED, depths=(1, 2, 3))
        assert Verdict.REFUTED in verdicts(record) and self.found(record) == [("counterexample", 2)]

    def test_none_is_reported_where_a_premise_fails(self, measured):
        """Else replaying the reported scenario would say that it is out of scope."""

        def trial(scenario):
            condition = np.full(SEEDS, 11.0 if scenario.depth == 1 else 1.0)
            return {"value": np.full(SEEDS, 2.0), "bound": np.ones(SEEDS), "condition": condition}

        record = measured(trial, expected=Verdict.REFUTED, premises=(BEYOND,), depths=(1, 2))
        assert verdicts(record) == ["OUT_OF_SCOPE", "REFUTED"] and self.found(record) == [
            ("counterexample", 2)
        ]

    def test_a_scenario_that_breaks_is_none_and_the_run_goes_on(self, measured):
        def trial(scenario):
            if scenario.depth == 1:
                raise ArithmeticError("no kernel today")
            return {"value": np.full(SEEDS, 2.0), "bound": np.ones(SEEDS)}

        record = measured(trial, expected=Verdict.REFUTED, depths=(1, 2))
        assert verdicts(record) == ["ERROR", "REFUTED"] and self.found(record) == [("counterexample", 2)]
