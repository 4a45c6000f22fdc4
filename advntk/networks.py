"""Networks of any width: how they are described, drawn, and applied.

Example:
    >>> import advntk, jax
    >>> _ = advntk.configure()
    >>> arch = advntk.networks.architecture("mlp", 2, "erf", sigma_w=1.5)
    >>> parameters = advntk.networks.initialize(arch, jax.random.key(0), (16,), width=128, outputs=3)
    >>> advntk.networks.apply(arch, parameters, jax.numpy.ones(16)).shape
    (3,)
"""

from advntk.implementations.networks.activations import ACTIVATIONS, Activation
from advntk.implementations.networks.architecture import Architecture, architecture
from advntk.implementations.networks.finite import apply, forward_pass, initialize, initialize_seeds
from advntk.implementations.networks.protocol import Network
from advntk.implementations.networks.residual import Residual

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Architecture",
    "Network",
    "Residual",
    "apply",
    "architecture",
    "forward_pass",
    "initialize",
    "initialize_seeds",
]
