"""How a computation ended: one enumeration for integrators, solvers and what is trained with them.

Members are integers, so that arrays of them (one entry per seed) pass through `jit`, `vmap` and files; 0 is
success.  `message` says in words what happened, `remedy` what to do about it.
"""

from __future__ import annotations

import enum

import diffrax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


class Result(enum.IntEnum):
    """Why a computation ended.

    >>> Result.max_steps_reached.message
    'all steps that were allowed were taken before the tolerance was met'
    """

    successful = 0
    max_steps_reached = 1
    dtmin_reached = 2
    not_finite = 3
    breakdown = 4

    @property
    def message(self) -> str:
        """What happened."""
        return _WORDS[self][0]

    @property
    def remedy(self) -> str:
        """What to do about it; empty for success."""
        return _WORDS[self][1]


_WORDS = {
    Result.successful: ("the tolerance was met", ""),
    Result.max_steps_reached: (
        "all steps that were allowed were taken before the tolerance was met",
        "allow more steps (max_steps), loosen the tolerance, or choose smaller strengths or times",
    ),
    Result.dtmin_reached: (
        "the tolerance asks for steps below the smallest one",
        "loosen the tolerance, lower dtmin, or compute in double precision",
    ),
    Result.not_finite: (
        "a number overflowed or is not a number",
        "choose smaller strengths or times, and look for inputs that are not finite",
    ),
    Result.breakdown: (
        "a system of equations inside a step could not be solved",
        "look for a kernel that is singular, or compute in double precision",
    ),
}


def of_integrator(result: diffrax.RESULTS) -> Int[Array, ""]:
    """The reason that diffrax gives, as an integer array of `Result`; any other failure is a breakdown."""
    known = (
        (diffrax.RESULTS.successful, Result.successful),
        (diffrax.RESULTS.max_steps_reached, Result.max_steps_reached),
        (diffrax.RESULTS.dt_min_reached, Result.dtmin_reached),
        (diffrax.RESULTS.nonfinite, Result.not_finite),
        (diffrax.RESULTS.nonfinite_input, Result.not_finite),
    )
    found = jnp.asarray(int(Result.breakdown))
    for theirs, ours in known:
        found = jnp.where(result == theirs, int(ours), found)
    return found


def first_failure(*results: Int[Array, "*seeds"]) -> Int[Array, "*seeds"]:
    """Entry by entry the first of `results` that is not successful, 0 where all are."""
    found = results[0]
    for other in results[1:]:
        found = jnp.where(found == 0, other, found)
    return found


def of_finite(finite: Bool[Array, "*seeds"]) -> Int[Array, "*seeds"]:
    """Success where all is finite, `Result.not_finite` elsewhere."""
    return jnp.where(finite, int(Result.successful), int(Result.not_finite))
