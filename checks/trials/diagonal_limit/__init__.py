"""Trials of the diagonal limit."""

from advntk.checks.trials.diagonal_limit.kernels import fixed_input, joint_limit
from advntk.checks.trials.diagonal_limit.values import fixed_input_values, image_kernel_values, kernel_values

__all__ = ["fixed_input", "fixed_input_values", "image_kernel_values", "joint_limit", "kernel_values"]
