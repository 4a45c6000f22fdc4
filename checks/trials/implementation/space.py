"""The spaces of what an implementation is put to: its networks, dynamics, attacks, trainings and data."""

from __future__ import annotations

from advntk.checks.axes import DATA, DYNAMICS, NETWORK
from advntk.checks.spaces import Axis, Space

_STRUCTURE = Axis(
    "structure",
    "mlp",
    ("mlp", "cnn", "cnn_pool", "residual", "residual_pool"),
    written={"cnn_pool": "pooled cnn", "residual_pool": "pooled residual"},
    group="network",
    shown=True,
    description="kind of network and of its readout",
)
_DRAW = DATA["data_seed"]

MOMENTS = Space(
    NETWORK["activation"],
    Axis(
        "variance",
        1.0,
        low=0.0,
        above=True,
        symbol="p",
        group="moments",
        shown=True,
        description="variance of a pre-activation",
    ),
    Axis(
        "ratio",
        1.0,
        low=0.0,
        above=True,
        symbol="p'/p",
        group="moments",
        shown=True,
        description="variance of the other pre-activation over that of the first",
    ),
)
NETWORKS = Space(
    _STRUCTURE,
    *(NETWORK[name] for name in ("depth", "activation", "parameterization", "sigma_w", "sigma_b")),
    _DRAW,
)
SYSTEMS = Space(*(DYNAMICS[name] for name in ("strength", "schedule", "spread")), _DRAW)
ATTACKS = Space(
    Axis(
        "norm",
        "linf",
        ("linf", "l2", "l1"),
        group="attack",
        shown=True,
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
        shown=True,
        description="radius of that ball",
    ),
    _DRAW,
)
TRAININGS = Space(
    _STRUCTURE,
    Axis(
        "loss",
        "mse",
        ("mse", "squared", "ce"),
        group="training",
        shown=True,
        description="loss of a finite network",
    ),
    _DRAW,
)
SPLITS_OF_DATA = Space(DATA["label_noise"], _DRAW)
