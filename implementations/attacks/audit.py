"""Doubts about an attack and about a robust accuracy, as data: nothing here trusts what an attack says.

`verify` re-computes what a set of adversarial inputs claims, `audit` looks for signs that a predictor
hides its gradients rather than being robust, `reevaluation` whether an attack follows the gradient.
Source: Carlini et al., 2019 (arXiv 1902.06705), section 5; Athalye et al., ICML 2018 (arXiv
1802.00420), section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from advntk.implementations.attacks.apgd import auto_pgd
from advntk.implementations.attacks.arguments import (
    BadAttack,
    Labels,
    Samples,
    checked,
    checked_claims,
    checked_key,
    checked_samples,
    whole,
)
from advntk.implementations.attacks.losses import (
    LOSSES,
    LossesAndGradient,
    Outputs,
    losses_and_gradient,
    named,
)
from advntk.implementations.attacks.square import square
from advntk.implementations.attacks.threat import Keys, ThreatModel, per_sample
from advntk.implementations.attacks.worst_case import Run, plain_pgd, run_attack


class Finding(NamedTuple):
    """One doubt: its name, how much of it (a share of samples where not said otherwise), in words."""

    name: str
    amount: float
    words: str


class Verified(NamedTuple):
    """What adversarial inputs are, re-computed: norms and distances in the units of the data."""

    sizes: Float[np.ndarray, " k"]
    outside_box: Float[np.ndarray, " k"]
    fooled: Bool[np.ndarray, " k"]
    gain: Float[np.ndarray, " k"]
    findings: tuple[Finding, ...]


class Audit(NamedTuple):
    """What was measured of a predictor; `query_success` is NaN where no attack without gradients exists."""

    zero_gradients: float
    saturated: float
    gradient_success: float
    query_success: float
    radii: tuple[float, ...]
    successes: tuple[float, ...]
    repeated: float
    alone: float
    findings: tuple[Finding, ...]


class Reevaluation(NamedTuple):
    """Where an attack asked for gradients, and what it made of them against the best of one gradient."""

    points: int
    loss: float
    one_gradient: float
    findings: tuple[Finding, ...]


def verify(
    outputs: Outputs,
    x: Samples,
    adversarial: Samples,
    labels: Labels,
    threat: ThreatModel,
    claimed: Labels | None = None,
    loss: str = "margin",
) -> Verified:
    """Re-compute radius, box, label and loss of adversarial inputs; a finding per claim that fails.

    Findings: "not_finite", "outside_ball", "outside_box", "loss_below_clean" (of `loss`, which should
    be the one attacked), "false_claim" (`claimed` says which samples are fooled).  By NumPy and from
    the outputs alone; within rounding of the dtype.

    Args:
      outputs: the function from inputs (k, *shape) to outputs (k, c).
      x: clean inputs, (k, *shape), in the box.
      adversarial: what an attack made of them.
      labels: (k,), classes from 0.
      threat: norm, radius and box, in the units of the data.
      claimed: which samples are said to be fooled, (k,).
      loss: "ce", "margin" or "dlr": that which was attacked.

    Returns:
      Sizes, labels and gains, re-computed, with the findings.

    Raises:
      ValueError: an unknown loss, or arguments that do not fit.
    """
    of = named(loss, LOSSES)
    x, labels, threat = checked(outputs, x, labels, threat)
    before = np.asarray(x)
    after = np.asarray(checked_samples(adversarial, threat.low, threat.high, "adversarial", box=False))
    if after.shape != before.shape:
        raise BadAttack(f"adversarial has shape {after.shape}, x {before.shape}; give one for each of x")
    flat, low, high = (after - before).reshape(len(before), -1), float(threat.low), float(threat.high)
    length = np.abs(flat)
    sizes = {"linf": length.max(1), "l2": np.sqrt((length**2).sum(1)), "l1": length.sum(1)}[threat.norm]
    outside = np.maximum(np.maximum(low - after, after - high), 0).reshape(len(before), -1).max(1)
    f = np.asarray(outputs(jnp.asarray(after)))
    clean = np.asarray(outputs(jnp.asarray(before)))
    gain = np.asarray(of(jnp.asarray(f), labels)) - np.asarray(of(jnp.asarray(clean), labels))
    down = f.argmax(1) != np.asarray(labels)

    eps = float(np.finfo(before.dtype).eps)
    # Each coordinate of x + delta is rounded; the norm adds them up as it does.
    many = {"linf": 1.0, "l2": flat.shape[1] ** 0.5, "l1": float(flat.shape[1])}[threat.norm]
    rounding = 4 * eps * many * (np.abs(before).reshape(len(before), -1).max(1) + float(threat.radius))
    # Two programs for the same outputs differ by the rounding of a network's sums, relative to its loss.
    loss_rounding = 1e4 * eps * (1 + np.abs(np.asarray(of(jnp.asarray(clean), labels))))
    failing = {
        "not_finite": (~np.isfinite(flat).all(1) | ~np.isfinite(f).all(1), "inputs or outputs not finite"),
        "outside_ball": (sizes > float(threat.radius) + rounding, f"up to {sizes.max():.6g} from clean"),
        "outside_box": (outside > 0, f"up to {outside.max():.6g} outside [{low}, {high}]"),
        "loss_below_clean": (gain < -loss_rounding, f"{loss} lower by up to {-gain.min():.6g}"),
    }
    if claimed is not None:
        wrong = checked_claims(claimed, len(before)) != down
        failing["false_claim"] = (wrong, "claimed fooled and are not, or the reverse")
    findings = tuple(
        Finding(name, float(one.mean()), f"{one.sum()} of {len(one)} samples: {words}")
        for name, (one, words) in failing.items()
        if one.any()
    )
    return Verified(sizes, outside, down, gain, findings)


def audit(
    outputs: Outputs,
    x: Samples,
    labels: Labels,
    threat: ThreatModel,
    key: Keys,
    radii: tuple[float, ...] = (),
    steps: int = 20,
    queries: int = 500,
) -> Audit:
    """Look for signs that a robust accuracy measured by gradients is not one.

    Findings, each with what was measured:
    - "zero_gradients": samples whose margin has no gradient (0 or not finite) at the clean input;
    - "saturated": the same of the cross entropy only, as where outputs are large: attack another loss;
    - "queries_beat_gradients": the Square attack (linf only) fools more samples than Auto-PGD;
    - "not_rising": success falls from a radius to the next, or is the same, below 1, from first to last;
    - "randomised": two evaluations differ (amount: the largest difference);
    - "not_sample_by_sample": outputs of half a batch differ from those within it.
    `radii` in the units of the data, rising, by default 1/2, 1 and 2 of the threat model's.  Success is
    the share of all samples misclassified, by Auto-PGD on the margin (PGD in l1) from a random start.

    Args:
      outputs: the function from inputs (k, *shape) to outputs (k, c).
      x: clean inputs, (k, *shape), in the box.
      labels: (k,), classes from 0.
      threat: norm, radius and box, in the units of the data.
      key: one key, or one per sample.
      radii: at which success is measured.
      steps: steps of each attack.
      queries: evaluations of the attack without gradients.

    Returns:
      What was measured, with the findings.

    Raises:
      ValueError: arguments that do not fit, or `radii` of fewer than two, not positive or not rising.
    """
    x, labels, threat = checked(outputs, x, labels, threat)
    checked_key(key, len(x))
    whole("steps", steps, 0)
    whole("queries", queries, 0)
    radius = float(threat.radius)
    if radius <= 0:
        raise BadAttack(f"threat.radius = {radius:g} leaves nothing to look for; give a positive radius")
    radii = radii or (radius / 2, radius, 2 * radius)
    rising = len(radii) >= 2 and all(a < b for a, b in pairwise(radii))
    if not rising or not 0 < radii[0] < radii[-1] < float("inf"):
        raise BadAttack(f"radii = {radii} must be at least two, positive, finite and rising")
    keys = per_sample(key, len(x))
    missing = {name: _without_gradient(outputs, x, labels, name) for name in ("margin", "ce")}
    climb = _gradient_attack(threat.norm, steps)

    def success(run: Run, at: float) -> float:
        model = ThreatModel(threat.norm, at, threat.low, threat.high)
        return float(np.mean(run_attack(outputs, run, x, labels, model, keys)[1]))

    successes = tuple(success(climb, at) for at in radii)
    here = success(climb, radius)
    queried = success(partial(square, queries=queries), radius) if threat.norm == "linf" else float("nan")
    first, second = np.asarray(outputs(x)), np.asarray(outputs(x))
    half = (len(x) + 1) // 2
    # By the norm of all outputs: a sample's may all be 0.
    scale = 1e4 * float(np.finfo(first.dtype).eps) * float(np.abs(first).max())
    repeated = float(np.abs(first - second).max())
    alone = float(np.abs(np.asarray(outputs(x[:half])) - first[:half]).max())
    falls = any(b < a for a, b in pairwise(successes))
    flat = successes[0] == successes[-1] < 1
    course = ", ".join(f"{one:.3g} at {at:.3g}" for one, at in zip(successes, radii, strict=True))
    doubts = (
        (missing["margin"] > 0, "zero_gradients", missing["margin"], "the margin has no input gradient"),
        (
            missing["ce"] > missing["margin"],
            "saturated",
            missing["ce"],
            "the cross entropy has no input gradient, the margin has one",
        ),
        (
            queried > here,
            "queries_beat_gradients",
            queried - here,
            f"Square fools {queried:.3g} of the samples, Auto-PGD {here:.3g}",
        ),
        (falls or flat, "not_rising", successes[-1] - successes[0], f"success {course}"),
        (repeated > 0, "randomised", repeated, "two evaluations differ by this much"),
        (repeated == 0 and alone > scale, "not_sample_by_sample", alone, "half a batch differs by this much"),
    )
    findings = tuple(Finding(name, float(amount), words) for doubt, name, amount, words in doubts if doubt)
    return Audit(
        missing["margin"], missing["ce"], here, queried, radii, successes, repeated, alone, findings
    )  # fmt: skip


def reevaluation(
    attack: Callable[[LossesAndGradient, Float[Array, "1 d"], ThreatModel], Float[Array, "1 d"]],
    norm: str = "linf",
) -> Reevaluation:
    """Whether `attack(losses_and_gradient, x, threat)` follows the gradient, on a bowl that bends it.

    The loss -sum a_i (z_i - c_i)^2/2 has its crest c inside the ball, off every line along one gradient
    or its signs.  The gradients asked for are recorded; `one_gradient` is the highest loss on the two
    lines through the first of those points.  Findings: "one_gradient_point" (all asked for at one
    point), "no_better_than_one_gradient".  PGD of twenty steps of a tenth of the radius (1) passes.

    Raises:
      ValueError: `norm` is not "linf" or "l2", or the attack asked for no gradient.
    """
    if norm not in ("linf", "l2"):
        raise ValueError(f"norm = {norm!r} has no bowl here; choose 'linf' or 'l2'")
    d, radius = 16, 1.0
    crest = np.linspace(-0.8, 0.8, d) / (1.0 if norm == "linf" else d**0.5)
    crest = np.random.default_rng(0).permutation(crest)
    bend = np.random.default_rng(1).permutation(np.linspace(0.3, 1, d))
    seen: list[np.ndarray] = []

    def uphill(at: Array) -> tuple[Array, Array]:
        # In order: the first point is where the attack began.
        jax.debug.callback(lambda now: seen.append(np.array(now)), at, ordered=True)
        off = at - jnp.asarray(crest, at.dtype)[None, :]
        weights = jnp.asarray(bend, at.dtype)[None, :]
        return -jnp.sum(weights * off**2, axis=1) / 2, -weights * off

    found = attack(uphill, jnp.zeros((1, d)), ThreatModel(norm, radius, -10.0, 10.0))
    jax.effects_barrier()
    if not seen:
        raise ValueError("attack evaluated no gradient; give one that calls losses_and_gradient")

    def loss(at: np.ndarray) -> float:
        return float(-(bend * (at - crest) ** 2).sum() / 2)

    def best_along(start: np.ndarray, line: np.ndarray) -> float:
        # The loss on a line is a parabola.
        length = (bend * line * (crest - start)).sum() / (bend * line**2).sum()
        return loss(start + length * line)

    # Attacks may look at the clean input before they start elsewhere.
    starts = [one[0] for one in seen[:2]]
    slopes = [bend * (crest - start) for start in starts]
    ceiling = max(
        best_along(start, line)
        for start, slope in zip(starts, slopes, strict=True)
        for line in (slope, np.sign(slope))
    )
    points, reached = len({one.tobytes() for one in seen}), loss(np.asarray(found)[0])
    doubts = (
        (points == 1, "one_gradient_point", 1.0, f"{len(seen)} gradients, all at one point"),
        (
            reached <= ceiling,
            "no_better_than_one_gradient",
            ceiling - reached,
            f"loss {reached:.6g}, one gradient can reach {ceiling:.6g}",
        ),
    )
    findings = tuple(Finding(name, amount, words) for doubt, name, amount, words in doubts if doubt)
    return Reevaluation(points, reached, ceiling, findings)


@partial(jax.jit, static_argnums=(0, 3))
def _gradients(
    outputs: Outputs, x: Float[Array, "k *shape"], labels: Int[Array, " k"], loss: str
) -> Float[Array, "k *shape"]:
    return losses_and_gradient(outputs, lambda f: LOSSES[loss](f, labels))(x)[1]


def _without_gradient(
    outputs: Outputs, x: Float[Array, "k *shape"], labels: Int[Array, " k"], loss: str
) -> float:
    gradient = np.asarray(_gradients(outputs, x, labels, loss)).reshape(len(x), -1)
    return float(np.mean(~np.isfinite(gradient).all(1) | (gradient == 0).all(1)))


def _gradient_attack(norm: str, steps: int) -> Run:
    if norm == "l1":
        return partial(plain_pgd, steps=steps, loss="margin")
    return partial(auto_pgd, steps=steps, loss="margin")
