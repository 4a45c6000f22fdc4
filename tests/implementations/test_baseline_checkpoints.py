"""A finite network's training goes on exactly from its file, and from no other's."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from advntk.implementations.baselines.checkpoints import identity, load_state, save_state
from advntk.implementations.baselines.finite import Sets, init, sets_of, train
from advntk.implementations.baselines.recipe import Recipe
from advntk.implementations.data.splits import adversarial_split
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.npz_files import BadFile

ARCH = Architecture(depth=1, parameterization="standard")
RECIPE = Recipe(radius=0.1, steps=20, batch=10, attack_steps=2)
SETS = sets_of(ARCH, adversarial_split("digits", 30, 10, 10, 0, 0.1))
WHOSE = identity("mlp2", RECIPE, 0, SETS)


def kept(tmp_path):
    """A checkpoint after 8 of 20 steps, and where the whole training ends."""
    path = tmp_path / "network.npz"

    def keep(evaluation, state):
        if evaluation.step == 8:
            save_state(path, WHOSE, state, [{"step": 8.0, "test_clean": 0.1 + 0.2}])

    ended = train(ARCH, SETS, RECIPE, 0, [8, 20], width=16, on_evaluation=keep)
    return path, ended


def test_training_goes_on_bit_by_bit(tmp_path):
    path, ended = kept(tmp_path)
    like = jax.eval_shape(lambda: init(ARCH, SETS, RECIPE, 0, 16))
    state, history = load_state(path, WHOSE, like)
    assert int(state.step) == 8 and history == [{"step": 8.0, "test_clean": 0.1 + 0.2}]
    resumed = train(ARCH, SETS, RECIPE, 0, [8, 20], width=16, state=state)
    assert [one.step for one in resumed.evaluations] == [20]
    for mine, theirs in zip(jax.tree.leaves(resumed.state), jax.tree.leaves(ended.state), strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype


OTHER_LABELS = Sets(SETS.train._replace(y=SETS.train.y[::-1]), SETS.validation, SETS.test)


@pytest.mark.parametrize(
    ("whose", "said"),
    [
        (identity("mlp3", RECIPE, 0, SETS), "made with network = mlp2, not mlp3"),
        (identity("mlp2", replace(RECIPE, radius=0.0), 0, SETS), "made with radius = 0.1, not 0.0"),
        (identity("mlp2", RECIPE, 1, SETS), "made with seed = 0, not 1"),
        (identity("mlp2", RECIPE, 0, OTHER_LABELS), "made with samples = "),
    ],
)
def test_a_checkpoint_of_another_training_is_named(tmp_path, whose, said):
    path, _ = kept(tmp_path)
    with pytest.raises(BadFile, match=said):
        load_state(path, whose, init(ARCH, SETS, RECIPE, 0, 16))


def test_a_checkpoint_that_is_broken_or_of_another_width_is_refused(tmp_path):
    path, _ = kept(tmp_path)
    with pytest.raises(BadFile, match="incomplete"):
        load_state(path, WHOSE, init(ARCH, SETS, RECIPE, 0, 17))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadFile, match="broken"):
        load_state(path, WHOSE, init(ARCH, SETS, RECIPE, 0, 16))
    with pytest.raises(BadFile, match="no such file"):
        load_state(tmp_path / "none.npz", WHOSE, init(ARCH, SETS, RECIPE, 0, 16))
