"""Claims of a made-up theory put to mutants: what they notice, what they miss, and what nobody runs."""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import pytest

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.mutation.equivalence import same, unchanged
from advntk.checks.mutation.functions import targets_of
from advntk.checks.mutation.judging import Judge
from advntk.checks.mutation.mutants import mutants_of
from advntk.checks.mutation.planting import is_whole
from advntk.mutation_request import MutationRequest, settled
from advntk.mutation_worker import small_plan
from advntk.theorems.vocabulary import Verdict
from advntk.wiring import RunSettings

THEORY = str(Path(__file__).parent / "toy_theory.py")
ROOTS = ("advntk", "advntk_theory_toy_theory")


class Toy:
    """The theory, measured once without a fault."""

    def __init__(self, more=()):
        request, targets = settled(MutationRequest(RunSettings(theories=(THEORY,)), scenarios=2))
        self.plan = small_plan(request)
        self.targets = {target.id: target for target in [*targets, *more]}
        self.judge = Judge(self.plan, self.targets, ROOTS)
        self.baselines = [self.judge.baseline(n) for n in range(len(self.plan.checks))]
        facts = {}
        for baseline in self.baselines:
            for calls in (baseline.measuring, baseline.deciding):
                facts.update(calls.facts)
        self.mutants = {m.id: m for t in self.targets.values() for m in mutants_of(t, facts.get(t.id, {}))}

    def mutant(self, name):
        (found,) = (m for i, m in self.mutants.items() if i.endswith(name))
        return found

    def of(self, name):
        return self.judge.judge(self.mutant(name), self.baselines)


@pytest.fixture(scope="module")
def toy():
    deciders = targets_of([sys.modules[BoundDecider.__module__]])
    found = Toy(deciders)
    yield found
    assert is_whole(found.targets)


def test_without_a_fault_every_claim_says_what_is_expected(toy):
    (baseline,) = toy.baselines
    assert (
        baseline.verdicts
        == [{"toy.mean": Verdict.HOLDS, "toy.control": Verdict.REFUTED, "toy.measured": Verdict.HOLDS}] * 2
    )
    assert baseline.unusable == {"toy.measured": "reported as measured: it expects nothing"}


def test_the_calls_of_every_function_are_known_under_every_decorator(toy):
    (baseline,) = toy.baselines
    ran = {name.partition(":")[2] for name in baseline.measuring.lines}
    assert ran == {
        "mean_of_squares",
        "squared",
        "size_of",
        "scale_free",
        "halved",
        "twice",
        "slow_to_end",
        "inflated",
        "first",
    }
    assert "advntk.checks.deciders.bound:BoundDecider.decide" in baseline.deciding.lines


@pytest.mark.parametrize(
    "name",
    [
        "mean_of_squares:factor-1.01:result",
        "mean_of_squares:other-function:1",
        "squared:drop-factor:1",
        "squared:float16:result",
        "size_of:constant:1",
        "size_of:plus-one:result",
    ],
)
def test_what_the_claim_sees_is_refuted(toy, name):
    found = toy.of(name)
    assert (found.status, found.by, found.trial) == ("killed", "toy.mean", "means"), found


def test_a_control_that_holds_with_a_fault_notices_it(toy):
    found = toy.of("inflated:drop-factor:1")
    assert (found.status, found.by) == ("killed", "toy.control"), found
    # Where it is refuted for another reason, nobody can tell.
    assert toy.of("inflated:constant:1").status == "survived"


@pytest.mark.parametrize("name", ["halved:constant:1", "scale_free:sign:result", "twice:plus-minus:1"])
def test_what_no_claim_that_decides_anything_sees_survives(toy, name):
    assert toy.of(name).status == "survived"


def test_what_nobody_runs_is_a_gap(toy):
    assert toy.of("never_run:constant:1").status == "not run"


def test_what_breaks_is_an_error_of_the_claim(toy):
    found = toy.of("first:constant:1")
    assert (found.status, found.by) == ("error", "toy.mean")
    assert found.reason.startswith("IndexError: tuple index out of range")


def test_a_decider_is_judged_on_what_was_observed(toy, monkeypatch):
    def nobody(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr("advntk.checks.mutation.judging.observed_by_look", nobody)
    fates = {
        name: toy.judge.judge(mutant, toy.baselines).status
        for name, mutant in toy.mutants.items()
        if name.startswith("advntk.checks.deciders.bound:BoundDecider.decide:co")
    }
    assert "killed" in fates.values()


def test_what_changes_no_result_is_found_by_making_calls_again(toy):
    target = toy.targets["advntk_theory_toy_theory:scale_free"]
    found = unchanged(
        toy.plan,
        toy.baselines,
        toy.mutant("size_of:drop-term:1"),
        toy.targets["advntk_theory_toy_theory:size_of"],
        ROOTS,
    )
    assert found.startswith("no result changes beyond rounding in ")
    assert unchanged(toy.plan, toy.baselines, toy.mutant("scale_free:sign:result"), target, ROOTS) == ""


def test_results_are_the_same_within_rounding_and_not_beyond():
    x = jax.numpy.array([1.0, 1e-3])
    eps = jax.numpy.finfo(x.dtype).eps
    assert same((x, 1, None), (x * (1 + eps), 1, None))
    assert not same((x, 1), (x * (1 + 1e-12), 1))
    assert not same((x, 1), (x, 2))
    assert not same(x, x[:1])
    assert not same(x, x.astype("float32"))
    assert same(jax.numpy.array([jax.numpy.nan]), jax.numpy.array([jax.numpy.nan]))
    assert not same(jax.numpy.array([jax.numpy.nan]), jax.numpy.array([1.0]))
