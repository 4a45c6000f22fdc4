r"""Axes that theories share: networks, data, the dynamics of adversarial training; and the sweep over width.

A theory puts its own space together from these and from axes of its own.

`strength` is the largest eta * S in units of 1 / mean_i Theta_x(x_i, x_i), a pure number; `training_time` is
T in units of 1 / mean_i Theta_theta(x_i, x_i), also pure.  `data_seed` draws the inputs, the same images at
every resolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Axis, Space, Value
from advntk.checks.sweeps import Sweep
from advntk.theorems.assumptions import ACTIVATIONS

# Beyond, arrays and compilation times have no use left; what fits into memory is said by each trial.
_MOST = 2**20

NETWORK = Space(
    Axis(
        "family",
        "mlp",
        ("mlp", "cnn", "resnet"),
        group="network",
        shown=True,
        description="kind of network",
    ),
    Axis("depth", 1, low=1, high=100, symbol="L", group="network", shown=True, description="hidden layers"),
    Axis("activation", "erf", ACTIVATIONS, group="network", shown=True, description="activation function"),
    Axis(
        "readout",
        "flatten",
        ("flatten", "pool"),
        group="network",
        description="how the last layer of a CNN or residual network reads its pixels",
    ),
    Axis(
        "parameterization",
        "ntk",
        ("ntk", "standard"),
        group="network",
        description="where the factor 1/sqrt(width) stands",
    ),
    Axis(
        "sigma_w",
        1.5,
        low=1e-3,
        high=1e3,
        symbol="σ_w",
        group="scales",
        shown=True,
        description="standard deviation of the weights",
    ),
    Axis(
        "sigma_b",
        0.1,
        low=0.0,
        high=1e3,
        symbol="σ_b",
        group="scales",
        shown=True,
        description="standard deviation of the biases",
    ),
    Axis(
        "width",
        64,
        low=1,
        high=_MOST,
        symbol="n",
        unit="neurons",
        group="sizes",
        description="hidden width (channels of a CNN)",
    ),
    Axis(
        "input_growth",
        "joint",
        ("joint", "fixed"),
        written={"joint": "d=n", "fixed": ""},
        group="sizes",
        shown=True,
        description="whether the input width follows the hidden width along a sweep (joint) or stays (fixed)",
    ),
    Axis(
        "input_width",
        64,
        low=1,
        high=_MOST,
        symbol="d",
        unit="inputs",
        group="sizes",
        shown=True,
        description="input width",
    ),
)

DATA = Space(
    Axis(
        "samples",
        4,
        low=1,
        high=10**6,
        symbol="M",
        unit="samples",
        group="sizes",
        shown=True,
        description="training samples",
    ),
    Axis(
        "outputs",
        2,
        low=1,
        high=10**6,
        symbol="c",
        unit="outputs",
        group="sizes",
        shown=True,
        description="outputs, one per class",
    ),
    Axis(
        "data",
        "digits",
        group="data",
        shown=True,
        description="digits, gaussian, sphere or FILE.npz",
        files=lambda source: (Path(source),) if source.endswith(".npz") else (),
    ),
    Axis(
        "arrangement",
        "generic",
        ("generic", "correlated", "parallel", "antipodal", "two_antipodal", "duplicate", "nearly_duplicate"),
        group="arrangement",
        description="inputs that are made correlated, collinear, equal or nearly so",
    ),
    Axis(
        "label_noise",
        0.0,
        low=0.0,
        high=1.0,
        symbol="label noise",
        group="labels",
        description="share of wrong labels",
    ),
    Axis(
        "data_seed",
        0,
        low=0,
        high=2**31 - 1,
        written={},
        symbol="draw",
        group="draw",
        description="which inputs are drawn",
    ),
)

DYNAMICS = Space(
    Axis(
        "strength",
        0.5,
        low=-1e3,
        high=1e3,
        symbol="ηS",
        group="dynamics",
        description="strength of the search, eta S in units of 1 / mean Theta_x(x_i, x_i)",
    ),
    Axis(
        "schedule",
        "growing",
        ("constant", "growing", "decaying", "oscillating", "early_stopped"),
        group="dynamics",
        description="how strengths vary in time",
    ),
    Axis(
        "spread",
        0.0,
        low=0.0,
        high=1.0,
        symbol="spread",
        group="dynamics",
        description="by which share of their mean strengths differ between samples",
    ),
    Axis(
        "training_time",
        1.0,
        low=0.0,
        high=1e6,
        above=True,
        symbol="T",
        group="dynamics",
        description="training time in units of 1 / mean Theta_theta(x_i, x_i)",
    ),
)


def _input_width_follows(scenario: Scenario, width: Value) -> Mapping[str, Value]:
    return {"input_width": width} if scenario.input_growth == "joint" else {}


# All widths grow together in the joint limit; with the input width fixed only the hidden ones do.
WIDTH = Sweep("width", _input_width_follows)
