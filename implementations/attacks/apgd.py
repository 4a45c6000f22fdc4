"""Auto-PGD: projected gradient ascent with momentum whose step sizes follow the progress of the loss.

Source: Croce & Hein, ICML 2020 (arXiv 2003.01690), section 3 (algorithm 1) and section 4.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from advntk.implementations.attacks.arguments import (
    Labels,
    Samples,
    checked,
    checked_ascent,
    checked_key,
    checked_samples,
    checked_threat,
    whole,
)
from advntk.implementations.attacks.losses import (
    LOSSES,
    TARGETED,
    Best,
    LossesAndGradient,
    Outputs,
    better,
    losses_and_gradient,
    margin,
    named,
)
from advntk.implementations.attacks.pgd import check_budget, steepest
from advntk.implementations.attacks.threat import (
    Keys,
    ThreatModel,
    fold_in,
    per_sample,
    project,
    random_start,
    spread,
)

# The paper's: weight of the new step against momentum, and the share of steps that must raise the loss.
MOMENTUM, RISING = 0.75, 0.75


class _Climb(NamedTuple):
    at: Float[Array, "k *shape"]
    previous: Float[Array, "k *shape"]
    losses: Float[Array, " k"]
    best: Best
    best_gradient: Float[Array, "k *shape"]
    step: Float[Array, " k"]
    rises: Int[Array, " k"]
    halved: Bool[Array, " k"]
    best_before: Float[Array, " k"]


def checkpoints(steps: int) -> tuple[int, ...]:
    """Numbers of steps after which step sizes are reconsidered: ceil(p_j steps), without the first, 0.

    p_0 = 0, p_1 = 0.22, p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06).
    """
    # In hundredths: a sum of floats would put ceil one step late.
    before, share, found = 0, 22, []
    while share <= 100:
        found.append(-(-share * steps // 100))
        before, share = share, share + max(share - before - 3, 6)
    return tuple(found)


def apgd(
    losses_and_gradient: LossesAndGradient,
    x: Samples,
    threat: ThreatModel,
    steps: int,
    key: Keys | None = None,
    restarts: int = 1,
) -> Float[Array, "k *shape"]:
    """Inputs of the highest loss among `x` and all iterates of `restarts` searches of `steps` steps each.

    The step starts at twice the radius.  At each checkpoint it is halved, and the search goes on from
    its best point, if fewer than 3/4 of the steps since the last one raised the loss (condition 1), or
    neither step nor best loss have changed since (condition 2).  Sample by sample.
    With a key (one, or one per sample) each search begins at its own `random_start`, otherwise at `x`.

    Args:
      losses_and_gradient: maps inputs to their losses (k,) and the gradient of each.
      x: clean inputs, (k, *shape), in the box.
      threat: norm, radius and box, in the units of the data.
      steps: steps of each search.
      key: one key, or one per sample; without one the search begins at the clean input.
      restarts: number of searches, of which the best result counts.

    Returns:
      Inputs of the shape of `x`, in ball and box.

    Raises:
      ValueError: arguments that do not fit, an l1 threat model, `steps` negative, `restarts` below 1, or
        several searches without a key.
    """
    _no_l1(threat)
    check_budget(steps, restarts, key)
    x = checked_samples(x, threat.low, threat.high)
    threat = checked_threat(threat, x)
    checked_key(key, len(x))
    losses_and_gradient, dtype = checked_ascent(losses_and_gradient, x)
    if key is None:
        return _climb(losses_and_gradient, x, threat, steps, x, dtype).at
    keys = per_sample(key, len(x))

    def searched(best: Best, number: Array) -> tuple[Best, None]:
        begin = random_start(threat, fold_in(keys, number), x)
        return better(best, *_climb(losses_and_gradient, x, threat, steps, begin, dtype)), None

    clean = Best(x, losses_and_gradient(x)[0])
    return jax.lax.scan(searched, clean, jnp.arange(restarts))[0].at


def auto_pgd(
    outputs: Outputs,
    x: Samples,
    labels: Labels,
    threat: ThreatModel,
    key: Keys | None = None,
    steps: int = 100,
    loss: str = "ce",
    restarts: int = 1,
) -> Float[Array, "k *shape"]:
    """`apgd` on the loss "ce" (cross entropy), "margin" or "dlr" of the outputs.

    "dlr", the difference-of-logits ratio, does not see the scale of the outputs; "ce" loses its gradient
    where they are large.

    Args:
      outputs: the function from inputs (k, *shape) to outputs (k, c).
      x: clean inputs, (k, *shape), in the box.
      labels: (k,), classes from 0.
      threat: norm, radius and box, in the units of the data.
      key: one key, or one per sample; without one the search begins at the clean input.
      steps: steps of each search.
      loss: "ce", "margin" or "dlr".
      restarts: number of searches, of which the best result counts.

    Returns:
      Inputs of the shape of `x`, in ball and box.

    Raises:
      ValueError: an unknown loss, "dlr" of fewer than three classes, or as in `apgd`.
    """
    of = named(loss, LOSSES)
    x, labels, threat = checked(outputs, x, labels, threat)
    return apgd(losses_and_gradient(outputs, lambda f: of(f, labels)), x, threat, steps, key, restarts)


def auto_pgd_targeted(
    outputs: Outputs,
    x: Samples,
    labels: Labels,
    threat: ThreatModel,
    key: Keys | None = None,
    steps: int = 100,
    loss: str = "dlr",
    targets: int = 9,
) -> Float[Array, "k *shape"]:
    """`apgd` towards each of the `targets` other classes of largest clean output; the largest margin wins.

    With fewer other classes than `targets` all of them are aimed at.

    Args:
      outputs: the function from inputs (k, *shape) to outputs (k, c).
      x: clean inputs, (k, *shape), in the box.
      labels: (k,), classes from 0.
      threat: norm, radius and box, in the units of the data.
      key: one key, or one per sample; without one the search begins at the clean input.
      steps: steps of each search.
      loss: "margin" or "dlr", towards a class.
      targets: how many classes are aimed at.

    Returns:
      Inputs of the shape of `x`, in ball and box.

    Raises:
      ValueError: `targets` below 1, a loss other than "margin" and "dlr", "dlr" of fewer than four
        classes, or as in `apgd`.
    """
    whole("targets", targets, 1, ", the runner-up")
    of = named(loss, TARGETED)
    x, labels, threat = checked(outputs, x, labels, threat)
    checked_key(key, len(x))
    clean = outputs(x)
    others = jnp.where(jnp.arange(clean.shape[1])[None, :] == labels[:, None], -jnp.inf, clean)
    ranked = jnp.argsort(-others, axis=1)[:, : min(targets, clean.shape[1] - 1)].T
    keys = None if key is None else per_sample(key, len(x))

    def aimed(best: Best, aim: tuple[Array, Array]) -> tuple[Best, None]:
        number, target = aim
        towards = losses_and_gradient(outputs, lambda f: of(f, labels, target))
        found = apgd(towards, x, threat, steps, None if keys is None else fold_in(keys, number))
        return better(best, found, margin(outputs(found), labels)), None

    begin = Best(x, margin(clean, labels))
    return jax.lax.scan(aimed, begin, (jnp.arange(len(ranked)), ranked))[0].at


def _climb(
    losses_and_gradient: LossesAndGradient,
    x: Float[Array, "k *shape"],
    threat: ThreatModel,
    steps: int,
    begin: Float[Array, "k *shape"],
    dtype: jnp.dtype,
) -> Best:
    """The best iterate of one search from `begin`; losses come in `dtype`."""
    chosen = np.zeros(steps + 1, bool)
    chosen[list(checkpoints(steps))] = True
    ends = np.flatnonzero(chosen)
    window = np.zeros(steps + 1, int)
    window[ends] = np.diff(ends, prepend=0)

    def visit(state: _Climb, now: tuple[Array, Array]) -> tuple[_Climb, None]:
        i, length = now
        at = state.at
        losses, gradient = losses_and_gradient(at)
        rises = state.rises + ((losses > state.losses) & (i > 0))
        raised = spread(losses > state.best.losses, x)
        best_gradient = jnp.where(raised, gradient, state.best_gradient)
        best = better(state.best, at, losses)
        # The loss at the start is the one to beat by the first checkpoint.
        best_before = jnp.where(i == 0, losses, state.best_before)

        checked = length > 0
        stuck = ~state.halved & (best.losses == best_before)
        halve = checked & ((rises < RISING * length) | stuck)
        here = spread(halve, x)
        at, gradient = jnp.where(here, best.at, at), jnp.where(here, best_gradient, gradient)
        losses = jnp.where(halve, best.losses, losses)
        step = jnp.where(halve, state.step / 2, state.step)

        plain = project(threat, x, at + spread(step, x) * steepest(threat.norm, gradient))
        weight = jnp.where(i == 0, 1, MOMENTUM).astype(x.dtype)
        moved = at + weight * (plain - at) + (1 - weight) * (at - state.previous)
        return _Climb(
            project(threat, x, moved), at, losses, best, best_gradient, step,
            jnp.where(checked, 0, rises),
            jnp.where(checked, halve, state.halved),
            jnp.where(checked, best.losses, best_before),
        ), None  # fmt: skip

    samples = len(x)
    nothing = jnp.full(samples, -jnp.inf, dtype)
    start = _Climb(
        begin, begin, nothing, Best(begin, nothing), jnp.zeros_like(x),
        jnp.full(samples, 2 * threat.radius, x.dtype),
        jnp.zeros(samples, int), jnp.zeros(samples, bool), nothing,
    )  # fmt: skip
    now = (jnp.arange(steps + 1), jnp.asarray(window))
    return jax.lax.scan(visit, start, now)[0].best


def _no_l1(threat: ThreatModel) -> None:
    if threat.norm == "l1":
        raise ValueError("threat.norm = 'l1' is not for Auto-PGD here; use pgd, or choose 'linf' or 'l2'")
