"""What implementations of Adv-NTK are asked for, and the yardsticks that solutions are held against."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.checks.trials.adv_ntk import problems
from advntk.checks.trials.adv_ntk.space import ADV_NTK
from advntk.checks.trials.adv_ntk.training import _differing, _scalar, _search_limit
from advntk.checks.trials.shared.linear_systems import setting
from advntk.implementations.adv_ntk.contract import Krylov
from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.adv_ntk.solution import Solution
from advntk.implementations.results import Result

SCENARIO = ADV_NTK.scenario(
    activation="relu", sigma_w=1.76, sigma_b=0.18, samples=6, outputs=2, input_width=16, input_growth="fixed"
)


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("size", [1e-8, 1.0, 1e6])
def test_strengths_have_both_signs_zeros_and_the_size_asked_for(size, per_class):
    ntk = problems.limit_kernel(SCENARIO)
    problem = problems.weights_problem(SCENARIO, ntk, size, per_class, "float32")
    strengths = np.asarray(problem.strengths)
    assert strengths.shape == ((6, 2) if per_class else (6,))
    assert (strengths > 0).any() and (strengths < 0).any() and (strengths == 0).any()
    assert problems.largest(problem.ntk, strengths) == pytest.approx(size, rel=1e-5)
    assert {array.dtype for array in problem} == {jnp.dtype("float32")}
    # In double precision, and still the numbers that single precision holds.
    assert all((a.astype("float64") == b).all() for a, b in zip(problem, problem.exactly(), strict=True))


def test_rounding_is_the_lesser_of_condition_and_strength():
    theta = np.diag([1.0, 1e-3])
    eps = np.finfo(np.float32).eps
    for strength, lesser in ((10.0, 10.0), (1e5, 1e3)):
        problem = problems.WeightsProblem(theta, np.full(2, strength), np.ones((2, 1)), np.ones((2, 1)))
        assert problems.rounding(problem, "float32") == pytest.approx(np.sqrt(2) * eps * lesser)
    singular = problems.WeightsProblem(np.ones((2, 2)), np.full(2, 7.0), np.ones((2, 1)), np.ones((2, 1)))
    assert problems.rounding(singular, "float32") == pytest.approx(np.sqrt(2) * eps * 14, rel=1e-6)


def test_differences_and_their_errors():
    at = np.array([0.7, 0.0, -0.4])
    slopes, errors = problems.differences(lambda w: float(np.exp(np.abs(w)).sum()), at, 1.0)
    # One-sided at 0, where |w| has slope 1 by convention.
    wanted = np.array([np.exp(0.7), 1.0, -np.exp(0.4)])
    assert (np.abs(slopes - wanted) <= errors).all()
    assert 0 < errors.max() < 1e-6


def test_what_is_no_solution():
    fine = Solution(jnp.ones(3))
    assert problems.checked(fine, (3,))[1]
    assert not problems.checked(replace(fine, result=Result.max_steps_reached), (3,))[1]
    value, stands = problems.checked(Solution(jnp.array([1.0, jnp.nan, 2.0])), (3,))
    assert value.tolist() == [1.0, 0.0, 2.0] and not stands
    with pytest.raises(ValueError, match=r"shape \(3,\), not \(2,\)"):
        problems.checked(fine, (2,))


def test_the_worst_of_several_is_the_one_nearest_to_its_bound():
    error, bound = problems.worst([1.0, 3.0, 0.0], [2.0, 9.0, 0.0])
    assert (error.tolist(), bound.tolist()) == ([1.0], [2.0])
    assert problems.worst([1.0, 1e-9], [2.0, 0.0])[1].tolist() == [0.0]


def test_inputs_of_a_scene_lie_in_the_box_some_at_its_edge():
    parts = problems.samples_of(SCENARIO, 3, "float32")
    both = np.concatenate([parts.x, parts.unseen])
    assert both.shape == (9, 16) and np.abs(both).max() == 0.5
    assert parts.matrix.shape == (9, 9)
    np.testing.assert_allclose(parts.matrix[6:, :6], parts.kernel.cross(parts.unseen, parts.x), rtol=1e-5)


def test_a_recorder_counts_points_and_forgets_them():
    parts = problems.samples_of(SCENARIO, 3, "float64")
    counter = problems.GradientPointCounter(parts.kernel)
    problem = problems.problem_of(SCENARIO, parts, "float64")
    predictor = parts.predictor(Krylov(), problem)
    given = predictor._replace(kernel=counter), parts.unseen, parts.targets
    settings, key = Settings(0.1, 0.02, 5), jax.random.key(0)
    assert counter.count() == 0
    moved = Krylov().attack(*given, settings, key)
    assert counter.count() == 5 and counter.count() == 0
    # What it notes changes nothing.
    assert (moved == Krylov().attack(predictor, parts.unseen, parts.targets, settings, key)).all()
    for _ in range(2):
        Krylov().loss_gradient(*given)
    assert counter.count() == 1  # twice the same point
    assert problems.GradientPointCounter(parts.kernel) != problems.GradientPointCounter(parts.kernel)


def test_the_scalar_limit_is_the_same_for_all_samples():
    """Then Theta E(t) commutes in time; the mean strength is kept."""
    given = setting(SCENARIO.replace(activation="erf", schedule="growing", strength=1.0, spread=0.5), 2)
    limit = _search_limit(given, 6)
    scalar = _scalar(limit)
    for before, after in ((limit.ark, scalar.ark), (limit.schedule.scale, scalar.schedule.scale)):
        assert len(set(before.tolist())) > 1 and len(set(after.tolist())) == 1
        assert float(after[0]) == pytest.approx(float(before.mean()))
    assert len(set(scalar.schedule.strengths(0.3).tolist())) == 1


def test_bits_that_differ():
    one = np.array([1.0, np.nan, 0.0])
    assert _differing(one, one.copy()) == 0
    assert _differing(one, np.array([1.0, np.nan, -0.0])) == 1
    assert _differing(one, np.nextafter(one, 2)) == 2
    assert _differing(one, one.astype(np.float32)) == 3
