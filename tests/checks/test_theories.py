"""Theories that contradict themselves are refused, with what is wrong, where, and how to mend it."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest
from made_up_theories import POINTS, SMALL, SOURCE

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.level import LevelDecider
from advntk.checks.deciders.median import MedianDecider
from advntk.checks.deciders.rate import RateDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.spaces import Axis, Space
from advntk.checks.sweeps import Sweep
from advntk.checks.theories import BadTheory, checks_of, validate
from advntk.checks.trial import trial
from advntk.theorems.catalogue import load
from advntk.theorems.vocabulary import Assumption, Claim, Kind, Rate, Theorem, Verdict

SPACE = Space(SMALL, Axis("kind", "mlp", ("mlp", "cnn"))).over(depth=(1, 2))
EFFORT = Effort(Measure(1, 4, POINTS))
DEEP = Assumption("deep", "it is deep", lambda s: s.depth > 1, ("depth",))
CLAIM = Claim("mine.a", "s", Kind.LIMIT, SOURCE, (DEEP,), Rate(0.5))
EXACT = replace(CLAIM, kind=Kind.EXACT, rate=None)
GAP = RateDecider("gap", 0.5)


def unmeasured(scenario, keys):
    raise AssertionError("nothing is measured")


CHECK = trial({"mine.a": [GAP]}, SPACE, EFFORT, Sweep("width"))(unmeasured)
ALONE = replace(CHECK, sweep=None, effort=Effort(Measure(1, 4)))


def theorem(*claims):
    return Theorem("mine", "t", "s", SOURCE, claims)


def deciding(*deciders, check=CHECK):
    return replace(check, decides={"mine.a": list(deciders)})


def assuming(holds, *axes):
    return replace(CLAIM, assumptions=(Assumption("odd", "it is odd", holds, axes),))


def test_what_agrees_is_fine():
    validate(theorem(CLAIM), [CHECK])
    validate(theorem(EXACT), [deciding(BoundDecider("v", "b", "above"), check=ALONE)])
    validate(
        theorem(replace(EXACT, kind=Kind.EFFECT)), [deciding(MedianDecider("v", 0, "above"), check=ALONE)]
    )
    validate(theorem(replace(EXACT, kind=Kind.LEVEL)), [deciding(LevelDecider("v", 2.0))])
    for expected in (Verdict.HOLDS, Verdict.REFUTED, None):
        validate(theorem(replace(CLAIM, expected=expected)), [CHECK])


def test_the_theories_of_this_package_are_fine():
    for module in load().modules:
        assert checks_of(module)
        validate(module.THEOREM, checks_of(module))


# What is wrong |-> (claims, checks, what the message says: where, what, and the fix).
WRONG = {
    "two claims of one id": (
        [CLAIM, replace(CLAIM, statement="other")],
        [CHECK],
        ["theorem 'mine'", "two claims have the id 'mine.a'", "rename one"],
    ),
    "an unknown kind": (
        [replace(CLAIM, kind="banana")],
        [CHECK],
        ["claim 'mine.a'", "kind = 'banana'", "choose one of exact, limit, effect, level"],
    ),
    **{
        f"an expectation of {verdict}": (
            [replace(CLAIM, expected=verdict)],
            [CHECK],
            ["claim 'mine.a'", "expected = ", "choose HOLDS, REFUTED or None"],
        )
        for verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.OUT_OF_SCOPE, "maybe")
    },
    "two trials of one name": (
        [CLAIM],
        [CHECK, replace(CHECK, decides={})],
        ["two trials are named 'unmeasured'", "rename one of the functions"],
    ),
    "what is explored is not sampled": (
        [CLAIM],
        [replace(CHECK, explores=("outputs",))],
        ["trial 'unmeasured'", "explores 'outputs', which it does not sample", "sample it"],
    ),
    "a held axis that is missing": (
        [CLAIM],
        [replace(CHECK, effort=Effort(Measure(1, 4, POINTS, held=(("colour", "red"),))))],
        ["trial 'unmeasured'", "holds colour='red', which is an axis that its space lacks"],
    ),
    "a held value that its axis does not admit": (
        [CLAIM],
        [replace(CHECK, effort=Effort(EFFORT.quick, Measure(1, 4, POINTS, held=(("depth", 0),))))],
        ["trial 'unmeasured'", "holds depth=0, which must be at least 1"],
    ),
    "points and nothing that sweeps": (
        [EXACT],
        [deciding(BoundDecider("v", "b", "above"), check=replace(ALONE, effort=EFFORT))],
        ["trial 'unmeasured'", "has points (8, 16, 32, 64) and it sweeps over nothing", "give it a sweep"],
    ),
    "points of one profile only, and nothing that sweeps": (
        [EXACT],
        [
            deciding(
                BoundDecider("v", "b", "above"),
                check=replace(ALONE, effort=Effort(Measure(1, 4), thorough=Measure(1, 4, POINTS))),
            )
        ],
        ["it sweeps over nothing"],
    ),
    "a sweep over words": (
        [replace(CLAIM, rate=Rate(0.5, "kind"))],
        [replace(CHECK, sweep=Sweep("kind"))],
        ["sweeps over 'kind', which is no axis of numbers", "there are: depth, width, outputs"],
    ),
    "a sweep over what is not there": (
        [replace(CLAIM, rate=Rate(0.5, "time"))],
        [replace(CHECK, sweep=Sweep("time"))],
        ["sweeps over 'time', which is no axis of numbers", "there are: depth, width, outputs"],
    ),
    "too few points": (
        [CLAIM],
        [replace(CHECK, effort=EFFORT.at((8, 16, 32, 32)))],
        ["its effort has the points (8, 16, 32, 32)", "at least 4 different ones"],
    ),
    "no points": ([CLAIM], [replace(CHECK, effort=EFFORT.at(()))], ["its effort has the points ()"]),
    "a point that the axis does not admit": (
        [CLAIM],
        [replace(CHECK, effort=EFFORT.at((0, 8, 16, 32)))],
        ["trial 'unmeasured'", "the point 0 must be at least 1"],
    ),
    "a decider that is text": (
        [CLAIM],
        [deciding("rate")],
        ["claim 'mine.a'", "'rate' is no decider, it lacks", "use RateDecider, LevelDecider"],
    ),
    "an exact claim that is decided by chance": (
        [EXACT],
        [deciding(GAP)],
        ["claim 'mine.a' is stated as exact", "its rate decider decides limit claims", "make them agree"],
    ),
    "a limit that is decided as an effect": (
        [CLAIM],
        [deciding(MedianDecider("v", 0.0, "above"))],
        ["claim 'mine.a' is stated as limit", "decides effect claims", "make them agree"],
    ),
    "a second decider of another kind": (
        [CLAIM],
        [deciding(GAP, BoundDecider("v", "b", "above"))],
        ["its bound decider decides exact claims"],
    ),
    "a rate without a sweep": (
        [CLAIM],
        [deciding(GAP, check=ALONE)],
        ["claim 'mine.a'", "its rate decider needs a sweep, and trial 'unmeasured' has none", "give it one"],
    ),
    "a level without a sweep": (
        [replace(EXACT, kind=Kind.LEVEL)],
        [deciding(LevelDecider("v", 2.0), check=ALONE)],
        ["its level decider needs a sweep"],
    ),
    "another exponent": (
        [CLAIM],
        [deciding(RateDecider("gap", 1.0))],
        ["claim 'mine.a' states the exponent 0.5, its decider tests 1", "make them agree"],
    ),
    "the exponent of the other sign": (
        [CLAIM],
        [deciding(RateDecider("gap", -0.5))],
        ["states the exponent 0.5, its decider tests -0.5"],
    ),
    "an exponent that is not stated": (
        [replace(CLAIM, rate=None)],
        [CHECK],
        ["states the exponent None, its decider tests 0.5"],
    ),
    "a rate in another parameter": (
        [replace(CLAIM, rate=Rate(0.5, "depth"))],
        [CHECK],
        [
            "claim 'mine.a' states a rate in 'depth', trial 'unmeasured' sweeps over 'width'",
            "make them agree",
        ],
    ),
    "a rate of what does not sweep": (
        [replace(EXACT, rate=Rate(0.5))],
        [deciding(BoundDecider("v", "b", "above"), check=ALONE)],
        ["states a rate in 'width', trial 'unmeasured' sweeps over nothing"],
    ),
    "an assumption on an axis that the space lacks": (
        [assuming(lambda s: s.colour == "red", "colour")],
        [CHECK],
        ["claim 'mine.a'", "'odd' looks at the axis 'colour', which the space of trial 'unmeasured' lacks"],
    ),
    "an assumption that looks at more than it says": (
        [assuming(lambda s: s.depth + s.width > 3, "depth")],
        [CHECK],
        ["claim 'mine.a'", "'odd' looks at width without saying so", "add axes=('width',)"],
    ),
    "an assumption that looks at items": (
        [assuming(lambda s: s["depth"] > 3)],
        [CHECK],
        ["'odd' looks at depth without saying so", "add axes=('depth',)"],
    ),
    "an assumption that looks at more than it says, at the last of its values only": (
        [assuming(lambda s: s.depth < 2 or s.width > 3, "depth")],
        [CHECK],
        ["claim 'mine.a'", "'odd' looks at width without saying so", "add axes=('width',)"],
    ),
    "an assumption that raises": (
        [assuming(lambda s: 1 / (s.depth - 1) > 0, "depth")],
        [CHECK],
        ["claim 'mine.a'", "'odd' raises ZeroDivisionError: division by zero at L=1", "mend it"],
    ),
    "an assumption on what it does not name and is not there": (
        [assuming(lambda s: s.colour == "red")],
        [CHECK],
        ["'odd' raises AttributeError", "'colour'"],
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_agree_is_refused(wrong):
    claims, checks, said = WRONG[wrong]
    with pytest.raises(BadTheory) as raised:
        validate(theorem(*claims), checks)
    message = str(raised.value)
    assert all(part in message for part in said), message
    assert "\n" not in message


@pytest.mark.parametrize(
    "holds",
    [
        lambda s: dict(s)["width"] > 3,
        lambda s: s.get("width") > 3,
        lambda s: s.as_dict()["width"] > 3,
        lambda s: s.replace(depth=1).width > 3,
        lambda s: all(value for value in s.values()),
        lambda s: s == s.replace(depth=2),
    ],
)
def test_an_assumption_cannot_look_at_axes_by_another_way(holds):
    """What looks at a scenario as a whole looks at all its axes, and has to name them."""
    with pytest.raises(BadTheory, match="'odd'"):
        validate(theorem(assuming(holds, "depth")), [CHECK])


def test_checks_are_found_in_the_module_of_the_theorem():
    module = ModuleType("somebodys_theory")
    module.THEOREM = theorem(CLAIM)
    assert checks_of(module) == []
    module.first, module.again, module.second = CHECK, CHECK, ALONE
    assert checks_of(module) == [CHECK, ALONE]
