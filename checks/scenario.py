"""One sampled situation: plain values, hashable, no arrays."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

# What is measured where nobody names another one.
DEFAULT_IMPLEMENTATION = "krylov"


@dataclass(frozen=True)
class Scenario:
    r"""Everything that a trial needs to know besides its random keys.

    `strength` is the largest eta * S in units of 1 / mean_i Theta_x(x_i, x_i), a pure number,
    `schedule` how it varies in time, `spread` by which share of its mean it differs between samples.
    `training_time` is
    T in units of 1 / mean_i Theta_theta(x_i, x_i), also pure.  `input_growth` says
    what a width ladder does to the input width: "joint" lets it follow the hidden width, "fixed"
    leaves it.  `data_seed` draws the inputs, the same images at every resolution.  `implementation` names
    the implementation of Adv-NTK under test, or gives it as package.module:attribute.
    """

    family: str = "mlp"
    depth: int = 1
    activation: str = "erf"
    sigma_w: float = 1.5
    sigma_b: float = 0.1
    parameterization: str = "ntk"
    readout: str = "flatten"
    width: int = 64
    input_width: int = 64
    input_growth: str = "joint"
    samples: int = 4
    outputs: int = 2
    data: str = "digits"
    arrangement: str = "generic"
    label_noise: float = 0.0
    strength: float = 0.5
    schedule: str = "growing"
    spread: float = 0.0
    training_time: float = 1.0
    data_seed: int = 0
    implementation: str = DEFAULT_IMPLEMENTATION

    def at_width(self, width: int) -> Scenario:
        """The same scenario on the rung `width` of a ladder."""
        joint = self.input_growth == "joint"
        return replace(self, width=width, input_width=width if joint else self.input_width)

    def as_dict(self) -> dict[str, int | float | str]:
        """Field names and values, in order."""
        return asdict(self)

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that depend on every field and on nothing else.

        Random keys come from it: the field that was added last is left out at its default, so that what
        was measured before can be measured again.
        """
        values = self.as_dict()
        if self.implementation == DEFAULT_IMPLEMENTATION:
            del values["implementation"]
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def label(self) -> str:
        """A short line for people."""
        network = f"{self.family} L={self.depth} {self.activation}"
        if self.family == "cnn":
            network += f" {self.readout}"
        if self.parameterization != "ntk":
            network += f" {self.parameterization}"
        inputs = "d=n" if self.input_growth == "joint" else f"d={self.input_width}"
        parts = [
            network,
            f"σ_w={self.sigma_w:g} σ_b={self.sigma_b:g}",
            f"{inputs} M={self.samples} c={self.outputs}",
            self.data.rsplit("/", 1)[-1],
        ]
        if self.strength != Scenario.strength:
            parts.append(f"ηS={self.strength:g} {self.schedule}")
        if self.arrangement != "generic":
            parts.append(self.arrangement)
        if self.implementation != DEFAULT_IMPLEMENTATION:
            parts.append(self.implementation)
        return ", ".join(parts)


FIELDS: dict[str, Any] = {field.name: type(field.default) for field in fields(Scenario)}


def from_dict(values: dict) -> Scenario:
    """The scenario with these field values (the inverse of `as_dict`)."""
    return Scenario(**values)
