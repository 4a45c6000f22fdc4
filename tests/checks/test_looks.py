"""Drawing more seeds until they decide, on a made-up check."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_theories import FIRST, LOOKS, POINTS

from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.rate import RateDecider
from advntk.theorems.vocabulary import Verdict


class TestLooks:
    def test_what_is_clear_is_looked_at_once(self, bench):
        (said,) = bench.run(bench.plan()).decisions
        assert said.decision.verdict == "HOLDS" and said.decision.detail["look"] == 1
        assert len(bench.calls) == len(POINTS)

    @pytest.mark.parametrize(("exponent", "verdict"), [(0.8, "HOLDS"), (-0.2, "REFUTED")])
    def test_noise_is_met_with_more_seeds(self, bench, exponent, verdict):
        record = bench.run(bench.plan(noise=1.0, exponent=exponent))
        (said,) = record.decisions
        assert said.decision.verdict == verdict and said.decision.detail["look"] > 1
        (rows,) = record.trials.values()
        assert {w: [r.seed for r in rows if r.point == w] for w in POINTS} == {
            w: list(range(said.decision.detail["drawn"])) for w in POINTS
        }
        assert (
            said.decision.detail["drawn"]
            == said.decision.detail["seeds"]
            == FIRST * 2 ** (said.decision.detail["look"] - 1)
        )

    def test_seeds_are_never_drawn_twice(self, bench):
        (rows,) = bench.run(bench.plan(noise=1.0, exponent=0.0)).trials.values()
        assert len({r.numbers["gap"] for r in rows}) == len(rows)

    def test_the_last_look_ends_it(self, bench):
        (said,) = bench.run(bench.plan(noise=5.0, exponent=0.35)).decisions
        assert said.decision.verdict == "INCONCLUSIVE"
        assert said.decision.detail["look"] == LOOKS and said.decision.detail["drawn"] == FIRST * 2 ** (
            LOOKS - 1
        )

    def test_looks_share_the_error_rates(self, bench):
        plan = bench.plan()
        (planned,) = plan.checks
        assert plan.rates_of(planned).miss * LOOKS == pytest.approx(plan.request.miss)
        assert plan.rates_of(planned).false_alarm * LOOKS == pytest.approx(plan.rates.false_alarm)
        (said,) = bench.run(plan).decisions
        assert said.decision.confidence == pytest.approx(1 - 2 * plan.request.miss / LOOKS)

    def test_a_share_of_lost_seeds_that_decides_nothing_is_not_looked_at_again(self):
        widths = np.array(POINTS)
        gaps = np.repeat((widths**-0.5)[:, None], 200, 1)
        gaps[:, :130] = np.nan
        found = RateDecider("gap", 0.5).decide(
            {int(w): {"gap": row} for w, row in zip(widths, gaps, strict=True)}, ErrorRates(1e-6, 1e-3)
        )
        assert found.verdict is Verdict.INCONCLUSIVE and not found.can_improve

    @pytest.mark.parametrize("looks", [1, 2])
    def test_what_has_no_expected_verdict_is_looked_at_as_often_as_the_profile_says(self, bench, looks):
        plan = bench.plan(noise=5.0, exponent=0.35, expected=None, looks=looks)
        (said,) = bench.run(plan).decisions
        assert said.decision.verdict == "INCONCLUSIVE" and said.decision.detail["look"] == looks < LOOKS
