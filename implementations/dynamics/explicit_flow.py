"""The explicit integrator of flows of parameters and of inputs, steps controlled in the Euclidean norm."""

from __future__ import annotations

from typing import Any

import diffrax
from optimistix import two_norm

# Smooth flows need a handful of steps; an integration that needs more than these has lost its way.
_MAX_STEPS = 64


def explicit_flow(
    slope: Any,
    start: Any,
    t0: Any,
    t1: Any,
    dtmax: Any,
    tolerance: Any,
    dtmin: Any = None,
    max_steps: int = _MAX_STEPS,
) -> diffrax.Solution:
    """Integrate with Tsit5 from t0 to t1.

    Args:
      slope: of (t, state, None).
      start: the state at t0, one array.
      t0: where time starts.
      t1: where it ends.
      dtmax: the largest step, also the first, as a fraction of the whole.
      tolerance: of one step, absolute, in the Euclidean norm of what moves.
      dtmin: the smallest step, likewise a fraction, which is taken whatever its error; None for no such step.
      max_steps: after which it stops early.

    Returns:
      diffrax's solution, whose `result` says whether it ended.
    """
    controller = diffrax.PIDController(
        rtol=0.0,
        atol=tolerance,
        norm=two_norm,
        dtmin=None if dtmin is None else dtmin * (t1 - t0),
        dtmax=dtmax * (t1 - t0),
        force_dtmin=True,
    )
    return diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        diffrax.Tsit5(),
        t0=t0,
        t1=t1,
        dt0=dtmax * (t1 - t0),
        y0=start,
        stepsize_controller=controller,
        adjoint=diffrax.ForwardMode(),  # nothing is differentiated through the solution
        max_steps=max_steps,
        throw=False,
    )
