"""Stub."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Residual:
    """Stub."""

    stages: tuple = (2, 2, 2, 2)
    sigma_w: float = 1.76
    sigma_b: float = 0.18
    activation: str = "relu"


RESNETS = {"resnet18": Residual(), "resnet34": Residual((3, 4, 6, 3))}
