"""The space of the theory of adversarially trained wide networks."""

from __future__ import annotations

from advntk.checks.axes import DATA, DYNAMICS, NETWORK
from advntk.checks.spaces import Space

ADVERSARIAL_TRAINING = Space(NETWORK, DATA, DYNAMICS)
