"""How Adv-NTK is trained: radius, attack, optimizer, batches; checked once, plain values throughout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import jax
import msgspec
import optax

SHAPES = ("per_sample", "per_sample_and_class")
OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class Settings:
    """Published values are the defaults; `radius` and `attack_step` are in the units of the pixels.

    `attack_step` 0 stands for radius/5.  The learning rate is multiplied by `decay` after every
    `decay_every` iterations (0: never); weight decay is added to the normalized gradient, as `optax` and
    PyTorch do in SGD.  `shape` gives varpi one entry per training sample (the published program) or per
    sample and class (the published text).  `seed` draws batches and random starts.
    Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 6 and its appendix on the experiments.

    Raises:
      ValueError: naming the argument, the value and the fix.
    """

    radius: float
    attack_step: float = 0.0
    attack_steps: int = 10
    iterations: int = 50
    batch: int = 128
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    decay: float = 0.1
    decay_every: int = 0
    normalized: bool = True
    shape: str = "per_sample"
    low: float = -0.5
    high: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        _finite(self)
        if not self.low < self.high:
            raise ValueError(f"low, high = {self.low:g}, {self.high:g} is no box; choose low < high")
        if self.radius <= 0:
            raise ValueError(
                f"radius = {self.radius:g} leaves nothing to defend against; choose a positive radius, "
                "or NTK regression instead of Adv-NTK"
            )
        if self.radius >= self.high - self.low:
            raise ValueError(
                f"radius = {self.radius:g} reaches across the whole box [{self.low:g}, {self.high:g}]: every "
                f"image may become every other; choose less than {self.high - self.low:g}"
            )
        if self.shape not in SHAPES:
            raise ValueError(f"shape = {self.shape!r} is unknown; choose per_sample or per_sample_and_class")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"optimizer = {self.optimizer!r} is unknown; choose one of: {', '.join(OPTIMIZERS)}"
            )
        for name, least in (
            ("attack_steps", 1),
            ("iterations", 0),
            ("batch", 1),
            ("decay_every", 0),
            ("seed", 0),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least {least}")
        for name in ("attack_step", "momentum", "weight_decay"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name):g} must not be negative")
        if self.momentum >= 1 or not 0 < self.decay <= 1:
            raise ValueError(
                f"momentum, decay = {self.momentum:g}, {self.decay:g} must lie in [0, 1) and (0, 1]"
            )
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate = {self.learning_rate:g} must be positive")

    @property
    def step(self) -> float:
        """Length of an attack's step."""
        return self.attack_step or self.radius / 5

    def as_dict(self) -> dict[str, Any]:
        """Field names and values, in order."""
        return asdict(self)

    @property
    def descent(self) -> Descent:
        """What the optimizer depends on."""
        return Descent(*(getattr(self, name) for name in Descent._fields))


class Descent(NamedTuple):
    """The part of `Settings` that the optimizer depends on: one compiled program for each."""

    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    decay: float
    decay_every: int
    normalized: bool


def from_dict(values: Mapping[str, Any]) -> Settings:
    """The settings with these field values (the inverse of `as_dict`).

    Raises:
      ValueError: a field is missing, unknown, of another type, or out of its range.
    """
    if unknown := set(values) - {part.name for part in fields(Settings)}:
        raise ValueError(f"settings have no {min(unknown)!r}")
    return msgspec.convert(values, Settings)


def optimizer(settings: Descent) -> optax.GradientTransformation:
    """Normalized gradient, weight decay, then the optimizer with its learning rate."""
    rate: optax.ScalarOrSchedule = settings.learning_rate
    if settings.decay_every:
        rate = optax.exponential_decay(
            settings.learning_rate, settings.decay_every, settings.decay, staircase=True
        )
    last = (
        optax.adam(rate)
        if settings.optimizer == "adam"
        else optax.sgd(rate, momentum=settings.momentum or None)
    )
    first = [optax.stateless(lambda gradient, _: _unit(gradient))] if settings.normalized else []
    return optax.chain(*first, optax.add_decayed_weights(settings.weight_decay), last)


def _unit(gradient: optax.Updates) -> optax.Updates:
    """The gradient at Euclidean length 1; zero stays zero (optax' own adds a constant to the length)."""
    length = optax.tree.norm(gradient)
    return jax.tree.map(lambda part: part / (length + (length == 0)), gradient)


def _finite(settings: Settings) -> None:
    for name, value in asdict(settings).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} = {value} must be a finite number")
