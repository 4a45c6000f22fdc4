"""The worst of several attacks, sample by sample: the upper bound on robust accuracy that they give.

Source: Croce & Hein, ICML 2020 (arXiv 2003.01690), section 6, for diverse attacks in sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from advntk.implementations.attacks.apgd import auto_pgd, auto_pgd_targeted
from advntk.implementations.attacks.arguments import BadAttack, Labels, Samples, checked, checked_key
from advntk.implementations.attacks.losses import LOSSES, Outputs, fooled, losses_and_gradient, margin, named
from advntk.implementations.attacks.pgd import pgd
from advntk.implementations.attacks.square import square
from advntk.implementations.attacks.threat import Keys, ThreatModel, fold_in, per_sample

Run = Callable[
    [Outputs, Float[Array, "k *shape"], Int[Array, " k"], ThreatModel, Key[Array, " k"]],
    Float[Array, "k *shape"],
]


class Attack(NamedTuple):
    """`run(outputs, x, labels, threat, keys)` returns the inputs it found; keys one per sample.

    `run` should be one object throughout (a module's function or partial): each is compiled once.
    """

    name: str
    run: Run


class WorstCase(NamedTuple):
    """The most damaging input per sample, and how it was found.

    `by` is the attack that made it, an index into `names`, -1 for the clean input.  Of the samples
    `attempted` by each attack, all that stood before it, `felled` did not stand after.
    """

    adversarial: Float[Array, "k *shape"]
    fooled: Bool[np.ndarray, " k"]
    by: Int[np.ndarray, " k"]
    names: tuple[str, ...]
    attempted: Int[np.ndarray, " a"]
    felled: Int[np.ndarray, " a"]


def plain_pgd(
    outputs: Outputs,
    x: Samples,
    labels: Labels,
    threat: ThreatModel,
    key: Keys,
    steps: int = 40,
    loss: str = "ce",
    restarts: int = 1,
) -> Float[Array, "k *shape"]:
    """`pgd` on the loss "ce", "margin" or "dlr" of the outputs, with steps of 2.5 radius/steps.

    Args:
      outputs: the function from inputs (k, *shape) to outputs (k, c).
      x: clean inputs, (k, *shape), in the box.
      labels: (k,), classes from 0.
      threat: norm, radius and box, in the units of the data.
      key: one key, or one per sample.
      steps: steps of each search.
      loss: "ce", "margin" or "dlr".
      restarts: number of searches, of which the best result counts.

    Returns:
      Inputs of the shape of `x`, in ball and box.

    Raises:
      ValueError: an unknown loss, or as in `pgd`.
    """
    of = named(loss, LOSSES)
    x, labels, threat = checked(outputs, x, labels, threat)
    step = 2.5 * threat.radius / max(steps, 1)
    uphill = losses_and_gradient(outputs, lambda f: of(f, labels))
    return pgd(uphill, x, threat, step, steps, key, restarts)


_CROSS_ENTROPY = Attack("apgd-ce", partial(auto_pgd, loss="ce"))
_MARGIN = Attack("apgd-margin", partial(auto_pgd, loss="margin"))
_TARGETED = Attack("apgd-targeted-margin", partial(auto_pgd_targeted, loss="margin"))
_SQUARE = Attack("square", square)
_SPARSE = tuple(Attack(f"pgd-{loss}", partial(plain_pgd, steps=100, loss=loss)) for loss in ("ce", "margin"))

# Margins instead of ratios of them: these ask for no third class, and their steps do not see scales.
STANDARD: dict[str, tuple[Attack, ...]] = {
    "linf": (_CROSS_ENTROPY, _MARGIN, _TARGETED, _SQUARE),
    "l2": (_CROSS_ENTROPY, _MARGIN, _TARGETED, _SQUARE),
    "l1": _SPARSE,
}


@partial(jax.jit, static_argnames=("outputs", "run"))
def run_attack(
    outputs: Outputs,
    run: Run,
    x: Float[Array, "k *shape"],
    labels: Int[Array, " k"],
    threat: ThreatModel,
    keys: Key[Array, " k"],
) -> tuple[Float[Array, "k *shape"], Bool[Array, " k"], Float[Array, " k"]]:
    """What one attack found, whether it fools, and the margin there; compiled per `outputs` and `run`.

    Args:
      outputs: the function from inputs (k, *shape) to outputs (k, c).
      run: the attack.
      x: clean inputs, (k, *shape), in the box.
      labels: (k,), classes from 0.
      threat: norm, radius and box, in the units of the data.
      keys: one per sample.

    Returns:
      Adversarial inputs, whether each is misclassified (k,), and margins (k,).
    """
    found = run(outputs, x, labels, threat, keys)
    if found.shape != x.shape:
        raise BadAttack(f"an attack gave inputs of shape {found.shape}; give those of x, {x.shape}")
    return found, *_damage(outputs, found, labels)


def worst_case(
    outputs: Outputs,
    x: Samples,
    labels: Labels,
    threat: ThreatModel,
    key: Keys,
    attacks: tuple[Attack, ...] | None = None,
) -> WorstCase:
    """Run `attacks` one after the other on the samples still standing; keep the worst input of each.

    The clean input counts as the first: what is misclassified there is attacked by none.  Worse is
    misclassified before not, then of larger margin max_{j != y} f_j - f_y.  Attack a gets its own keys,
    the sample's key folded with a.  By default `STANDARD` of the norm.  Chooses samples outside JAX:
    not to be traced.

    Args:
      outputs: the function from inputs (k, *shape) to outputs (k, c).
      x: clean inputs, (k, *shape), in the box.
      labels: (k,), classes from 0.
      threat: norm, radius and box, in the units of the data.
      key: one key, or one per sample.
      attacks: in the order in which they are run.

    Returns:
      The worst input of each sample, and which attack felled how many.

    >>> found = worst_case(outputs, x, labels, ThreatModel("linf", 8 / 255, -0.5, 0.5), jax.random.key(0))
    >>> robust_accuracy = 1 - found.fooled.mean()

    Raises:
      BadAttack: no attack, or arguments that do not fit; ValueError as the attacks do.
    """
    x, labels, threat = checked(outputs, x, labels, threat)
    checked_key(key, len(x))
    attacks = STANDARD[threat.norm] if attacks is None else attacks
    if not attacks:
        raise BadAttack("attacks = () leaves the clean input only; give at least one attack")
    keys = per_sample(key, len(x))
    # Copies, to be written into.
    worst = np.array(x)
    down, damage = (np.array(one) for one in jax.jit(_damage, static_argnums=0)(outputs, x, labels))
    by, attempted, felled = np.full(len(x), -1), [], []
    for number, attack in enumerate(attacks):
        standing = np.flatnonzero(~down)
        attempted.append(len(standing))
        if len(standing):
            # Filled up with repetitions to a power of two: few sizes, few compilations.
            chosen = np.resize(standing, min(len(x), 1 << (len(standing) - 1).bit_length()))
            found, falls, margins = (
                np.asarray(one)[: len(standing)]
                for one in run_attack(
                    outputs, attack.run, x[chosen], labels[chosen], threat, fold_in(keys, number)[chosen]
                )
            )
            worse = standing[falls | (margins > damage[standing])]
            kept = np.isin(standing, worse)
            worst[worse], damage[worse], down[worse] = found[kept], margins[kept], falls[kept]
            by[worse] = number
        felled.append(attempted[-1] - int((~down).sum()))
    names = tuple(attack.name for attack in attacks)
    return WorstCase(jnp.asarray(worst), down, by, names, np.asarray(attempted), np.asarray(felled))


def _damage(
    outputs: Outputs, x: Float[Array, "k *shape"], labels: Int[Array, " k"]
) -> tuple[Bool[Array, " k"], Float[Array, " k"]]:
    f = outputs(x)
    return fooled(f, labels), margin(f, labels)
