"""Axes that theories of networks share, and the sweep over width.

`Space(advntk.axes.NETWORK, Axis("alpha", 8.0))` is a space of networks with one axis more.
"""

from advntk.checks.axes import DATA, DYNAMICS, NETWORK, WIDTH

__all__ = ["DATA", "DYNAMICS", "NETWORK", "WIDTH"]
