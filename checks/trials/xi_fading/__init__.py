"""Checks of the fading of Xi."""

from advntk.checks.trials.xi_fading.decay import fading, slowed_down, twice_the_same_input
from advntk.checks.trials.xi_fading.overfitting import (
    robustness_along_time,
    stopping_with_other_test_images,
    with_and_without_search,
)

__all__ = [
    "fading",
    "robustness_along_time",
    "slowed_down",
    "stopping_with_other_test_images",
    "twice_the_same_input",
    "with_and_without_search",
]
