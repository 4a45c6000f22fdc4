"""`--resume` where something changed: refused, or kept of the older run what still applies."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from types import ModuleType

import pytest
from made_up_theories import POINTS, PROFILE, PROVENANCE, SMALL, SOURCE, claim

from advntk.checks.deciders.rate import RateDecider
from advntk.checks.description import describe
from advntk.checks.efforts import Effort, Measure
from advntk.checks.evidence import BadEvidence, EvidenceStore, RunCosts, read_run, read_run_heads
from advntk.checks.planning import Request, make_plan
from advntk.checks.running import run_plan
from advntk.checks.sweeps import Sweep
from advntk.checks.trial import trial
from advntk.resuming import start_or_resume
from advntk.theorems.vocabulary import Theorem

NOW = replace(PROVENANCE, digests={"one": "a", "two": "b"})


class TwoTrials:
    """A theorem of two trials, run as `advntk check` runs it; `calls` says which were measured."""

    def __init__(self, folder):
        self.folder = folder
        self.calls: list[str] = []
        gap = RateDecider("gap", 0.5)

        def measuring(name):
            def made_up(scenario, keys):
                self.calls.append(name)
                return {"gap": [scenario.width**-0.5] * len(keys)}

            made_up.__name__ = name
            effort = Effort(Measure(1, 40, POINTS))
            return trial({f"mine.{name}": [gap]}, SMALL, effort, Sweep("width"))(made_up)

        self.module = ModuleType("advntk_theory_two")
        claims = (claim("mine.one", gap), claim("mine.two", gap))
        self.module.THEOREM = Theorem("mine", "t", "s", SOURCE, claims)
        self.module.one, self.module.two = measuring("one"), measuring("two")

    def run(self, provenance=NOW, resume=False, allow=False, seed=0, claims=("mine.one", "mine.two")):
        self.calls.clear()
        theorem = self.module.THEOREM
        selected = [(theorem, c) for c in theorem.claims if c.id in claims]
        plan = make_plan(Request(PROFILE, seed=seed), selected, [self.module])
        with closing(EvidenceStore(self.folder)) as store:
            number, older = start_or_resume(store, describe(plan), provenance, resume, allow)
            run_plan(plan, store, number, older=older)
            store.finish_run(number, RunCosts())
        return read_run(self.folder, number)


@pytest.fixture
def two(tmp_path):
    return TwoTrials(tmp_path / "evidence")


def test_the_same_request_goes_on_with_the_same_run(two):
    first = two.run()
    assert sorted(two.calls) == ["one"] * 4 + ["two"] * 4
    again = two.run(resume=True)
    assert two.calls == [] and again.id == first.id
    assert len(read_run_heads(two.folder)) == 1


def test_without_resume_everything_is_measured_in_a_run_of_its_own(two):
    first, second = two.run(), two.run()
    assert len(two.calls) == 8 and second.id != first.id


def test_where_there_is_nothing_yet_resuming_begins(two):
    assert two.run(resume=True).finished and len(two.calls) == 8


def test_a_digest_that_changed_is_refused_and_named(two):
    two.run()
    with pytest.raises(BadEvidence) as raised:
        two.run(replace(NOW, digests={"one": "a", "two": "changed"}), resume=True)
    message = str(raised.value)
    assert message.startswith(f"--resume: run 1 in {two.folder} differs from this request in digests (two);")
    assert "--allow-changed" in message
    assert two.calls == [] and len(read_run_heads(two.folder)) == 1


def test_allowed_to_change_only_the_trial_that_did_is_measured_again(two):
    first = two.run()
    second = two.run(replace(NOW, digests={"one": "a", "two": "changed"}), resume=True, allow=True)
    assert two.calls == ["two"] * 4
    assert second.id != first.id and second.trials.keys() == first.trials.keys()
    assert [d.decision.verdict for d in second.decisions] == ["HOLDS", "HOLDS"]
    # And from there on, the run that was made of both is the one to go on with.
    third = two.run(replace(NOW, digests={"one": "a", "two": "changed"}), resume=True)
    assert two.calls == [] and third.id == second.id


@pytest.mark.parametrize("noted", ["code", "commit"])
def test_what_is_only_noted_for_people_changes_nothing(two, noted):
    two.run()
    two.run(replace(NOW, **{noted: "other"}), resume=True)
    assert two.calls == []


def test_theories_and_names_are_compared_as_what_they_select(two):
    two.run()
    two.run(replace(NOW, theories=("elsewhere.py",), names=("mine",)), resume=True)
    assert two.calls == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"device": "gpu"}, "device (cpu then, gpu now)"),
        ({"versions": {"jax": "9"}}, "versions (jax)"),
        ({"data_digest": "d"}, "data_digest"),
    ],
)
def test_other_circumstances_are_refused_and_named(two, changed, said):
    two.run()
    with pytest.raises(BadEvidence) as raised:
        two.run(replace(NOW, **changed), resume=True)
    assert said in str(raised.value)
    two.run(replace(NOW, **changed), resume=True, allow=True)
    assert len(two.calls) == 8  # nothing of the older run applies


def test_another_seed_is_refused_and_named(two):
    two.run()
    with pytest.raises(BadEvidence, match=r"seed \(0 then, 1 now\)"):
        two.run(seed=1, resume=True)


def test_one_claim_more_keeps_what_was_measured_of_the_other(two):
    one = replace(NOW, digests={"one": "a"})
    two.run(one, claims=("mine.one",))
    with pytest.raises(BadEvidence, match=r"claims \(mine\.two\)"):
        two.run(resume=True)
    two.run(resume=True, allow=True)
    assert two.calls == ["two"] * 4


def test_before_there_were_digests_any_change_of_the_source_counts(two):
    old = replace(NOW, digests={})
    two.run(old)
    with pytest.raises(BadEvidence, match="differs from this request in digests"):
        two.run(resume=True)
