"""Attacks on small networks: the algorithms of the papers, restarts, the worst case, wrong input."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from advntk.implementations.attacks.apgd import apgd, auto_pgd, auto_pgd_targeted, checkpoints
from advntk.implementations.attacks.losses import (
    LOSSES,
    cross_entropy,
    difference_of_logits_ratio,
    fooled,
    losses_and_gradient,
    margin,
    targeted_margin,
    targeted_ratio,
)
from advntk.implementations.attacks.pgd import pgd, sparse_ascent, steepest
from advntk.implementations.attacks.square import square
from advntk.implementations.attacks.threat import NORMS, ThreatModel, per_sample, project, random_start
from advntk.implementations.attacks.worst_case import Attack, plain_pgd, run_attack, worst_case

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=15)
SEEDS = st.integers(0, 2**31)
RADII = st.floats(0.01, 3)
K, D, C = 5, 6, 4
LOW, HIGH = -0.5, 0.5
KEY = jax.random.key(3)

ROUNDING = 50 * D * EPS

# Programs this small take longer to optimize than to run.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
projected = compiled(project)
started = compiled(random_start)


def network(seed: int = 0, scale: float = 1.0):
    rng = np.random.default_rng(seed)
    first, second = jnp.asarray(rng.standard_normal((D, 8))), jnp.asarray(rng.standard_normal((8, C)))
    return lambda x: scale * (jnp.tanh(x.reshape(len(x), -1) @ first) @ second)


NETWORK = network()
X = jnp.asarray(np.random.default_rng(1).uniform(-0.4, 0.4, (32, D)))
LABELS = jnp.argmax(NETWORK(X), 1)
THREATS = {norm: ThreatModel(norm, {"linf": 0.06, "l2": 0.15, "l1": 0.25}[norm], LOW, HIGH) for norm in NORMS}


def success(outputs, run, norm: str) -> np.ndarray:
    return np.asarray(run_attack(outputs, run, X, LABELS, THREATS[norm], per_sample(KEY, len(X)))[1])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_apgd_finds_what_pgd_finds_and_ratios_do_not_see_the_scale_of_outputs(norm):
    ratio = partial(auto_pgd, loss="dlr", steps=20)
    plain = success(NETWORK, plain_pgd, norm)
    assert 0.2 < plain.mean() < 0.9
    for scale in (1e4, 1e-4):
        scaled = network(scale=scale)
        found, masked = success(scaled, ratio, norm), success(scaled, plain_pgd, norm)
        assert found.sum() >= max(masked.sum(), plain.sum())
        # Large outputs leave the cross entropy without a gradient, small ones do not.
        assert scale < 1 or masked.sum() < found.sum()
        gradient = losses_and_gradient(scaled, lambda f: cross_entropy(f, LABELS))(X)[1]
        assert (np.abs(gradient).max(1) == 0).any() == (scale > 1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("loss", ["margin", "dlr"])
def test_targeted_search_finds_what_the_margin_of_one_class_finds(norm, loss):
    targeted = success(NETWORK, partial(auto_pgd_targeted, loss=loss, steps=20, targets=3), norm)
    plain = success(NETWORK, partial(auto_pgd, loss="margin", steps=20), norm)
    assert targeted.sum() >= plain.sum() > 0


def test_apgd_halves_its_step_until_it_reaches_a_crest():
    # A bowl in the ball: sign steps of twice the radius jump over its crest until they are halved.
    crest = jnp.asarray([[0.31, -0.17, 0.05]])

    def uphill(at):
        return -jnp.sum((at - crest) ** 2, axis=1), 2 * (crest - at)

    for norm in ("linf", "l2"):
        found = apgd(uphill, jnp.zeros((1, 3)), ThreatModel(norm, 0.5), 100)
        # Eight checkpoints: from twice the radius to radius/128, one more halving in hand.
        assert float(jnp.abs(found - crest).max()) < 0.5 / 64


def algorithm_1(loss, slope, x, radius, steps, remembers=True):
    """The paper's Auto-PGD in the maximum norm, without a box, of one sample; its best point.

    Not `remembers`: its condition 2 without the half that asks for a step unchanged since the last mark.
    """

    def ball(at):
        return np.clip(at, x - radius, x + radius)

    step, marks, rises, halved = 2 * radius, [0, *sorted(set(checkpoints(steps)))], 0, False
    path = [x, ball(x + step * np.sign(slope(x)))]
    best = max(path, key=loss)
    rises, mark_loss = int(loss(path[1]) > loss(x)), loss(x)
    for k in range(1, steps):
        at, before = path[-1], path[-2]
        if k in marks:
            window = k - marks[marks.index(k) - 1]
            if rises < 0.75 * window or (not (halved and remembers) and loss(best) == mark_loss):
                step, halved, at = step / 2, True, best
            else:
                halved = False
            rises, mark_loss = 0, loss(best)
        plain = ball(at + step * np.sign(slope(at)))
        path[-1] = at
        path.append(ball(at + 0.75 * (plain - at) + 0.25 * (at - before)))
        rises += loss(path[-1]) > loss(at)
        best = max(best, path[-1], key=loss)
    return best


@pytest.mark.parametrize("steps", [2, 5, 12, 25])
def test_apgd_is_the_algorithm_of_the_paper(steps):
    bend, crest = np.array([1.0, 0.3, 0.1]), np.array([0.31, -0.17, 0.05])

    def uphill(at):
        off = at - crest[None, :]
        return -jnp.sum(bend[None, :] * off**2, axis=1) / 2, -bend[None, :] * off

    found = apgd(uphill, jnp.zeros((1, 3)), ThreatModel("linf", 0.5), steps)
    expected = algorithm_1(
        lambda at: -(bend * (at - crest) ** 2).sum() / 2,
        lambda at: bend * (crest - at),
        np.zeros(3),
        0.5,
        steps,
    )
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=10 * steps * EPS)


def test_apgd_gives_a_halved_step_a_window_to_prove_itself():
    # Condition 2 wants the step unchanged since the last mark.  It decides where a halved step leaps from
    # the best point into a valley and then climbs nearly all the time, but not out of it by the next mark:
    # halved once more, the search would be back at the best point.  A hill, a peak on it, and a slope:
    hill, peak = (1.0, -0.2, 0.32), (1.3, 0.3, 0.07)

    def loss(at):
        return sum(h * jnp.exp(-(((at - c) / w) ** 2)) for h, c, w in (hill, peak)).sum(-1) + at.sum(-1) / 2

    def uphill(at):
        return losses_and_gradient(lambda at: at, loss)(at)

    found = apgd(uphill, jnp.zeros((1, 1)), ThreatModel("linf", 1.0), 50)[0]
    by_paper, forgetful = (
        algorithm_1(lambda at: float(loss(at)), jax.grad(loss), np.zeros(1), 1.0, 50, remembers)
        for remembers in (True, False)
    )
    # Points are sums of steps of 2^-j and quarters; no two losses compared are closer than 1e-3.
    np.testing.assert_allclose(found, by_paper, rtol=0, atol=500 * EPS)
    assert np.abs(by_paper - forgetful).max() > 0.01


def test_checkpoints_are_those_of_the_paper():
    # p = 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99.
    assert checkpoints(100) == (22, 41, 57, 70, 80, 87, 93, 99)
    assert checkpoints(10) == (3, 5, 6, 7, 8, 9, 10, 10)


@pytest.mark.parametrize("norm", NORMS)
def test_pgd_keeps_the_best_of_its_restarts(norm):
    def run(x, threat, keys, restarts):
        return pgd(uphill, x, threat, threat.radius / 4, 5, keys, restarts)

    uphill = losses_and_gradient(NETWORK, lambda f: margin(f, LABELS))
    keys = per_sample(KEY, len(X))
    one, four, none = (
        np.asarray(margin(NETWORK(compiled(run, static_argnums=3)(X, THREATS[norm], *rest)), LABELS))
        for rest in ((keys, 1), (keys, 4), (None, 1))
    )
    # The first of four is the one.
    assert (four >= one - ROUNDING).all() and (four > one + ROUNDING).any()
    clean = np.asarray(margin(NETWORK(X), LABELS))
    assert (one >= clean).all() and (none >= clean).all() and (none > clean).any()


def test_steepest_directions_have_unit_norm_and_survive_small_gradients():
    gradient = jnp.asarray([[3e-200, -4e-200, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(steepest("linf", gradient), [[1, -1, 0], [0, 0, 0]])
    np.testing.assert_allclose(steepest("l2", gradient), [[0.6, -0.8, 0], [0, 0, 0]], rtol=4 * EPS)


def test_sparse_steps_take_the_largest_slopes_as_far_as_the_box_lets_them():
    threat = ThreatModel("l1", 9.0, -1.0, 1.0)
    at, slope = (
        jnp.asarray([[0.9, 0.0, 0.0], [0.0, 0.0, -1.0]]),
        jnp.asarray([[3.0, -2.0, 1.0], [0.0, 1.0, -2.0]]),
    )
    np.testing.assert_allclose(
        sparse_ascent(threat, at, slope, 0.5, 1), [[0.1, -0.4, 0], [0, 0.5, 0]], atol=EPS
    )
    shared = [[0.1, -0.25, 0.15], [0, 0.25, 0]]
    np.testing.assert_allclose(sparse_ascent(threat, at, slope, 0.5, 2), shared, atol=EPS)


def test_losses_by_hand():
    outputs, labels = jnp.asarray([[1.0, 4.0, 2.0, -3.0], [0.0, 0.0, 0.0, 0.0]]), jnp.asarray([2, 1])
    targets = jnp.asarray([0, 0])
    np.testing.assert_array_equal(margin(outputs, labels), [2, 0])
    np.testing.assert_allclose(difference_of_logits_ratio(outputs, labels), [2 / 3, 0])
    np.testing.assert_array_equal(targeted_margin(outputs, labels, targets), [-1, 0])
    # (1 - 2)/(4 - (1 - 3)/2).
    np.testing.assert_allclose(targeted_ratio(outputs, labels, targets), [-1 / 5, 0])
    by_hand = np.log(np.exp(np.asarray(outputs)).sum(1)) - [2, 0]
    np.testing.assert_allclose(cross_entropy(outputs, labels), by_hand, rtol=10 * EPS)
    # Of equal outputs the first counts.
    np.testing.assert_array_equal(fooled(outputs, labels), [True, True])


@pytest.mark.parametrize("norm", NORMS)
def test_the_worst_case_is_no_better_than_any_attack(norm):
    attacks = (
        Attack("weak", partial(plain_pgd, steps=1)),
        Attack("strong", partial(plain_pgd, steps=20, loss="margin")),
        Attack("again", partial(plain_pgd, steps=20, loss="dlr")),
    )
    # The last ones are wrong from the start.
    labels = LABELS.at[-3:].set((LABELS[-3:] + 1) % C)
    worst = worst_case(NETWORK, X, labels, THREATS[norm], KEY, attacks)
    keys = per_sample(KEY, len(X))
    singly = []
    for number, attack in enumerate(attacks):
        own = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
        singly.append(np.asarray(run_attack(NETWORK, attack.run, X, labels, THREATS[norm], own)[1]))
    # Samples do not see their company, so alone and in a batch an attack fells the same.
    np.testing.assert_array_equal(worst.fooled, np.any(singly, axis=0))
    np.testing.assert_array_equal(np.asarray(fooled(NETWORK(worst.adversarial), labels)), worst.fooled)
    assert worst.names == ("weak", "strong", "again") and worst.attempted[0] == len(X) - 3
    assert (worst.by[-3:] == -1).all() and (worst.by[:-3] >= 0).all()
    assert worst.attempted[1] == worst.attempted[0] - worst.felled[0] and worst.felled[0] > 0
    assert worst.felled.sum() + 3 == worst.fooled.sum()
    for number, felled in enumerate(worst.felled):
        assert felled == (worst.fooled & (worst.by == number)).sum()


@pytest.mark.parametrize("norm", NORMS)
def test_radius_0_leaves_the_clean_inputs(norm):
    none = ThreatModel(norm, 0.0, LOW, HIGH)
    attacks = (Attack("pgd", partial(plain_pgd, steps=2, restarts=2)),)
    if norm != "l1":
        attacks += (Attack("apgd", partial(auto_pgd, steps=2)),)
    if norm != "l1":
        attacks += (Attack("square", partial(square, queries=2)),)
    worst = worst_case(NETWORK, X, LABELS, none, KEY, attacks)
    np.testing.assert_array_equal(worst.adversarial, X)
    assert not worst.fooled.any()


def test_attacks_follow_the_dtype_of_their_inputs():
    single = jnp.asarray(X[:3], jnp.float32)
    weights = jnp.asarray(np.random.default_rng(0).standard_normal((D, C)), jnp.float32)
    for norm, run in (
        ("l1", plain_pgd), ("l2", plain_pgd), ("l2", auto_pgd), ("linf", auto_pgd_targeted), ("linf", square),
        ("l2", square),
    ):  # fmt: skip
        budget = {"queries": 2} if run is square else {"steps": 2}
        found = compiled(partial(run, lambda x: x @ weights, **budget))(
            single, LABELS[:3], THREATS[norm], KEY
        )
        assert found.dtype == jnp.float32 and (found != single).any()


L1 = ThreatModel("l1", 1.0)
NO_L1 = "threat.norm = 'l1' is not"


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda f, x, y, t: plain_pgd(f, x, y, t, KEY, loss="hinge"), "loss = 'hinge'.*ce, margin, dlr"),
        (lambda f, x, y, t: plain_pgd(f, x, y, t, KEY, steps=-1), "steps = -1"),
        (lambda f, x, y, t: plain_pgd(f, x, y, t, KEY, restarts=0), "restarts = 0"),
        (lambda f, x, y, t: auto_pgd(f, x, y, t, restarts=2), "restarts = 2 without a key"),
        (lambda f, x, y, t: auto_pgd(f, x, y, L1), rf"{NO_L1} for Auto-PGD.*use pgd.*'linf' or 'l2'"),
        (lambda f, x, y, t: auto_pgd(f, x, y, L1, KEY, restarts=2), rf"{NO_L1} for Auto-PGD"),
        (lambda f, x, y, t: auto_pgd_targeted(f, x, y, L1, KEY), rf"{NO_L1} for Auto-PGD"),
        (lambda f, x, y, t: apgd(lambda at: (at.sum(1), at), x, L1, 5), rf"{NO_L1} for Auto-PGD"),
        (
            lambda f, x, y, t: square(f, x, y, L1, KEY),
            "threat.norm = 'l1' has no Square.*choose 'linf' or 'l2'",
        ),
        (lambda f, x, y, t: auto_pgd_targeted(f, x, y, t, targets=0), "targets = 0"),
        (lambda f, x, y, t: auto_pgd(lambda x: f(x)[:, :2], x, y, t, loss="dlr"), "2 classes.*needs 3"),
        (lambda f, x, y, t: auto_pgd_targeted(lambda x: f(x)[:, :3], x, y, t), "3 classes.*needs 4"),
        (lambda f, x, y, t: square(f, x[:, :, None], y, t, KEY), r"shape \(32, 6, 1\)"),
        (lambda f, x, y, t: square(f, x, y, t, KEY, queries=-1), "queries = -1"),
        (lambda f, x, y, t: square(f, x, y, t, KEY, share=0.0), "share = 0.0"),
        (lambda f, x, y, t: worst_case(f, x, y, t, KEY, ()), "at least one attack"),
    ],
)
def test_impossible_attacks_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(NETWORK, X, jnp.minimum(LABELS, 1), THREATS["linf"])


def test_every_named_loss_is_one_per_sample():
    for loss in LOSSES.values():
        assert loss(NETWORK(X), LABELS).shape == (len(X),)
