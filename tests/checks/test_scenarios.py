"""Scenarios as values: what they hold, their ids, their random keys, and how they are written."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Mapping
from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.checks.efforts import Effort, Measure
from advntk.checks.labels import written_label
from advntk.checks.measuring import keys_for
from advntk.checks.spaces import Axis, Space
from advntk.checks.trial import trial
from advntk.checks.trials.adv_ntk.space import ADV_NTK
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING

FAIR = settings(derandomize=True, deadline=None, database=None)


def admitted(axis):
    """Values of an axis beside its default, such as no other axis has where the axis leaves that open."""
    wanted = (*reversed(axis.values), "gaussian", "reference", 1234, 0.987, 3, 0, 0.0)
    return [value for value in wanted if value != axis.default and not axis.refusal(value)]


CHANGED = {axis.name: admitted(axis)[0] for axis in ADV_NTK.values()}
ANY = st.builds(
    ADV_NTK.scenario,
    **{
        name: st.sampled_from([axis.default, *map(axis.normal, admitted(axis))])
        for name, axis in ADV_NTK.items()
    },
)
SMALL = Space(Axis("depth", 1, low=1, symbol="L", shown=True), Axis("alpha", 8.0, symbol="α"))


class TestValues:
    def test_it_is_a_mapping_whose_axes_are_attributes(self):
        scenario = SMALL.scenario(depth=3)
        assert isinstance(scenario, Mapping)
        assert dict(scenario) == scenario.as_dict() == {"depth": 3, "alpha": 8.0}
        assert (scenario.depth, scenario["alpha"], len(scenario)) == (3, 8.0, 2)
        assert "depth" in scenario and "width" not in scenario
        assert scenario.space is SMALL

    def test_what_it_does_not_have(self):
        scenario = SMALL.scenario()
        with pytest.raises(AttributeError, match=r"no 'width'; it has: depth, alpha"):
            _ = scenario.width
        with pytest.raises(KeyError):
            _ = scenario["width"]
        assert not hasattr(scenario, "width") and scenario.get("width") is None

    def test_it_is_frozen(self):
        scenario = SMALL.scenario()
        with pytest.raises(AttributeError, match=r"frozen; use scenario\.replace\(depth="):
            scenario.depth = 2
        with pytest.raises(TypeError):
            scenario["depth"] = 2
        with pytest.raises(AttributeError):
            scenario.new = 2
        scenario.as_dict()["depth"] = 7
        assert scenario == SMALL.scenario()

    def test_equality_is_that_of_the_values(self):
        other = Space(*SMALL.values()).over(depth=(1, 2))
        assert SMALL.scenario(depth=2) == other.scenario(depth=2)
        assert hash(SMALL.scenario(depth=2)) == hash(other.scenario(depth=2))
        assert SMALL.scenario(depth=2) != SMALL.scenario()
        assert SMALL.scenario() != {"depth": 1, "alpha": 8.0}
        assert len({SMALL.scenario(), other.scenario(), SMALL.scenario(alpha=1.0)}) == 2

    def test_replacing_leaves_the_original(self):
        scenario = SMALL.scenario(depth=2)
        assert scenario.replace(alpha=1.0) == SMALL.scenario(depth=2, alpha=1.0)
        assert scenario == SMALL.scenario(depth=2)

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
    def test_copies_are_equal(self, copied):
        found = copied(SMALL.scenario(depth=3))
        assert found == SMALL.scenario(depth=3) and found.id == SMALL.scenario(depth=3).id

    @FAIR
    @given(ANY)
    def test_round_trip_through_plain_values(self, scenario):
        plain = scenario.as_dict()
        assert ADV_NTK.scenario(**plain) == scenario and list(plain) == list(ADV_NTK)
        assert {name: type(value) for name, value in plain.items()} == {
            name: axis.kind for name, axis in ADV_NTK.items()
        }


class TestIds:
    @pytest.mark.parametrize("name", list(ADV_NTK))
    def test_they_depend_on_every_axis(self, name):
        assert ADV_NTK.scenario(**{name: CHANGED[name]}).id != ADV_NTK.scenario().id

    def test_they_tell_apart_axes_of_one_type(self):
        ids = {ADV_NTK.scenario(**{name: CHANGED[name]}).id for name in ADV_NTK}
        assert len(ids) == len(ADV_NTK)

    @FAIR
    @given(ANY, ANY)
    def test_they_are_those_of_the_values(self, one, other):
        assert (one.id == other.id) == (one == other)
        assert re.fullmatch("[0-9a-f]{12}", one.id)

    def test_a_whole_number_and_the_float_that_equals_it_are_one(self):
        assert SMALL.scenario(alpha=2) == SMALL.scenario(alpha=2.0)
        assert SMALL.scenario(alpha=2).id == SMALL.scenario(alpha=2.0).id
        assert SMALL.scenario(alpha=8).id == SMALL.scenario().id
        assert type(SMALL.scenario(alpha=2).alpha) is float

    def test_numpy_scalars_and_plain_numbers_are_one(self):
        assert SMALL.scenario(alpha=np.float64(0.1)).id == SMALL.scenario(alpha=0.1).id

    @pytest.mark.parametrize("values", [{}, {"depth": 3}, {"alpha": 0.5, "depth": 2}])
    def test_an_axis_that_is_added_changes_no_id_and_no_random_key(self, values):
        """Random keys come from ids: what was measured can be measured again."""
        larger = Space(Axis("first", "a"), SMALL, Axis("last", 3))
        before, after = SMALL.scenario(**values), larger.scenario(**values)
        assert after.id == before.id
        assert larger.scenario(**values, last=4).id != before.id
        numbers = np.arange(3)
        keys = [jax.random.key_data(keys_for(checked(s), s, 5, numbers)) for s in (before, after)]
        np.testing.assert_array_equal(*keys)

    def test_the_scenario_where_all_is_default_has_the_id_of_nothing(self):
        """The first twelve digits of the SHA-256 of "{}"."""
        assert SMALL.scenario().id == ADV_NTK.scenario().id == "44136fa355b3"


def checked(scenario):
    @trial({}, scenario.space, Effort(Measure(1, 1)))
    def made_up(scenario, keys):
        raise AssertionError("nothing is measured")

    return made_up


class TestKeys:
    def numbers(self, check, scenario, seed, seeds):
        return [tuple(row) for row in np.asarray(jax.random.key_data(keys_for(check, scenario, seed, seeds)))]

    def test_every_trial_scenario_run_and_seed_has_its_own(self):
        check = checked(SMALL.scenario())
        asked = [
            (check, SMALL.scenario(), 0),
            (replace(check, name="other"), SMALL.scenario(), 0),
            (check, SMALL.scenario(depth=2), 0),
            (check, SMALL.scenario(), 1),
        ]
        found = [key for one in asked for key in self.numbers(*one, np.arange(4))]
        assert len(set(found)) == 16

    def test_they_do_not_depend_on_what_else_is_drawn(self):
        check, scenario = checked(SMALL.scenario()), SMALL.scenario()
        whole = self.numbers(check, scenario, 3, np.arange(10))
        assert self.numbers(check, scenario, 3, np.arange(6, 8)) == whole[6:8]


class TestLabels:
    def test_they_say_what_differs(self):
        assert (
            ADVERSARIAL_TRAINING.scenario().label()
            == "mlp L=1 erf, σ_w=1.5 σ_b=0.1, d=n d=64 M=4 c=2, digits"
        )
        unusual = ADV_NTK.scenario(
            family="cnn",
            readout="pool",
            parameterization="standard",
            input_growth="fixed",
            data="/somewhere/mine.npz",
            arrangement="parallel",
        )
        assert (
            unusual.label() == "cnn L=1 erf pool standard, σ_w=1.5 σ_b=0.1, d=64 M=4 c=2, mine.npz, parallel"
        )
        mine = ADV_NTK.scenario(implementation="as_published").label()
        assert mine.endswith(", digits, as_published")

    def test_what_a_sweep_changes_is_left_out(self):
        scenario = ADVERSARIAL_TRAINING.scenario(width=32, input_width=32)
        assert scenario.label(("width", "input_width")) == "mlp L=1 erf, σ_w=1.5 σ_b=0.1, d=n M=4 c=2, digits"
        assert "n=32" in scenario.label()

    AXES = (
        Axis("one", 1, symbol="₁", group="numbers", shown=True),
        Axis("two", 2.5, group="numbers"),
        Axis("word", "plain", group="words"),
        Axis("named", "a", symbol="N", group="words", written={"b": "bee", "silent": ""}),
        Axis("last", 0),
    )

    @pytest.mark.parametrize(
        ("values", "label"),
        [
            ({}, "₁=1"),
            ({"two": 0.1}, "₁=1 two=0.1"),
            ({"word": "fancy"}, "₁=1, fancy"),
            ({"word": "folder/file.npz"}, "₁=1, file.npz"),
            ({"named": "c"}, "₁=1, N=c"),
            ({"named": "b", "last": 3}, "₁=1, bee, last=3"),
            ({"named": "silent", "last": 3}, "₁=1, last=3"),
            ({"one": 7, "two": 0.5, "word": "x"}, "₁=7 two=0.5, x"),
        ],
    )
    def test_groups_symbols_and_words_of_their_own(self, values, label):
        assert Space(*self.AXES).scenario(**values).label() == label

    def test_they_are_never_empty(self):
        quiet = Space(Axis("alpha", 8.0, symbol="α"), Axis("kind", "mlp"))
        assert quiet.scenario().label() == "α=8 mlp"
        assert quiet.scenario().label(("alpha",)) == "mlp"

    def test_values_that_are_missing_are_left_out(self):
        assert written_label({"one": 3, "other": 4}, self.AXES) == "₁=3"
