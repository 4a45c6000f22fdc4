r"""Trials of attacks: where they look, what they return, and how near they come to a known worst case.

Iterates are noted as an attack asks for losses and gradients there, and repeated one after the other by plain
loops.  Of a linear predictor the largest margin within ball and box is explicit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between
from advntk.checks.trial import trial
from advntk.checks.trials.implementation.comparing import EPS, NONE, compiled, count, gap, worst
from advntk.checks.trials.implementation.plain_attacks import (
    Ball,
    auto_pgd_iterates,
    classes,
    margins,
    most_along,
    nearest,
    pgd_iterates,
    size,
)
from advntk.checks.trials.implementation.space import ATTACKS
from advntk.implementations.attacks.apgd import apgd, auto_pgd, auto_pgd_targeted
from advntk.implementations.attacks.pgd import pgd, pgd_linf
from advntk.implementations.attacks.square import square
from advntk.implementations.attacks.threat import ThreatModel, project, random_start
from advntk.implementations.attacks.worst_case import Attack, plain_pgd, worst_case

LOW, HIGH = -0.5, 0.5
D, SAMPLES, CLASSES = 24, 3, 4
STEPS, RESTARTS = 9, 2
# What is said of each attack on a linear predictor: the share of the largest gain in margin.  All classes but
# two stand far below: there is one way to be wrong, along which every gradient points.  Targeted attacks find
# the best of several.  Random search has a sixth of the queries that its authors give it.
_GRADIENTS = {"targeted": 0.999, "apgd-ce": 0.999, "apgd-margin": 0.999, "apgd-dlr": 0.98}
SHARES = {
    "linf": {"pgd": 0.999, "square": 0.98, **_GRADIENTS},
    "l2": {"pgd": 0.97, "square": 0.7, **_GRADIENTS},
    "l1": {"pgd": 0.97},
}
# Iterates add up the rounding of every step; a projection divides by slopes of order one.
ROUNDINGS = 4096
_NORMS = ATTACKS.over(norm=("linf", "l2", "l1"), radius=Between(0.05, 0.4), data_seed=tuple(range(8)))


@trial(
    decides={
        "implementation.attacks": [
            BoundDecider("iterates", "iterates_allowed", "at most"),
            BoundDecider("projection", "projection_allowed", "at most"),
            BoundDecider("outside", "outside_allowed", "at most"),
            BoundDecider("wrong", "none", "at most"),
        ]
    },
    space=_NORMS,
    effort=Effort(quick=Measure(3, 1), standard=Measure(12, 1), thorough=Measure(60, 1)),
    random=False,
    seconds=lambda _: 3.0,
)
def iterates_by_hand(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Every point that an attack looks at, and what it returns, on a bowl whose gradient turns."""
    del keys
    norm, rng = scenario.norm, np.random.default_rng([scenario.data_seed, 41])
    ball = Ball(norm, _radius(scenario), LOW, HIGH)
    x = _inputs(rng)
    bowl = _Bowl(rng.uniform(LOW, HIGH, D), rng.uniform(0.5, 2, D))
    threat = ThreatModel(norm, ball.radius, LOW, HIGH)
    keys = jax.random.split(jax.random.key(scenario.data_seed), SAMPLES)
    step = ball.radius / 3
    runs: list[tuple[Callable, Callable | None]] = [
        (
            lambda f: pgd(f, x, threat, step, STEPS, keys, RESTARTS),
            None if norm == "l1" else partial(pgd_iterates, ball, step=step, steps=STEPS),
        )
    ]
    if norm != "l1":
        runs.append(
            (
                lambda f: apgd(f, x, threat, STEPS, keys, RESTARTS),
                partial(auto_pgd_iterates, ball, steps=STEPS),
            )
        )
    apart, outside, wrong = [], [], []
    for run, by_hand in runs:
        found, seen = bowl.watched(run)
        outside.append(_outside(ball, x, np.concatenate([seen, found[None]])))
        wrong.append(int(not np.array_equal(seen[0], x)) + int(len(seen) != 1 + RESTARTS * (STEPS + 1)))
        starts = [seen[1 + restart * (STEPS + 1)] for restart in range(RESTARTS)]
        # Searches start away from the clean input, and from each other.
        wrong += [int(np.array_equal(a, b)) for a, b in ((x, starts[0]), tuple(starts))]
        losses = bowl.losses(seen)
        for place in range(SAMPLES):
            # What is returned is the best of all that was looked at.
            at = seen[int(losses[:, place].argmax()), place]
            apart.append(gap(found[place], at, 1))
            if by_hand is None:
                continue
            for restart, start in enumerate(starts):
                begin = 1 + restart * (STEPS + 1)
                wanted = by_hand(bowl.ascent, x[place], start[place])
                apart.append(gap(seen[begin : begin + STEPS + 1, place], np.array(wanted), ROUNDINGS))
    if norm == "linf":
        pairs, more = _sign_steps(bowl, x, ball, step)
        apart += pairs
        wrong.append(more)
    moved = x + rng.normal(0, 3 * ball.radius / np.sqrt(D), x.shape)
    projected = np.asarray(project(threat, jnp.asarray(x), jnp.asarray(moved)))
    by_bisection = np.array([nearest(ball, *pair) for pair in zip(x, moved, strict=True)])
    split = jax.random.split(jax.random.key(scenario.data_seed), 200)
    drawn = np.asarray(_starts(threat, jnp.asarray(x), split))
    outside.append(_outside(ball, x, drawn))
    # Uniform in the ball: most of it is near its surface, and no corner is left out.
    sizes = np.array([[size(norm, one) for one in row] for row in drawn - x[None]]) / ball.radius
    wrong += [int(sizes.max() < 0.8), int(np.unique(np.sign(drawn - x[None])[:, 0], axis=0).shape[0] < 4)]
    found_apart, found_outside = worst(*apart), worst(*outside)
    found_projection = worst(gap(projected, by_bisection, ROUNDINGS))
    return {
        "iterates": found_apart[0],
        "iterates_allowed": found_apart[1],
        "projection": found_projection[0],
        "projection_allowed": found_projection[1],
        "outside": found_outside[0],
        "outside_allowed": found_outside[1],
        "wrong": count(*wrong),
        "none": NONE,
    }


@trial(
    decides={
        "implementation.worst_case": [
            BoundDecider("shortfall", "shortfall_allowed", "at most"),
            BoundDecider("beyond", "beyond_allowed", "at most"),
            BoundDecider("wrong", "none", "at most"),
        ]
    },
    space=_NORMS,
    effort=Effort(
        quick=Measure(1, 1, held=(("norm", "linf"),)), standard=Measure(12, 1), thorough=Measure(60, 1)
    ),
    random=False,
    seconds=lambda _: 5.0,
)
def shares_of_the_worst_case(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Margins that attacks reach on a linear predictor, against the largest that there is."""
    del keys
    norm, rng = scenario.norm, np.random.default_rng([scenario.data_seed, 42])
    ball = Ball(norm, _radius(scenario), LOW, HIGH)
    x, w = _inputs(rng), rng.standard_normal((CLASSES, D))
    several = rng.standard_normal(CLASSES)
    # Two classes that matter, and two others far below.
    two = several - 50.0 * (np.arange(CLASSES) > 1)
    threat = ThreatModel(norm, ball.radius, LOW, HIGH)
    split = jax.random.split(jax.random.key(scenario.data_seed), SAMPLES)
    offsets = {name: several if name == "targeted" else two for name in _attacks(norm)}

    def moved(name: str, run: Callable) -> Array:
        b = offsets[name]
        labels = classes(w, b, x)
        return run(lambda at: at @ jnp.asarray(w.T) + jnp.asarray(b)[None], x, labels, threat, split)

    found = compiled(lambda: {name: moved(name, run) for name, run in _attacks(norm).items()})()
    short: list[tuple[Any, Any]] = []
    beyond: list[tuple[Any, Any]] = []
    for name, at in found.items():
        b = offsets[name]
        labels, moved_there = classes(w, b, x), np.asarray(at)
        clean = margins(w, b, x, labels)
        most = np.array([_largest_margin(ball, w, b, *pair) for pair in zip(x, labels, strict=True)])
        reached = (margins(w, b, moved_there, labels) - clean) / (most - clean)
        short.append((np.maximum(1 - reached, 0), 1 - SHARES[norm][name]))
        beyond.append((np.maximum(reached - 1, 0), ROUNDINGS * EPS))
        beyond.append(_outside(ball, x, moved_there[None]))
    lost, allowed = worst(*short)
    too_much, at_most = worst(*beyond)
    return {
        "shortfall": lost,
        "shortfall_allowed": allowed,
        "beyond": too_much,
        "beyond_allowed": at_most,
        "wrong": count(_worst_of_several(x, w, several, classes(w, several, x), threat, split)),
        "none": NONE,
    }


class _Bowl:
    """The loss -sum a_i (z_i - c_i)^2/2 + sin(3 sum z): its gradient turns, and its signs change."""

    def __init__(self, crest: Float[np.ndarray, " d"], bend: Float[np.ndarray, " d"]) -> None:
        self.crest, self.bend = crest, bend

    def losses(self, at: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n"]:
        """At any points."""
        return -(self.bend * (at - self.crest) ** 2).sum(-1) / 2 + np.sin(3 * at.sum(-1))

    def ascent(self, at: Float[np.ndarray, " d"]) -> tuple[float, Float[np.ndarray, " d"]]:
        """Loss and gradient at one point."""
        slope = -self.bend * (at - self.crest) + 3 * np.cos(3 * at.sum())
        return float(self.losses(at)), slope

    def watched(self, attack: Callable) -> tuple[np.ndarray, np.ndarray]:
        """What an attack on it returns, and all points where it looked, in their order."""
        seen: list[np.ndarray] = []

        def uphill(at: Array) -> tuple[Array, Array]:
            jax.debug.callback(lambda now: seen.append(np.array(now)), at, ordered=True)
            total = at.sum(-1)
            off = at - jnp.asarray(self.crest)[None]
            bend = jnp.asarray(self.bend)[None]
            losses = -(bend * off**2).sum(-1) / 2 + jnp.sin(3 * total)
            return losses, -bend * off + 3 * jnp.cos(3 * total)[:, None]

        found = np.asarray(compiled(lambda: attack(uphill))())
        jax.effects_barrier()
        return found, np.array(seen)


def _sign_steps(
    bowl: _Bowl, x: np.ndarray, ball: Ball, step: float
) -> tuple[list[tuple[np.ndarray, np.ndarray]], int]:
    """`pgd_linf`, which returns its last iterate; with and without a random start."""
    pairs, wrong = [], 0
    for key in (None, jax.random.key(3)):
        found, seen = bowl.watched(
            lambda f, key=key: pgd_linf(lambda at: f(at)[1], x, ball.radius, step, STEPS, LOW, HIGH, key)
        )
        wrong += int(len(seen) != STEPS) + int(np.array_equal(seen[0], x) != (key is None))
        pairs.append(_outside(ball, x, np.concatenate([seen, found[None]])))
        for place in range(len(x)):
            wanted = pgd_iterates(ball, bowl.ascent, x[place], seen[0, place], step, STEPS)
            got = np.concatenate([seen[:, place], found[None, place]])
            pairs.append(gap(got, np.array(wanted), ROUNDINGS))
    return pairs, wrong


def _attacks(norm: str) -> dict[str, Callable]:
    if norm == "l1":
        return {"pgd": partial(plain_pgd, steps=60, loss="margin", restarts=2)}
    return {
        "pgd": partial(plain_pgd, steps=30, loss="margin", restarts=2),
        "targeted": partial(auto_pgd_targeted, steps=30, loss="margin"),
        "apgd-ce": partial(auto_pgd, steps=30, loss="ce"),
        "apgd-margin": partial(auto_pgd, steps=30, loss="margin"),
        "apgd-dlr": partial(auto_pgd, steps=30, loss="dlr"),
        "square": partial(square, queries=1600),
    }


def _worst_of_several(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, labels: np.ndarray, threat: ThreatModel, keys: Array
) -> int:
    """Disagreements of `worst_case` with the worst of three made-up attacks, sample by sample.

    The first moves towards the classes' mean, the second makes one sample worse and the others better, the
    third moves nothing.  The worst of what stands is kept; what has fallen is attacked no more.
    """

    def outputs(at: Array) -> Array:
        return at @ jnp.asarray(w.T) + jnp.asarray(b)[None]

    towards = np.clip(x - 0.1 * np.sign(w[labels]), LOW, HIGH)
    against = np.clip(
        x + 0.3 * np.where(np.arange(len(x))[:, None] == 1, -1, 1) * np.sign(w[labels]), LOW, HIGH
    )
    moves = (towards, against, x)

    def made_up(number: int) -> Callable:
        def run(_: Any, at: Array, wanted: Array, model: ThreatModel, key: Array) -> Array:
            del wanted, model, key
            # The same samples may come in any number and order.
            near = jnp.abs(at[:, None] - jnp.asarray(x)[None]).sum(2).argmin(1)
            return jnp.asarray(moves[number])[near]

        return run

    attacks = tuple(Attack(f"made up {number}", made_up(number)) for number in range(3))
    found = worst_case(outputs, x, labels, threat, keys, attacks)
    clean, wrong = margins(w, b, x, labels), 0
    of_moves = np.stack([margins(w, b, one, labels) for one in moves])
    attempted, felled = np.zeros(3, int), np.zeros(3, int)
    for place in range(len(x)):
        best, by, down = clean[place], -1, clean[place] > 0
        for number in range(3):
            if down:
                break
            attempted[number] += 1
            if of_moves[number, place] > best:
                best, by, down = of_moves[number, place], number, of_moves[number, place] > 0
                felled[number] += down
        at = x[place] if by < 0 else moves[by][place]
        wrong += int(found.by[place] != by) + int(bool(found.fooled[place]) != bool(down))
        wrong += int(not np.array_equal(np.asarray(found.adversarial)[place], at))
    return wrong + int((found.attempted != attempted).sum()) + int((found.felled != felled).sum())


def _radius(scenario: Scenario) -> float:
    """Of about the same reach in every norm."""
    return scenario.radius * {"linf": 1.0, "l2": D**0.5, "l1": D}[scenario.norm] / 2


def _inputs(rng: np.random.Generator) -> Float[np.ndarray, "k d"]:
    """In the box, a part of the coordinates at its ends."""
    return np.clip(rng.uniform(1.2 * LOW, 1.2 * HIGH, (SAMPLES, D)), LOW, HIGH)


def _outside(ball: Ball, x: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much points leave ball or box, and the rounding of a norm."""
    sizes = np.array([[size(ball.norm, one) for one in row] for row in seen - x[None]])
    box = np.maximum(np.maximum(ball.low - seen, seen - ball.high), 0).max(-1)
    return np.maximum(np.maximum(sizes - ball.radius, box), 0), np.full(sizes.shape, 4 * EPS * D)


@compiled
def _starts(threat: ThreatModel, x: Array, keys: Array) -> Array:
    return jax.vmap(lambda key: random_start(threat, key, x))(keys)


def _largest_margin(ball: Ball, w: np.ndarray, b: np.ndarray, x: np.ndarray, label: int) -> float:
    return max(
        float((w[j] - w[label]) @ x + b[j] - b[label]) + most_along(ball, x, w[j] - w[label])
        for j in range(len(w))
        if j != label
    )
