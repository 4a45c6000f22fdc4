"""Attacks within a threat model, the worst case over several, and the audit of what they found.

Example:
    >>> import advntk, jax
    >>> _ = advntk.configure()
    >>> threat = advntk.attacks.ThreatModel("linf", 0.1, 0.0, 1.0)
    >>> x = jax.random.uniform(jax.random.key(0), (4, 8))
    >>> weights = jax.random.normal(jax.random.key(1), (8, 3))
    >>> labels = (x @ weights).argmax(1)
    >>> found = advntk.attacks.worst_case(lambda x: x @ weights, x, labels, threat, jax.random.key(2))
    >>> bool(abs(found.adversarial - x).max() <= 0.1 + 1e-12)
    True
"""

from advntk.implementations.attacks.apgd import apgd, auto_pgd, auto_pgd_targeted
from advntk.implementations.attacks.audit import Audit, audit, verify
from advntk.implementations.attacks.pgd import pgd, pgd_linf
from advntk.implementations.attacks.square import square
from advntk.implementations.attacks.threat import ThreatModel, project
from advntk.implementations.attacks.worst_case import Attack, WorstCase, worst_case

__all__ = [
    "Attack",
    "Audit",
    "ThreatModel",
    "WorstCase",
    "apgd",
    "audit",
    "auto_pgd",
    "auto_pgd_targeted",
    "pgd",
    "pgd_linf",
    "project",
    "square",
    "verify",
    "worst_case",
]
