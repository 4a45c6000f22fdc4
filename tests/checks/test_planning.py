"""Plans of the theories of this package: what is settled before anything is measured."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from advntk.checks import planning
from advntk.checks.efforts import ENSEMBLE, EXACT, LEVEL, PROFILES, RATE, SPLITS, Effort, Measure
from advntk.checks.pins import Pin
from advntk.checks.planning import Request, make_plan
from advntk.checks.spaces import listed
from advntk.exceptions import UsageError
from advntk.theorems.catalogue import load

CATALOGUE = load()
QUICK = PROFILES["quick"]
SWEEPING = (RATE, LEVEL, ENSEMBLE)


def plan(*names: str, **request):
    """A plan of the quick profile for these claims (all without names)."""
    return make_plan(Request(QUICK, **request), CATALOGUE.select(names), CATALOGUE.modules)


def scenarios(found):
    return [f.scenario for p in found.checks for f in p.scenarios]


@pytest.fixture(scope="module")
def whole():
    return plan()


class TestQuickPlan:
    def test_every_claim_is_planned_and_in_scope_somewhere(self, whole):
        asked = {claim.id for p in whole.checks for _, claim in p.claims}
        assert asked == {claim.id for _, claim in CATALOGUE.claims()}
        for planned, claim in ((p, claim) for p in whole.checks for _, claim in p.claims):
            assert any(planned.in_scope(claim, one) for one in planned.scenarios), claim.id

    @pytest.mark.parametrize("seed", range(1, 4))
    def test_every_claim_is_in_scope_somewhere_for_other_seeds(self, seed):
        found = plan("ark_positive_definiteness", seed=seed)
        for planned, claim in ((p, claim) for p in found.checks for _, claim in p.claims):
            assert any(planned.in_scope(claim, one) for one in planned.scenarios), claim.id

    def test_in_scope_means_at_every_point(self, whole):
        for planned in whole.checks:
            for one, (_, claim) in itertools.product(planned.scenarios, planned.claims):
                outside = [at for at in one.points if claim.unmet(at.scenario)]
                assert planned.in_scope(claim, one) is (not outside)

    def test_scenarios_lie_on_the_axes_and_differ(self, whole):
        for planned in whole.checks:
            drawn = [one.scenario for one in planned.scenarios]
            most = math.prod(len(listed(axis)) for axis in planned.space.choices.values())
            assert len(set(drawn)) == len(drawn) == min(planned.check.effort.of(QUICK).scenarios, most)
            for scenario in drawn:
                for name, axis in planned.space.choices.items():
                    assert getattr(scenario, name) in listed(axis)

    def test_points_are_those_of_the_effort_or_the_scenario_itself(self, whole):
        for planned in whole.checks:
            for one in planned.scenarios:
                found = [(at.point, at.scenario) for at in one.points]
                if planned.check.sweep is None:
                    assert found == [(None, one.scenario)] and one.swept == ()
                else:
                    points = planned.check.effort.of(QUICK).points
                    assert found == [(p, planned.check.sweep.at(one.scenario, p)) for p in points]
                    assert one.swept == planned.check.sweep.changed(one.scenario)

    def test_seeds_and_chunks(self, whole):
        for planned in whole.checks:
            measure = planned.check.effort.of(QUICK)
            assert planned.seeds == (measure.seeds if planned.check.random else 1)
            for one in planned.scenarios:
                assert planned.seeds % one.chunk == 0
                largest = max(planned.check.memory(at.scenario) for at in one.points)
                assert one.chunk * largest <= planning.CHUNK_BYTES or one.chunk == 1
                larger = [d for d in range(one.chunk + 1, planned.seeds + 1) if planned.seeds % d == 0]
                assert all(d * largest > planning.CHUNK_BYTES for d in larger)

    def test_trials_are_counted(self, whole):
        one_by_one = [1 for p in whole.checks for f in p.scenarios for _ in f.points for _ in range(p.seeds)]
        assert whole.trials == len(one_by_one)

    def test_false_alarms_of_all_statistical_decisions_stay_in_the_budget(self, whole):
        decisions = [
            decider
            for planned in whole.checks
            for _, claim in planned.claims
            for decider in planned.check.decides[claim.id]
            for one in planned.scenarios
            if decider.statistical and planned.in_scope(claim, one)
        ]
        assert whole.assertions == len(decisions) > 0
        # One rounding in the division and one in the product.
        total = whole.rates.false_alarm * len(decisions)
        assert total <= whole.request.false_alarm * (1 + 2 * np.finfo(float).eps)
        assert whole.rates.miss == whole.request.miss
        # No more careful than it must be, or power is given away.
        assert total >= whole.request.false_alarm * (1 - 2 * np.finfo(float).eps)

    def test_exact_claims_alone_share_nothing(self):
        found = plan("ark_positive_definiteness.rank", false_alarm=0.01, miss=0.02)
        assert found.assertions == 0
        assert (found.rates.false_alarm, found.rates.miss) == (0.01, 0.02)

    def test_same_request_same_plan(self):
        assert plan("xi_fading") == plan("xi_fading")

    def test_another_seed_another_plan(self):
        other = plan("xi_fading", seed=1)
        assert scenarios(other) != scenarios(plan("xi_fading"))
        # Scenarios may differ in which claims they are in the scope of; the budget is the same.
        assert other.rates.false_alarm * other.assertions == pytest.approx(1e-6)

    def test_only_what_was_selected(self):
        found = plan("diagonal_limit.xi")
        assert [[claim.id for _, claim in p.claims] for p in found.checks] == [["diagonal_limit.xi"]]
        assert found.assertions == 2 * RATE.quick.scenarios  # two statistics decide it


@pytest.mark.parametrize(
    ("pinned", "asked"),
    [
        ((), {"kernel_values", "image_kernel_values"}),
        (("family", "mlp"), {"kernel_values"}),
        (("family", "resnet"), {"image_kernel_values"}),
        (("readout", "pool"), {"image_kernel_values"}),
        (("parameterization", "standard"), {"kernel_values"}),
        # An amount, and a kind that neither samples, are measured by both.
        (("samples", "3"), {"kernel_values", "image_kernel_values"}),
        (("arrangement", "generic"), {"kernel_values", "image_kernel_values"}),
    ],
)
def test_what_is_held_is_asked_of_the_checks_that_sample_it(pinned, asked):
    pins = (Pin(*pinned, " ".join(pinned)),) if pinned else ()
    found = plan("diagonal_limit.nngp_value", pins=pins)
    assert {p.check.name for p in found.checks} == asked


def test_residual_networks_have_one_parameterization():
    pins = (Pin("family", "resnet", "family=resnet"), Pin("parameterization", "standard", "..."))
    with pytest.raises(UsageError, match="residual networks have the NTK parameterization only"):
        plan("diagonal_limit.nngp_value", pins=pins)


def test_profiles_measure_enough_for_their_deciders():
    """Four points for any sweep; 2^-seeds below the strictest share of the default error budget."""
    for name, profile in PROFILES.items():
        assert profile.name == name
        for effort in SWEEPING:
            measure = effort.of(profile)
            assert len(measure.points) >= 4 and list(measure.points) == sorted(set(measure.points))
            assert 2.0 ** -(measure.seeds * 2 ** (measure.looks - 1)) < 1e-6 / 1000 / measure.looks
        assert min(LEVEL.of(profile).seeds, ENSEMBLE.of(profile).seeds) >= 16 * 4
        splits = SPLITS.of(profile)
        assert 2.0 ** -(splits.seeds * 2 ** (splits.looks - 1)) < 1e-6 / 1000
        assert EXACT.of(profile).points == splits.points == ()


@pytest.mark.parametrize("effort", [RATE, LEVEL, ENSEMBLE, EXACT, SPLITS])
def test_other_points_change_nothing_else(effort):
    changed = effort.at((8, 16))
    for profile in PROFILES.values():
        assert changed.of(profile) == replace(effort.of(profile), points=(8, 16))


def test_a_profile_without_a_measure_takes_the_one_before_it():
    quick, standard = Measure(1, 1), Measure(2, 2)
    assert [Effort(quick).of(p) for p in PROFILES.values()] == [quick] * 3
    assert [Effort(quick, standard).of(p) for p in PROFILES.values()] == [quick, standard, standard]
    assert [Effort(quick, None, standard).of(p) for p in PROFILES.values()] == [quick, quick, standard]
    assert Effort(quick).at((1, 2)) == Effort(Measure(1, 1, (1, 2)))
