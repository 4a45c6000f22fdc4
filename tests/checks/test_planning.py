"""Plans: what is settled, and what is refused, before anything is measured."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from advntk.checks import planning
from advntk.checks.axes import Axes, listed
from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.rate import RateDecider
from advntk.checks.efforts import PROFILES, Measure, Profile
from advntk.checks.planning import BadPlan, Request, make_plan
from advntk.checks.trial import check
from advntk.implementations.data.dataset import BadData
from advntk.theorems.catalogue import load
from advntk.theorems.vocabulary import Assumption, Claim, Kind, Rate, Source, Theorem

CATALOGUE = load()
QUICK = PROFILES["quick"]
SOURCE = Source("a book", "page 1")
LADDERS = ("ladder", "level", "flow", "contrast", "ensemble")


def plan(*names: str, **request):
    """A plan of the quick profile for these claims (all without names)."""
    return make_plan(Request(QUICK, **request), CATALOGUE.select(names), CATALOGUE.modules)


def scenarios(found):
    return [f.scenario for p in found.checks for f in p.families]


def rungs(found):
    return [rung for p in found.checks for f in p.families for rung in f.rungs]


@pytest.fixture(scope="module")
def whole():
    return plan()


class TestQuickPlan:
    def test_every_claim_is_planned_once_and_in_scope_somewhere(self, whole):
        asked = [claim.id for p in whole.checks for _, claim in p.claims]
        assert sorted(asked) == sorted(claim.id for _, claim in CATALOGUE.claims())
        for planned, claim in ((p, claim) for p in whole.checks for _, claim in p.claims):
            assert any(planned.in_scope(claim, family) for family in planned.families), claim.id

    @pytest.mark.parametrize("seed", range(1, 4))
    def test_every_claim_is_in_scope_somewhere_for_other_seeds(self, seed):
        found = plan("ark_positive_definiteness", seed=seed)
        for planned, claim in ((p, claim) for p in found.checks for _, claim in p.claims):
            assert any(planned.in_scope(claim, family) for family in planned.families), claim.id

    def test_in_scope_means_on_every_rung(self, whole):
        for planned in whole.checks:
            for family, (_, claim) in itertools.product(planned.families, planned.claims):
                outside = [rung for rung in family.rungs if claim.unmet(rung)]
                assert planned.in_scope(claim, family) is (not outside)

    def test_scenarios_lie_on_the_axes_and_differ(self, whole):
        for planned in whole.checks:
            drawn = [family.scenario for family in planned.families]
            most = math.prod(len(listed(axis)) for axis in planned.axes.values())
            assert len(set(drawn)) == len(drawn) == min(QUICK.of(planned.check.effort).scenarios, most)
            for scenario in drawn:
                for name, axis in planned.axes.items():
                    assert getattr(scenario, name) in listed(axis)

    def test_rungs_are_the_ladder_or_the_scenario_itself(self, whole):
        for planned in whole.checks:
            widths = QUICK.of(planned.check.effort).widths
            for family in planned.families:
                expected = tuple(family.scenario.at_width(w) for w in widths) or (family.scenario,)
                assert family.rungs == expected

    def test_seeds_and_chunks(self, whole):
        for planned in whole.checks:
            measure = QUICK.of(planned.check.effort)
            assert planned.seeds == (measure.seeds if planned.check.random else 1)
            for family in planned.families:
                assert planned.seeds % family.chunk == 0
                largest = max(planned.check.memory(rung) for rung in family.rungs)
                assert family.chunk * largest <= planning.CHUNK_BYTES or family.chunk == 1
                larger = [d for d in range(family.chunk + 1, planned.seeds + 1) if planned.seeds % d == 0]
                assert all(d * largest > planning.CHUNK_BYTES for d in larger)

    def test_trials_are_counted(self, whole):
        one_by_one = [1 for p in whole.checks for f in p.families for _ in f.rungs for _ in range(p.seeds)]
        assert whole.trials == len(one_by_one)

    def test_false_alarms_of_all_statistical_decisions_stay_in_the_budget(self, whole):
        decisions = [
            decider
            for planned in whole.checks
            for _, claim in planned.claims
            for decider in planned.check.decides[claim.id]
            for family in planned.families
            if not isinstance(decider, BoundDecider) and planned.in_scope(claim, family)
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

    def test_same_request_same_plan(self, whole):
        assert plan() == whole

    def test_another_seed_another_plan(self, whole):
        other = plan(seed=1)
        assert scenarios(other) != scenarios(whole)
        assert other.assertions == whole.assertions

    def test_only_what_was_selected(self):
        found = plan("diagonal_limit.xi")
        assert [[claim.id for _, claim in p.claims] for p in found.checks] == [["diagonal_limit.xi"]]
        assert found.assertions == 2 * QUICK.ladder.scenarios  # two statistics decide it


class TestRequests:
    def test_widths_replace_all_ladders_and_leave_claims_without_one(self):
        widths = (16, 24, 32, 48)
        found = plan(widths=widths)
        assert {p.check.effort for p in found.checks} >= {"exact", "splits", "ladder", "flow", "ensemble"}
        for planned in found.checks:
            for family in planned.families:
                if planned.check.effort in ("exact", "splits"):
                    assert family.rungs == (family.scenario,)
                else:
                    assert tuple(rung.width for rung in family.rungs) == widths

    @pytest.mark.parametrize(
        ("names", "pins"),
        [
            (("diagonal_limit",), {"activation": "tanh", "sigma_b": 0.0, "depth": 2}),
            (("diagonal_limit.ntk",), {"parameterization": "standard", "samples": 5}),
            (("ark_positive_definiteness",), {"activation": "gelu", "data_seed": 11, "sigma_w": 3.0}),
            (("ark_positive_definiteness.gram_psd",), {"width": 17, "family": "cnn", "readout": "pool"}),
            (("diagonal_limit.ark_fixed_input",), {"input_width": 24, "outputs": 3}),
            (("ark_positive_definiteness.limit_kernel",), {"input_width": 32}),
        ],
    )
    def test_pins_are_respected_by_every_rung(self, names, pins):
        found = plan(*names, pins=tuple(pins.items()))
        assert rungs(found)
        for rung in rungs(found):
            assert {name: getattr(rung, name) for name in pins} == pins

    def test_data_is_that_of_the_request(self):
        assert {rung.data for rung in rungs(plan("diagonal_limit", data="gaussian"))} == {"gaussian"}

    @pytest.mark.parametrize(
        ("names", "pin", "claim", "premise"),
        [
            ((), ("outputs", 80), "ark_positive_definiteness.diagonal_blocks", "row rank c"),
            (("ark_positive_definiteness.rank",), ("outputs", 1), "ark_positive_definiteness.rank", "Mc > d"),
            (("diagonal_limit.ntk",), ("activation", "relu"), "diagonal_limit.ntk", "smooth and Lipschitz"),
            (("diagonal_limit.xi",), ("outputs", 1), "diagonal_limit.xi", "off-diagonal entries exist"),
            (("diagonal_limit.ark",), ("family", "cnn"), "diagonal_limit.ark", "the network is an MLP"),
            (
                ("diagonal_limit.ark",),
                ("input_growth", "fixed"),
                "diagonal_limit.ark",
                "grows with the hidden",
            ),
        ],
    )
    def test_a_pin_outside_the_scope_is_refused(self, names, pin, claim, premise):
        with pytest.raises(BadPlan) as raised:
            plan(*names, pins=(pin,))
        message = str(raised.value)
        assert message.startswith(f"--axis {pin[0]}={pin[1]}: outside the scope of {claim}, which assumes ")
        assert premise in message and "$" not in message
        assert message.endswith("choose another value or leave the claim out")

    def test_the_same_pin_is_fine_without_that_claim(self):
        found = plan("ark_positive_definiteness.gram_psd", pins=(("outputs", 80),))
        assert {rung.outputs for rung in rungs(found)} == {80}

    @pytest.mark.parametrize(
        ("name", "axis"),
        [
            ("diagonal_limit.ntk", "width"),
            ("diagonal_limit.ark_fixed_input", "width"),
            ("diagonal_limit.ntk", "input_width"),
        ],
    )
    def test_a_pinned_width_contradicts_a_ladder(self, name, axis):
        expected = f"--axis {axis}=64: {name} runs over a ladder of widths; use --widths"
        with pytest.raises(BadPlan, match=f"^{re.escape(expected)}$"):
            plan(name, pins=(("depth", 2), (axis, 64)))

    def test_a_width_beyond_memory_is_refused_with_numbers(self):
        with pytest.raises(BadPlan) as raised:
            plan("diagonal_limit.ntk", widths=(64, 128, 256, 2**17), memory=2 * 2**30)
        found = re.match(
            r"width 131072: one network needs about ([\d.]+) GiB, 1 GiB are allowed \(2 run at once\);",
            str(raised.value),
        )
        assert found and planning.CONCURRENT == 2
        # The hidden weight matrix alone has 2^34 entries of 8 bytes.
        assert float(found[1]) >= 128
        assert "--widths" in str(raised.value) and "--memory" in str(raised.value)

    def test_at_most_half_of_the_machine_is_allowed_by_default(self, monkeypatch):
        wide = {"widths": (64, 128, 256, 8192), "data": "gaussian"}
        monkeypatch.setattr(planning, "physical_memory", lambda: 2 * 2**30)
        with pytest.raises(BadPlan) as raised:
            plan("diagonal_limit.ntk", **wide)
        found = re.search(r"width 8192: .* ([\d.]+) GiB, ([\d.]+) GiB are allowed", str(raised.value))
        assert found
        # Half of 2 GiB, for two networks.
        assert float(found[2]) == 0.5 < float(found[1])
        plan("diagonal_limit.ntk", **wide, memory=2**36)  # what is said goes
        monkeypatch.setattr(planning, "physical_memory", lambda: 2**40)
        plan("diagonal_limit.ntk", **wide)

    @pytest.mark.parametrize(
        ("request_", "reason"),
        [
            ({"widths": (64, 128, 256, 8192)}, "8192"),  # wider than the finest digit image
            ({"data": "nowhere"}, "--data nowhere"),
            ({"data": "/nowhere.npz"}, "/nowhere.npz"),
        ],
    )
    def test_data_that_cannot_be_had_are_refused(self, request_, reason):
        with pytest.raises(BadData, match=reason):
            plan("diagonal_limit.ntk", memory=2**40, **request_)

    @pytest.mark.parametrize(
        "widths",
        [(64,), (64, 128, 256), (64, 64, 128, 128, 256), (1, 64, 128, 256), (-64, 64, 128, 256, 512)],
    )
    def test_too_few_or_too_small_widths_are_refused(self, widths):
        given = ",".join(map(str, widths))
        expected = f"--widths {given}: a rate needs at least 4 different widths, each at least 2"
        with pytest.raises(BadPlan, match=f"^{re.escape(expected)}$"):
            plan("diagonal_limit.ntk", widths=widths)

    @pytest.mark.parametrize("widths", [(2, 64, 128, 256), (256, 64, 2, 128), (64, 256, 2, 64, 128, 128)])
    def test_a_width_given_twice_is_measured_once_and_in_order(self, widths):
        found = plan("diagonal_limit.ntk", widths=widths, data="gaussian")
        assert found.checks[0].families
        for family in found.checks[0].families:
            assert [rung.width for rung in family.rungs] == [2, 64, 128, 256]
        assert found.trials == QUICK.ladder.scenarios * 4 * QUICK.ladder.seeds


class TestOwnTheory:
    """A user's theorem and its checks in one module."""

    @staticmethod
    def module(decides, assumptions=(), memory=0, random=True, **axes) -> ModuleType:
        """States mine.a under these assumptions and, if it is decided, mine.free under none."""
        claims = [Claim("mine.a", "s", Kind.LIMIT, SOURCE, tuple(assumptions), Rate(0.5))]
        if "mine.free" in decides:
            claims.append(Claim("mine.free", "s", Kind.LIMIT, SOURCE, (), Rate(0.5)))
        found = ModuleType("advntk_theory_mine")
        found.THEOREM = Theorem("mine", "t", "s", SOURCE, tuple(claims))  # type: ignore[attr-defined]

        @check(
            decides=decides,
            axes=Axes(depth=(1, 2, 3), **axes),
            effort="ladder",
            memory=lambda _: memory,
            random=random,
        )
        def trial(scenario, keys):
            raise AssertionError("planning measures nothing")

        found.trial = trial  # type: ignore[attr-defined]
        return found

    @staticmethod
    def plan(module, held=(), **request):
        other = dict.fromkeys(("level", "flow", "contrast", "ensemble", "splits", "exact"), Measure(1, 1))
        ladder = Measure(3, 12, (8, 16, 32, 64), held=held)
        profile = Profile("tiny", ladder=ladder, **other, search=1)
        theorem = module.THEOREM
        return make_plan(Request(profile, **request), [(theorem, c) for c in theorem.claims], [module])

    def test_is_planned(self):
        found = self.plan(self.module({"mine.a": [RateDecider("gap", 0.5), RateDecider("other", 0.5)]}))
        assert {s.depth for s in scenarios(found)} == {1, 2, 3}
        assert found.assertions == 6
        assert found.trials == 3 * 4 * 12

    def test_a_held_axis_takes_one_value(self):
        module = self.module({"mine.a": [RateDecider("gap", 0.5)]}, outputs=(2, 3, 4))
        found = self.plan(module, held=(("depth", 2),))
        assert {s.depth for s in scenarios(found)} == {2}
        assert {s.outputs for s in scenarios(found)} == {2, 3, 4}  # the others stay free

    def test_a_pin_overrules_what_the_profile_holds(self):
        module = self.module({"mine.a": [RateDecider("gap", 0.5)]})
        found = self.plan(module, held=(("depth", 2),), pins=(("depth", 3),))
        assert {s.depth for s in scenarios(found)} == {3}

    def test_an_axis_that_a_check_lacks_is_not_held(self):
        module = self.module({"mine.a": [RateDecider("gap", 0.5)]})
        assert self.plan(module, held=(("outputs", 5),)).checks == self.plan(module).checks

    def test_a_claim_without_a_check_is_refused(self):
        with pytest.raises(BadPlan, match=r"'mine\.a' is stated but no check decides it"):
            self.plan(self.module({"mine.b": [RateDecider("gap", 0.5)]}))

    def test_families_out_of_scope_on_one_rung_cost_nothing(self):
        """The widest rung of depth 3 leaves the assumption."""
        narrow = Assumption("narrow", "not both", lambda s: s.depth < 3 or s.width < 64)
        decides = {"mine.a": [RateDecider("gap", 0.5)]}
        found = self.plan(self.module(decides, assumptions=[narrow]))
        assert {s.depth for s in scenarios(found)} == {1, 2}
        assert found.assertions == 2
        # Drawn for the sake of another claim, it still does not count for this one.
        decides["mine.free"] = [RateDecider("gap", 0.5)]
        found = self.plan(self.module(decides, assumptions=[narrow]))
        assert {s.depth for s in scenarios(found)} == {1, 2, 3}
        assert found.assertions == 2 + 3

    @pytest.mark.parametrize(
        ("memory", "chunk"),
        [
            (0, 12),
            (planning.CHUNK_BYTES // 5, 4),
            (planning.CHUNK_BYTES // 2, 2),
            (planning.CHUNK_BYTES + 1, 1),
        ],
    )
    def test_chunk_is_the_largest_divisor_that_fits(self, memory, chunk):
        module = self.module({"mine.a": [RateDecider("gap", 0.5)]}, memory=memory)
        assert {f.chunk for p in self.plan(module, memory=2**40).checks for f in p.families} == {chunk}

    def test_one_seed_is_enough_without_randomness(self):
        found = self.plan(self.module({"mine.a": [RateDecider("gap", 0.5)]}, random=False))
        assert (found.checks[0].seeds, found.trials) == (1, 12)

    def test_nothing_is_usable(self):
        never = Assumption("never", "$0 = 1$", lambda _: False)
        with pytest.raises(BadPlan, match=r"its axes: outside the scope of mine\.a, which assumes 0 = 1"):
            self.plan(self.module({"mine.a": [RateDecider("gap", 0.5)]}, assumptions=[never]))

    def test_memory_is_what_the_check_declares(self):
        """At most the share of one of the two networks that are measured at once."""
        module = self.module({"mine.a": [RateDecider("gap", 0.5)]}, memory=3 * 2**30)
        with pytest.raises(BadPlan, match=r"width 64: .* about 3 GiB, 0\.75 GiB are allowed \(2 run"):
            self.plan(module, memory=3 * 2**29)
        with pytest.raises(BadPlan, match="3 GiB, 3 GiB are allowed"):
            self.plan(module, memory=6 * 2**30 - 2)
        assert self.plan(module, memory=6 * 2**30).checks

    GROWTHS = (("joint",), ("fixed",), ("fixed", "joint"))

    @pytest.mark.parametrize(
        ("growths", "pinned"),
        [(("joint",), {}), (("fixed", "joint"), {}), *((g, {"input_growth": "joint"}) for g in GROWTHS)],
    )
    def test_an_input_width_that_may_follow_the_ladder_cannot_be_pinned(self, growths, pinned):
        module = self.module({"mine.a": [RateDecider("gap", 0.5)]}, input_growth=growths)
        with pytest.raises(BadPlan, match=r"--axis input_width=24: mine\.a runs over a ladder"):
            self.plan(module, pins=(*pinned.items(), ("input_width", 24)))

    @pytest.mark.parametrize("growths", GROWTHS)
    def test_with_the_growth_pinned_to_fixed_the_input_width_can_be_pinned(self, growths):
        module = self.module({"mine.a": [RateDecider("gap", 0.5)]}, input_growth=growths)
        found = self.plan(module, pins=(("input_growth", "fixed"), ("input_width", 24)))
        assert {(rung.input_growth, rung.input_width) for rung in rungs(found)} == {("fixed", 24)}


def test_profiles_measure_enough_for_their_deciders():
    """Four widths for any ladder; 2^-seeds below the strictest share of the default error budget."""
    for name, profile in PROFILES.items():
        assert profile.name == name
        for measure in (profile.of(effort) for effort in LADDERS):
            assert len(measure.widths) >= 4 and list(measure.widths) == sorted(set(measure.widths))
            assert 2.0 ** -(measure.seeds * 2 ** (measure.looks - 1)) < 1e-6 / 1000 / measure.looks
        assert min(profile.level.seeds, profile.ensemble.seeds) >= 16 * 4
        assert 2.0 ** -(profile.splits.seeds * 2 ** (profile.splits.looks - 1)) < 1e-6 / 1000
        assert profile.exact.widths == profile.splits.widths == ()


def test_other_widths_change_ladders_alone():
    changed = QUICK.with_widths((8, 16))
    for effort in LADDERS:
        assert changed.of(effort) == replace(QUICK.of(effort), widths=(8, 16))
    assert replace(changed, **{effort: QUICK.of(effort) for effort in LADDERS}) == QUICK
