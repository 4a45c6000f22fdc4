"""Drawing more seeds until they decide, and going on with an interrupted run, on a made-up check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from advntk.checks.axes import Axes
from advntk.checks.deciders.rate import RateDecider
from advntk.checks.description import describe
from advntk.checks.efforts import Measure, Profile
from advntk.checks.evidence import BadEvidence, EvidenceStore, read_run, read_run_heads
from advntk.checks.planning import Request, make_plan
from advntk.checks.running import run_plan
from advntk.checks.trial import check
from advntk.theorems.vocabulary import Claim, Kind, Rate, Source, Theorem, Verdict

ROOT = Path(__file__).parents[2]
SOURCE = Source("a book", "page 1")
WIDTHS = (8, 16, 32, 64)
ENVIRONMENT = {"versions": {}, "device": "cpu", "dtype": "float64", "code": "one"}
FIRST, LOOKS = 16, 4


class Interrupted(BaseException):
    """As a signal would: no trial may swallow it."""


@pytest.fixture
def bench(tmp_path):
    """Runs a claim on a trial; `calls` lists (width, seeds) of what was measured."""

    class Bench:
        folder = tmp_path / "evidence"

        def __init__(self):
            self.calls = []
            self.trial = None

        def plan(self, noise=0.0, exponent=0.5, depths=(1,), expected=Verdict.HOLDS, seed=0, **more):
            claim = Claim(
                "mine.a", "s", Kind.LIMIT, SOURCE, rate=Rate(0.5), expected=expected, note="made up"
            )
            theorem = Theorem("mine", "t", "s", SOURCE, (claim,))
            module = ModuleType("advntk_theory_looking")

            @check(decides={"mine.a": [RateDecider("gap", 0.5)]}, axes=Axes(depth=depths), effort="ladder")
            def made_up(scenario, keys):
                import jax

                self.calls.append((scenario.depth, scenario.width, len(keys)))
                luck = np.asarray(jax.vmap(jax.random.normal)(keys))
                return {"gap": scenario.width**-exponent * np.exp(noise * luck)}

            module.made_up = made_up  # type: ignore[attr-defined]
            one = Measure(1, 1)
            other = dict.fromkeys(("level", "flow", "contrast", "ensemble", "splits", "exact"), one)
            profile = Profile(
                "tiny", ladder=Measure(len(depths), FIRST, WIDTHS, looks=LOOKS), **other, search=5, **more
            )
            return make_plan(Request(profile, data="gaussian", seed=seed), [(theorem, claim)], [module])

        def run(self, plan, run=None, environment=None, older=None, progress=lambda *_: None):
            self.calls.clear()
            store = EvidenceStore(self.folder)
            try:
                if run is None:
                    run = store.start_run(describe(plan), environment or ENVIRONMENT)
                else:
                    store.reopen_run(run)
                run_plan(plan, store, run, progress, older=older)
                store.finish_run(run, {})
            finally:
                store.close()
            return read_run(self.folder, run)

    return Bench()


class TestLooks:
    def test_what_is_clear_is_looked_at_once(self, bench):
        (said,) = bench.run(bench.plan()).decisions
        assert said["verdict"] == "HOLDS" and said["detail"]["look"] == 1
        assert len(bench.calls) == len(WIDTHS)

    @pytest.mark.parametrize(("exponent", "verdict"), [(0.8, "HOLDS"), (-0.2, "REFUTED")])
    def test_noise_is_met_with_more_seeds(self, bench, exponent, verdict):
        record = bench.run(bench.plan(noise=1.0, exponent=exponent))
        (said,) = record.decisions
        assert said["verdict"] == verdict and said["detail"]["look"] > 1
        (rows,) = record.trials.values()
        assert {w: [r.seed for r in rows if r.width == w] for w in WIDTHS} == {
            w: list(range(said["detail"]["drawn"])) for w in WIDTHS
        }
        assert said["detail"]["drawn"] == said["detail"]["seeds"] == FIRST * 2 ** (said["detail"]["look"] - 1)

    def test_seeds_are_never_drawn_twice(self, bench):
        (rows,) = bench.run(bench.plan(noise=1.0, exponent=0.0)).trials.values()
        assert len({r.numbers["gap"] for r in rows}) == len(rows)

    def test_the_last_look_ends_it(self, bench):
        (said,) = bench.run(bench.plan(noise=5.0, exponent=0.35)).decisions
        assert said["verdict"] == "INCONCLUSIVE"
        assert said["detail"]["look"] == LOOKS and said["detail"]["drawn"] == FIRST * 2 ** (LOOKS - 1)

    def test_looks_share_the_error_rates(self, bench):
        plan = bench.plan()
        (planned,) = plan.checks
        assert plan.rates_of(planned).miss * LOOKS == pytest.approx(plan.request.miss)
        assert plan.rates_of(planned).false_alarm * LOOKS == pytest.approx(plan.rates.false_alarm)
        (said,) = bench.run(plan).decisions
        assert said["confidence"] == pytest.approx(1 - 2 * plan.request.miss / LOOKS)

    def test_a_share_of_lost_seeds_that_decides_nothing_is_not_looked_at_again(self):
        from advntk.checks.deciders.decision import ErrorRates

        widths = np.array(WIDTHS)
        gaps = np.repeat((widths**-0.5)[:, None], 200, 1)
        gaps[:, :130] = np.nan
        found = RateDecider("gap", 0.5).decide(
            {int(w): {"gap": row} for w, row in zip(widths, gaps, strict=True)}, ErrorRates(1e-6, 1e-3)
        )
        assert found.verdict is Verdict.INCONCLUSIVE and not found.more

    @pytest.mark.parametrize("looks", [1, 2])
    def test_what_has_no_expected_verdict_is_looked_at_as_often_as_the_profile_says(self, bench, looks):
        plan = bench.plan(noise=5.0, exponent=0.35, expected=None, looks_as_measured=looks)
        (said,) = bench.run(plan).decisions
        assert said["verdict"] == "INCONCLUSIVE" and said["detail"]["look"] == looks < LOOKS


class TestResuming:
    def interrupt(self, bench, plan, after):
        seen = []

        def progress(done, total, what):
            seen.append(done)
            if len(seen) == after:
                raise Interrupted

        with pytest.raises(Interrupted):
            bench.run(plan, progress=progress)
        return read_run(bench.folder)

    @staticmethod
    def numbers(record):
        return {
            (family, row.width, row.seed): row.numbers
            for family, rows in record.trials.items()
            for row in rows
        }

    def test_nothing_is_lost_and_nothing_measured_twice(self, bench):
        plan = bench.plan(noise=1.0, exponent=0.8, depths=(1, 2))
        whole = bench.run(plan)
        everything = len(bench.calls)
        partial = self.interrupt(bench, plan, after=3)
        kept = len(self.numbers(partial)) // FIRST
        assert partial.finished is None and kept == 3
        resumed = bench.run(plan, run=partial.id)
        assert len(bench.calls) == everything - kept
        assert self.numbers(resumed) == self.numbers(whole)
        assert resumed.decisions == whole.decisions and resumed.finished

    def test_a_finished_run_is_only_decided_again(self, bench):
        plan = bench.plan(noise=1.0, exponent=0.8)
        first = bench.run(plan)
        again = bench.run(plan, run=first.id)
        assert bench.calls == [] and again.decisions == first.decisions

    @pytest.mark.parametrize("changed", ["code", "device", "versions", "dtype"])
    def test_other_circumstances_are_measured_anew(self, bench, changed):
        plan = bench.plan()
        first = bench.run(plan)
        bench.run(plan, environment={**ENVIRONMENT, changed: "other"}, older=first.id)
        assert len(bench.calls) == len(WIDTHS)

    def test_the_same_circumstances_are_taken_over(self, bench):
        first = bench.run(bench.plan())
        found = bench.run(bench.plan(), older=first.id)
        assert bench.calls == [] and self.numbers(found) == self.numbers(first)

    def test_another_seed_is_measured_anew(self, bench):
        first = bench.run(bench.plan())
        bench.run(bench.plan(seed=1), older=first.id)
        assert len(bench.calls) == len(WIDTHS)

    def test_two_processes_do_not_measure_the_same_run(self, bench):
        plan = bench.plan()
        store = EvidenceStore(bench.folder)
        run = store.start_run(describe(plan), ENVIRONMENT)
        with pytest.raises(BadEvidence, match="being measured by another process"):
            bench.run(plan, run=run)
        store.close()
        bench.run(plan, run=run)

    def test_what_broke_is_tried_again(self, bench, monkeypatch):
        plan = bench.plan()
        (planned,) = plan.checks
        honest = planned.check.trial

        def breaks(scenario, keys):
            raise ArithmeticError("not today")

        object.__setattr__(planned.check, "trial", breaks)
        broken = bench.run(plan)
        assert broken.decisions[0]["verdict"] == "ERROR"
        object.__setattr__(planned.check, "trial", honest)
        assert bench.run(plan, run=broken.id).decisions[0]["verdict"] == "HOLDS"


WRITER = """
import sys
from pathlib import Path
from advntk.checks.evidence import EvidenceStore, TrialRow
store = EvidenceStore(Path(sys.argv[1]))
run = store.start_run({"writer": int(sys.argv[2])}, {})
for batch in range(40):
    rows = [TrialRow("t", "f", {}, batch, seed, "measured", {"x": seed}) for seed in range(25)]
    store.add_trials(run, rows)
store.finish_run(run, {})
store.close()
"""


def test_processes_that_write_to_one_folder_do_not_harm_each_other(tmp_path):
    """They begin at the same time, where there is no folder yet."""
    folder = tmp_path / "evidence"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(n)], cwd=ROOT) for n in range(3)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    heads = read_run_heads(folder)
    assert sorted(head.request["writer"] for head in heads) == [0, 1, 2]
    for head in heads:
        assert head.finished and len(read_run(folder, head.id).trials["t", "f"]) == 40 * 25
    assert [path.name for path in folder.iterdir()] == ["evidence.sqlite"]
