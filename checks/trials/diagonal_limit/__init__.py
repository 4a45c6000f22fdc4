"""Checks of the diagonal limit."""

from advntk.checks.trials.diagonal_limit.kernels import fixed_input, joint_limit

__all__ = ["fixed_input", "joint_limit"]
