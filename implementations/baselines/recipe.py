r"""How a finite network is trained, with the published settings; nothing here trains.

Settings are those of the finite AT baseline of Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 6, after
Madry et al., ICLR 2018 (arXiv 1706.06083).

**Loss.**  The published learning rate 0.1 belongs to "mse", the mean over batch *and classes* of
(f - y)^2.  The theory's loss 1/2 ||f - y||^2 ("squared", a mean over the batch) has c/2 times its gradient:
five times, for ten classes.  Targets are one-hot less 1/c as everywhere here; the published ones are not
shifted, which an output bias makes up for.

**Parameterization.**  A step moves outputs by learning rate times NTK.  A standard weight is sigma_w/sqrt(n)
times an NTK one, n the layer's fan-in, so that in its layer

    standard, learning rate lr, decay wd   =   NTK, learning rate lr n/sigma_w^2, decay wd sigma_w^2/n,

started at the same function; for a bias read 1/sigma_b^2 instead of n/sigma_w^2.  The published settings,
made for the standard parameterization, train an NTK network of width 512 some hundred times slower and
decay it as many times more.  To repeat the baseline use `published_start`; to compare with the infinite
network, choose other settings for the NTK parameterization.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.implementations.attacks.losses import cross_entropy
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.finite import fan_in, parameter_count, weight_shapes

PUBLISHED_WIDTH = {"mlp": 512, "cnn": 256}
LOSSES = ("mse", "squared", "ce")

# Weights, momentum, gradient and the update that is added.
_COPIES_OF_PARAMETERS = 4
# Clean inputs, the two ends of their box, the iterate and its gradient.
_COPIES_OF_INPUTS = 5


@dataclass(frozen=True)
class Recipe:
    """Settings of training: static, so that each is compiled for.

    `radius` 0 is standard training.  The attack is PGD in l_inf with steps of `attack_step` * radius from a
    random start, at the current parameters, on the loss that is trained on; inputs lie in [low, high].
    Stochastic gradient descent is that of PyTorch: v = momentum v + gradient + weight_decay theta,
    theta = theta - rate v, the rate multiplied by `decay` every `decay_every` steps; biases decay too.

    Raises:
      ValueError: naming the setting, its value and what it may be.
    """

    radius: float = 8 / 255
    loss: str = "mse"
    steps: int = 20_000
    batch: int = 128
    learning_rate: float = 0.1
    decay: float = 0.1
    decay_every: int = 8_000
    momentum: float = 0.9
    weight_decay: float = 5e-4
    attack_steps: int = 10
    attack_step: float = 0.2
    random_start: bool = True
    low: float = -0.5
    high: float = 0.5

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss = {self.loss!r} is unknown; choose one of: {', '.join(LOSSES)}")
        for name in ("batch", "decay_every", "attack_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 1")
        for name, fits, range_of in (
            ("steps", self.steps >= 0, "at least 0"),
            ("radius", 0 <= self.radius < math.inf, "finite and at least 0"),
            ("learning_rate", 0 < self.learning_rate < math.inf, "positive and finite"),
            ("decay", 0 < self.decay <= 1, "above 0 and at most 1"),
            ("momentum", 0 <= self.momentum < 1, "at least 0 and below 1"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "finite and at least 0"),
            ("attack_step", 0 < self.attack_step < math.inf, "positive and finite"),
            ("low", self.low < self.high, f"below high = {self.high}"),
        ):
            if not fits:
                raise ValueError(f"{name} = {getattr(self, name)} must be {range_of}")


def published_start(arch: Architecture, width: int | None = None) -> Architecture:
    """The same structure started as the published baseline is: PyTorch's default, with normal numbers.

    Standard parameterization, weights of variance 1/(3 fan-in), biases of the hidden layers' 1/(3 fan-in)
    in every layer (PyTorch's own follow each layer's fan-in, and are uniform).  `width` is the published
    one unless given.
    """
    width = PUBLISHED_WIDTH[arch.family] if width is None else width
    hidden = fan_in((width, width) if arch.family == "mlp" else (3, 3, width, width))
    return replace(
        arch, parameterization="standard", sigma_w=1 / math.sqrt(3), sigma_b=1 / math.sqrt(3 * hidden)
    )


def sample_losses(
    loss: str, outputs: Float[Array, "k c"], targets: Float[Array, "k c"]
) -> Float[Array, " k"]:
    """The loss of each sample: "mse" |f-y|^2/c, "squared" |f-y|^2/2, "ce" cross entropy at y's largest."""
    if loss == "ce":
        return cross_entropy(outputs, jnp.argmax(targets, axis=1))
    squares = jnp.sum((outputs - targets) ** 2, axis=1)
    return squares / outputs.shape[1] if loss == "mse" else squares / 2


class Memory(NamedTuple):
    """Estimated bytes of one training step, data sets left out."""

    parameters: int
    activations: int

    @property
    def total(self) -> int:
        """Both."""
        return self.parameters + self.activations


def memory(
    arch: Architecture,
    input_shape: tuple[int, ...],
    width: int,
    outputs: int,
    batch: int,
    dtype: jnp.dtype | type = jnp.float32,
) -> Memory:
    """An estimate of what a step holds at once, good to about a factor of 2 (MLPs, measured on a CPU).

    Weights, momentum, gradient and update; per sample the inputs of the attack, and of each layer what is
    kept for the way back (before and after phi) with the largest layer's cotangents.  What a convolution
    needs for itself is up to XLA and not in it.

    Args:
      arch: the architecture.
      input_shape: of one input, (d,) or (height, columns, channels).
      width: units, or channels, of every hidden layer.
      outputs: number of outputs.
      batch: samples of a step.
      dtype: of parameters and samples.

    Returns:
      Bytes of parameters and of activations.
    """
    shapes = weight_shapes(arch, input_shape, width, outputs)
    pixels = math.prod(input_shape[:2]) if arch.family == "cnn" else 1
    units = width * pixels
    per_sample = _COPIES_OF_INPUTS * math.prod(input_shape) + 2 * arch.depth * units + 2 * units + 2 * outputs
    size = jnp.dtype(dtype).itemsize
    return Memory(_COPIES_OF_PARAMETERS * parameter_count(shapes) * size, batch * per_sample * size)
