"""Checks of the fading of Xi."""

from advntk.checks.trials.xi_fading.decay import (
    fading,
    robustness_along_time,
    slowed_down,
    twice_the_same_input,
)

__all__ = ["fading", "robustness_along_time", "slowed_down", "twice_the_same_input"]
