"""Checks of what everything is built from."""

from advntk.checks.trials.implementation.activations import activations_by_definition

__all__ = ["activations_by_definition"]
