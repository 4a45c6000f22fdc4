"""What attacks raise: losses of a predictor's outputs, one per sample, and their input gradients.

A predictor is a pure function `outputs(x: (k, *shape)) -> (k, c)` that acts sample by sample, so that
the gradient of the sum of losses is that of each.
Source: Croce & Hein, ICML 2020 (arXiv 2003.01690), section 4, for the difference-of-logits ratio.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Outputs = Callable[[Float[Array, "k *shape"]], Float[Array, "k c"]]
Loss = Callable[[Float[Array, "k c"]], Float[Array, " k"]]
LossesAndGradient = Callable[
    [Float[Array, "k *shape"]], tuple[Float[Array, " k"], Float[Array, "k *shape"]]
]  # fmt: skip


class Best(NamedTuple):
    """The inputs of highest loss so far, sample by sample."""

    at: Float[Array, "k *shape"]
    losses: Float[Array, " k"]


def better(best: Best, at: Float[Array, "k *shape"], losses: Float[Array, " k"]) -> Best:
    """`best`, replaced where `losses` are higher; a NaN is never higher."""
    higher = losses > best.losses
    chosen = jnp.where(higher.reshape((-1,) + (1,) * (at.ndim - 1)), at, best.at)
    return Best(chosen, jnp.where(higher, losses, best.losses))


def cross_entropy(outputs: Float[Array, "k c"], labels: Int[Array, " k"]) -> Float[Array, " k"]:
    """-log softmax(outputs)_y.  Its gradient vanishes in rounding where f_y leads by 1/eps digits."""
    return jax.scipy.special.logsumexp(outputs, axis=1) - _of(outputs, labels)


def margin(outputs: Float[Array, "k c"], labels: Int[Array, " k"]) -> Float[Array, " k"]:
    """max_{j != y} f_j - f_y: positive where the sample is misclassified."""
    return jnp.max(_without(outputs, labels), axis=1) - _of(outputs, labels)


def difference_of_logits_ratio(outputs: Float[Array, "k c"], labels: Int[Array, " k"]) -> Float[Array, " k"]:
    """(max_{j != y} f_j - f_y)/(f_(1) - f_(3)), f_(i) the i-th largest; 0/1 where all three are equal.

    Raises:
      ValueError: fewer than three classes.
    """
    _at_least(3, outputs, "dlr")
    ranked = jnp.sort(outputs, axis=1)
    return _ratio(margin(outputs, labels), ranked[:, -1] - ranked[:, -3])


def targeted_margin(
    outputs: Float[Array, "k c"], labels: Int[Array, " k"], targets: Int[Array, " k"]
) -> Float[Array, " k"]:
    """f_t - f_y."""
    return _of(outputs, targets) - _of(outputs, labels)


def targeted_ratio(
    outputs: Float[Array, "k c"], labels: Int[Array, " k"], targets: Int[Array, " k"]
) -> Float[Array, " k"]:
    """(f_t - f_y)/(f_(1) - (f_(3) + f_(4))/2), the targeted difference-of-logits ratio.

    Raises:
      ValueError: fewer than four classes.
    """
    _at_least(4, outputs, "targeted dlr")
    ranked = jnp.sort(outputs, axis=1)
    below = ranked[:, -1] - (ranked[:, -3] + ranked[:, -4]) / 2
    return _ratio(targeted_margin(outputs, labels, targets), below)


LOSSES = {"ce": cross_entropy, "margin": margin, "dlr": difference_of_logits_ratio}
TARGETED = {"margin": targeted_margin, "dlr": targeted_ratio}


def named(name: str, among: dict[str, Callable[..., Array]]) -> Callable[..., Array]:
    """The loss called `name`.

    Raises:
      ValueError: no such loss.
    """
    if name not in among:
        raise ValueError(f"loss = {name!r} is unknown here; choose one of: {', '.join(among)}")
    return among[name]


def fooled(outputs: Float[Array, "k c"], labels: Int[Array, " k"]) -> Bool[Array, " k"]:
    """Whether the largest output (the first of equal ones) is not the label's."""
    return jnp.argmax(outputs, axis=1) != labels


def losses_and_gradient(outputs: Outputs, loss: Loss) -> LossesAndGradient:
    """The function from inputs to their losses and to each loss's gradient by its own input."""

    def of(at: Array) -> tuple[Array, Array]:
        def total(at: Array) -> tuple[Array, Array]:
            losses = loss(outputs(at))
            return jnp.sum(losses), losses

        (_, losses), gradient = jax.value_and_grad(total, has_aux=True)(at)
        return losses, gradient

    return of


def _of(outputs: Float[Array, "k c"], classes: Int[Array, " k"]) -> Float[Array, " k"]:
    return jnp.take_along_axis(outputs, classes[:, None], axis=1)[:, 0]


def _without(outputs: Float[Array, "k c"], labels: Int[Array, " k"]) -> Float[Array, "k c"]:
    return jnp.where(jnp.arange(outputs.shape[1])[None, :] == labels[:, None], -jnp.inf, outputs)


def _ratio(above: Float[Array, " k"], below: Float[Array, " k"]) -> Float[Array, " k"]:
    # Not below + tiny: the ratio must not see the scale of the outputs.
    return above / jnp.where(below > 0, below, 1)


def _at_least(classes: int, outputs: Float[Array, "k c"], loss: str) -> None:
    if outputs.shape[1] < classes:
        raise ValueError(
            f"outputs has {outputs.shape[1]} classes, loss {loss!r} needs {classes}; use loss = 'margin'"
        )
