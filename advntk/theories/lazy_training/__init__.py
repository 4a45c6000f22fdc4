"""Lazy training of Chizat, Oyallon & Bach, by the public API alone.

`statement` has the theorem and its derivation, `trials` puts it to the test; the other modules compute.
"""

from .statement import THEOREM

__all__ = ["THEOREM"]
