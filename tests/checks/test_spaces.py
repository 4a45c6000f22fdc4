"""Axes, what they refuse, and the spaces that they span."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Axis, BadAxis, Between, Space, listed
from advntk.checks.trials.adv_ntk.space import ADV_NTK

FAIR = settings(derandomize=True, deadline=None, database=None)

ALPHA = Axis("alpha", 8.0, low=0.0, high=100.0, above=True, symbol="α")
DEPTH = Axis("depth", 1, low=1, high=9, symbol="L")
KIND = Axis("kind", "mlp", ("mlp", "cnn"))
EVEN = Axis("even", 4, constraint=lambda n: "must be even" if n % 2 else "")
SPACE = Space(ALPHA, DEPTH, KIND, EVEN)


class TestAxis:
    def test_it_is_frozen(self):
        with pytest.raises(FrozenInstanceError):
            ALPHA.default = 3.0  # type: ignore[misc]

    @pytest.mark.parametrize("name", ["", "two words", "1st", "_hidden", "a-b", 3, None])
    def test_a_name_that_cannot_be_an_attribute(self, name):
        with pytest.raises(BadAxis, match="the name must be a word such as 'alpha'"):
            Axis(name, 1)

    @pytest.mark.parametrize("name", [n for n in dir(Scenario) if not n.startswith("_")])
    def test_a_name_that_every_scenario_has_already(self, name):
        with pytest.raises(BadAxis, match=f"axis '{name}': every scenario has an attribute of that name"):
            Axis(name, 1)

    def test_the_names_that_are_taken_are_those_that_would_be_shadowed(self):
        assert {"id", "space", "label", "replace", "as_dict", "keys", "values", "items", "get"} <= set(
            dir(Scenario)
        )

    @pytest.mark.parametrize("default", [None, True, (1,), np.float64(1.0), 1j])
    def test_a_default_that_is_no_value(self, default):
        with pytest.raises(BadAxis, match="must be an int, a float or a str"):
            Axis("alpha", default)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"default": 0.0}, "the default 0.0 must be above 0"),
            ({"default": 101.0}, "the default 101.0 must be at most 100"),
            ({"default": nan}, "must be finite"),
            ({"values": (1.0, 2.0)}, "the default 8.0 must be one of: 1.0, 2.0"),
            ({"constraint": lambda _: "is too odd"}, "the default 8.0 is too odd"),
        ],
    )
    def test_a_default_that_it_does_not_admit(self, changes, reason):
        with pytest.raises(BadAxis, match=reason):
            replace(ALPHA, **changes)

    @pytest.mark.parametrize(
        ("axis", "value", "reason"),
        [
            (ALPHA, 0.0, "must be above 0"),
            (ALPHA, -1, "must be above 0"),
            (ALPHA, 100.1, "must be at most 100"),
            (ALPHA, "8", "is not a value for alpha (float)"),
            *((ALPHA, value, "must be finite: alpha is a number") for value in (nan, inf, -inf)),
            (DEPTH, 0, "must be at least 1"),
            (DEPTH, 10, "must be at most 9"),
            (DEPTH, 2.0, "is not a value for depth (int)"),
            (DEPTH, "2", "is not a value for depth (int)"),
            (KIND, "rnn", "must be one of: mlp, cnn"),
            (KIND, 1, "is not a value for kind (str)"),
            (EVEN, 3, "must be even"),
            *(
                (axis, value, f"is not a value for {axis.name} ({axis.kind.__name__})")
                for axis in (ALPHA, DEPTH)
                for value in (True, False, None, (1,), [1], np.int64(2), 1j)
            ),
            (DEPTH, np.int32(2), "is not a value for depth (int)"),
        ],
    )
    def test_refusals(self, axis, value, reason):
        assert axis.refusal(value) == reason

    @pytest.mark.parametrize(
        ("axis", "value"), [(ALPHA, 1e-300), (ALPHA, 100), (ALPHA, 3), (DEPTH, 1), (DEPTH, 9), (EVEN, 6)]
    )
    def test_what_is_within_the_range_is_fine(self, axis, value):
        assert axis.refusal(value) == ""

    def test_numpy_scalars_that_are_python_numbers_become_these(self):
        """A float64 is a float; what a scenario keeps is the plain one, or an id would depend on it."""
        scenario = SPACE.scenario(alpha=np.float64(2.5))
        assert type(scenario.alpha) is float

    @pytest.mark.parametrize(
        ("axis", "raw", "value"),
        [(ALPHA, "2", 2.0), (ALPHA, "1e-3", 1e-3), (DEPTH, "3", 3), (KIND, "cnn", "cnn"), (EVEN, "-2", -2)],
    )
    def test_parsing(self, axis, raw, value):
        found = axis.parse(raw)
        assert found == value and type(found) is axis.kind

    @pytest.mark.parametrize(
        ("axis", "raw", "reason"),
        [
            (ALPHA, "wide", "'wide' is not a value for alpha (float)"),
            (ALPHA, "", "'' is not a value for alpha (float)"),
            (ALPHA, "nan", "alpha must be finite: alpha is a number"),
            (ALPHA, "1e999", "alpha must be finite: alpha is a number"),
            (ALPHA, "0", "alpha must be above 0"),
            (DEPTH, "1.5", "'1.5' is not a value for depth (int)"),
            (DEPTH, "True", "'True' is not a value for depth (int)"),
            (DEPTH, "0", "depth must be at least 1"),
            (KIND, "", "kind must be one of: mlp, cnn"),
            (EVEN, "3", "even must be even"),
        ],
    )
    def test_parsing_what_is_no_value(self, axis, raw, reason):
        with pytest.raises(BadAxis) as raised:
            axis.parse(raw)
        assert str(raised.value) == reason

    @pytest.mark.parametrize("name", [name for name in ADV_NTK if name != "implementation"])
    def test_the_default_of_every_shared_axis_can_be_written(self, name):
        axis = ADV_NTK[name]
        assert axis.parse(str(axis.default)) == axis.default

    @FAIR
    @given(st.floats() | st.floats(-1, 101))
    def test_only_usable_numbers_pass(self, value):
        if 0 < value <= 100:
            assert ALPHA.parse(repr(value)) == value
        else:
            with pytest.raises(BadAxis):
                ALPHA.parse(repr(value))


class TestSpace:
    def test_parts_are_put_together_in_their_order(self):
        both = Space(Space(DEPTH, KIND).over(depth=(1, 2)), ALPHA)
        assert list(both) == ["depth", "kind", "alpha"] and both.choices == {"depth": (1, 2)}
        assert both["alpha"] is ALPHA and len(both) == 3

    def test_the_same_axis_twice_is_one(self):
        assert list(Space(DEPTH, Space(DEPTH, KIND))) == ["depth", "kind"]

    @pytest.mark.parametrize(
        "change", [{"default": 2}, {"high": 8}, {"symbol": "D"}, {"description": "layers"}]
    )
    def test_two_axes_of_one_name_are_refused(self, change):
        with pytest.raises(BadAxis, match="axis 'depth' is there twice, and differs; rename one"):
            Space(DEPTH, replace(DEPTH, **change))

    def test_an_unknown_axis(self):
        for ask in (
            lambda: SPACE.over(depht=(1, 2)),
            lambda: SPACE.pinned({"depht": 1}),
            lambda: SPACE.scenario(depht=1),
            lambda: SPACE.axis("depht"),
            lambda: SPACE.scenario().replace(depht=1),
        ):
            with pytest.raises(BadAxis, match=r"'depht' is unknown.*alpha, depth, kind, even"):
                ask()

    @pytest.mark.parametrize("choice", [(), [1, 2], 3, "erf", {1}, None])
    def test_a_choice_that_is_no_tuple_of_values(self, choice):
        with pytest.raises(BadAxis, match=r"'depth' = .* must be a non-empty tuple or a Between"):
            SPACE.over(depth=choice)

    @pytest.mark.parametrize(
        ("choices", "reason"),
        [
            ({"depth": (1, 0)}, "axis 'depth': 0 must be at least 1"),
            ({"depth": (1, 2.0)}, "axis 'depth': 2.0 is not a value"),
            ({"depth": (True,)}, "axis 'depth': True is not a value"),
            ({"alpha": Between(0.0, 1.0)}, "axis 'alpha': 0.0 must be above 0"),
            ({"alpha": (1.0, nan)}, "axis 'alpha': nan must be finite"),
            ({"kind": ("mlp", "rnn")}, "axis 'kind': 'rnn' must be one of"),
            ({"even": (2, 3)}, "axis 'even': 3 must be even"),
        ],
    )
    def test_values_that_an_axis_does_not_admit(self, choices, reason):
        with pytest.raises(BadAxis, match=reason):
            SPACE.over(**choices)
        for name, values in choices.items():
            if isinstance(values, tuple):
                for ask in (SPACE.scenario, SPACE.scenario().replace):
                    with pytest.raises(BadAxis, match=reason):
                        ask(**{name: values[-1]})

    def test_sampling_adds_to_what_was_sampled_and_leaves_the_original(self):
        first = SPACE.over(depth=(1, 2))
        second = first.over(alpha=Between(1.0, 2.0), depth=(3,))
        assert (SPACE.choices, first.choices) == ({}, {"depth": (1, 2)})
        assert second.choices == {"depth": (3,), "alpha": Between(1.0, 2.0)}
        assert list(second) == list(SPACE)

    def test_held_at_one_value(self):
        sampled = SPACE.over(depth=(1, 2), alpha=Between(1.0, 2.0))
        held = sampled.pinned({"alpha": 1.5, "kind": "cnn"})
        assert held.choices == {"depth": (1, 2), "alpha": (1.5,), "kind": ("cnn",)}
        assert sampled.choices == {"depth": (1, 2), "alpha": Between(1.0, 2.0)}
        with pytest.raises(BadAxis, match="must be at most 100"):
            sampled.pinned({"alpha": 101.0})

    def test_other_defaults(self):
        other = SPACE.over(depth=(1, 2)).with_default(alpha=2.0)
        assert other.scenario().alpha == 2.0 and other.choices == {"depth": (1, 2)}
        assert SPACE.scenario().alpha == 8.0
        # The default of a space has no place in an id.
        assert other.scenario().id == SPACE.scenario().id
        with pytest.raises(BadAxis, match="must be above 0"):
            SPACE.with_default(alpha=0.0)

    def test_a_default_of_an_axis_that_is_not_there(self):
        with pytest.raises(BadAxis, match="'depht' is unknown"):
            SPACE.with_default(depht=2)

    def test_the_simplest_scenario_has_the_first_values(self):
        found = SPACE.over(depth=(3, 1), alpha=Between(1.5, 2.0)).simplest()
        assert found == SPACE.scenario(depth=3, alpha=1.5)


class TestBetween:
    @pytest.mark.parametrize(
        ("low", "high", "step", "values"),
        [
            (1.0, 1.2, 0.05, [1.0, 1.05, 1.1, 1.15, 1.2]),
            (0.0, 0.3, 0.1, [0.0, 0.1, 0.2, 0.3]),  # not 0.30000000000000004
            (0.5, 0.5, 0.05, [0.5]),
        ],
    )
    def test_it_lists_readable_values_from_end_to_end(self, low, high, step, values):
        assert listed(Between(low, high, step)) == values
        assert Between(low, high, step).count() == len(values) - 1

    def test_tuple_is_listed_in_order(self):
        assert listed((3, 1, 2)) == [3, 1, 2]

    @pytest.mark.parametrize(
        ("low", "high", "step", "values"),
        [
            (0.0, 0.08, 0.05, [0.0, 0.05]),
            (0.0, 0.0999, 0.05, [0.0, 0.05]),
            (1.0, 1.04, 0.05, [1.0]),
            (0.0, 1.0, 0.3, [0.0, 0.3, 0.6, 0.9]),
        ],
    )
    def test_it_stays_inside_when_steps_do_not_fit(self, low, high, step, values):
        assert listed(Between(low, high, step)) == values

    @FAIR
    @given(st.integers(0, 3000), st.integers(0, 500), st.integers(1, 100))
    def test_it_counts_the_steps_that_fit(self, low, span, step):
        """In thousandths, where whole numbers say what fits; a quotient is the float nearest to it."""
        choice = Between(low / 1000, (low + span) / 1000, step / 1000)
        assert choice.count() == span // step
        assert listed(choice) == [n / 1000 for n in range(low, low + span + 1, step)]
