"""Sweeps: which axis grows, and what follows it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.checks.axes import WIDTH
from advntk.checks.spaces import Axis, BadAxis, Space
from advntk.checks.sweeps import Sweep
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING

FAIR = settings(derandomize=True, deadline=None, database=None)
SCENARIOS = st.builds(ADVERSARIAL_TRAINING.scenario, depth=st.integers(1, 9), input_width=st.integers(1, 99))
SPACE = Space(Axis("time", 1.0, low=0.0, above=True), Axis("steps", 1, low=1), Axis("kind", "mlp"))


class TestWidth:
    @FAIR
    @given(SCENARIOS, st.integers(1, 4096))
    def test_the_input_width_follows_in_the_joint_limit_only(self, scenario, width):
        joint, fixed = (scenario.replace(input_growth=growth) for growth in ("joint", "fixed"))
        assert WIDTH.at(joint, width) == joint.replace(width=width, input_width=width)
        assert WIDTH.at(fixed, width) == fixed.replace(width=width)

    def test_what_it_chooses(self):
        joint = ADVERSARIAL_TRAINING.scenario(input_growth="joint")
        assert WIDTH.changed(joint) == ("width", "input_width")
        assert WIDTH.changed(joint.replace(input_growth="fixed")) == ("width",)


class TestOwnAxis:
    def test_without_a_coupling_nothing_else_changes(self):
        scenario = SPACE.scenario(steps=3)
        assert Sweep("time").at(scenario, 2) == scenario.replace(time=2.0)
        assert Sweep("time").changed(scenario) == ("time",)

    def test_a_coupling_sees_scenario_and_point(self):
        sweep = Sweep("steps", lambda scenario, steps: {"time": scenario.time * steps})
        found = sweep.at(SPACE.scenario(time=0.5), 4)
        assert (found.steps, found.time) == (4, 2.0)
        assert sweep.changed(SPACE.scenario()) == ("steps", "time")

    def test_a_coupling_to_an_axis_that_is_not_there(self):
        with pytest.raises(BadAxis, match="'colour' is unknown"):
            Sweep("steps", lambda *_: {"colour": 1}).at(SPACE.scenario(), 2)

    def test_points_are_sorted_values_of_the_axis(self):
        found = Sweep("time").parse(SPACE, ["4", "0.5", "1e1", "2"])
        assert found == (0.5, 2.0, 4.0, 10.0) and {type(p) for p in found} == {float}
        assert {type(p) for p in Sweep("steps").parse(SPACE, ["4", "2", "8", "1"])} == {int}

    @pytest.mark.parametrize(
        ("axis", "texts", "reason"),
        [
            ("time", ["1", "2", "3"], "1,2,3: a rate needs at least 4 different values"),
            ("time", ["1", "2", "3", "1.0", "4"], "a value stands twice; leave one out"),
            ("time", ["0", "1", "2", "3"], "time must be above 0"),
            ("steps", ["1", "2", "3", "4.5"], "'4.5' is not a value for steps"),
            ("other", ["1", "2", "3", "4"], "axis 'other' is unknown; a scenario has: time, steps, kind"),
        ],
    )
    def test_points_that_are_none(self, axis, texts, reason):
        with pytest.raises(BadAxis, match=reason):
            Sweep(axis).parse(SPACE, texts)
