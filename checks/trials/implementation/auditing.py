r"""Trials of audits: faults that are planted are named, with how much there is of them, and sound ones pass.

Adversarial inputs are made up sample by sample, so that it is known of each what is wrong with it; predictors
hide their gradients for a known share of the samples.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between
from advntk.checks.trial import trial
from advntk.checks.trials.implementation.comparing import NONE, count, gap, worst
from advntk.checks.trials.implementation.plain_attacks import classes, margins, size
from advntk.checks.trials.implementation.space import ATTACKS
from advntk.implementations.attacks.audit import Audit, Reevaluation, Verified, audit, reevaluation, verify
from advntk.implementations.attacks.pgd import pgd
from advntk.implementations.attacks.threat import ThreatModel

LOW, HIGH = -0.5, 0.5
D, SAMPLES, CLASSES = 6, 12, 3
ROUNDINGS = 256
_STEPS, _QUERIES = 4, 40
Outputs = Callable[[Array], Array]


@trial(
    decides={
        "implementation.audit": [
            BoundDecider("recomputed", "recomputed_allowed", "at most"),
            BoundDecider("wrong", "none", "at most"),
        ]
    },
    space=ATTACKS.over(norm=("linf", "l2", "l1"), radius=Between(0.05, 0.2), data_seed=tuple(range(8))),
    effort=Effort(
        quick=Measure(1, 1, held=(("norm", "linf"),)), standard=Measure(6, 1), thorough=Measure(24, 1)
    ),
    random=False,
    seconds=lambda _: 8.0,
)
def planted_faults(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """What `verify`, `audit` and `reevaluation` say of inputs, predictors and attacks that are known."""
    del keys
    rng = np.random.default_rng([scenario.data_seed, 43])
    threat = ThreatModel(scenario.norm, scenario.radius, LOW, HIGH)
    # One class that stands far below the others: gradients lead to the worst case, whatever queries find.
    w, b = (
        rng.standard_normal((CLASSES, D)),
        rng.standard_normal(CLASSES) / 4 - 9.0 * (np.arange(CLASSES) > 1),
    )
    # Well inside the box; one sample in three has a pixel at its end.
    x = rng.uniform(0.6 * LOW, 0.6 * HIGH, (SAMPLES, D))
    x[::3, 0] = HIGH
    pairs, wrong = _made_up_inputs(x, w, b, threat)
    wrong += _predictors(x, w, b, threat, scenario.data_seed)
    wrong += _attacks("l2" if scenario.norm == "l2" else "linf")
    recomputed, allowed = worst(*pairs)
    return {
        "recomputed": recomputed,
        "recomputed_allowed": allowed,
        "wrong": count(wrong),
        "none": NONE,
    }


def _made_up_inputs(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, threat: ThreatModel
) -> tuple[list[tuple[np.ndarray, np.ndarray]], int]:
    """Sizes, gains and labels that `verify` re-computes, and how often its findings are not those planted."""
    labels = classes(w, b, x)
    # Towards the other class: the margin rises, and no pixel leaves the box.
    ascent = (w[1] - w[0]) * np.where(labels == 0, 1.0, -1.0)[:, None]
    step = np.sign(ascent)
    step[np.abs(x + 0.5 * np.abs(threat.radius) * step) > HIGH] = 0.0
    length = np.array([size(threat.norm, one) for one in step])
    sound = x + 0.9 * threat.radius * step / length[:, None]
    beyond, outside, lost, falling = sound.copy(), sound.copy(), sound.copy(), sound.copy()
    beyond[:2] = x[:2] + 1.01 * threat.radius * step[:2] / length[:2, None]
    outside[3, 0] = HIGH + 1e-3
    lost[4, 2] = np.nan
    falling[5] = x[5] - 0.9 * threat.radius * step[5] / length[5]
    claims = classes(w, b, sound) != labels
    cases = (
        (sound, claims),
        (beyond, None),
        (outside, None),
        (lost, None),
        (falling, None),
        (sound, claims ^ (np.arange(SAMPLES) == 7)),
    )
    pairs, wrong = [], 0
    for at, claimed in cases:
        found = verify(
            _linear(w, b), jnp.asarray(x), jnp.asarray(at), jnp.asarray(labels), threat, claimed=claimed
        )
        finite = np.isfinite(at).all(1)
        sizes = np.array([size(threat.norm, one) for one in at - x])
        gains = margins(w, b, at, labels) - margins(w, b, x, labels)
        out = np.maximum(np.maximum(LOW - at, at - HIGH), 0).max(1)
        fooled = classes(w, b, at) != labels
        faults = {
            "not_finite": ~finite,
            "outside_ball": sizes > threat.radius * (1 + 1e-9),
            "outside_box": out > 0,
            "loss_below_clean": gains < -1e-9,
            "false_claim": np.zeros(SAMPLES, bool) if claimed is None else claimed != fooled,
        }
        wrong += _differing_findings(
            found, {name: is_so.mean() for name, is_so in faults.items() if is_so.any()}
        )
        wrong += int((found.fooled != fooled)[finite].sum())
        for got, wanted in ((found.sizes, sizes), (found.gain, gains), (found.outside_box, out)):
            pairs.append(gap(got[finite], wanted[finite], ROUNDINGS))
    return pairs, wrong


def _predictors(x: np.ndarray, w: np.ndarray, b: np.ndarray, threat: ThreatModel, seed: int) -> int:
    """How often `audit` names what is not there, or does not name what is, with how much."""
    honest = _linear(w, b)
    labels, there = jnp.asarray(classes(w, b, x)), jnp.asarray(x)
    hidden = np.arange(SAMPLES) < SAMPLES // 4
    firsts = jnp.asarray(x[hidden][:, 1])

    def several(at: Array) -> Array:
        """A quarter of the samples, known by a pixel, show no gradient; huge outputs that see the batch."""
        mine = (jnp.abs(at[:, 1:2] - firsts[None]) == 0).any(1)
        shown = honest(jnp.where(mine[:, None], jax.lax.stop_gradient(at), at))
        return 1e6 * (shown + 1e-3 * at.shape[0])

    def flat(at: Array) -> Array:
        return jnp.broadcast_to(jax.nn.one_hot(0, CLASSES), (len(at), CLASSES)) + 0 * at[:, :1]

    calls = [0]

    def blind(at: Array) -> Array:
        """No gradient at all, and outputs that differ from call to call."""

        def noise(_: np.ndarray) -> np.ndarray:
            calls[0] += 1
            return np.array(1e-9 * calls[0])

        still = jax.lax.stop_gradient(at)
        return honest(still) + jax.pure_callback(noise, jax.ShapeDtypeStruct((), jnp.float64), still[0, 0])

    run = partial(audit, threat=threat, key=jax.random.key(seed), steps=_STEPS, queries=_QUERIES)
    sound = run(honest, there, labels)
    wrong = len(sound.findings) + int(sound.zero_gradients != 0) + int(sound.repeated != 0)
    wrong += sum(a > b for a, b in pairwise(sound.successes))
    wrong += int(sound.radii != (threat.radius / 2, threat.radius, 2 * threat.radius))
    wrong += int(sound.gradient_success != sound.successes[1])
    found = _named(run(several, there, labels))
    wrong += len({"zero_gradients", "saturated", "not_sample_by_sample"} - found.keys())
    # The cross entropy has none where the margin has none, nor where the other class has probability 0.
    wrong += int(found.get("zero_gradients") != hidden.mean()) + int(found.get("saturated") != 1)
    wrong += int("randomised" in found)
    constant = run(flat, there, jnp.zeros(SAMPLES, int))
    wrong += _differing_findings(constant, {"zero_gradients": 1.0, "not_rising": 0.0})
    unseen = run(blind, there, labels)
    found = _named(unseen)
    wrong += int(found.get("zero_gradients") != 1) + int("randomised" not in found)
    wrong += int("not_sample_by_sample" in found)
    # A search by queries needs no gradients: where it fools more samples, that is a finding, and by how many.
    won = unseen.query_success - unseen.gradient_success if threat.norm == "linf" else 0.0
    wrong += int(found.get("queries_beat_gradients", 0.0) != max(won, 0.0))
    return wrong


def _attacks(norm: str) -> int:
    """How often `reevaluation` doubts an attack that follows the gradient, or not one that does not."""

    def by_pgd(uphill: Callable, x: Array, threat: ThreatModel) -> Array:
        keys = jax.random.split(jax.random.key(0), len(x))
        return pgd(uphill, x, threat, threat.radius / 10, 20, keys, 1)

    def one_step(uphill: Callable, x: Array, threat: ThreatModel) -> Array:
        slope = uphill(x)[1]
        reach = jnp.sign(slope) if norm == "linf" else slope / jnp.linalg.norm(slope)
        return x + threat.radius * reach

    def old_gradient(uphill: Callable, x: Array, threat: ThreatModel) -> Array:
        uphill(x + 0.01)
        return one_step(uphill, x, threat)

    found = [reevaluation(attack, norm) for attack in (by_pgd, one_step, old_gradient)]
    wanted: tuple[set[str], ...] = (
        set(),
        {"one_gradient_point", "no_better_than_one_gradient"},
        {"no_better_than_one_gradient"},
    )
    return sum(int(set(_named(one)) != names) for one, names in zip(found, wanted, strict=True))


def _linear(w: np.ndarray, b: np.ndarray) -> Outputs:
    matrix, offset = jnp.asarray(w.T), jnp.asarray(b)
    return lambda at: at @ matrix + offset[None]


def _named(report: Audit | Verified | Reevaluation) -> dict[str, float]:
    return {finding.name: finding.amount for finding in report.findings}


def _differing_findings(report: Audit | Verified, planted: dict[str, float]) -> int:
    """Names, or amounts, that are not those planted."""
    found = _named(report)
    return len(found.keys() ^ planted.keys()) + sum(
        found[name] != planted[name] for name in found.keys() & planted.keys()
    )
