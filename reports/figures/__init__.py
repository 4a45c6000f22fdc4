"""Figures, one module per kind; each takes rows of evidence and gives an SVG.

Matplotlib is first imported here, as it comes: a backend or a style that its user has chosen for other work
(MPLBACKEND, matplotlibrc) may not exist here, and must not change what is drawn.
"""

from __future__ import annotations

import os

_chosen = {name: os.environ.pop(name) for name in ("MPLBACKEND", "MATPLOTLIBRC") if name in os.environ}
try:
    import matplotlib as matplotlib
finally:
    os.environ.update(_chosen)
