"""The space of the theory of adversarially trained wide networks."""

from __future__ import annotations

from advntk.checks.axes import DATA, DYNAMICS, NETWORK
from advntk.checks.spaces import Space, Value

ADVERSARIAL_TRAINING = Space(NETWORK, DATA, DYNAMICS)

# The network that the paper trains on images, on the digits in full resolution.
PUBLISHED_DIGITS: dict[str, tuple[Value, ...]] = {
    "data": ("digits",),
    "depth": (5,),
    "activation": ("relu",),
    "sigma_w": (1.76,),
    "sigma_b": (0.18,),
    "input_growth": ("fixed",),
    "input_width": (64,),
    "outputs": (10,),
}
