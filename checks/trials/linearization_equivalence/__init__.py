"""Checks of the linearization."""

from advntk.checks.trials.linearization_equivalence.flows import fixed_input_flow, joint_flow, kinked_flow

__all__ = ["fixed_input_flow", "joint_flow", "kinked_flow"]
