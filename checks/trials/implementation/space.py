"""The space of what an implementation is put to: networks, data, dynamics, attacks and trainings."""

from __future__ import annotations

from advntk.checks.axes import DATA, DYNAMICS, NETWORK
from advntk.checks.spaces import Axis, Space

IMPLEMENTATION = Space(
    NETWORK,
    DATA,
    DYNAMICS,
    Axis(
        "structure",
        "mlp",
        ("mlp", "cnn", "cnn_pool", "residual", "residual_pool"),
        written={"cnn_pool": "pooled cnn", "residual_pool": "pooled residual"},
        group="network",
        description="kind of network and of its readout",
    ),
    Axis(
        "variance",
        1.0,
        low=0.0,
        above=True,
        symbol="p",
        group="moments",
        description="variance of a pre-activation",
    ),
    Axis(
        "ratio",
        1.0,
        low=0.0,
        above=True,
        symbol="p'/p",
        group="moments",
        description="variance of the other pre-activation over that of the first",
    ),
    Axis(
        "norm",
        "linf",
        ("linf", "l2", "l1"),
        group="attack",
        description="norm of the ball that an attack may move in",
    ),
    Axis(
        "radius",
        0.1,
        low=0.0,
        high=1e3,
        above=True,
        symbol="rho",
        group="attack",
        description="radius of that ball",
    ),
    Axis("loss", "mse", ("mse", "squared", "ce"), group="training", description="loss of a finite network"),
    Axis("steps", 8, low=1, high=10**6, group="training", description="steps of gradient descent"),
)
