r"""Implementation: the program computes what it says, held against slow and transparent references."""

from __future__ import annotations

from advntk.theorems.vocabulary import Claim, Kind, Source, Theorem

_DEFINITIONS = Source(
    "definitions of this project", "theory and documentation of what is computed; references in plain NumPy"
)


THEOREM = Theorem(
    id="implementation",
    title="The program computes what it says",
    statement=(
        r"Networks, kernels, dynamics, attacks, baselines and data that everything else is measured with are "
        r"those of their definitions: each equals a slow reference that shares no code with it, to rounding."
    ),
    source=_DEFINITIONS,
    claims=(
        Claim(
            "implementation.activations",
            r"Every $\phi$ and $\phi'$ equals its definition, and the infinite layer's $\mathrm{E}[\phi(u)\phi(v)]$ "
            r"and $\mathrm{E}[\phi'(u)\phi'(v)]$ equal quadrature in polar coordinates, as do the derivatives of "
            r"the first by covariance and variances that Price's theorem gives, at all correlations in $[-1, 1]$",
            Kind.EXACT,
            _DEFINITIONS,
        ),
    ),
)
