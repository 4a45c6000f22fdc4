"""Plans of a theory of one's own: its space, its sweep, and the error budget that its claims share."""

from __future__ import annotations

import re

import pytest
from made_up_theories import POINTS, SMALL, claim, theory

from advntk.checks import planning
from advntk.checks.axes import WIDTH
from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.level import LevelDecider
from advntk.checks.deciders.median import MedianDecider
from advntk.checks.deciders.rate import RateDecider
from advntk.checks.efforts import Measure
from advntk.checks.pins import Pin
from advntk.checks.planning import BadPlan
from advntk.checks.spaces import Axis, Space
from advntk.checks.sweeps import Sweep
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.exceptions import UsageError
from advntk.theorems.vocabulary import Assumption

GAP = RateDecider("gap", 0.5)
DECIDES = {"mine.a": [GAP]}


def unmeasured(scenario, keys):
    raise AssertionError("planning measures nothing")


def made(decides=None, assumptions=(), held=(), seeds=12, space=SMALL, memory=0, sweep=None, **more):
    """A theory over three depths; `assumptions` are those of mine.a alone."""
    decides = decides or DECIDES
    sweep = sweep or Sweep("width")
    claims = [
        claim(name, deciders[0], sweep.axis, assumptions=tuple(assumptions) if name == "mine.a" else ())
        for name, deciders in decides.items()
    ]
    measure = Measure(3, seeds, POINTS, held=held)
    axes = {"depth": (1, 2, 3), **more.pop("axes", {})}
    return theory(
        unmeasured, decides, space.over(**axes), measure, sweep, claims, memory=lambda _: memory, **more
    )


def pins(**values):
    return tuple(Pin(name, str(value), f"--axis {name}={value}") for name, value in values.items())


def scenarios(plan):
    return [one.scenario for planned in plan.checks for one in planned.scenarios]


class TestScenarios:
    def test_all_depths_are_planned(self):
        found = made({"mine.a": [GAP, RateDecider("other", 0.5)]}).plan()
        assert {s.depth for s in scenarios(found)} == {1, 2, 3}
        assert found.assertions == 6
        assert found.trials == found.most_trials == 3 * 4 * 12

    def test_a_held_axis_takes_one_value_and_the_others_stay_free(self):
        found = made(held=(("depth", 2),), axes={"outputs": (2, 3, 4)}).plan()
        assert {s.depth for s in scenarios(found)} == {2}
        assert {s.outputs for s in scenarios(found)} == {2, 3, 4}

    def test_a_pin_overrules_what_the_profile_holds(self):
        found = made(held=(("depth", 2),)).plan(pins=pins(depth=3))
        assert {s.depth for s in scenarios(found)} == {3}

    def test_an_axis_that_is_not_sampled_is_not_held(self):
        assert scenarios(made(held=(("outputs", 5),)).plan()) == scenarios(made().plan())

    def test_a_claim_without_a_check_is_refused(self):
        found = theory(
            unmeasured,
            {"mine.b": [GAP]},
            SMALL,
            Measure(1, 1, POINTS),
            Sweep("width"),
            [claim("mine.a", GAP)],
        )
        with pytest.raises(BadPlan, match=r"'mine\.a' is stated but no check decides it; write one"):
            found.plan()

    def test_what_is_out_of_scope_at_one_point_costs_nothing(self):
        """The widest point of depth 3 leaves the assumption."""
        narrow = Assumption("narrow", "not both", lambda s: s.depth < 3 or s.width < 64, ("depth", "width"))
        found = made(assumptions=[narrow]).plan()
        assert {s.depth for s in scenarios(found)} == {1, 2}
        assert found.assertions == 2
        # Drawn for the sake of another claim, it still does not count for this one.
        found = made({**DECIDES, "mine.free": [GAP]}, assumptions=[narrow]).plan()
        assert {s.depth for s in scenarios(found)} == {1, 2, 3}
        assert found.assertions == 2 + 3

    def test_nothing_is_usable(self):
        never = Assumption("never", "$0 = 1$", lambda _: False)
        with pytest.raises(BadPlan, match=r"its axes: outside the scope of mine\.a, which assumes 0 = 1"):
            made(assumptions=[never]).plan()

    def test_one_seed_is_enough_without_randomness(self):
        found = made(random=False).plan()
        assert (found.checks[0].seeds, found.checks[0].looks, found.trials) == (1, 1, 12)

    def test_what_a_check_cannot_be_prepared_for_is_refused(self):
        def prepare(scenario):
            if scenario.width > 32:
                raise UsageError(f"only 32 neurons, not {scenario.width}")

        with pytest.raises(UsageError, match="only 32 neurons, not 64"):
            made(prepare=prepare).plan()


class TestErrorBudget:
    """Assertions are counted where a decider can be wrong by chance, and share the false alarms equally."""

    def test_statistical_deciders_alone_share_it(self):
        exact = BoundDecider("value", "bound", "at most")
        for deciders, statistical in (
            ([GAP], 1),
            ([GAP, GAP], 2),
            ([exact], 0),
            ([exact, exact], 0),
            ([LevelDecider("ratio", 2.0)], 1),
            ([MedianDecider("gain", 0.0, "above")], 1),
        ):
            found = made({"mine.a": deciders}).plan(false_alarm=0.03, miss=0.02)
            assert found.assertions == 3 * statistical
            assert found.rates.false_alarm == pytest.approx(0.03 / max(3 * statistical, 1))
            assert found.rates.miss == 0.02

    def test_claims_of_several_kinds_share_it_together(self):
        found = made({**DECIDES, "mine.b": [BoundDecider("v", "b", "above")], "mine.c": [GAP, GAP]}).plan()
        assert found.assertions == 3 * (1 + 0 + 2)
        assert found.rates.false_alarm * 9 == pytest.approx(found.request.false_alarm)


class TestMemory:
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
        found = made(memory=memory).plan(memory=2**40)
        assert {one.chunk for p in found.checks for one in p.scenarios} == {chunk}

    def test_it_is_what_the_check_declares(self):
        """At most the share of one of the two that are measured at once."""
        greedy = made(memory=3 * 2**30)
        with pytest.raises(BadPlan, match=r"made_up at L=.* about 3 GiB, 0\.75 GiB are allowed \(2 run"):
            greedy.plan(memory=3 * 2**29)
        with pytest.raises(BadPlan, match="3 GiB, 3 GiB are allowed"):
            greedy.plan(memory=6 * 2**30 - 2)
        assert greedy.plan(memory=6 * 2**30).checks
        assert greedy.plan(memory=3 * 2**30, jobs=1).checks


GROWTHS = (("joint",), ("fixed",), ("fixed", "joint"))


def growing(growths):
    return made(space=ADVERSARIAL_TRAINING, sweep=WIDTH, axes={"input_growth": growths})


class TestPinsOnWhatASweepChooses:
    @pytest.mark.parametrize(
        ("growths", "pinned"),
        [
            (("joint",), {}),
            (("fixed", "joint"), {}),
            (("joint", "fixed"), {}),
            *((g, {"input_growth": "joint"}) for g in GROWTHS),
        ],
    )
    def test_an_input_width_that_may_follow_the_sweep_cannot_be_held(self, growths, pinned):
        expected = "--axis input_width=24: mine.a runs over a sweep that chooses input_width itself"
        with pytest.raises(BadPlan, match=f"^{re.escape(expected)}; use --sweep width="):
            growing(growths).plan(pins=pins(**pinned, input_width=24))

    @pytest.mark.parametrize("growths", GROWTHS)
    def test_where_it_is_fixed_it_can(self, growths):
        found = growing(growths).plan(pins=pins(input_growth="fixed", input_width=24))
        at = [at.scenario for p in found.checks for one in p.scenarios for at in one.points]
        assert {(s.input_growth, s.input_width) for s in at} == {("fixed", 24)}

    def test_the_swept_axis_itself_cannot_be_held(self):
        with pytest.raises(BadPlan, match=r"^--axis width=64: mine\.a runs over a sweep that chooses width"):
            made().plan(pins=pins(width=64))


class TestSweepOverAnAxisOfItsOwn:
    """A radius, of which there are parts, and which another axis follows."""

    SPACE = Space(
        Axis("depth", 1, low=1),
        Axis("radius", 1.0, low=0.0, above=True, high=4.0, symbol="r"),
        Axis("area", 1.0, low=0.0),
    )
    SWEEP = Sweep("radius", lambda scenario, r: {"area": r * r * scenario.depth})

    def theory(self):
        decides = {"mine.a": [RateDecider("gap", -2.0)]}
        measure = Measure(2, 4, (0.25, 0.5, 1.0, 2.0))
        return theory(unmeasured, decides, self.SPACE.over(depth=(1, 2)), measure, self.SWEEP)

    def test_points_and_what_follows(self):
        found = self.theory().plan()
        for one in found.checks[0].scenarios:
            assert [(at.point, at.scenario.radius, at.scenario.area) for at in one.points] == [
                (r, r, r * r * one.scenario.depth) for r in (0.25, 0.5, 1.0, 2.0)
            ]
            assert one.swept == ("radius", "area") and one.label == f"depth={one.scenario.depth}"

    def test_other_points_are_floats_in_rising_order(self):
        said = "--sweep radius=2,1,0.5,4"
        found = self.theory().plan(sweeps={"radius": (("2", "1", "0.5", "4"), said)})
        points = [at.point for at in found.checks[0].scenarios[0].points]
        assert points == [0.5, 1.0, 2.0, 4.0] and {type(p) for p in points} == {float}

    @pytest.mark.parametrize(
        ("points", "reason"),
        [
            (("0", "1", "2", "3"), "radius must be above 0"),
            (("1", "2", "3", "5"), "radius must be at most 4"),
            (("1", "2", "3", "nan"), "radius must be finite"),
            (("1", "2", "3", "1.0"), "1,2,3,1.0: a value stands twice"),
            (("1", "2", "3"), "1,2,3: a rate needs at least 4 different values"),
        ],
    )
    def test_points_outside_the_axis(self, points, reason):
        with pytest.raises(BadPlan, match=f"^--sweep x: {re.escape(reason)}"):
            self.theory().plan(sweeps={"radius": (points, "--sweep x")})

    @pytest.mark.parametrize("axis", ["radius", "area"])
    def test_what_the_sweep_chooses_cannot_be_held(self, axis):
        with pytest.raises(BadPlan, match=f"chooses {axis} itself; use --sweep radius="):
            self.theory().plan(pins=pins(**{axis: 2.0}))

    def test_a_width_means_nothing_here(self):
        with pytest.raises(BadPlan, match=r"none of the selected claims sweeps over width; .* over radius"):
            self.theory().plan(sweeps={"width": (("8", "16", "32", "64"), "--widths 8,16,32,64")})
