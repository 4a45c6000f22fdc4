"""What the numbers of a trial depend on: a change that reaches it changes its digest, any other does not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from made_up_theories import SMALL, theory

from advntk.checks import digests
from advntk.checks.digests import digest_of, modules_of
from advntk.checks.efforts import PROFILES
from advntk.checks.pins import Pin
from advntk.checks.planning import PlannedCheck, PlannedPoint, PlannedScenario, Request, make_plan
from advntk.checks.spaces import Axis, Space
from advntk.checks.theories import checks_of
from advntk.theorems.catalogue import load

CATALOGUE = load()
ALL = [check for module in CATALOGUE.modules for check in checks_of(module)]
# A theory by the public API reaches everything through it, and so depends on all that measures.
BY_THE_PUBLIC_API = [check for check in ALL if check.module.startswith("advntk.theories.")]
CHECKS = [check for check in ALL if check not in BY_THE_PUBLIC_API]


@pytest.fixture
def changed(monkeypatch, tmp_path):
    """Pretend that a module of this package has a comment more than its file."""
    honest = digests.source_of

    def change(module):
        copy = tmp_path / module / Path(honest(module)).name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(honest(module).read_bytes() + b"\n# A comment.\n")
        monkeypatch.setattr(digests, "source_of", lambda name: copy if name == module else honest(name))

    return change


def planned(check, **values):
    """A check in one scenario."""
    scenario = check.space.scenario(**values)
    one = PlannedScenario(scenario, (PlannedPoint(None, scenario),), 1)
    return PlannedCheck(check, (), check.space, (one,), 1, 1)


def all_digests(checks=CHECKS):
    return {(check.module, check.name): digest_of(planned(check)) for check in checks}


def theories(names):
    """The theories that trials belong to."""
    return {module.split(".")[3] for module, _ in names}


def differing(before, after):
    return {name for name in before if before[name] != after[name]}


def test_they_are_twelve_digits_and_the_same_every_time():
    found = all_digests()
    assert all(len(one) == 12 and set(one) <= set("0123456789abcdef") for one in found.values())
    assert found == all_digests()


def test_a_comment_in_attacks_reaches_what_attacks_and_nothing_else(changed):
    before = all_digests()
    changed("advntk.implementations.attacks.pgd")
    after = differing(before, all_digests())
    assert "adv_ntk" in theories(after)
    assert not {"diagonal_limit", "closed_form", "ark_positive_definiteness"} & theories(after)


def test_a_change_of_what_measures_reaches_all(changed):
    before = all_digests()
    changed("advntk.checks.measuring")
    assert differing(before, all_digests()) == before.keys()


@pytest.mark.parametrize("module", ["advntk.reports.page", "advntk.cli", "advntk.checks.running"])
def test_a_change_of_what_comes_after_measuring_reaches_none(changed, module):
    before = all_digests()
    changed(module)
    assert differing(before, all_digests()) == set()


def test_a_change_of_one_trial_reaches_its_own_module(changed):
    before = all_digests()
    changed("advntk.checks.trials.adv_ntk.weights")
    assert theories(differing(before, all_digests())) == {"adv_ntk"}


@pytest.mark.parametrize(
    "module",
    ["advntk.implementations.attacks.pgd", "advntk.checks.axes", "advntk.theories.lazy_training.dynamics"],
)
def test_a_theory_by_the_public_api_depends_on_all_that_it_may_reach(changed, module):
    before = all_digests(BY_THE_PUBLIC_API)
    assert len(before) == 5
    changed(module)
    assert differing(before, all_digests(BY_THE_PUBLIC_API)) == before.keys()


def test_what_a_function_imports_when_it_is_called_counts(changed):
    """As `input_shape`, which looks up the grid of an image."""
    (check,) = (c for c in CHECKS if c.name == "joint_limit")
    assert "advntk.implementations.data.dataset" in modules_of(check)
    assert "advntk.reports.page" not in modules_of(check)


STRANGER = """
from advntk import Axis, Effort, Measure, Space, trial

@trial({}, Space(Axis("width", 64)), Effort(Measure(1, 1)))
def strange(scenario, keys):
    return {"gap": 1.0}
"""


@pytest.fixture
def stranger(tmp_path):
    """The trial of a file that a user wrote."""
    path = tmp_path / "somebodys_trials.py"
    path.write_text(STRANGER)
    spec = importlib.util.spec_from_file_location("advntk_theory_somebodys", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield planned(module.strange), path
    del sys.modules[spec.name]


def test_a_strangers_file_changes_its_own_and_no_other(stranger):
    found, path = stranger
    before, others = digest_of(found), all_digests()
    path.write_text(STRANGER + "\n# A comment.\n")
    assert digest_of(found) != before
    assert all_digests() == others


def test_a_strangers_trial_depends_on_all_that_measures(stranger, changed):
    """It may reach any of it through `import advntk`."""
    found, _ = stranger
    before = digest_of(found)
    changed("advntk.implementations.attacks.pgd")
    assert digest_of(found) != before


def test_a_strangers_package_counts_whole(stranger):
    found, path = stranger
    (path.parent / "__init__.py").write_text("")
    helper = path.parent / "helpers" / "numbers.py"
    helper.parent.mkdir()
    helper.write_text("ONE = 1\n")
    before = digest_of(found)
    helper.write_text("ONE = 2\n")
    assert digest_of(found) != before


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, images=np.zeros((9, 4, 4)), labels=np.arange(9) % 3)
    return path


def test_a_users_images_change_what_reads_them_and_nothing_else(images):
    (check,) = (c for c in CHECKS if c.name == "joint_limit")
    reading, elsewhere = planned(check, data=str(images)), planned(check)
    before, other = digest_of(reading), digest_of(elsewhere)
    assert before != other
    np.savez(images, images=np.ones((9, 4, 4)), labels=np.arange(9) % 3)
    assert digest_of(reading) != before
    assert digest_of(elsewhere) == other


def test_a_plan_of_a_users_images_looks_at_every_point(images):
    np.savez(images, images=np.random.default_rng(0).normal(size=(60, 8, 8)), labels=np.arange(60) % 10)
    pins = (Pin("data", str(images), f"--data {images}"),)
    request = Request(PROFILES["quick"], pins=pins)
    plan = make_plan(request, CATALOGUE.select(["ark_positive_definiteness.rank"]), CATALOGUE.modules)
    before = [digest_of(one) for one in plan.checks]
    np.savez(images, images=np.ones((60, 8, 8)), labels=np.arange(60) % 10)
    assert all(digest_of(one) != was for one, was in zip(plan.checks, before, strict=True))


def test_any_axis_may_name_files(tmp_path):
    (tmp_path / "weights").write_text("one")
    space = Space(SMALL, Axis("weights", "", files=lambda name: (Path(name),) if name else ()))
    check = theory(lambda scenario, keys: {"gap": keys}, {}, space).check
    reading = planned(check, weights=str(tmp_path / "weights"))
    before = digest_of(reading), digest_of(planned(check))
    (tmp_path / "weights").write_text("two")
    assert digest_of(reading) != before[0] and digest_of(planned(check)) == before[1]
