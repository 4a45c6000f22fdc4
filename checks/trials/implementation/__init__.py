"""Checks of what everything is built from."""

from advntk.checks.trials.implementation.activations import activations_by_definition
from advntk.checks.trials.implementation.attacks import iterates_by_hand, shares_of_the_worst_case
from advntk.checks.trials.implementation.auditing import planted_faults
from advntk.checks.trials.implementation.baselines import settings_chosen_on_validation, training_by_hand
from advntk.checks.trials.implementation.data import data_by_hand
from advntk.checks.trials.implementation.dynamics import dynamics_by_hand, units_of_strength_and_time
from advntk.checks.trials.implementation.forward import networks_by_hand
from advntk.checks.trials.implementation.initialization import law_of_initial_parameters
from advntk.checks.trials.implementation.kernels import (
    convolutional_limits,
    fully_connected_limits,
    residual_limits,
)

__all__ = [
    "activations_by_definition",
    "convolutional_limits",
    "data_by_hand",
    "dynamics_by_hand",
    "fully_connected_limits",
    "iterates_by_hand",
    "law_of_initial_parameters",
    "networks_by_hand",
    "planted_faults",
    "residual_limits",
    "settings_chosen_on_validation",
    "shares_of_the_worst_case",
    "training_by_hand",
    "units_of_strength_and_time",
]
