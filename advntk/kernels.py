"""Kernels of networks: empirical NTK and ARK of finite ones, and their limits at infinite width.

Example:
    >>> import advntk, jax
    >>> _ = advntk.configure()
    >>> arch = advntk.networks.architecture("mlp", 2, "erf", sigma_w=1.5)
    >>> x = jax.random.normal(jax.random.key(0), (5, 16))
    >>> advntk.kernels.infinite_kernels(arch, x).ntk.shape
    (5, 5)
"""

from advntk.implementations.kernels.empirical import (
    EmpiricalKernels,
    empirical_kernels,
    input_jacobians,
    kernels_at_initialization,
)
from advntk.implementations.kernels.infinite import (
    InfiniteKernels,
    ark_product,
    ark_trace,
    infinite_kernels,
    input_gradient_covariance,
)
from advntk.implementations.kernels.ntk import Kernel, kernel_of

__all__ = [
    "EmpiricalKernels",
    "InfiniteKernels",
    "Kernel",
    "ark_product",
    "ark_trace",
    "empirical_kernels",
    "infinite_kernels",
    "input_gradient_covariance",
    "input_jacobians",
    "kernel_of",
    "kernels_at_initialization",
]
