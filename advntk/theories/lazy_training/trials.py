r"""Trials of lazy training: networks trained at several scales alpha against their linearization."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array

from advntk import (
    Axis,
    BoundDecider,
    Effort,
    Measure,
    MedianDecider,
    Observation,
    Premise,
    RateDecider,
    Space,
    Sweep,
    trial,
)

from . import measurements
from .dynamics import ACTIVATIONS

SPACE = Space(
    Axis(
        "alpha",
        8.0,
        low=0.0,
        above=True,
        symbol="α",
        group="scale",
        description="scale of the output; the loss is divided by its square",
    ),
    Axis(
        "time",
        1.0,
        low=0.0,
        above=True,
        symbol="T",
        group="scale",
        description="training time in units of 1 / (mean eigenvalue of the kernel at the start)",
    ),
    Axis(
        "centring",
        "subtracted",
        ("subtracted", "antisymmetric", "none"),
        written={"subtracted": "", "antisymmetric": "two copies", "none": "uncentred"},
        group="network",
        description="how outputs are made zero at the start",
    ),
    Axis(
        "activation",
        "tanh",
        tuple(ACTIVATIONS),
        group="network",
        shown=True,
        description="activation function",
    ),
    Axis("depth", 1, low=1, symbol="L", group="network", shown=True, description="hidden layers"),
    Axis("width", 64, low=1, symbol="n", unit="neurons", group="sizes", description="hidden width, fixed"),
    Axis("input_width", 8, low=2, symbol="d", unit="inputs", group="sizes", description="input width"),
    Axis(
        "samples",
        4,
        low=1,
        symbol="M",
        unit="samples",
        group="sizes",
        shown=True,
        description="training samples",
    ),
    Axis("outputs", 1, low=1, symbol="c", unit="outputs", group="sizes", description="outputs"),
    Axis("data_seed", 0, low=0, written={}, symbol="draw", description="which inputs and targets are drawn"),
)
_SAMPLED = SPACE.over(
    activation=tuple(ACTIVATIONS),
    depth=(1, 2),
    samples=(4, 6),
    outputs=(1, 2),
    time=(0.5, 1.0, 2.0),
    data_seed=tuple(range(8)),
)
# Quick runs keep to one shape: programs for another take seconds to compile.
_ONE_SHAPE = (("depth", 1), ("samples", 4), ("outputs", 1))
_SCALES, _MORE_SCALES = (4.0, 8.0, 16.0, 32.0, 64.0), (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
_TIMES, _MORE_TIMES = (4.0, 8.0, 16.0, 32.0), (4.0, 8.0, 12.0, 16.0, 24.0, 32.0)
ALPHA, TIME = Sweep("alpha"), Sweep("time")


def _effort(
    scenarios: int, seeds: int, points: tuple[float, ...] = (), more: tuple[float, ...] = ()
) -> Effort:
    """So many scenarios of one shape in a quick run, and more of all shapes in the others."""
    return Effort(
        quick=Measure(scenarios, seeds, points, looks=3, held=_ONE_SHAPE),
        standard=Measure(3 * scenarios, seeds, points, looks=4),
        thorough=Measure(8 * scenarios, 2 * seeds, more, looks=5),
    )


@trial(
    decides={
        "lazy_training.linearization": [RateDecider("gap_training", 1.0), RateDecider("gap_unseen", 1.0)],
        "lazy_training.kernel_change": [RateDecider("kernel_change", 1.0)],
        "lazy_training.parameters": [RateDecider("parameters_moved", 1.0)],
        "lazy_training.linearized_parameters": [RateDecider("parameters_beyond_linear", 2.0)],
        "lazy_training.first_order": [
            RateDecider("gap_beyond_first", 2.0),
            RateDecider("kernel_beyond_first", 2.0),
        ],
        "lazy_training.reach": [BoundDecider("reach", "reach_allowed", "at most")],
    },
    space=_SAMPLED.over(centring=("subtracted",)),
    sweep=ALPHA,
    effort=_effort(2, 32, _SCALES, _MORE_SCALES),
    memory=measurements.memory,
    seconds=measurements.seconds,
)
def scaled_flow(scenario: Any, keys: Array) -> Observation:
    """Distances from the linearization and from its first correction, outputs at the start subtracted."""
    trained = measurements.run(scenario, keys)
    return Observation(measurements.measured(trained), result=trained.fine.result)


@trial(
    decides={
        "lazy_training.two_copies": [
            RateDecider("gap_training", 2.0),
            RateDecider("gap_unseen", 2.0),
            RateDecider("kernel_change", 2.0),
        ]
    },
    space=_SAMPLED.over(centring=("antisymmetric",)),
    sweep=ALPHA,
    effort=_effort(1, 32, _SCALES, _MORE_SCALES),
    memory=measurements.memory,
    seconds=measurements.seconds,
)
def flow_of_two_copies(scenario: Any, keys: Array) -> Observation:
    """The same for two copies with opposite outputs."""
    trained = measurements.run(scenario, keys)
    return Observation(measurements.measured(trained), result=trained.fine.result)


@trial(
    decides={
        "lazy_training.uncentred": [RateDecider("gap_training", 1.0), RateDecider("gap_unseen", 1.0)],
        "lazy_training.uncentred_limit": [RateDecider("from_fitting_zero", 1.0)],
    },
    space=_SAMPLED.over(centring=("none",)),
    sweep=ALPHA,
    effort=_effort(1, 64, _SCALES, _MORE_SCALES),
    memory=measurements.memory,
    seconds=measurements.seconds,
)
def uncentred_flow(scenario: Any, keys: Array) -> Observation:
    """The same without a centred start, and the distance from the flow that fits zero."""
    trained = measurements.run(scenario, keys)
    values = measurements.measured(trained)
    values["from_fitting_zero"] = measurements.from_fitting_zero(trained)
    return Observation(values, result=trained.fine.result)


@trial(
    decides={"lazy_training.over_time": [RateDecider("last_gap_unseen", 1.0)]},
    space=_SAMPLED.over(centring=("subtracted",), alpha=(8.0,), time=(1.0,)),
    sweep=TIME,
    effort=_effort(1, 64, _TIMES, _MORE_TIMES),
    memory=measurements.memory,
    seconds=measurements.seconds,
)
def flow_over_time(scenario: Any, keys: Array) -> Observation:
    """The gap at the end of ever longer training at one alpha."""
    trained = measurements.run(scenario, keys)
    return Observation(measurements.measured(trained), result=trained.fine.result)


@trial(
    decides={
        "lazy_training.lasting_gap": [MedianDecider("off_lasting_gap", 0.1, "below")],
        "lazy_training.training_points": [MedianDecider("training_over_unseen", 0.01, "below")],
    },
    # Odd activations: their kernels of inputs in general position have no large constant part, so that all
    # modes relax within a few units of time.
    space=_SAMPLED.over(activation=("tanh", "erf"), centring=("subtracted",), alpha=(64.0,), time=(32.0,)),
    effort=_effort(1, 32),
    memory=measurements.memory,
    seconds=measurements.seconds,
    premises=(Premise("unrelaxed", 1e-3, "what is left of the slowest mode"),),
)
def long_flow(scenario: Any, keys: Array) -> Observation:
    """The gap after long training: at unseen points against its limit, and at training points."""
    trained = measurements.run(scenario, keys)
    return Observation(measurements.long_after(trained), result=trained.fine.result)
