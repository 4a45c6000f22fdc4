"""Going on with an interrupted run: what applies is kept, and nothing is measured twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_theories import FIRST, POINTS, PROVENANCE, Interrupted

from advntk.checks.description import describe
from advntk.checks.evidence import BadEvidence, EvidenceStore, read_run


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
            (scenario, row.point, row.seed): row.numbers
            for scenario, rows in record.trials.items()
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

    @pytest.mark.parametrize(
        "changed",
        [
            {"digests": {"made_up": "other"}},
            {"device": "other"},
            {"versions": {"jax": "other"}},
            {"dtype": "other"},
            {"data_digest": "other"},
        ],
    )
    def test_other_circumstances_are_measured_anew(self, bench, changed):
        first = bench.run(bench.plan())
        bench.run(bench.plan(), provenance=replace(PROVENANCE, **changed), older=first.id)
        assert len(bench.calls) == len(POINTS)

    @pytest.mark.parametrize(
        "changed",
        [
            {"code": "other"},
            {"commit": "other"},
            {"digests": {**PROVENANCE.digests, "another trial": "other"}},
        ],
    )
    def test_what_does_not_reach_the_trial_changes_nothing(self, bench, changed):
        first = bench.run(bench.plan())
        bench.run(bench.plan(), provenance=replace(PROVENANCE, **changed), older=first.id)
        assert bench.calls == []

    def test_where_no_digest_was_kept_any_change_of_the_source_counts(self, bench):
        before = replace(PROVENANCE, digests={})
        first = bench.run(bench.plan(), provenance=before)
        bench.run(bench.plan(), provenance=replace(before, code="other"), older=first.id)
        assert len(bench.calls) == len(POINTS)

    def test_the_same_circumstances_are_taken_over(self, bench):
        first = bench.run(bench.plan())
        found = bench.run(bench.plan(), older=first.id)
        assert bench.calls == [] and self.numbers(found) == self.numbers(first)

    def test_another_seed_is_measured_anew(self, bench):
        first = bench.run(bench.plan())
        bench.run(bench.plan(seed=1), older=first.id)
        assert len(bench.calls) == len(POINTS)

    def test_two_processes_do_not_measure_the_same_run(self, bench):
        plan = bench.plan()
        store = EvidenceStore(bench.folder)
        run = store.start_run(describe(plan), PROVENANCE)
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
        assert broken.decisions[0].decision.verdict == "ERROR"
        object.__setattr__(planned.check, "trial", honest)
        assert bench.run(plan, run=broken.id).decisions[0].decision.verdict == "HOLDS"
