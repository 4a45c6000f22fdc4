"""Adv-NTK: the problem, its training, and the contract that an implementation of one's own fulfils.

Example:
    >>> import advntk, jax, numpy
    >>> _ = advntk.configure()
    >>> kernel = advntk.kernels.kernel_of(advntk.networks.architecture("mlp", 2, "relu", 1.76, 0.18))
    >>> rng = numpy.random.default_rng(0)
    >>> x, labels = rng.uniform(-0.5, 0.5, (20, 8)).astype("float32"), rng.integers(0, 2, 20)
    >>> y = numpy.eye(2, dtype="float32")[labels] - 0.5
    >>> samples = advntk.adv_ntk.problem(kernel, x[:12], y[:12], x[12:], labels[12:])
    >>> settings = advntk.adv_ntk.Settings(radius=0.05, iterations=2, batch=8)
    >>> advntk.adv_ntk.fit(advntk.adv_ntk.Krylov(), samples, settings).result.name
    'successful'
"""

from advntk.implementations.adv_ntk.contract import (
    AsPublished,
    Implementation,
    KernelPredictor,
    Krylov,
    Reference,
    implementation,
)
from advntk.implementations.adv_ntk.files import load_model, save_model
from advntk.implementations.adv_ntk.problem import Problem, problem
from advntk.implementations.adv_ntk.settings import Settings
from advntk.implementations.adv_ntk.solution import Solution
from advntk.implementations.adv_ntk.training import Fitted, fit
from advntk.implementations.results import Result

__all__ = [
    "AsPublished",
    "Fitted",
    "Implementation",
    "KernelPredictor",
    "Krylov",
    "Problem",
    "Reference",
    "Result",
    "Settings",
    "Solution",
    "fit",
    "implementation",
    "load_model",
    "problem",
    "save_model",
]
