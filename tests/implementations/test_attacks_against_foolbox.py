"""PGD against foolbox's, iterate by iterate, from a stored table (references/foolbox_pgd.py makes it).

The same by definition: steps along the sign, the normalized gradient or, in l1, the coordinate of the
largest slope; the projection in linf with any box, in l2 while the box is not met.  Different, and so
not compared:
- foolbox returns the last iterate, `pgd` the best of all; `pgd_linf` returns the last as well.
- foolbox's l2 scales into the ball, then clips to the box: a point of both, but not the nearest.
- foolbox's l1: with top = 1 the steps are ours, but what it projects to can be outside the ball (its
  sum of the largest coordinates takes one too many) and moves samples that were inside; so the ball is
  not met here.  Its L1PGD steps along the gradient over its l1 norm, which is not the steepest ascent.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.attacks.losses import LossesAndGradient, cross_entropy, losses_and_gradient
from advntk.implementations.attacks.pgd import pgd, pgd_linf
from advntk.implementations.attacks.threat import ThreatModel, project, size
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.finite import apply

with np.load(Path(__file__).parent / "references" / "foolbox_pgd.npz", allow_pickle=False) as stored:
    TABLE = dict(stored)
LABELS = jnp.asarray(TABLE["labels"])
ARCH = architecture()
DTYPES = ["float32", "float64"]
CASES = ["linf", "linf-long", "l2", "l1", "linf-fast", "l2-fast"]


class Run(NamedTuple):
    threat: ThreatModel
    step: float
    iterates: np.ndarray


def of_foolbox(case: str, dtype: str) -> Run:
    radius, step, low, high = (float(one) for one in TABLE[f"{case}-settings"])
    return Run(ThreatModel(case.partition("-")[0], radius, low, high), step, TABLE[f"{case}-{dtype}"])


def parameters(dtype: str) -> list:
    return [(jnp.asarray(TABLE[f"w{i}"], dtype), jnp.asarray(TABLE[f"b{i}"], dtype)) for i in range(3)]


def uphill(dtype: str) -> LossesAndGradient:
    network = jax.vmap(partial(apply, ARCH, parameters(dtype)))
    return losses_and_gradient(network, lambda f: cross_entropy(f, LABELS))


def losses(at: np.ndarray) -> np.ndarray:
    """In double precision, of iterates (steps, samples, d)."""
    return np.asarray(jax.vmap(uphill("float64"))(jnp.asarray(at, float))[0])


class Local(NamedTuple):
    """Around every iterate: gradients, norms of the Hessian, and roundings of the gradient per eps."""

    gradients: np.ndarray
    bends: np.ndarray
    roundings: np.ndarray


def local(at: np.ndarray) -> Local:
    layers = parameters("float64")

    def loss(x, label):
        return cross_entropy(apply(ARCH, layers, x)[None], label[None])[0]

    def everywhere(of):
        return np.asarray(jax.jit(jax.vmap(jax.vmap(of), (0, None)))(jnp.asarray(at, float), LABELS))

    gradients, hessians = everywhere(jax.grad(loss)), everywhere(jax.hessian(loss))
    # What the gradient's sums are made of, without signs; erf' <= 2/sqrt(pi) and |softmax - label| <= 1.
    paths, terms = np.ones(len(layers[-1][1])), 0
    for number, (w, _) in enumerate(reversed(layers)):
        slope = 1 if number == 0 else 2 / np.pi**0.5
        paths = ARCH.sigma_w / w.shape[1] ** 0.5 * (paths * slope) @ np.abs(w)
        terms += sum(w.shape)
    # Forward and backward; roundings of so many sums add up like a random walk.
    roundings = terms**0.5 * np.broadcast_to(paths, gradients.shape)
    return Local(gradients, np.linalg.norm(hessians, 2, axis=(2, 3)), roundings)


def allowed(run: Run, dtype: str) -> np.ndarray:
    """How far two programs' iterates may be apart, (steps + 1, samples, 1), if they choose alike.

    Moved and projected points are rounded a few times; projections do not spread errors.  In l2 the
    direction g/|g| is rounded too and turns with the point, by at most |H|/|g| per distance.
    """
    eps = float(np.finfo(dtype).eps)
    gradients, bends, roundings = local(run.iterates)
    length = np.linalg.norm(gradients, axis=2)
    sums = 8 * eps * (np.abs(run.iterates).max() + run.threat.radius)
    errors = [np.zeros(len(LABELS))]
    for t in range(len(run.iterates) - 1):
        error = errors[-1] + sums
        if run.threat.norm == "l2":
            turned = bends[t] * errors[-1] + 2 * eps * np.linalg.norm(roundings[t], axis=1)
            error = error + run.step * turned / length[t]
        errors.append(error)
    errors = np.stack(errors)
    # Signs and the largest slope are choices: alike only where they are clear of both errors.
    slopes = np.sort(np.abs(gradients), axis=2)
    clear = {"linf": slopes[:, :, 0], "l1": slopes[:, :, -1] - slopes[:, :, -2], "l2": np.inf}
    wrong = bends * errors + 2 * eps * roundings.max(2)
    assert (clear[run.threat.norm] > 2 * wrong).all()
    return errors[:, :, None]


def attack(uphill: LossesAndGradient, run: Run, dtype: str) -> jax.Array:
    x, steps = jnp.asarray(TABLE["x"], dtype), len(run.iterates) - 1
    return pgd(uphill, x, run.threat, run.step, steps, top=1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_every_iterate_is_that_of_foolbox(case, dtype):
    run, seen, climb = of_foolbox(case, dtype), [], uphill(dtype)

    def recorded(at):
        jax.debug.callback(lambda now: seen.append(np.array(now)), at, ordered=True)
        return climb(at)

    attack(recorded, run, dtype)
    jax.effects_barrier()
    ours = np.stack(seen)
    tolerance = allowed(run, dtype)
    assert ours.dtype == run.iterates.dtype == dtype and ours.shape == run.iterates.shape
    # Of no use unless far below what a step does.
    assert tolerance.max() < 1e5 * np.finfo(dtype).eps * run.step
    assert (np.abs(ours - run.iterates) <= tolerance).all()
    # The table is of attacks that meet what they should: the ball but for l1, the tight box in linf alone.
    sizes = np.asarray(size(run.threat, jnp.asarray(ours[-1] - ours[0])))
    assert (sizes > 0.95 * run.threat.radius).all() == (case != "l1")
    assert (np.abs(ours[1:]).max() == run.threat.high) == (case in ("linf", "linf-fast"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_pgd_of_the_bare_gradient_ends_where_foolbox_does(dtype):
    run, climb = of_foolbox("linf", dtype), uphill(dtype)
    found = pgd_linf(
        lambda at: climb(at)[1], jnp.asarray(TABLE["x"], dtype), run.threat.radius, run.step,
        len(run.iterates) - 1, run.threat.low, run.threat.high,
    )  # fmt: skip
    assert (np.abs(found - run.iterates[-1]) <= allowed(run, dtype)[-1]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_pgd_returns_the_best_iterate_where_foolbox_returns_the_last(dtype):
    run = of_foolbox("linf-long", dtype)
    found = np.asarray(attack(uphill(dtype), run, dtype))
    near = (np.abs(found[None] - run.iterates) <= allowed(run, dtype)).all(2)
    assert near.any(0).all()
    reached, ours = losses(run.iterates), losses(found[None])[0]
    # Losses are of order 1 and sums of about a hundred terms.
    rounding = 100 * np.finfo(dtype).eps
    assert (ours >= reached.max(0) - rounding).all()
    assert (ours > reached[-1] + 1e-3).any()


def test_within_a_box_foolbox_scales_and_clips_where_the_nearest_point_is_meant():
    run = of_foolbox("l2-tight", "float64")
    x, (low, high) = run.iterates[0], (run.threat.low, run.threat.high)
    farther = []
    for at, after in zip(run.iterates[:-1], run.iterates[1:], strict=True):
        gradient = np.asarray(uphill("float64")(jnp.asarray(at))[1])
        moved = at + run.step * gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
        length = np.linalg.norm(moved - x, axis=1, keepdims=True)
        theirs = np.clip(x + (moved - x) * np.minimum(1, run.threat.radius / length), low, high)
        # One step from the same point: errors of the steps before do not count.
        np.testing.assert_allclose(after, theirs, rtol=0, atol=1e-12)
        ours = np.asarray(project(run.threat, jnp.asarray(x), jnp.asarray(moved)))
        farther.append(np.linalg.norm(moved - after, axis=1) - np.linalg.norm(moved - ours, axis=1))
    assert np.min(farther) > -1e-12 and np.max(farther) > 1e-3
