"""Experiments as plain values, and the published ones by name.

Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 6 and its appendix: CIFAR-10 and SVHN, 12 000 samples
of which 2 000 validate, 50 iterations of 128, ReLU networks with sigma_w = 1.76 and sigma_b = 0.18, radius
4/255 and 8/255 in l_inf for pixels in [-1/2, 1/2].
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import msgspec

from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.kernels.described import RESNETS

DEPTHS = (3, 4, 5, 8, 10)
PUBLISHED_NETWORKS = tuple(f"{family}{depth}" for family in ("mlp", "cnn") for depth in DEPTHS) + tuple(
    RESNETS
)
_RADII = {"r4": 4 / 255, "r8": 8 / 255}
# Digits have 16 levels of grey in 64 pixels: 8/255 would be half a level.  These radii cost NTK regression
# on digits about what 4/255 and 8/255 cost it on CIFAR-10: a part, and most, of its robust accuracy.
_DIGITS_RADII = {"r4": 0.075, "r8": 0.15}
# Fields of models that were kept under other names.
_FORMER_NAMES = {"training": "n_train", "validation": "n_validation", "test": "n_test"}


@dataclass(frozen=True)
class Experiment:
    """What is trained on what; sizes are numbers of samples, `n_test` 0 stands for the whole test set."""

    data: str
    network: str
    settings: Settings
    n_train: int
    n_validation: int
    n_test: int
    activation: str = "relu"
    sigma_w: float = 1.76
    sigma_b: float = 0.18
    label_noise: float = 0.0
    data_seed: int = 0


def experiment_from(values: Mapping[str, Any], settings: Settings) -> Experiment:
    """The experiment with these field values, its settings given apart; older names of fields are known.

    Raises:
      ValueError: a field is missing, unknown, or of another type.
    """
    named = {_FORMER_NAMES.get(name, name): value for name, value in values.items() if name != "settings"}
    if unknown := set(named) - {part.name for part in fields(Experiment)}:
        raise ValueError(f"an experiment has no {min(unknown)!r}")
    return msgspec.convert({**named, "settings": asdict(settings)}, Experiment)


def _presets() -> dict[str, Experiment]:
    found = {}
    for data in ("cifar10", "svhn", "digits"):
        for network in PUBLISHED_NETWORKS:
            for name, radius in _RADII.items():
                rate = 1e-6 if network in RESNETS else 1.0 if data == "svhn" else 0.1
                published = Experiment(data, network, Settings(radius, learning_rate=rate), 10_000, 2_000, 0)
                if data == "digits":
                    published = reduced(published, name)
                found[f"{data}-{network}-{name}"] = published
    return found


def reduced(experiment: Experiment, radius: str) -> Experiment:
    """The same on digits: 500 + 150 samples, 400 to test on, radius 0.075 for r4 and 0.15 for r8."""
    settings = replace(experiment.settings, radius=_DIGITS_RADII[radius])
    return replace(experiment, data="digits", settings=settings, n_train=500, n_validation=150, n_test=400)


def preset(name: str, on_digits: bool = False) -> Experiment:
    """The experiment called `name`, at reduced size on digits if wanted.

    Raises:
      ValueError: no such preset.
    """
    if name not in PRESETS:
        raise ValueError(
            f"preset = {name!r} is unknown; a preset is DATA-NETWORK-RADIUS with DATA one of cifar10, svhn, "
            f"digits, NETWORK one of {', '.join(PUBLISHED_NETWORKS)}, and RADIUS r4 or r8"
        )
    found = PRESETS[name]
    radius = re.split("-", name)[-1]
    return reduced(found, radius) if on_digits else found


PRESETS = _presets()
