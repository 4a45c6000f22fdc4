"""What was sampled and what never, counted by hand on small axes."""

from __future__ import annotations

from advntk.checks.coverage import coverage, describe_choice
from advntk.checks.evidence import dumps, loads
from advntk.checks.spaces import Between


def described(**choices):
    """Axes as evidence keeps them."""
    return {name: describe_choice(choice) for name, choice in choices.items()}


AXES = described(depth=(1, 2, 3), activation=("erf", "relu"), sigma_w=Between(1.0, 2.5))


def scenario(depth=1, activation="erf", sigma_w=1.0):
    return {"depth": depth, "activation": activation, "sigma_w": sigma_w, "width": 64}


def test_values_are_counted_and_those_never_seen_are_named():
    found = coverage(AXES, [scenario(), scenario(depth=2), scenario(depth=2, sigma_w=2.5)])
    assert found.values["depth"] == {"1": 1, "2": 2, "3": 0}
    assert found.values["sigma_w"] == {"1 to 1.5": 2, "1.5 to 2": 0, "2 to 2.5": 1}
    assert found.never == {"depth": ["3"], "activation": ["relu"], "sigma_w": ["1.5 to 2"]}


def test_pairs_are_counted_once():
    found = coverage(AXES, [scenario(), scenario(), scenario(depth=2)])
    # depth x activation, depth x sigma_w: two each; activation x sigma_w: one.
    assert (found.pairs_seen, found.pairs) == (5, 3 * 2 + 3 * 3 + 2 * 3)


def test_all_pairs_seen():
    every = [scenario(d, a, s) for d in (1, 2, 3) for a in ("erf", "relu") for s in (1.1, 1.6, 2.4)]
    found = coverage(AXES, every)
    assert found.pairs_seen == found.pairs and found.never == {} and found.narrow == ()


def test_an_axis_sampled_at_one_value_is_narrow():
    found = coverage(AXES, [scenario(), scenario(depth=3, sigma_w=1.2)])
    assert found.narrow == ("activation", "sigma_w")


def test_an_axis_without_a_choice_is_not():
    assert coverage(described(depth=(2,)), [scenario(depth=2)]).narrow == ()


def test_nothing_sampled_is_nothing_seen():
    found = coverage(AXES, [])
    assert found.pairs_seen == 0 and found.never["depth"] == ["1", "2", "3"]


def test_a_value_that_is_not_on_the_axis_is_counted_as_well():
    found = coverage(AXES, [scenario(depth=7, sigma_w=9.0)])
    assert found.values["depth"]["7"] == 1 and found.values["sigma_w"]["9"] == 1
    assert found.pairs_seen <= found.pairs


def test_the_description_survives_the_evidence():
    assert loads(dumps(AXES)) == AXES
    assert coverage(loads(dumps(AXES)), [scenario()]) == coverage(AXES, [scenario()])
